//! What the account says of programs that encrypt in ways that no hook sees into: they are not called clean of what was
//! never read, and where that can not be told, a test says so as well.

use std::process::Command;

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{self, Counts, PYTHON, announced},
    process::{Running, output},
    rustls,
    scratch::Scratch,
    values,
    watch::Watch,
};

/// A program with rustls and ring inside and without symbols: there is nothing to find its functions by.
#[test]
fn a_tls_library_that_no_hook_knows_is_ciphertext_on_its_sockets_and_in_no_account_of_tls()
-> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let program = scratch.path("private-peer");
    output(
        "strip",
        &[
            "--strip-all".as_ref(),
            "-o".as_ref(),
            program.as_os_str(),
            rustls::build("release")?.as_os_str(),
        ],
    )?;
    let [port_file, ours, theirs] = ["port", "client.counts", "server.counts"].map(|name| scratch.path(name));
    let mut command = Command::new(&program);
    command
        .arg("server")
        .args([&port_file, &theirs])
        .arg(scratch.certificate()?);
    let mut server = Running::start(&mut command)?;
    let port = announced(&mut server, &port_file)?;
    let body = scratch.file("body", format!(r#"{{"card_number":"{}"}}"#, values::card()))?;
    let mut command = Command::new(&program);
    command
        .args(["client", &port])
        .args([&ours, &scratch.ready()])
        .arg("/v1/orders")
        .arg(&body)
        .arg("3");
    let client = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[client.pid(), server.pid()], &[])?;
    client.succeed()?;
    let plaintext = Counts::read(&ours)?.total() + Counts::read(&theirs)?.total();
    let report = watch.stop()?;
    report.balanced()?;
    let (socket, tls) = (report.account("socket"), report.account("tls"));
    println!("{plaintext} bytes of plaintext; socket: {socket:?}; tls: {tls:?}");
    let hooked = report.summary["attached"].as_array().context("no hooks")?;
    ensure!(
        hooked
            .iter()
            .all(|hook| !hook["path"].as_str().unwrap_or_default().contains("private-peer")),
        "{hooked:?}"
    );
    ensure!(report.bytes("tls", "moved") == 0, "{tls:?}");
    ensure!(report.findings.is_empty(), "{:?}", report.samples());
    // All that crossed is there, and none of it is called scanned.
    let [handshake, ciphertext] = ["handshake", "ciphertext"].map(|account| report.bytes("socket", account));
    ensure!(handshake > 0 && ciphertext > plaintext, "{socket:?}");
    ensure!(
        report.bytes("socket", "moved") == handshake + ciphertext,
        "{socket:?}"
    );
    Ok(())
}

/// Bytes that look like nothing are no proof that nothing was in them: they are scanned as they are, and that is what the
/// account says. It is told by the protocol, which is `text`: nobody knew another.
#[test]
fn an_encryption_of_its_own_that_looks_like_nothing_is_scanned_as_it_is_under_the_name_text()
-> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let counts = scratch.path("ciphered.counts");
    let body = format!(
        r#"{{"card_number":"{}","note":"{}"}}"#,
        values::card(),
        message::words(20_000)
    );
    let plain = scratch.file("plain", message::post_json("/v1/orders", &body))?;
    let mut command = Command::new(PYTHON);
    command
        .arg(peers::program("ciphered.py"))
        .args([scratch.ready(), counts.clone(), plain])
        .arg("4");
    let running = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[running.pid()], &[])?;
    running.succeed()?;
    let counted = Counts::read(&counts)?;
    let report = watch.stop()?;
    report.balanced()?;
    let account = report.account("socket");
    let protocols = &report.summary["protocols"];
    println!("{counted:?}: {account:?}, {protocols}");
    ensure!(report.bytes("socket", "moved") == counted.total(), "{account:?}");
    // Both ends are watched: what one sent and the other received is scanned once.
    let [scanned, duplicate] = ["scanned", "duplicate"].map(|name| report.bytes("socket", name));
    ensure!(
        scanned + duplicate == counted.total() && scanned >= counted.sent,
        "{account:?}"
    );
    ensure!(report.leaks("payment_card").is_empty(), "{:?}", report.samples());
    let spoken: Vec<_> = protocols
        .as_array()
        .into_iter()
        .flatten()
        .map(|tally| (tally["protocol"].as_str(), tally["bytes"].as_i64()))
        .collect();
    ensure!(spoken == [(Some("text"), Some(scanned))], "{protocols}");
    Ok(())
}
