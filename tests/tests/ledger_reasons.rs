//! Every reason for which bytes are not scanned and that can be forced is forced, and the account balances all the same.

use std::process::Command;

use anyhow::ensure;
use auditor_tests::{
    message,
    peers::{self, Client, Server},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use rustix::process::Signal;

/// This account of this ledger is not empty, and both ledgers balance.
fn forced(report: &Report, ledger: &str, accounts: &[&str]) -> anyhow::Result<()> {
    report.balanced()?;
    let found = report.account(ledger);
    println!("{ledger}: {found:?}");
    for account in accounts {
        ensure!(
            report.bytes(ledger, account) > 0,
            "no bytes in {account}: {found:?}"
        );
    }
    Ok(())
}

/// An account, and the headers and body that force it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>);

/// What a client that is watched gets for these messages over plain TCP.
fn plain(scratch: &Scratch, messages: &[Vec<u8>], watch: &[&str]) -> anyhow::Result<Report> {
    let server = Server::plain(scratch)?;
    let client = Client::plain(scratch, server.port, messages, &[])?;
    let watch = Watch::pids(scratch, &[client.pid(), server.pid()], watch)?;
    client.counts()?;
    watch.stop()
}

#[test]
fn a_ring_that_nobody_reads_fills_and_leaves_a_gap() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let body = format!(r#"{{"note":"{}"}}"#, message::words(8 << 20));
        let opening = message::post_json("/v1/orders", &body);
        let card = values::card();
        let after = message::post_json("/v1/after", &format!(r#"{{"card_number":"{card}"}}"#));
        // The first part of a message is read, the middle lost, and what follows has to be found again.
        let early = scratch
            .file("early.http", message::get("/"))?
            .display()
            .to_string();
        let opened = scratch.path("opened");
        let opened_text = opened.display().to_string();
        let go = scratch.path("go");
        let more = [
            "--early",
            &early,
            "--opened",
            &opened_text,
            "--write",
            "65536",
            "--gate",
            &go.display().to_string(),
        ]
        .map(str::to_owned);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let messages = [opening.clone(), opening, after];
        let client = if tls {
            Client::tls(&scratch, server.port, &messages, &more)?
        } else {
            Client::plain(&scratch, server.port, &messages, &more)?
        };
        wait_for("the connection", LIMIT, || Ok(opened.exists().then_some(())))?;
        let mut watch = Watch::pids(&scratch, &[client.pid()], &["--ring-bytes", "65536"])?;
        watch.signal(Signal::STOP)?;
        std::fs::write(&go, "")?;
        let sent = client.counts()?;
        watch.signal(Signal::CONT)?;
        let report = watch.stop()?;
        let ledger = if tls { "tls" } else { "socket" };
        forced(&report, ledger, &["ring_full"])?;
        let moved = report.bytes(ledger, "moved");
        ensure!(
            moved < sent.total() && moved > 16 << 20,
            "moved {moved} of {sent:?}"
        );
    }
    Ok(())
}

#[test]
fn what_follows_a_loss_inside_a_compressed_body_is_a_gap() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    // Of each write only the first 4 KiB are copied, and gzip cannot be read on after a hole.
    let body = message::gzip(&scratch, values::letters(1 << 20).as_bytes())?;
    let headers = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
    let server = Server::plain(&scratch)?;
    let messages = [message::post_with("/v1/orders", &headers, body)];
    let client = Client::plain(&scratch, server.port, &messages, &["--write", "100000"])?;
    let watch = Watch::pids(&scratch, &[client.pid()], &["--max-call-bytes", "4096"])?;
    client.counts()?;
    forced(&watch.stop()?, "socket", &["over_budget", "gap"])
}

#[test]
fn what_one_call_moves_over_the_limit_is_over_budget() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let body = format!(r#"{{"note":"{}"}}"#, message::words(1 << 20));
        let messages = [message::post_json("/v1/orders", &body)];
        let client = if tls {
            Client::tls(&scratch, server.port, &messages, &[])?
        } else {
            Client::plain(&scratch, server.port, &messages, &[])?
        };
        let watch = Watch::pids(&scratch, &[client.pid()], &["--max-call-bytes", "4096"])?;
        client.counts()?;
        let report = watch.stop()?;
        let ledger = if tls { "tls" } else { "socket" };
        forced(&report, ledger, &["over_budget", "scanned"])?;
        ensure!(
            report.bytes(ledger, "over_budget") > 1_000_000,
            "{:?}",
            report.account(ledger)
        );
    }
    Ok(())
}

#[test]
fn encrypted_sockets_are_handshake_and_ciphertext() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let client = Client::tls(&scratch, server.port, &[message::get("/")], &[])?;
    let watch = Watch::pids(&scratch, &[client.pid(), server.pid()], &[])?;
    client.counts()?;
    let report = watch.stop()?;
    forced(&report, "socket", &["handshake", "ciphertext"])?;
    ensure!(
        report.bytes("socket", "scanned") == 0,
        "{:?}",
        report.account("socket")
    );
    Ok(())
}

#[test]
fn what_begins_like_tls_and_is_none_is_not_read_and_says_so() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    // The header of a record of application data, and what would be found behind it.
    let mut message = b"\x17\x03\x03\x01\x00".to_vec();
    let body = format!(r#"{{"card_number":"{}"}}"#, values::card());
    message.extend(message::post_json("/v1/orders", &body));
    let length = message.len() as i64;
    let report = plain(&scratch, &[message], &[])?;
    forced(&report, "socket", &["ciphertext"])?;
    ensure!(
        report.bytes("socket", "ciphertext") >= 2 * length && report.bytes("socket", "scanned") == 0,
        "both ends saw {length} bytes: {:?}",
        report.account("socket")
    );
    ensure!(report.findings.is_empty(), "{:?}", report.samples());
    Ok(())
}

#[test]
fn a_file_sent_by_the_kernel_is_unseen() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let text = message::words(100_000);
    peers::answer(&scratch, "page.sendfile", text.as_bytes())?;
    let server = Server::plain(&scratch)?;
    let client = Client::plain(&scratch, server.port, &[message::get("/page")], &[])?;
    // The other tiers read it where trampolines load.
    let watch = Watch::pids(&scratch, &[server.pid()], &["--socket-hook", "syscall"])?;
    client.counts()?;
    let report = watch.stop()?;
    forced(&report, "socket", &["unseen"])?;
    ensure!(
        report.bytes("socket", "unseen") == 100_000,
        "{:?}",
        report.account("socket")
    );
    Ok(())
}

#[test]
fn what_is_spliced_into_a_socket_is_read_where_it_arrives_at_the_latest() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    let text = format!("card_number: {card}\n{}", message::words(100_000));
    let file = scratch.file("spliced", &text)?;
    let counts = scratch.path("splice.counts");
    let mut command = Command::new(peers::PYTHON);
    command
        .arg(peers::program("splice.py"))
        .args([scratch.ready(), counts.clone(), file]);
    let running = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[running.pid()], &[])?;
    running.succeed()?;
    let counted = peers::Counts::read(&counts)?;
    let report = watch.stop()?;
    forced(&report, "socket", &["scanned"])?;
    let account = report.account("socket");
    ensure!(
        report.bytes("socket", "moved") == counted.total(),
        "{account:?}, counted {counted:?}"
    );
    // What was sent is read as well where trampolines load, and unseen elsewhere.
    ensure!(
        [0, counted.sent].contains(&report.bytes("socket", "unseen")),
        "{account:?}, counted {counted:?}"
    );
    ensure!(report.count("payment_card") == 1, "{:?}", report.samples());
    Ok(())
}

#[test]
fn a_page_that_is_gone_costs_itself_and_not_the_pages_around_it() -> anyhow::Result<()> {
    const PAGE: i64 = 4096;
    let scratch = Scratch::new()?;
    let (before, after) = (values::card(), values::card());
    let text = format!(
        "card_number: {before}\n{}\ncard_number: {after}\n{}",
        message::words(12_000),
        message::words(600_000)
    );
    let file = scratch.file("message", &text)?;
    let counts = scratch.path("page_gone.counts");
    let mut command = Command::new(peers::PYTHON);
    command
        .arg(peers::program("page_gone.py"))
        .args([scratch.ready(), counts.clone(), file]);
    let running = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[running.pid()], &[])?;
    running.succeed()?;
    let counted = peers::Counts::read(&counts)?;
    let report = watch.stop()?;
    forced(&report, "socket", &["page_fault", "scanned"])?;
    let account = report.account("socket");
    ensure!(
        report.bytes("socket", "moved") == counted.total(),
        "{account:?}, counted {counted:?}"
    );
    ensure!(report.bytes("socket", "page_fault") == PAGE, "{account:?}");
    ensure!(
        report.bytes("socket", "scanned") == counted.total() - PAGE,
        "{account:?}, counted {counted:?}"
    );
    ensure!(report.count("payment_card") == 2, "{:?}", report.samples());
    Ok(())
}

#[test]
fn what_a_message_moves_over_its_budget_is_counted_and_the_next_has_another() -> anyhow::Result<()> {
    let body = |card: &str| {
        format!(
            r#"{{"card_number":"{card}","note":"{}"}}"#,
            message::words(300_000)
        )
    };
    let messages =
        [values::card(), values::card()].map(|card| message::post_json("/v1/orders", &body(&card)));
    for (budget, over) in [("65536", true), ("0", false)] {
        let scratch = Scratch::new()?;
        let server = Server::plain(&scratch)?;
        // Pieces that are each well below what is copied of one call.
        let client = Client::plain(&scratch, server.port, &messages, &["--write", "16384"])?;
        let watch = Watch::pids(&scratch, &[client.pid()], &["--max-message-bytes", budget])?;
        let counted = client.counts()?;
        let report = watch.stop()?;
        report.balanced()?;
        let account = report.account("socket");
        println!("budget {budget}: {account:?}");
        ensure!(
            report.bytes("socket", "moved") == counted.total(),
            "{account:?} {counted:?}"
        );
        ensure!((report.bytes("socket", "over_budget") > 0) == over, "{account:?}");
        ensure!(
            report.count("payment_card") == 2,
            "{budget}: {:?}",
            report.samples()
        );
    }
    Ok(())
}

#[test]
fn bodies_that_cannot_be_read_are_accounted_by_why() -> anyhow::Result<()> {
    let broken: Vec<u8> = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec(),
        values::random(4000),
    ]
    .concat();
    let picture: Vec<u8> = [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec(),
        values::random(4000),
    ]
    .concat();
    let cases: [Case<'_>; 3] = [
        (
            "unsupported_encoding",
            &[
                ("Content-Type", "application/json"),
                ("Content-Encoding", "compress"),
            ],
            values::random(4000),
        ),
        (
            "undecodable",
            &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
            broken,
        ),
        ("binary", &[("Content-Type", "image/png")], picture),
    ];
    for (account, headers, body) in cases {
        let scratch = Scratch::new()?;
        peers::answer(&scratch, "body", &message::answer_with(headers, &body))?;
        let messages = [
            message::post_with("/v1/body", headers, &body),
            message::get("/body"),
        ];
        let report = plain(&scratch, &messages, &[])?;
        forced(&report, "socket", &[account])?;
        ensure!(report.findings.is_empty(), "{account}: {:?}", report.samples());
    }
    Ok(())
}

#[test]
fn a_header_without_end_meets_a_limit() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut bytes = b"GET /silent HTTP/1.1\r\nHost: localhost\r\nX-Endless: ".to_vec();
    bytes.extend(message::words(4 << 20).bytes());
    let server = Server::plain(&scratch)?;
    let client = Client::plain(&scratch, server.port, &[bytes], &["--answers", "0"])?;
    let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
    client.counts()?;
    forced(&watch.stop()?, "socket", &["limit"])
}
