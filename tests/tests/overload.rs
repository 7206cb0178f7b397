//! What the daemon leaves out when there is too much: what a ceiling on its CPU takes, and what comes first.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    load::Load,
    message,
    meter::Bytes,
    peers::{self, PYTHON, Server},
    process::{LIMIT, Running, wait_for},
    receivers::newest,
    scratch::Scratch,
    values,
    watch::is_valid,
};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn a_ceiling_on_cpu_is_kept_by_shedding_and_all_of_it_is_accounted() -> anyhow::Result<()> {
    const PERCENT: f64 = 10.0;
    let load = Load {
        tls: false,
        time: Duration::from_secs(20),
        connections: 32,
        environment: &[
            ("AUDITOR_LIMITS__CPU_PERCENT", "10"),
            // What is in the rings at the end is read under the ceiling, too.
            ("AUDITOR_CAPTURE__RING_BYTES", "1048576"),
        ],
    };
    let outcome = load.run()?;
    println!("{outcome}");
    outcome.judged()?;
    ensure!(outcome.cpu < 1.25 * PERCENT, "above the ceiling\n{outcome}");
    let rested = outcome.page.lines().find_map(|line| {
        line.strip_prefix("auditor_rested_seconds_total ")?
            .parse::<f64>()
            .ok()
    });
    ensure!(
        rested.is_some_and(|rested| rested > 1.0),
        "readers rested for {rested:?} s\n{outcome}"
    );
    ensure!(
        outcome.bytes.get("socket", "ring_full") > 0,
        "nothing was shed\n{outcome}"
    );
    let gap = gap(&outcome.findings)?;
    ensure!(gap["gap"]["cpu_ceiling"] == true, "{gap:#}");
    let exe = gap["source"]["process"]["exe"].as_str().unwrap_or_default();
    ensure!(exe.ends_with("nginx"), "{gap:#}");
    Ok(())
}

/// The newest that these findings say of bytes that were left out.
fn gap(findings: &[Value]) -> anyhow::Result<Value> {
    let gap = findings.iter().rfind(|finding| finding["kind"] == "coverage_gap");
    let gap = gap.context("no finding says that bytes were left out")?;
    is_valid(gap)?;
    ensure!(gap["gap"]["reason"] == "ring_full", "{gap:#}");
    ensure!(gap["gap"]["bytes"].as_u64() > Some(0), "{gap:#}");
    Ok(gap.clone())
}

/// A client that has sent a request on its connection and waits to send a message.
struct Waiting {
    running: Running,
    opened: PathBuf,
}

impl Waiting {
    fn start(
        scratch: &Scratch,
        python: &Path,
        name: &str,
        gate: &str,
        port: u16,
        length: usize,
    ) -> anyhow::Result<Self> {
        let path = |name: &str| scratch.path(name).display().to_string();
        let card = values::card();
        let body = format!(
            r#"{{"note":"{}","card_number":"{card}"}}"#,
            message::words(length)
        );
        let early = scratch
            .file("early.http", message::get("/"))?
            .display()
            .to_string();
        let opened = scratch.path(&format!("{name}.opened"));
        let (first, gate, told) = (path("first"), path(gate), opened.display().to_string());
        let more = [
            "--first-gate",
            &first,
            "--early",
            &early,
            "--opened",
            &told,
            "--gate",
            &gate,
            "--write",
            "16384",
        ];
        let messages = [message::post_json("/v1/orders", &body)];
        let words = peers::client_words(scratch, name, port, &messages, &more)?;
        let mut command = Command::new(python);
        command.args(&words[1..]).env("PYTHONHOME", "/usr");
        Ok(Self {
            running: Running::start(&mut command)?,
            opened,
        })
    }
}

/// Cards that were found of what a program sent; equal leaks are one finding.
fn found(findings: &[Value], program: &Path) -> anyhow::Result<u64> {
    let newest = newest(findings.iter().cloned().map(Ok))?;
    let exe = fs::canonicalize(program)?.display().to_string();
    let leaks = newest.values().filter(|finding| {
        finding["kind"] == "leak"
            && finding["detector"] == "payment_card"
            && finding["source"]["process"]["exe"] == exe.as_str()
    });
    Ok(leaks.filter_map(|leak| leak["count"].as_u64()).sum())
}

#[test]
fn what_a_rule_calls_critical_is_read_where_others_are_left_out() -> anyhow::Result<()> {
    const ROOM: &str = "1048576";
    const LENGTH: usize = 40_000;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let critical = scratch.path("till");
    fs::copy(PYTHON, &critical)?;
    fs::set_permissions(&critical, fs::Permissions::from_mode(0o755))?;
    let policy = format!(
        "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {{name: till}}\nspec:\n  rules:\n    \
         - {{name: till, from: \"exe={}\", severity: critical, action: report}}\n",
        critical.display()
    );
    let policy = scratch.file("till.yaml", policy)?.display().to_string();
    let group = |python: &Path, name: &str, gate: &str, count: usize, length: usize| {
        (0..count)
            .map(|number| {
                Waiting::start(
                    &scratch,
                    python,
                    &format!("{name}{number}"),
                    gate,
                    server.port,
                    length,
                )
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let floods = group(Path::new(PYTHON), "flood", "flood.go", 8, 2 << 20)?;
    let plain = group(Path::new(PYTHON), "plain", "go", 4, LENGTH)?;
    let tills = group(&critical, "till", "go", 2, LENGTH)?;
    let all = || floods.iter().chain(&plain).chain(&tills);
    let pids: Vec<u32> = all().map(|client| client.running.pid()).collect();
    let mut daemon = Daemon::start(
        &scratch,
        &pids,
        &[
            ("AUDITOR_POLICY__FILES", &format!("[{policy}]")),
            ("AUDITOR_CAPTURE__RING_BYTES", ROOM),
            ("AUDITOR_CAPTURE__MAX_MESSAGE_BYTES", "0"),
            ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
        ],
    )?;
    fs::write(scratch.path("first"), "")?;
    wait_for("connections", LIMIT, || {
        Ok(all().all(|client| client.opened.exists()).then_some(()))
    })?;
    wait_for("critical connections to be told of", LIMIT, || {
        let told = daemon.metric("auditor_critical_connections_total")?;
        Ok((told == tills.len() as f64).then_some(()))
    })?;
    let (of_plain, of_tills) = (plain.len() as u64, tills.len() as u64);
    // Nothing takes anything out of the rings meanwhile.
    daemon.signal(Signal::STOP)?;
    fs::write(scratch.path("flood.go"), "")?;
    for client in floods {
        client.running.succeed()?;
    }
    fs::write(scratch.path("go"), "")?;
    for client in plain.into_iter().chain(tills) {
        client.running.succeed()?;
    }
    daemon.signal(Signal::CONT)?;
    daemon.balanced()?;
    let bytes = Bytes::read(&daemon.page("/metrics")?)?;
    let mut findings = Vec::new();
    let all_found = wait_for("the cards of the critical ones", LIMIT, || {
        findings = daemon
            .remembered()?
            .iter()
            .map(|line| serde_json::from_str(line))
            .collect::<Result<Vec<Value>, _>>()?;
        Ok((found(&findings, &critical)? == of_tills).then_some(()))
    });
    let (read, others) = (found(&findings, &critical)?, found(&findings, Path::new(PYTHON))?);
    let said = format!(
        "{read} of {of_tills} critical cards, {others} of {of_plain} others\n{}",
        bytes.table()
    );
    println!("{said}");
    all_found.with_context(|| said.clone())?;
    ensure!(others < of_plain, "there was room for all: {said}");
    ensure!(bytes.get("socket", "ring_full") > 0, "{}", bytes.table());
    let gap = gap(&findings)?;
    ensure!(gap["gap"]["cpu_ceiling"] == false, "{gap:#}");
    Ok(())
}
