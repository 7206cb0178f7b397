//! What is left out: connections that nobody wants to read, and those that send most when a ring is short of space.

use anyhow::ensure;
use auditor_tests::{
    message,
    peers::{Client, PYTHON, Server},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use rustix::process::Signal;

fn order(card: &str) -> Vec<u8> {
    message::post_json("/v1/orders", &format!(r#"{{"card_number":"{card}"}}"#))
}

/// How often an order is sent: for longer than the kernel side needs to be told, which is some milliseconds.
const ORDERS: u64 = 1000;

/// What comes of a client that sends the same order over and over on one connection.
fn orders(tls: bool, rule: impl Fn(u16) -> String) -> anyhow::Result<Report> {
    let scratch = Scratch::new()?;
    let server = if tls {
        Server::tls(&scratch)?
    } else {
        Server::plain(&scratch)?
    };
    let messages = [order(&values::card())];
    let times = ORDERS.to_string();
    let more = ["--repeat", times.as_str()];
    let client = if tls {
        Client::tls(&scratch, server.port, &messages, &more)?
    } else {
        Client::plain(&scratch, server.port, &messages, &more)?
    };
    let watch = Watch::pids(&scratch, &[client.pid()], &["--leave-out", &rule(server.port)])?;
    client.counts()?;
    let report = watch.stop()?;
    report.balanced()?;
    Ok(report)
}

#[test]
fn of_a_connection_that_is_left_out_every_byte_is_muted() -> anyhow::Result<()> {
    let python = std::fs::canonicalize(PYTHON)?.display().to_string();
    for tls in [false, true] {
        let ledger = if tls { "tls" } else { "socket" };
        let report = orders(tls, |port| format!("exe={python} peer_port={port}"))?;
        let account = report.account(ledger);
        println!("{ledger}: {account:?}");
        let (moved, muted) = (report.bytes(ledger, "moved"), report.bytes(ledger, "muted"));
        ensure!(moved > 0 && muted == moved, "{account:?}");
        ensure!(report.findings.is_empty(), "{:?}", report.samples());
        // Of another port all is read.
        let report = orders(tls, |port| format!("peer_port={}", port ^ 1))?;
        ensure!(report.bytes(ledger, "muted") == 0, "{:?}", report.account(ledger));
        ensure!(report.count("payment_card") == ORDERS, "{:?}", report.samples());
    }
    Ok(())
}

#[test]
fn the_kernel_side_copies_as_much_of_a_message_as_is_wanted_of_its_connection() -> anyhow::Result<()> {
    for tls in [false, true] {
        let ledger = if tls { "tls" } else { "socket" };
        let report = orders(tls, |port| format!("peer_port={port} first=16"))?;
        let account = report.account(ledger);
        println!("{ledger}: {account:?}");
        ensure!(report.bytes(ledger, "over_budget") > 0, "{account:?}");
        ensure!(report.count("payment_card") < ORDERS, "{account:?}");
    }
    Ok(())
}

#[test]
fn what_says_little_beside_a_flood_is_read_and_the_flood_left_out() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let [go, then] = ["go", "then"].map(|name| scratch.path(name));
    let early = scratch
        .file("early.http", message::get("/"))?
        .display()
        .to_string();
    let client = |name: &str, gate: &std::path::Path, message: Vec<u8>| {
        let opened = scratch.path(&format!("{name}.opened"));
        let more = [
            "--early",
            &early,
            "--opened",
            &opened.display().to_string(),
            "--write",
            "16384",
            "--gate",
            &gate.display().to_string(),
        ];
        let client = Client::start(&scratch, name, server.port, &[message], &more)?;
        wait_for("a connection", LIMIT, || Ok(opened.exists().then_some(())))?;
        Ok::<_, anyhow::Error>(client)
    };
    let flood = message::post_json(
        "/v1/notes",
        &format!(r#"{{"note":"{}"}}"#, message::words(2 << 20)),
    );
    // Several, so that there is one on each ring.
    let floods = ["flood-0", "flood-1", "flood-2", "flood-3"];
    let floods = floods
        .map(|name| client(name, &go, flood.clone()))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let quiet = ["quiet-0", "quiet-1", "quiet-2", "quiet-3"];
    let quiet = quiet
        .map(|name| client(name, &then, order(&values::card())))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let pids: Vec<u32> = floods.iter().chain(&quiet).map(Client::pid).collect();
    let mut watch = Watch::pids(&scratch, &pids, &["--ring-bytes", "65536"])?;
    // Nothing takes anything out of the rings meanwhile.
    watch.signal(Signal::STOP)?;
    std::fs::write(&go, "")?;
    for client in floods {
        client.counts()?;
    }
    std::fs::write(&then, "")?;
    for client in quiet {
        client.counts()?;
    }
    watch.signal(Signal::CONT)?;
    let report = watch.stop()?;
    report.balanced()?;
    let account = report.account("socket");
    println!("{account:?}");
    ensure!(report.count("payment_card") == 4, "{:?}", report.samples());
    ensure!(report.bytes("socket", "ring_full") > 7 << 20, "{account:?}");
    Ok(())
}
