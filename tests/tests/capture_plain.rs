//! HTTP in the open and what makes it hard: framing, encodings, odd writes, large ones, connections from before.

use std::{fmt::Write as _, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    expect::{self, Expected},
    message,
    peers::{self, Client, Counts, Server},
    process::{self, LIMIT, wait_for},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};

fn order(card: &str) -> String {
    format!(r#"{{"order":17,"card_number":"{card}"}}"#)
}

/// Both ledgers balance, and the sockets moved what the peers counted.
fn accounted(report: &Report, counted: i64) -> anyhow::Result<()> {
    report.balanced()?;
    let moved = report.bytes("socket", "moved");
    ensure!(
        moved == counted,
        "moved {moved} bytes, the peers counted {counted}"
    );
    Ok(())
}

/// Sends these messages over plain TCP with both ends watched.
fn exchange(
    scratch: &Scratch,
    messages: &[Vec<u8>],
    client: &[&str],
    watch: &[&str],
) -> anyhow::Result<(Report, Counts, Ends)> {
    let server = Server::plain(scratch)?;
    let client = Client::plain(scratch, server.port, messages, client)?;
    let ends = Ends {
        client: client.pid(),
        server: server.pid(),
    };
    let watch = Watch::pids(scratch, &[ends.client, ends.server], watch)?;
    let sent = client.counts()?;
    let report = watch.stop()?;
    let received = server.counts()?;
    ensure!(
        sent.sent == received.received && sent.received == received.sent,
        "{sent:?} {received:?}"
    );
    Ok((report, sent, ends))
}

struct Ends {
    client: u32,
    server: u32,
}

#[test]
fn a_card_in_a_request_is_reported_as_sent_in_the_open() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    let messages = [message::post_json("/v1/orders", &order(&card))];
    let (report, counts, ends) = exchange(&scratch, &messages, &[], &[])?;
    accounted(&report, 2 * counts.total())?;
    expect::leak(
        report.leak("payment_card")?,
        Expected {
            sample: &values::card_sample(&card),
            operation: "POST /v1/orders",
            part: "request.body",
            field: "$.card_number",
            source: ends.client,
            destination: ends.server,
            encrypted: false,
        },
    )
}

#[test]
fn a_card_in_a_response_leaks_from_the_server() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    peers::answer(&scratch, "card", &message::answer_json(&order(&card)))?;
    let (report, counts, ends) = exchange(&scratch, &[message::get("/card")], &[], &[])?;
    accounted(&report, 2 * counts.total())?;
    expect::leak(
        report.leak("payment_card")?,
        Expected {
            sample: &values::card_sample(&card),
            operation: "GET /card",
            part: "response.body",
            field: "$.card_number",
            source: ends.server,
            destination: ends.client,
            encrypted: false,
        },
    )
}

#[test]
fn a_connection_that_was_open_before_auditor_is_read_from_the_next_message() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let early = scratch.file(
            "early.http",
            message::post_json("/v1/before", &order(&values::card())),
        )?;
        let opened = scratch.path("opened");
        let card = values::card();
        let more = [
            "--early".to_owned(),
            early.display().to_string(),
            "--opened".to_owned(),
            opened.display().to_string(),
        ];
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let messages = [message::post_json("/v1/orders", &order(&card))];
        let client = if tls {
            Client::tls(&scratch, server.port, &messages, &more)?
        } else {
            Client::plain(&scratch, server.port, &messages, &more)?
        };
        wait_for("the connection", LIMIT, || Ok(opened.exists().then_some(())))?;
        let pid = client.pid();
        let watch = Watch::pids(&scratch, &[pid, server.pid()], &[])?;
        client.counts()?;
        let report = watch.stop()?;
        report.balanced()?;
        let leak = report
            .leak("payment_card")
            .with_context(|| format!("tls {tls}"))?;
        ensure!(
            leak["sample"] == values::card_sample(&card),
            "tls {tls}: {leak:#}"
        );
        ensure!(leak["source"]["process"]["pid"] == pid, "tls {tls}: {leak:#}");
        ensure!(
            leak["flow"]["operation"] == "POST /v1/orders",
            "tls {tls}: {leak:#}"
        );
        ensure!(leak["flow"]["encrypted"] == tls, "tls {tls}: {leak:#}");
    }
    Ok(())
}

#[test]
fn chunks_may_split_a_card_anywhere() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut messages = Vec::new();
    for size in [1, 7, 64] {
        let body = message::chunked(order(&values::card()).as_bytes(), size);
        let headers = [
            ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ];
        messages.push(message::post_with("/v1/orders", &headers, body));
    }
    let (report, counts, _) = exchange(&scratch, &messages, &[], &[])?;
    accounted(&report, 2 * counts.total())?;
    ensure!(report.count("payment_card") == 3, "{:?}", report.samples());
    Ok(())
}

#[test]
fn a_body_in_gzip_is_read() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let body = message::gzip(&scratch, order(&card).as_bytes())?;
    peers::answer(&scratch, "gzip", &message::answer_with(&headers, &body))?;
    let messages = [
        message::post_with("/v1/orders", &headers, &body),
        message::get("/gzip"),
    ];
    let (report, counts, _) = exchange(&scratch, &messages, &[], &[])?;
    accounted(&report, 2 * counts.total())?;
    let parts: Vec<_> = report
        .leaks("payment_card")
        .iter()
        .map(|leak| leak["location"]["part"].clone())
        .collect();
    ensure!(
        parts.len() == 2 && parts.contains(&"request.body".into()) && parts.contains(&"response.body".into()),
        "{parts:?}"
    );
    Ok(())
}

#[test]
fn every_message_of_a_kept_connection_is_read() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let messages: Vec<_> = (0..50)
        .map(|_| message::post_json("/v1/orders", &order(&values::card())))
        .collect();
    let (report, counts, _) = exchange(&scratch, &messages, &[], &[])?;
    accounted(&report, 2 * counts.total())?;
    ensure!(report.count("payment_card") == 50, "{:?}", report.samples());
    ensure!(
        report.leaks("payment_card").len() == 1,
        "one place, one finding: {:?}",
        report.samples()
    );
    Ok(())
}

#[test]
fn pipelined_requests_are_told_apart() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut bytes = Vec::new();
    for path in ["/v1/first", "/v1/second", "/v1/third"] {
        bytes.extend(message::post_json(path, &order(&values::card())));
    }
    let (report, counts, _) = exchange(&scratch, &[bytes], &["--answers", "3"], &[])?;
    accounted(&report, 2 * counts.total())?;
    let mut operations: Vec<_> = report
        .leaks("payment_card")
        .iter()
        .map(|leak| leak["flow"]["operation"].to_string())
        .collect();
    operations.sort();
    ensure!(
        operations
            == [
                r#""POST /v1/first""#,
                r#""POST /v1/second""#,
                r#""POST /v1/third""#
            ],
        "{operations:?}"
    );
    Ok(())
}

#[test]
fn a_sender_of_single_bytes_hides_nothing() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let card = values::card();
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let messages = [message::post_json("/v1/orders", &order(&card))];
        let more = ["--write", "1"];
        let client = if tls {
            Client::tls(&scratch, server.port, &messages, &more)?
        } else {
            Client::plain(&scratch, server.port, &messages, &more)?
        };
        let pid = client.pid();
        let watch = Watch::pids(&scratch, &[pid], &[])?;
        let sent = client.counts()?;
        let report = watch.stop()?;
        report.balanced()?;
        let moved = report.bytes(if tls { "tls" } else { "socket" }, "moved");
        ensure!(
            moved == sent.total(),
            "tls {tls}: moved {moved}, counted {sent:?}"
        );
        let leak = report.leak("payment_card")?;
        ensure!(
            leak["sample"] == values::card_sample(&card),
            "tls {tls}: {leak:#}"
        );
        ensure!(
            leak["location"]["field"] == "$.card_number",
            "tls {tls}: {leak:#}"
        );
    }
    Ok(())
}

#[test]
fn a_hundred_megabytes_in_one_write_are_accounted_to_the_byte() -> anyhow::Result<()> {
    const SIZE: usize = 100 << 20;
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let card = values::card();
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let body = format!(r#"{{"card_number":"{card}","note":"{}"}}"#, message::words(SIZE));
        let messages = [message::post_json("/v1/large", &body)];
        let client = if tls {
            Client::tls(&scratch, server.port, &messages, &[])?
        } else {
            Client::plain(&scratch, server.port, &messages, &[])?
        };
        let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
        let sent = client.counts()?;
        let report = watch.stop()?;
        let ledger = if tls { "tls" } else { "socket" };
        println!("100 MB in one write, tls {tls}: {:?}", report.account(ledger));
        report.balanced()?;
        let moved = report.bytes(ledger, "moved");
        ensure!(
            moved == sent.total(),
            "tls {tls}: moved {moved}, counted {sent:?}"
        );
        ensure!(
            report.count("payment_card") == 1,
            "tls {tls}: {:?}",
            report.samples()
        );
    }
    Ok(())
}

#[test]
fn two_hundred_cards_in_two_hundred_megabytes_are_found_or_the_account_says_why_not() -> anyhow::Result<()> {
    two_hundred_cards(&[])
}

#[test]
fn two_hundred_cards_in_two_hundred_megabytes_are_found_when_the_ring_holds_them_all() -> anyhow::Result<()> {
    two_hundred_cards(&["--ring-bytes", "268435456"])
}

/// A distinct card in every megabyte of one TLS connection.
fn two_hundred_cards(options: &[&str]) -> anyhow::Result<()> {
    const MEGABYTE: usize = 1 << 20;
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let filler = message::words(MEGABYTE - 200);
    let messages: Vec<_> = (0..200)
        .map(|order| {
            let (before, after) = filler.split_at(order * 5_000);
            let mut body = format!(r#"{{"order":{order},"before":"{before}","card_number":"#);
            let _ = write!(body, r#""{}","after":"{after}"}}"#, values::card());
            message::post_json("/v1/orders", &body)
        })
        .collect();
    let client = Client::tls(&scratch, server.port, &messages, &["--write", "1048576"])?;
    let watch = Watch::pids(&scratch, &[client.pid()], options)?;
    let sent = client.counts()?;
    let report = watch.stop()?;
    let found = report.count("payment_card");
    let account = report.account("tls");
    println!("200 MB over one TLS connection {options:?}: {found} of 200 cards, {account:?}");
    report.balanced()?;
    ensure!(
        account.get("moved") == Some(&sent.total()),
        "{account:?} {sent:?}"
    );
    let lost: i64 = [
        "ring_full",
        "over_budget",
        "page_fault",
        "gap",
        "queue_full",
        "limit",
    ]
    .iter()
    .map(|name| report.bytes("tls", name))
    .sum();
    ensure!(found <= 200, "more was found than sent: {found}");
    ensure!(
        found == 200 || lost > 0,
        "{} cards are missing without a reason: {account:?}",
        200 - found
    );
    Ok(())
}

#[test]
fn a_capture_ends_after_its_duration() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let watch = Watch::pids(&scratch, &[server.pid()], &["--duration", "1s"])?;
    let report = watch.ended()?;
    let took = report.summary["duration_ms"].as_u64().context("no duration")?;
    ensure!((900..20_000).contains(&took), "it took {took} ms");
    report.balanced().map(drop)
}

#[test]
fn a_capture_ends_with_the_last_process_it_watches() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let client = Client::plain(&scratch, server.port, &[message::get("/")], &[])?;
    let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
    client.counts()?;
    watch.ended()?.balanced().map(drop)
}

#[test]
fn leaks_are_an_exit_code_when_asked_for() -> anyhow::Result<()> {
    for (value, expected) in [(values::card(), 1), ("tok_8f7a6c5d4e3b2a19".to_owned(), 0)] {
        let scratch = Scratch::new()?;
        let server = Server::plain(&scratch)?;
        let messages = [message::post_json("/v1/orders", &order(&value))];
        let words = peers::client_words(&scratch, "command", server.port, &messages, &[])?;
        let mut command = Command::new(process::auditor()?);
        command
            .args(["watch", "--format", "json", "--fail-on-leak", "--"])
            .args(words);
        let ended = process::Running::start(&mut command)?.end(Duration::from_secs(60))?;
        ensure!(
            ended.status.code() == Some(expected),
            "{}: {}",
            ended.status,
            ended.stderr
        );
    }
    Ok(())
}
