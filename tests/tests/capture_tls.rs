//! Cards in TLS connections of real programs are reported with both ends, and every byte is accounted.

use std::{ffi::OsStr, io::Write as _, net::TcpStream, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    expect::{self, Expected},
    message,
    peers::{self, Client, Nginx, Server, gated},
    process::{LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
    support::{Proof, prove},
    values,
    watch::{Report, Watch},
};

const OPERATION: &str = "POST /v1/orders";

fn order(card: &str) -> String {
    format!(r#"{{"order":17,"customer":{{"card":{{"number":"{card}","expiry":"11/29"}}}}}}"#)
}

/// Both ledgers balance, and the TLS ledger moved what the application counted.
fn accounted(report: &Report, peer: &str, counted: i64) -> anyhow::Result<()> {
    print!("{}", report.hooks(peer, "tls"));
    report.balanced()?;
    let moved = report.bytes("tls", "moved");
    ensure!(
        moved == counted,
        "{peer} moved {moved} bytes of plaintext and counted {counted}"
    );
    ensure!(
        report.bytes("tls", "scanned") > 0,
        "nothing was scanned: {:?}",
        report.account("tls")
    );
    // The rows of the table of libraries; other tests are variations of these.
    if !["Python", "curl", "nginx", "openssl"].contains(&peer) {
        return Ok(());
    }
    prove(
        report,
        Proof {
            library: "openssl",
            program: peer,
            form: "shared",
            functions: &["ssl_read_internal", "ssl_write_internal", "SSL_free"],
            file: "/libssl.so",
            counted: Some(counted),
            bound: true,
        },
    )
}

#[test]
fn a_card_in_a_request_of_python_is_reported_with_both_ends() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let messages = [message::post_json("/v1/orders", &order(&card))];
    let client = Client::tls(&scratch, server.port, &messages, &[])?;
    let (source, destination) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    let sent = client.counts()?;
    let report = watch.stop()?;
    let received = server.counts()?;
    ensure!(sent.sent == received.received, "{sent:?} {received:?}");
    accounted(&report, "Python", sent.total() + received.total())?;
    expect::leak(
        report.leak("payment_card")?,
        Expected {
            sample: &values::card_sample(&card),
            operation: OPERATION,
            part: "request.body",
            field: "$.customer.card.number",
            source,
            destination,
            encrypted: true,
        },
    )
}

#[test]
fn a_card_in_a_response_of_python_leaks_from_the_server_to_the_client() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    peers::answer(
        &scratch,
        "card",
        &message::answer_json(&format!(r#"{{"card_number":"{card}"}}"#)),
    )?;
    let client = Client::tls(&scratch, server.port, &[message::get("/card")], &[])?;
    let (destination, source) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    let sent = client.counts()?;
    let report = watch.stop()?;
    accounted(&report, "Python", sent.total() + server.counts()?.total())?;
    expect::leak(
        report.leak("payment_card")?,
        Expected {
            sample: &values::card_sample(&card),
            operation: "GET /card",
            part: "response.body",
            field: "$.card_number",
            source,
            destination,
            encrypted: true,
        },
    )
}

#[test]
fn the_sender_alone_and_the_receiver_alone_report_the_same_leak() -> anyhow::Result<()> {
    for watched in ["client", "server"] {
        let scratch = Scratch::new()?;
        let server = Server::tls(&scratch)?;
        let card = values::card();
        let messages = [message::post_json("/v1/orders", &order(&card))];
        let client = Client::tls(&scratch, server.port, &messages, &[])?;
        let pid = if watched == "client" {
            client.pid()
        } else {
            server.pid()
        };
        let watch = Watch::pids(&scratch, &[pid], &[])?;
        let sent = client.counts()?;
        let report = watch.stop()?;
        let received = server.counts()?;
        accounted(
            &report,
            watched,
            if watched == "client" {
                sent.total()
            } else {
                received.total()
            },
        )?;
        let leak = report.leak("payment_card")?;
        ensure!(leak["sample"] == values::card_sample(&card), "{leak:#}");
        let end = if watched == "client" {
            "source"
        } else {
            "destination"
        };
        ensure!(leak[end]["process"]["pid"] == pid, "{watched}: {leak:#}");
        ensure!(leak["flow"]["captured_by"] == "openssl", "{leak:#}");
    }
    Ok(())
}

#[test]
fn a_command_is_watched_from_its_first_byte() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let messages = [message::post_json("/v1/orders", &order(&card))];
    let words = peers::client_words(&scratch, "command", server.port, &messages, &["--tls"])?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let report = Watch::command(&scratch, &[server.pid()], &words)?.ended()?;
    ensure!(report.summary["command"]["code"] == 0, "{:#}", report.summary);
    let leak = report.leak("payment_card")?;
    ensure!(
        leak["source"]["process"]["exe"]
            .as_str()
            .is_some_and(|exe| exe.contains("python3")),
        "{leak:#}"
    );
    ensure!(leak["destination"]["process"]["pid"] == server.pid(), "{leak:#}");
    let received = server.counts()?;
    accounted(&report, "Python as a command", received.total() * 2)
}

#[test]
fn curl_is_the_source_of_what_it_posts() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let body = scratch.file("order.json", order(&card))?;
    let url = format!("https://localhost:{}/v1/orders", server.port);
    let data = format!("@{}", body.display());
    let words = [
        "curl",
        "--silent",
        "--insecure",
        "--http1.1",
        "--max-time",
        "60",
        "--json",
        &data,
        &url,
    ];
    let curl = gated(&scratch, &words.map(OsStr::new))?;
    let (source, destination) = (curl.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    curl.succeed()?;
    let report = watch.stop()?;
    // curl gets what the server sends, and the other way round.
    accounted(&report, "curl", server.counts()?.total() * 2)?;
    expect::leak(
        report.leak("payment_card")?,
        Expected {
            sample: &values::card_sample(&card),
            operation: OPERATION,
            part: "request.body",
            field: "$.customer.card.number",
            source,
            destination,
            encrypted: true,
        },
    )
}

#[test]
fn curl_receives_what_a_server_leaks() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    peers::answer(
        &scratch,
        "card",
        &message::answer_json(&format!(r#"{{"card_number":"{card}"}}"#)),
    )?;
    let url = format!("https://localhost:{}/card", server.port);
    let words = [
        "curl",
        "--silent",
        "--insecure",
        "--http1.1",
        "--max-time",
        "60",
        &url,
    ];
    let curl = gated(&scratch, &words.map(OsStr::new))?;
    let watch = Watch::pids(&scratch, &[curl.pid()], &[])?;
    let pid = curl.pid();
    curl.succeed()?;
    let report = watch.stop()?;
    accounted(&report, "curl", server.counts()?.total())?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["destination"]["process"]["pid"] == pid, "{leak:#}");
    ensure!(leak["location"]["part"] == "response.body", "{leak:#}");
    Ok(())
}

#[test]
fn nginx_receives_a_card_over_tls_and_passes_it_on_in_the_open() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let upstream = Server::plain(&scratch)?;
    let nginx = Nginx::start(&scratch, upstream.port)?;
    let card = values::card();
    let messages = [message::post_json("/v1/orders", &order(&card))];
    let client = Client::tls(&scratch, nginx.port, &messages, &[])?;
    let worker = nginx.pids[1];
    let (source, app) = (client.pid(), upstream.pid());
    let watch = Watch::pids(&scratch, &[&nginx.pids[..], &[source, app]].concat(), &[])?;
    let sent = client.counts()?;
    let counted = nginx.counts(1)?;
    let report = watch.stop()?;
    ensure!(
        sent.sent == counted.received && sent.received == counted.sent,
        "{sent:?} {counted:?}"
    );
    accounted(&report, "nginx and Python", sent.total() + counted.total())?;
    let sample = values::card_sample(&card);
    let of = |encrypted: bool| {
        let leaks = report.leaks("payment_card");
        let found = leaks
            .into_iter()
            .find(|leak| leak["flow"]["encrypted"] == encrypted);
        found.with_context(|| format!("no leak with encrypted {encrypted}: {:?}", report.samples()))
    };
    let leg = |source, destination, encrypted| Expected {
        sample: &sample,
        operation: OPERATION,
        part: "request.body",
        field: "$.customer.card.number",
        source,
        destination,
        encrypted,
    };
    expect::leak(of(true)?, leg(source, worker, true))?;
    expect::leak(of(false)?, leg(worker, app, false))
}

#[test]
fn nginx_alone_moves_what_its_log_says() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let upstream = Server::plain(&scratch)?;
    let nginx = Nginx::start(&scratch, upstream.port)?;
    let card = values::card();
    peers::answer(
        &scratch,
        "card",
        &message::answer_json(&format!(r#"{{"card_number":"{card}"}}"#)),
    )?;
    let messages = [
        message::post_json("/v1/orders", r#"{"order":1}"#),
        message::get("/card"),
    ];
    let client = Client::tls(&scratch, nginx.port, &messages, &[])?;
    let watch = Watch::pids(&scratch, &nginx.pids, &[])?;
    client.counts()?;
    let counted = nginx.counts(2)?;
    let report = watch.stop()?;
    accounted(&report, "nginx", counted.total())?;
    let to_client = report
        .leaks("payment_card")
        .into_iter()
        .find(|leak| leak["flow"]["encrypted"] == true)
        .with_context(|| format!("no encrypted leak: {:?}", report.samples()))?;
    ensure!(
        to_client["source"]["process"]["pid"] == nginx.pids[1],
        "{to_client:#}"
    );
    ensure!(to_client["location"]["part"] == "response.body", "{to_client:#}");
    Ok(())
}

#[test]
fn openssl_s_client_and_s_server_are_hooked_like_any_program() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let port = free_port()?;
    let pem = scratch.certificate()?;
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-quiet", "-accept", &address, "-cert"])
        .arg(&pem);
    let mut server = Running::with_input(&mut command)?;
    wait_for("s_server to listen", LIMIT, || {
        Ok(TcpStream::connect(&address).ok())
    })?;
    let words = ["openssl", "s_client", "-quiet", "-connect", &address];
    let mut client = gated(&scratch, &words.map(OsStr::new))?;
    let (source, destination) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    let (request_card, response_card) = (values::card(), values::card());
    let request = message::post_json("/v1/orders", &order(&request_card));
    let response = message::answer_json(&format!(r#"{{"card_number":"{response_card}"}}"#));
    let mut to_server = client.stdin().context("no standard input")?;
    to_server.write_all(&request)?;
    let mut to_client = server.stdin().context("no standard input")?;
    wait_for("s_server to print the request", LIMIT, || {
        Ok(server.printed(request.len()).then_some(()))
    })?;
    to_client.write_all(&response)?;
    wait_for("s_client to print the response", LIMIT, || {
        Ok(client.printed(response.len()).then_some(()))
    })?;
    let report = watch.stop()?;
    drop((to_server, to_client));
    let both = 2 * i64::try_from(request.len() + response.len())?;
    accounted(&report, "openssl", both)?;
    let sample = |card: &str| values::card_sample(card);
    let by_part = |part: &str| {
        let leaks = report.leaks("payment_card");
        let found = leaks.into_iter().find(|leak| leak["location"]["part"] == part);
        found.with_context(|| format!("no leak in {part}: {:?}", report.samples()))
    };
    let expected = Expected {
        sample: &sample(&request_card),
        operation: OPERATION,
        part: "request.body",
        field: "$.customer.card.number",
        source,
        destination,
        encrypted: true,
    };
    expect::leak(by_part("request.body")?, expected)?;
    let expected = Expected {
        sample: &sample(&response_card),
        part: "response.body",
        field: "$.card_number",
        source: destination,
        destination: source,
        ..expected
    };
    expect::leak(by_part("response.body")?, expected)
}

#[test]
fn processes_outside_the_scope_never_appear() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (inside, outside) = (Server::tls(&scratch)?, Server::another(&scratch)?);
    let (card, other) = (values::card(), values::card());
    let client = Client::tls(
        &scratch,
        inside.port,
        &[message::post_json("/v1/orders", &order(&card))],
        &[],
    )?;
    let messages = [message::post_json("/v1/orders", &order(&other))];
    let stranger = Client::start(&scratch, "stranger", outside.port, &messages, &[])?;
    let encrypted = ["--tls"];
    let stranger_tls = Client::start(&scratch, "stranger-tls", inside.port, &messages, &encrypted)?;
    let strangers = [stranger.pid(), stranger_tls.pid(), outside.pid(), inside.pid()];
    let pid = client.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    let sent = client.counts()?;
    stranger.counts()?;
    stranger_tls.counts()?;
    let report = watch.stop()?;
    accounted(&report, "one client of three", sent.total())?;
    for finding in &report.findings {
        ensure!(
            finding["source"]["process"]["pid"] == pid,
            "not in scope: {finding:#}"
        );
        ensure!(
            !strangers
                .iter()
                .any(|pid| finding["source"]["process"]["pid"] == *pid),
            "a stranger is the source: {finding:#}"
        );
    }
    report.leak("payment_card").map(drop)
}
