//! Policy, on real conversations: what is allowed, ignored and a violation, and a change while the daemon runs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};
use rustix::process::Signal;
use serde_json::Value;

/// A cluster policy of these rules.
fn policy(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("    - {rule}\n")).collect();
    format!(
        "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {{name: shop}}\nspec:\n  rules:\n{rules}"
    )
}

const CHARGE: &str = r#"{name: charge, data: {detectors: [payment_card]}, from: "exe=*python*", operations: ["POST /v1/charges*"], fields: ["$.card_number"], action: allow}"#;
const REFUND: &str =
    "{name: refund, data: {detectors: [iban]}, action: ignore, until: 2999-12-31, reason: moves to tokens}";
const PEOPLE: &str = r#"{name: people, data: {detectors: [us_ssn]}, severity: low, action: report}"#;
const OPEN: &str = r#"{name: open, data: {detectors: [payment_card]}, operations: ["POST /v1/open"], transport: {encrypted: everywhere}, action: allow}"#;

/// The exit code of `watch --fail-on-leak` on a client that sends these messages, and its findings.
fn watched(rules: &[&str], messages: &[Vec<u8>]) -> anyhow::Result<(i32, Vec<Value>)> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let client = Client::plain(&scratch, server.port, messages, &[])?;
    let file = scratch.file("policy.yaml", policy(rules))?.display().to_string();
    let watch = Watch::pids(&scratch, &[client.pid()], &["--policy", &file, "--fail-on-leak"])?;
    client.counts()?;
    let mut running = watch.into_running();
    running.signal(Signal::INT)?;
    let ended = running.end(LIMIT)?;
    let lines = ended.stdout.lines().map(serde_json::from_str);
    let mut findings: Vec<Value> = lines.collect::<Result<_, _>>().context("findings")?;
    findings.pop();
    let code = ended.status.code().context("auditor was killed")?;
    Ok((code, findings))
}

fn said(findings: &[Value], detector: &str) -> Vec<String> {
    let mut said: Vec<String> = findings
        .iter()
        .filter(|finding| finding["detector"] == detector && finding["state"] == "clear")
        .map(|finding| {
            let policy = &finding["policy"];
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            [
                &finding["kind"],
                &policy["verdict"],
                &policy["rule"],
                &policy["action"],
                &finding["severity"],
            ]
            .map(text)
            .join(" ")
        })
        .collect();
    said.sort();
    said.dedup();
    said
}

#[test]
fn what_a_rule_allows_is_allowed_and_the_rest_is_a_violation() -> anyhow::Result<()> {
    let card = format!(r#"{{"card_number":"{}"}}"#, values::card());
    let messages = [
        message::post_json("/v1/charges", &card),
        message::post_json("/v1/open", &card),
        message::post_json("/v1/refunds", &format!(r#"{{"iban":"{}"}}"#, values::iban())),
        message::post_json(
            "/v1/people",
            &format!(r#"{{"ssn":"{}"}}"#, values::social_security_number()),
        ),
        message::post_json("/v1/logs", &card),
    ];
    let (code, findings) = watched(&[CHARGE, REFUND, PEOPLE, OPEN], &messages)?;
    println!(
        "{:?} {:?} {:?}",
        said(&findings, "payment_card"),
        said(&findings, "iban"),
        said(&findings, "us_ssn")
    );
    ensure!(code == 1, "{code}");
    let cards = said(&findings, "payment_card");
    ensure!(cards.len() == 3, "{cards:?}");
    ensure!(cards[0].starts_with("leak allowed charge allow "), "{cards:?}");
    ensure!(cards[1].starts_with("leak violation - - "), "{cards:?}");
    ensure!(
        cards[2].starts_with("plaintext_transport violation open allow "),
        "{cards:?}"
    );
    ensure!(
        said(&findings, "iban")
            .iter()
            .all(|said| said.starts_with("leak allowed refund ignore "))
    );
    ensure!(!said(&findings, "iban").is_empty());
    ensure!(
        said(&findings, "us_ssn") == ["leak violation people report low"],
        "{:?}",
        said(&findings, "us_ssn")
    );
    let versions: Vec<&Value> = findings
        .iter()
        .filter(|finding| finding["state"] == "clear")
        .map(|finding| &finding["policy"]["version"])
        .collect();
    ensure!(
        versions
            .iter()
            .all(|version| version.is_string() && *version == versions[0]),
        "{versions:?}"
    );

    let (code, findings) = watched(&[CHARGE], &messages[..1])?;
    ensure!(
        said(&findings, "payment_card").len() == 1 && code == 0,
        "{code} {findings:#?}"
    );
    Ok(())
}

#[test]
fn a_change_of_a_policy_is_in_force_within_two_seconds() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let client = |name: &str| {
        let gate = scratch.path(&format!("{name}.go")).display().to_string();
        let order = message::post_json(
            &format!("/v1/{name}"),
            &format!(r#"{{"card_number":"{}"}}"#, values::card()),
        );
        Client::start(&scratch, name, server.port, &[order], &["--gate", &gate])
    };
    let clients = [client("before")?, client("after")?, client("refused")?];
    let file = scratch.file("policy.yaml", policy(&["{name: all, action: allow}"]))?;
    let pids = clients.each_ref().map(Client::pid);
    let files = file.display().to_string();
    let environment = [("AUDITOR_POLICY__FILES", files.as_str())];
    let daemon = Daemon::start(&scratch, &pids, &environment)?;
    let ready = |state: &str| -> anyhow::Result<Option<String>> {
        let page = daemon.page("/readyz")?;
        let body = page.split("\r\n\r\n").nth(1).context("a body")?;
        let body: Value = serde_json::from_str(body)?;
        let version = body["policy_version"].as_str().map(str::to_owned);
        Ok(version.filter(|_| body["policy"] == state))
    };
    let first = ready("loaded")?.context("a version")?;
    let [before, after, refused] = clients;
    let judged = |client: Client, name: &str| -> anyhow::Result<(String, String)> {
        std::fs::write(scratch.path(&format!("{name}.go")), "")?;
        client.counts()?;
        wait_for("a finding", LIMIT, || {
            for line in daemon.remembered()? {
                let finding: Value = serde_json::from_str(&line)?;
                if finding["flow"]["operation"] == format!("POST /v1/{name}") {
                    let text = |key: &str| finding["policy"][key].as_str().unwrap_or_default().to_owned();
                    return Ok(Some((text("version"), text("verdict"))));
                }
            }
            Ok(None)
        })
    };
    ensure!(judged(before, "before")? == (first.clone(), "allowed".to_owned()));

    let changed = Instant::now();
    std::fs::write(&file, policy(&["{name: all, action: report}"]))?;
    let second = wait_for("the change to be in force", LIMIT, || {
        Ok(ready("loaded")?.filter(|version| *version != first))
    })?;
    let took = changed.elapsed();
    println!("in force after {took:?}");
    ensure!(took < Duration::from_secs(2), "{took:?}");
    ensure!(judged(after, "after")? == (second.clone(), "violation".to_owned()));

    std::fs::write(&file, policy(&["{name: all, action: alow}"]))?;
    let stale = wait_for("the mistake to be seen", LIMIT, || ready("stale"))?;
    ensure!(stale == second, "the policies of before stay in force");
    ensure!(judged(refused, "refused")? == (second, "violation".to_owned()));
    let metrics = daemon.page("/metrics")?;
    ensure!(
        metrics.contains(r#"auditor_policy_loaded{policy="shop",source="file",state="stale"} 1"#),
        "{metrics}"
    );
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}
