//! Clients that post an order with a card through a TLS library of their own, and what is found of it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;

use crate::{
    message,
    peers::{Counts, Server, interpreter, program},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    support::{Proof, prove},
    values,
    watch::{Report, Watch},
};

/// The body of an order.
pub fn order(card: &str) -> String {
    format!(r#"{{"order":17,"customer":{{"card":{{"number":"{card}","expiry":"11/29"}}}}}}"#)
}

/// The one leak of a card that a client sent: by whom, to which port, through which library.
///
/// # Errors
/// When there is another number of leaks, or it is another one.
pub fn leaked(report: &Report, card: &str, pid: u32, library: &str, port: Option<u16>) -> anyhow::Result<()> {
    // Where a program talks to itself through memory, what it received is a leak of its own, from
    // nobody that could be told.
    let sent: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding["detector"] == "payment_card" && finding["kind"] == "leak")
        .filter(|finding| finding["source"]["process"]["pid"] == pid)
        .collect();
    ensure!(
        sent.len() == 1,
        "{} leaks of the card by {pid}: {:#?}",
        sent.len(),
        report.findings
    );
    let leak = sent[0];
    ensure!(leak["sample"] == values::card_sample(card), "{leak:#}");
    ensure!(leak["flow"]["captured_by"] == library, "{leak:#}");
    ensure!(leak["flow"]["operation"] == "POST /v1/orders", "{leak:#}");
    ensure!(leak["source"]["process"]["pid"] == pid, "{leak:#}");
    if let Some(port) = port {
        let address = leak["destination"]["address"].as_str().unwrap_or_default();
        ensure!(address.ends_with(&format!(":{port}")), "{leak:#}");
    }
    Ok(())
}

/// A client that has its library mapped posts the bytes of `request` to the server and counts them: watches it, and
/// checks that every byte and the card were seen. `start` gets the server's port, the request and a file for the counts.
///
/// # Errors
/// When something is not as the proof says.
pub fn posted(
    scratch: &Scratch,
    start: impl FnOnce(u16, PathBuf, PathBuf) -> anyhow::Result<Running>,
    proof: Proof<'_>,
) -> anyhow::Result<Report> {
    let server = Server::tls(scratch)?;
    let port = server.port;
    let card = values::card();
    let request = scratch.file("order.http", message::post_json("/v1/orders", &order(&card)))?;
    let counts = scratch.path("counts");
    let client = start(port, request, counts.clone())?;
    let pid = client.pid();
    let watch = Watch::pids(scratch, &[pid], &[])?;
    client.succeed()?;
    let report = watch.stop()?;
    let own = Counts::read(&counts)?;
    let theirs = server.counts()?;
    ensure!(
        own.sent == theirs.received && own.received == theirs.sent,
        "{own:?} {theirs:?}"
    );
    let counted = Some(own.total());
    prove(&report, Proof { counted, ..proof })?;
    leaked(&report, &card, pid, proof.library, proof.bound.then_some(port))?;
    Ok(report)
}

/// A client in Python (programs/), which is given `words`, the server's port, a gate and a file, posts what is in that: watches
/// it, and checks that every byte and the card were seen.
///
/// # Errors
/// When something is not as the proof says.
pub fn posted_by_python(script: &str, words: &[PathBuf], proof: Proof<'_>) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let port = server.port;
    let card = values::card();
    let body = scratch.file("order.json", order(&card))?;
    let rest = [PathBuf::from(port.to_string()), scratch.ready(), body];
    let client = python(&program(script), &[words, &rest].concat())?;
    let pid = client.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    client.succeed()?;
    let report = watch.stop()?;
    let counted = Some(server.counts()?.total());
    prove(&report, Proof { counted, ..proof })?;
    leaked(&report, &card, pid, proof.library, proof.bound.then_some(port))
}

/// Builds the client in C (programs/tls_client.c) for a library, and watches it post a card. `words`: what else the
/// compiler is told.
///
/// # Errors
/// When something is not as the proof says.
pub fn client_in_c(define: &str, words: &[&str], proof: Proof<'_>) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let client = scratch.path("client");
    let define = format!("-DWITH_{define}");
    let source = program("tls_client.c");
    let mut command = vec![OsStr::new("-D_GNU_SOURCE"), OsStr::new(&define), OsStr::new("-o")];
    command.extend([client.as_os_str(), source.as_os_str()]);
    command.extend(words.iter().map(OsStr::new));
    process::output("cc", &command)?;
    let start = |port: u16, request, counts| {
        let mut command = Command::new(&client);
        command.arg(port.to_string());
        command.args([scratch.ready(), request, counts]);
        let running = Running::start(&mut command)?;
        is_mapped(running.pid(), proof.file)?;
        Ok(running)
    };
    posted(&scratch, start, proof)?;
    Ok(())
}

/// A Python program with packages of its own, once it has said that its library is mapped.
///
/// # Errors
/// When it does not.
pub fn python(program: &Path, words: &[PathBuf]) -> anyhow::Result<Running> {
    let mut running = Running::start(Command::new(interpreter()?).arg(program).args(words))?;
    wait_for("the library to be mapped", LIMIT, || {
        if running.said(&["ready"]) {
            return Ok(Some(()));
        }
        let ended = running.status()?;
        ensure!(ended.is_none(), "{} ended with {ended:?}", program.display());
        Ok(None)
    })?;
    Ok(running)
}

/// Waits until a process has mapped a file with this in its path.
///
/// # Errors
/// When it does not.
pub fn is_mapped(pid: u32, file: &str) -> anyhow::Result<()> {
    wait_for(file, LIMIT, || {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        Ok(maps.lines().any(|line| line.contains(file)).then_some(()))
    })
}

/// The shared object in a folder whose name begins so.
///
/// # Errors
/// When there is none.
pub fn library(folder: &Path, prefix: &str) -> anyhow::Result<PathBuf> {
    let mut found = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && name.contains(".so")
    };
    let path = found.find(is_it);
    path.ok_or_else(|| anyhow::anyhow!("{prefix} is not in {}: run `cargo xtask setup`", folder.display()))
}

/// A copy of a shared object, stripped or not, in the test's folder.
///
/// # Errors
/// When it can not be made.
pub fn copied(scratch: &Scratch, library: &Path, is_stripped: bool) -> anyhow::Result<PathBuf> {
    let copy = scratch.path(&library.file_name().unwrap_or_default().to_string_lossy());
    if is_stripped {
        let words = [
            OsStr::new("--strip-all"),
            OsStr::new("-o"),
            copy.as_os_str(),
            library.as_os_str(),
        ];
        process::output("strip", &words)?;
    } else {
        fs::copy(library, &copy)?;
    }
    Ok(copy)
}
