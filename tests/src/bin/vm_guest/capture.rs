//! auditor itself on this kernel: what it says about the machine, and a card on its way through TLS.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    Outcome,
    platform::{Certificate, LIMIT},
    program::{Running, run},
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
    fs::write("/tmp/server.py", include_str!("server.py"))?;
    fs::write("/tmp/client.py", client)?;
    let address: SocketAddr = "127.0.0.1:9443".parse()?;
    let _server = Running::server(
        Command::new("python3").args(["/tmp/server.py", "9443", &certificate.path]),
        address,
        LIMIT,
    )?;
    let watch = [
        "watch",
        "--format",
        "json",
        "--",
        "python3",
        "/tmp/client.py",
        "9443",
    ];
    let ended = run(Command::new("auditor").args(watch), CAPTURE)?;
    ensure!(
        ended.code == Some(0),
        "auditor watch ended with {:?}: {}",
        ended.code,
        ended.stderr
    );
    let lines = objects(&ended.stdout)?;
    let card = lines.iter().any(|line| {
        line["schema"] == "auditor.finding/v1"
            && line["detector"] == "payment_card"
            && line["state"] == "clear"
            && line["destination"]["address"] == "127.0.0.1:9443"
    });
    ensure!(
        card,
        "no payment_card was found with its peer: {} {}",
        ended.stdout,
        ended.stderr
    );
    let summary = lines
        .last()
        .filter(|line| line["schema"] == "auditor.summary/v1")
        .context("the last line is not the summary")?;
    balanced(summary, "socket")?;
    balanced(summary, "tls")?;
    let bindings = &summary["bindings"];
    ensure!(
        bindings[binding] == 1 && bindings["unbound"] == 0 && bindings["conflicts"] == 0,
        "not bound as {binding}: {bindings}"
    );
    Ok(summary.clone())
}

/// One ledger moved bytes and accounts for all of them.
fn balanced(summary: &Value, ledger: &str) -> anyhow::Result<()> {
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
