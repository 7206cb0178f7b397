//! rustls in programs that kept their symbols: what they send and receive is reported, and every byte
//! is accounted, with fat link-time optimisation as well.

use std::{fs, process::Command};

use anyhow::{Context as _, bail, ensure};
use auditor_tests::{
    process::{LIMIT, Running, wait_for},
    rustls,
    scratch::Scratch,
    support::{Proof, prove},
    values,
    watch::Watch,
};
use serde_json::Value;

/// Bytes a peer says it sent and received.
fn counted(scratch: &Scratch, name: &str) -> anyhow::Result<i64> {
    let text = wait_for("the peer's counts", LIMIT, || {
        Ok(fs::read_to_string(scratch.path(name)).ok())
    })?;
    let counts: Value = serde_json::from_str(&text)?;
    let number = |name: &str| counts[name].as_i64().context("a count is missing");
    Ok(number("sent")? + number("received")?)
}

fn both_ends(profile: &str, form: &str, sending: &str) -> anyhow::Result<()> {
    let program = rustls::build(profile)?;
    let scratch = Scratch::new()?;
    let card = values::card();
    let port_file = scratch.path("port");
    let mut command = Command::new(&program);
    command
        .arg("server")
        .args([&port_file, &scratch.path("server.counts")])
        .arg(scratch.certificate()?);
    let mut server = Running::start(&mut command)?;
    let port = wait_for("the rustls server to listen", LIMIT, || {
        if let Some(status) = server.status()? {
            bail!("the rustls server ended with {status}");
        }
        Ok(fs::read_to_string(&port_file).ok())
    })?;
    let body = scratch.file("body", format!(r#"{{"card_number":"{card}"}}"#))?;
    let mut command = Command::new(&program);
    command
        .args(["client", &port])
        .args([&scratch.path("client.counts"), &scratch.ready()])
        .arg("/v1/orders")
        .arg(&body)
        .arg("3");
    let client = Running::start(&mut command)?;
    let (source, destination) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    client.succeed()?;
    let counted = counted(&scratch, "client.counts")? + counted(&scratch, "server.counts")?;
    let report = watch.stop()?;
    let name = format!("rustls 0.23 with ring, {form}");
    let proof = Proof {
        library: "rustls",
        program: &name,
        form,
        functions: &[
            sending,
            "CommonState::start_outgoing_traffic",
            "CommonState::take_received_plaintext",
        ],
        file: &format!("{profile}/rustls-peer"),
        counted: Some(counted),
        bound: true,
    };
    prove(&report, proof)?;
    let bindings = &report.summary["bindings"];
    ensure!(
        bindings["adjacent"] == 2 && bindings["unbound"] == 0 && bindings["conflicts"] == 0,
        "{bindings}"
    );
    let leaks = report.leaks("payment_card");
    for (end, pid) in [("source", source), ("destination", destination)] {
        let leak = leaks
            .iter()
            .find(|leak| leak[end]["process"]["pid"] == pid)
            .with_context(|| format!("no leak with {end} {pid}: {leaks:#?}"))?;
        ensure!(leak["sample"] == values::card_sample(&card), "{leak:#}");
        ensure!(leak["flow"]["captured_by"] == "rustls", "{leak:#}");
        ensure!(leak["flow"]["operation"] == "POST /v1/orders", "{leak:#}");
        ensure!(leak["location"]["field"] == "$.card_number", "{leak:#}");
    }
    Ok(())
}

#[test]
fn rustls_with_symbols_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends("release", "static", "CommonState::send_appdata_encrypt")
}

#[test]
fn rustls_with_fat_optimisation_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends("lto", "static, fat LTO", "CommonState::send_appdata_encrypt")
}

/// One of the names of its version says 0.22: the functions could be either's.
#[test]
fn a_program_with_two_versions_of_rustls_is_left_alone() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let original = rustls::build("release")?;
    let mut program = fs::read(&original)?;
    let version = b"/rustls-0.23.";
    let at = program
        .windows(version.len())
        .position(|window| window == version)
        .context("the program does not name its version")?;
    program[at..at + version.len()].copy_from_slice(b"/rustls-0.22.");
    let mixed = scratch.path("rustls-peer");
    // Its permissions as well.
    fs::copy(&original, &mixed)?;
    fs::write(&mixed, program)?;
    let mut command = Command::new(&mixed);
    command
        .arg("server")
        .args([scratch.path("port"), scratch.path("counts")])
        .arg(scratch.certificate()?);
    let mut server = Running::start(&mut command)?;
    wait_for("the rustls server to listen", LIMIT, || {
        ensure!(server.status()?.is_none(), "the rustls server ended");
        Ok(fs::read_to_string(scratch.path("port")).ok())
    })?;
    let report = Watch::pids(&scratch, &[server.pid()], &[])?.stop()?;
    let hooks = report.summary["attached"].as_array().context("no hooks")?;
    ensure!(
        !hooks.is_empty() && hooks.iter().all(|hook| hook["library"] != "rustls"),
        "{hooks:#?}"
    );
    Ok(())
}
