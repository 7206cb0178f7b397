//! rustls in programs that kept their symbols, with fat link-time optimisation as well, and in stripped ones that encrypt
//! with AWS-LC: what they send and receive is reported, and every byte is accounted.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use auditor::capture::{
    elf::Elf,
    tls::{self, Probe},
};
use auditor_tests::{
    posting::copied,
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

/// A peer, and what is hooked in it.
struct Peer<'a> {
    program: PathBuf,
    name: &'a str,
    form: &'a str,
    functions: &'a [&'a str],
    /// What the path of the program has in it.
    file: &'a str,
    /// The client's first word.
    client: &'a str,
    /// Streams that are bound, of both ends.
    bindings: u64,
}

impl Peer<'_> {
    fn is_captured_at_both_ends(&self, scratch: &Scratch) -> anyhow::Result<()> {
        let card = values::card();
        let port_file = scratch.path("port");
        let mut command = Command::new(&self.program);
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
        let mut command = Command::new(&self.program);
        command
            .args([self.client, &port])
            .args([&scratch.path("client.counts"), &scratch.ready()])
            .arg("/v1/orders")
            .arg(&body)
            .arg("3");
        let client = Running::start(&mut command)?;
        let (source, destination) = (client.pid(), server.pid());
        let watch = Watch::pids(scratch, &[source, destination], &[])?;
        client.succeed()?;
        let counted = counted(scratch, "client.counts")? + counted(scratch, "server.counts")?;
        let report = watch.stop()?;
        let proof = Proof {
            library: "rustls",
            program: self.name,
            form: self.form,
            functions: self.functions,
            file: self.file,
            counted: Some(counted),
            bound: true,
        };
        prove(&report, proof)?;
        let bindings = &report.summary["bindings"];
        ensure!(
            bindings["adjacent"] == self.bindings && bindings["unbound"] == 0 && bindings["conflicts"] == 0,
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
            let address = leak["destination"]["address"].as_str().unwrap_or_default();
            ensure!(address.ends_with(&format!(":{port}")), "{leak:#}");
        }
        Ok(())
    }
}

fn both_ends(profile: &str, form: &str, sending: &str) -> anyhow::Result<()> {
    Peer {
        program: rustls::build(profile)?,
        name: &format!("rustls 0.23 with ring, {form}"),
        form,
        functions: &[
            sending,
            "CommonState::start_outgoing_traffic",
            "CommonState::take_received_plaintext",
        ],
        file: &format!("{profile}/rustls-peer"),
        client: "client",
        bindings: 2,
    }
    .is_captured_at_both_ends(&Scratch::new()?)
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

fn stripped(client: &str, version: &str, bindings: u64) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    Peer {
        program: copied(&scratch, &rustls::build_with_aws_lc()?, true)?,
        name: &format!("rustls 0.23 with AWS-LC, {version}, static, stripped"),
        form: "static, stripped",
        functions: &rustls::AEAD,
        file: "/rustls-peer",
        client,
        bindings,
    }
    .is_captured_at_both_ends(&scratch)
}

#[test]
fn rustls_without_symbols_is_captured_at_both_ends() -> anyhow::Result<()> {
    stripped("client", "TLS 1.3", 2)
}

#[test]
fn rustls_without_symbols_is_captured_at_both_ends_of_tls_1_2() -> anyhow::Result<()> {
    stripped("client-1.2", "TLS 1.2", 2)
}

/// Addresses of the functions whose symbols end so.
fn named(program: &Path, names: &[&str]) -> anyhow::Result<HashMap<String, u64>> {
    let listed = Command::new("nm").arg(program).output()?;
    ensure!(listed.status.success(), "nm can not read {}", program.display());
    let mut found = HashMap::new();
    for line in String::from_utf8(listed.stdout)?.lines() {
        let mut words = line.split_whitespace();
        let (Some(address), Some(_), Some(symbol)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        // Every version of the library has a prefix of its own.
        if let Some(name) = names.iter().find(|name| symbol.ends_with(&format!("_{name}"))) {
            found.insert((*name).to_owned(), u64::from_str_radix(address, 16)?);
        }
    }
    Ok(found)
}

#[test]
fn without_its_symbols_rustls_shows_the_functions_of_aws_lc_that_its_symbols_name() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let program = rustls::build_with_aws_lc()?;
    let with_symbols = tls::find(&Elf::open(&program)?)?;
    ensure!(
        !with_symbols.is_empty()
            && with_symbols
                .iter()
                .all(|target| !matches!(target.probe, Probe::Aead(_))),
        "what knows connections goes before what knows records: {with_symbols:?}"
    );
    let copy = Elf::open(&copied(&scratch, &program, true)?)?;
    let found = tls::find(&copy)?;
    let functions: Vec<&str> = found.iter().map(|target| target.function.as_str()).collect();
    ensure!(functions == rustls::AEAD, "{found:?}");
    let named = named(&program, &rustls::AEAD)?;
    for target in &found {
        let address = named.get(&target.function).context("no such symbol")?;
        ensure!(
            copy.file_offset(*address)? == Some(target.file_offset),
            "{target:?} is not at {address:#x}"
        );
        ensure!(target.point.emulated, "{target:?}");
    }
    Ok(())
}
