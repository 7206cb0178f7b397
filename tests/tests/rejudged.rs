//! A finding whose end gets its name late is judged anew, and what was counted moves with it.

use std::{fs, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{self, Client},
    pods::{Containerd, Pod},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::Value;

const POLICY: &str = r#"apiVersion: auditor.dev/v1alpha1
kind: ClusterDataFlowPolicy
metadata: {name: cards}
spec:
  rules:
    - {name: into-the-shop, data: {detectors: [payment_card]}, to: namespace=shop, action: allow}
"#;

fn coverage(daemon: &Daemon) -> anyhow::Result<Value> {
    let mut command = Command::new(process::auditor()?);
    command.args(["coverage", "--format", "json"]).arg(&daemon.socket);
    Ok(serde_json::from_str(
        &Running::start(&mut command)?.succeed()?.stdout,
    )?)
}

#[test]
fn a_name_that_comes_late_turns_the_verdict_and_moves_what_was_counted() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut containerd = Containerd::start(&scratch)?;
    let port = scratch.path("pod.port");
    let answers = scratch.path("answers");
    fs::create_dir_all(&answers)?;
    let (program, counts) = (peers::program("server.py"), scratch.path("pod.counts"));
    let mut command = vec![peers::PYTHON.to_owned()];
    command.extend([&program, &port, &counts, &answers].map(|path| path.display().to_string()));
    let pod = Pod {
        namespace: "shop",
        name: "checkout-1",
        uid: "5e7e7000-0000-4000-8000-00000000001d",
        container: "app",
        labels: &[],
        command,
    };
    let server = containerd.run(&scratch, &pod)?;
    let port = wait_for("the server to listen", LIMIT, || {
        Ok(fs::read_to_string(&port).ok())
    })?;
    let order = message::post_json(
        "/v1/orders",
        &format!(r#"{{"card":{{"number":"{}"}}}}"#, values::card()),
    );
    let client = Client::plain(&scratch, port.trim().parse()?, &[order], &[])?;
    let later = scratch.path("later.sock");
    let policy = scratch.file("cards.yaml", POLICY)?.display().to_string();
    let socket = format!("cri:{}", later.display());
    let environment = [
        ("AUDITOR_POLICY__FILES", policy.as_str()),
        ("AUDITOR_IDENTITY__SOCKETS", socket.as_str()),
        ("AUDITOR_DETECT__STATES", "clear"),
    ];
    let daemon = Daemon::start(&scratch, &[client.pid(), server.pid], &environment)?;
    fs::write(scratch.ready(), "")?;
    client.counts()?;
    let findings = || -> anyhow::Result<Vec<Value>> {
        let lines = daemon.remembered()?;
        Ok(lines
            .iter()
            .map(|line| serde_json::from_str(line))
            .collect::<Result<_, _>>()?)
    };
    let of_kind =
        |kind: &'static str| move |all: Vec<Value>| all.into_iter().find(|finding| finding["kind"] == kind);
    let first = wait_for("the finding", LIMIT, || Ok(of_kind("leak")(findings()?)))?;
    ensure!(first["policy"]["verdict"] == "violation", "{first:#}");
    let before = coverage(&daemon)?;
    ensure!(before["total"]["clear"] == 1, "{before:#}");
    ensure!(before["fields"][0]["verdict"] == "violation", "{before:#}");

    std::os::unix::fs::symlink(&containerd.socket, &later)?;
    let update = wait_for("the update", LIMIT, || Ok(of_kind("update")(findings()?)))?;
    ensure!(
        update["id"] == first["id"] && update["revision"] == 2,
        "{update:#}"
    );
    ensure!(update["policy"]["verdict"] == "allowed", "{update:#}");
    ensure!(update["before"]["verdict"] == "violation", "{update:#}");
    ensure!(
        update["after"]["verdict"] == "allowed" && update["after"]["rule"] == "cards/into-the-shop",
        "{update:#}"
    );
    let after = wait_for("the ledger to follow", LIMIT, || {
        let json = coverage(&daemon)?;
        Ok((json["fields"][0]["verdict"] == "allowed").then_some(json))
    })?;
    let fields = after["fields"].as_array().context("fields")?;
    ensure!(fields.len() == 1 && after["total"]["clear"] == 1, "{after:#}");
    ensure!(fields[0].to_string().contains("checkout-1"), "{after:#}");
    let metrics = daemon.page("/metrics")?;
    ensure!(
        metrics.contains(r#"auditor_verdicts_corrected_total{after="allowed",before="violation"} 1"#),
        "{metrics}"
    );
    let allowed = metrics.lines().find(|line| {
        line.starts_with("auditor_leaks_total{")
            && line.contains("verdict=\"allowed\"")
            && line.contains("checkout-1")
    });
    ensure!(allowed.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    daemon.stop()?;
    Ok(())
}
