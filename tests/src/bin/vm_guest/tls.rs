//! TLS libraries that are no shared ones: Go's own, and rustls.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{
    Outcome,
    capture::{balanced, finds_a_card},
    platform::{Certificate, LIMIT},
    program::Running,
};

const PORT: &str = "/tmp/peer.port";
const BODY: &str = "/tmp/peer.body";
/// Made by auditor once its probes are attached; the clients wait for it.
const READY: &str = "/tmp/peer.ready";

pub(crate) fn go() -> Outcome {
    capture(
        "go-peer",
        &["server", PORT, "/tmp/server.counts", "/tmp"],
        |port| {
            let client = [
                "client",
                port,
                "/tmp/client.counts",
                "-",
                "1",
                "POST",
                "/v1/orders",
                BODY,
            ];
            client.map(str::to_owned).to_vec()
        },
    )
}

pub(crate) fn rustls() -> Outcome {
    capture("rustls-peer", &["server", PORT, "/tmp/server.counts"], |port| {
        let client = [
            "client",
            port,
            "/tmp/client.counts",
            BODY,
            "/v1/orders",
            BODY,
            "1",
        ];
        client.map(str::to_owned).to_vec()
    })
}

fn capture(program: &str, server: &[&str], client: impl FnOnce(&str) -> Vec<String>) -> Outcome {
    let certificate = Certificate::make()?;
    // In parts, so that no file holds it; it passes the Luhn check and is no published test number.
    fs::write(
        BODY,
        format!(r#"{{"card_number":"{}{}"}}"#, "54479158", "20360245"),
    )?;
    for left in [PORT, READY] {
        // What an earlier scenario left.
        let _ = fs::remove_file(left);
    }
    let _server = Running::start(Command::new(program).args(server).arg(&certificate.path))?;
    let deadline = Instant::now() + LIMIT;
    while !Path::new(PORT).exists() {
        ensure!(Instant::now() < deadline, "{program} does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    let port = fs::read_to_string(PORT)?;
    let words = client(port.trim());
    let command: Vec<&str> = std::iter::once(program)
        .chain(words.iter().map(String::as_str))
        .collect();
    let summary = finds_a_card(&[], &command)?.summary;
    balanced(&summary, "tls")?;
    Ok(format!("account {}", summary["account"]["tls"]))
}
