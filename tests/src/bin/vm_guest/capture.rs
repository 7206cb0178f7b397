//! auditor itself on this kernel: what it says about the machine, and a card on its way through TLS.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    Outcome, Skip,
    platform::{Certificate, LIMIT},
    program::{Ended, Running, run},
};

/// A whole capture, emulated: loading the programs takes most of it.
const CAPTURE: Duration = Duration::from_secs(150);

pub(crate) fn doctor_reports() -> Outcome {
    let ended = run(
        Command::new("auditor")
            .args(["doctor", "--format", "json"])
            .env("RUST_LOG", "auditor=debug"),
        CAPTURE,
    )?;
    ensure!(
        ended.code == Some(0),
        "auditor doctor ended with {:?}: {} {}",
        ended.code,
        ended.stdout,
        ended.stderr
    );
    let report = ended.stdout;
    let lines = objects(&report)?;
    ensure!(!lines.is_empty(), "auditor doctor printed nothing");
    Ok(report)
}

/// Every program is offered to this kernel's verifier; which of them load is for the host to judge.
pub(crate) fn programs_load() -> Outcome {
    let ended = run(
        Command::new("auditor").args(["doctor", "--programs", "--format", "json"]),
        CAPTURE,
    )?;
    let report: Value = serde_json::from_str(&ended.stdout)
        .with_context(|| format!("no JSON: {} {}", ended.stdout, ended.stderr))?;
    ensure!(
        report["programs"].as_array().is_some_and(|all| !all.is_empty()),
        "nothing is said of programs: {report}"
    );
    Ok(serde_json::json!({"programs": report["programs"]}).to_string())
}

pub(crate) fn finds_a_card_in_python_tls() -> Outcome {
    let summary = finds_a_card_of(include_str!("client.py"), "nested")?;
    Ok(format!("account {}", summary["account"]))
}

/// The library works on memory, so nothing nests.
pub(crate) fn names_the_peer_of_tls_in_memory() -> Outcome {
    let summary = finds_a_card_of(include_str!("memory_client.py"), "adjacent")?;
    Ok(format!("bindings {}", summary["bindings"]))
}

/// Watches a client of a Python server post a card; its stream was bound in this way.
fn finds_a_card_of(client: &str, binding: &str) -> anyhow::Result<Value> {
    let certificate = Certificate::make()?;
    let _server = python_server("9443", &[&certificate.path])?;
    fs::write("/tmp/client.py", client)?;
    let Captured { finding, summary, .. } = finds_a_card(&[], &["python3", "/tmp/client.py", "9443"])?;
    ensure!(
        finding["destination"]["address"] == "127.0.0.1:9443",
        "another peer than the server: {finding}"
    );
    balanced(&summary, "socket")?;
    balanced(&summary, "tls")?;
    let bindings = &summary["bindings"];
    ensure!(
        bindings[binding] == 1 && bindings["unbound"] == 0 && bindings["conflicts"] == 0,
        "not bound as {binding}: {bindings}"
    );
    Ok(summary)
}

/// The HTTP server of server.py, with TLS when it gets a certificate; client.py is written beside it.
pub(crate) fn python_server(port: &str, certificate: &[&str]) -> anyhow::Result<Running> {
    fs::write("/tmp/server.py", include_str!("server.py"))?;
    fs::write("/tmp/client.py", include_str!("client.py"))?;
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    Running::server(
        Command::new("python3")
            .args(["/tmp/server.py", port])
            .args(certificate),
        address,
        LIMIT,
    )
}

/// What `auditor watch` printed of the leak of a card, and at its end.
pub(crate) struct Captured {
    pub(crate) finding: Value,
    /// All of the card, in the clear; the first is `finding`.
    pub(crate) findings: Vec<Value>,
    pub(crate) summary: Value,
}

/// Watches a command (or what the options name) that has to leak a card.
pub(crate) fn finds_a_card(options: &[&str], command: &[&str]) -> anyhow::Result<Captured> {
    let ended = watch(options, command)?;
    captured(&ended.stdout).with_context(|| ended.stderr)
}

/// The same for bytes that the programs for older kernels do not read. With those there is no finding and the account
/// balances, and the scenario is skipped.
pub(crate) fn finds_a_card_unless_reduced(options: &[&str], command: &[&str]) -> anyhow::Result<Captured> {
    let ended = watch(options, command)?;
    if !ended.stderr.contains("the kernel programs are the reduced ones") {
        return captured(&ended.stdout).with_context(|| ended.stderr);
    }
    let lines = objects(&ended.stdout)?;
    let summary = lines.last().context("auditor watch printed nothing")?;
    ensure!(
        summary["account"]["socket"]["difference"] == 0,
        "the reduced programs' account does not balance: {summary}"
    );
    // What the io_uring client sends by ordinary calls is read as ever.
    let by_other_means = |line: &Value| {
        line["flow"]["operation"]
            .as_str()
            .is_some_and(|operation| operation.ends_with("/beside_calls"))
    };
    ensure!(
        lines
            .iter()
            .all(|line| line["detector"] != "payment_card" || by_other_means(line)),
        "the reduced programs read it, and the table says that they do not: {}",
        ended.stdout
    );
    Err(Skip("the reduced programs do not read it; the account balances".to_owned()).into())
}

fn watch(options: &[&str], command: &[&str]) -> anyhow::Result<Ended> {
    let mut watch = Command::new("auditor");
    watch.args(["watch", "--format", "json"]).args(options);
    if !command.is_empty() {
        watch.arg("--").args(command);
    }
    let ended = run(&mut watch, CAPTURE)?;
    if ended.code == Some(2) && ended.stderr.contains("no socket hook loads") {
        return Err(Skip(ended.stderr.replace("Error:", "").trim().to_owned()).into());
    }
    ensure!(
        ended.code == Some(0),
        "auditor watch ended with {:?}: {}",
        ended.code,
        ended.stderr
    );
    Ok(ended)
}

/// What `auditor watch` has written.
pub(crate) fn captured(text: &str) -> anyhow::Result<Captured> {
    let mut lines = objects(text)?;
    let findings: Vec<Value> = lines
        .iter()
        .filter(|line| {
            line["schema"] == "auditor.finding/v1"
                && line["detector"] == "payment_card"
                && line["state"] == "clear"
        })
        .cloned()
        .collect();
    let finding = findings
        .first()
        .cloned()
        .with_context(|| format!("no payment_card was found: {text}"))?;
    let summary = lines
        .pop()
        .filter(|line| line["schema"] == "auditor.summary/v1")
        .context("the last line is not the summary")?;
    Ok(Captured {
        finding,
        findings,
        summary,
    })
}

/// One ledger moved bytes and accounts for all of them.
pub(crate) fn balanced(summary: &Value, ledger: &str) -> anyhow::Result<()> {
    let account = &summary["account"][ledger];
    ensure!(
        account["moved"].as_u64() > Some(0),
        "the {ledger} account moved nothing: {account}"
    );
    ensure!(
        account["difference"] == 0,
        "the {ledger} account does not balance: {account}"
    );
    Ok(())
}

/// JSON objects one after the other, however they are laid out.
fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .with_context(|| format!("not JSON: {text}"))
}
