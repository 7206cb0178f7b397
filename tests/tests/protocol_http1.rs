//! Values that real clients and servers exchange over HTTP/1.1 are reported in the operation, part and field that they
//! were sent in, by who sent them, and nothing else is.

use std::{path::Path, process::Command};

use anyhow::ensure;
use auditor_tests::{
    front::{Front, Tunnels},
    http::{self, Exchange, Serving, answered, node_http, opened, script, watched},
    message,
    peers::{Client, Server, answer as answer_of},
    scratch::Scratch,
    sent::{Leg, Sent, each},
    shop,
};
use serde_json::{Value, json};

#[test]
fn what_curl_and_node_exchange_is_reported_in_its_place() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let exchanges = shop::with_large_bodies(&mut sent);
    by_curl(&["--http1.1"], &exchanges, &sent)
}

#[test]
fn what_node_sends_in_chunks_with_trailers_is_reported_in_its_place() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let mut exchanges = shop::with_large_bodies(&mut sent);
    exchanges.push(with_trailers(&mut sent));
    // After the trailers, the next message of the connection.
    exchanges.extend(shop::many(&mut sent, 3));
    each([false, true], |tls| {
        let scratch = Scratch::new()?;
        let script = script(&scratch, "script.json", &exchanges)?;
        let certificate = tls.then(|| scratch.certificate()).transpose()?;
        let certificate: Vec<&Path> = certificate.as_deref().into_iter().collect();
        let more = [&[script.as_path()], &certificate[..]].concat();
        let server = Serving::start(&scratch, node_http("http1")?, &more)?;
        let more = [&[script.as_path(), "-".as_ref()], &certificate[..]].concat();
        let client = http::client(&scratch, node_http("http1")?, server.port, &more)?;
        let seen = watched(&scratch, client, server)?;
        if *tls {
            seen.is_over_tls(&sent)
        } else {
            seen.is(&sent)
        }
    })
}

fn with_trailers(sent: &mut Sent) -> Exchange {
    let operation = "POST /v1/trailed";
    let mut iban = |part: &str, field: &str| sent.iban(operation, part, field);
    let request = json!({"iban": iban("request.body", "$.iban"), "text": message::words(30_000)});
    let answer = json!({"text": message::words(30_000), "iban": iban("response.body", "$.iban")});
    let asked = vec![
        ("x-checksum", "17".to_owned()),
        ("x-payer-iban", iban("request.trailers", "x-payer-iban")),
    ];
    let told = vec![("x-payee-iban", iban("response.trailers", "x-payee-iban"))];
    Exchange::json("POST", "/v1/trailed", &request, &answer).trailers(asked, told)
}

#[test]
fn what_curl_and_python_exchange_is_reported_in_its_place() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    // In chunks of a few bytes, with trailers; compressed, in chunks; and of a known length.
    let chunked = [
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    ];
    let gzip = [&chunked[..], &[("Content-Encoding", "gzip")]].concat();
    let mut exchanges = shop::many(&mut sent, 3);
    for (number, exchange) in exchanges.iter_mut().enumerate() {
        let operation = format!("{} {}", exchange.method, exchange.path);
        let name = exchange.path.rsplit('/').next().unwrap_or_default().to_owned();
        let told = exchange
            .answer
            .headers
            .pop()
            .map(|(_, value)| value)
            .unwrap_or_default();
        let with = |headers: &[(&'static str, &'static str)]| {
            let own = [("X-Refund-Iban", told.as_str())];
            [headers, &own].concat()
        };
        let body = exchange.answer.body.clone();
        let answer = match number {
            0 => {
                let trailer = sent.iban(&operation, "response.trailers", "x-payee-iban");
                let mut bytes = message::answer_with(&with(&chunked), message::chunked(&body, 700));
                let end = bytes.len() - 2;
                bytes.splice(end..end, format!("X-Payee-Iban: {trailer}\r\n").bytes());
                bytes
            }
            1 => {
                let body = message::chunked(&message::gzip(&scratch, &body)?, 50);
                message::answer_with(&with(&gzip), body)
            }
            _ => message::answer_with(&with(&chunked[..1]), body),
        };
        answer_of(&scratch, &name, &answer)?;
    }
    let base = format!("http://127.0.0.1:{}", server.port);
    let client = http::curl(&scratch, &base, &["--http1.1", "--compressed"], &exchanges)?;
    let pids = [client.pid(), server.pid()];
    let watch = http::watch(&scratch, &pids)?;
    client.succeed()?;
    let report = watch.stop()?;
    answered(&scratch, &exchanges)?;
    sent.compare(&report, Leg::plain(&pids[..1], &pids[1..]))
}

#[test]
fn requests_sent_before_the_answer_to_the_first_are_each_paired_with_their_own() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let exchanges: Vec<Exchange> = shop::many(&mut sent, 12);
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", &exchanges)?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
    let all = exchanges.iter().flat_map(Exchange::raw).collect();
    let more = ["--answers", &exchanges.len().to_string()].map(str::to_owned);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let client = Client::plain(&scratch, server.port, &[all], &more)?;
    let seen = watched(&scratch, client.running, server)?;
    seen.is(&sent)
}

#[test]
fn a_body_that_waits_for_100_continue_belongs_to_its_request() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let mut exchanges = vec![shop::archive(&mut sent)];
    exchanges.extend(shop::exchanges(&mut sent));
    for exchange in &mut exchanges {
        if !exchange.body.is_empty() {
            exchange.headers.push(("expect", "100-continue".to_owned()));
        }
    }
    by_curl(&["--http1.1"], &exchanges, &sent)
}

#[test]
fn the_answer_to_head_has_headers_only_and_the_next_one_its_body() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let mut exchanges = Vec::new();
    for name in ["first", "second"] {
        let path = format!("/v1/{name}");
        let operation = format!("HEAD {path}");
        let told = sent.iban(&operation, "response.headers", "x-account-iban");
        exchanges.push(
            Exchange::json("HEAD", &path, &Value::Null, &Value::Null)
                .answered_with("x-account-iban", told)
                .answered_with("content-length", "61234".to_owned()),
        );
        let operation = format!("GET {path}");
        let answer = json!({"iban": sent.iban(&operation, "response.body", "$.iban")});
        exchanges.push(Exchange::json("GET", &path, &Value::Null, &answer));
    }
    by_curl(&["--http1.1"], &exchanges, &sent)
}

#[test]
fn compressed_bodies_are_read_in_both_directions() -> anyhow::Result<()> {
    each(
        [("gzip", "gzip"), ("br", "brotli"), ("zstd", "zstd")],
        |(coding, program)| {
            let mut sent = Sent::over("http/1.1");
            let scratch = Scratch::new()?;
            let mut exchanges = shop::with_large_bodies(&mut sent);
            for exchange in &mut exchanges {
                let is = ("content-encoding", (*coding).to_owned());
                if !exchange.body.is_empty() {
                    exchange.body = compressed(&scratch, program, &exchange.body)?;
                    exchange.headers.push(is.clone());
                }
                exchange.answer.body = compressed(&scratch, program, &exchange.answer.body)?;
                exchange.answer.headers.push(is);
            }
            by_curl(&["--http1.1"], &exchanges, &sent)
        },
    )
}

/// What the usual program makes of it.
fn compressed(scratch: &Scratch, program: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let plain = scratch.file("to-compress", bytes)?;
    let done = Command::new(program).arg("--stdout").arg(plain).output()?;
    ensure!(done.status.success(), "{program}: {}", done.status);
    Ok(done.stdout)
}

#[test]
fn the_parts_of_a_form_with_files_are_told_apart() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let operation = "POST /v1/upload";
    let scratch = Scratch::new()?;
    let note = format!(
        "{}\nplease pay to {} soon\n",
        message::words(100_000),
        sent.iban(operation, "request.body", "note")
    );
    let note = scratch.file("note.txt", note)?;
    // A part that has fields of its own names them behind its own name.
    let meta = json!({"buyer": {"iban": sent.iban(operation, "request.body", "meta:$.buyer.iban")}});
    let row = sent.iban(operation, "request.body", "rows:iban");
    let rows = scratch.file("rows.csv", format!("id,iban,amount\n17,{row},12.50\n18,,1\n"))?;
    let mut exchange = Exchange::json("POST", "/v1/upload", &Value::Null, &json!({"status": "stored"}));
    exchange.forms = vec![
        format!("debtor={}", sent.iban(operation, "request.body", "debtor")),
        "comment=nothing to see".to_owned(),
        format!("note=@{};type=text/plain", note.display()),
        format!("meta={meta};type=application/json"),
        format!("rows=@{};type=text/csv", rows.display()),
        format!("creditor={}", sent.iban(operation, "request.body", "creditor")),
    ];
    by_curl(&["--http1.1"], &[exchange], &sent)
}

#[test]
fn nginx_compresses_and_passes_on_and_both_legs_are_reported() -> anyhow::Result<()> {
    each(["--http1.1", "--http1.0"], |version| {
        let mut sent = Sent::over("http/1.1");
        let exchanges = shop::with_large_bodies(&mut sent);
        let scratch = Scratch::new()?;
        let script = script(&scratch, "script.json", &exchanges)?;
        let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
        let front = Front::start(&scratch, server.port)?;
        let base = format!("http://127.0.0.1:{}", front.plain);
        let client = http::curl(&scratch, &base, &[version, "--compressed"], &exchanges)?;
        let (curl, app) = ([client.pid()], [server.pid()]);
        let watch = http::watch(&scratch, &[&front.pids[..], &curl, &app].concat())?;
        client.succeed()?;
        let report = watch.stop()?;
        answered(&scratch, &exchanges)?;
        let legs = [Leg::plain(&curl, &front.pids), Leg::plain(&front.pids, &app)];
        sent.compare_all(&report, &legs)
    })
}

/// The head that opens the tunnel holds nothing; what goes through it is read as on any connection.
#[test]
fn what_goes_through_a_tunnel_is_reported_in_front_of_the_proxy_and_behind() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let exchanges = shop::with_large_bodies(&mut sent);
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", &exchanges)?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
    let proxy = Tunnels::start(&scratch, server.port)?;
    let base = format!("http://127.0.0.1:{}", server.port);
    let through = format!("http://127.0.0.1:{}", proxy.port);
    let client = http::curl(
        &scratch,
        &base,
        &["--proxytunnel", "--proxy", &through],
        &exchanges,
    )?;
    let (curl, tinyproxy, app) = ([client.pid()], [proxy.pid()], [server.pid()]);
    let watch = http::watch(&scratch, &[curl, tinyproxy, app].concat())?;
    client.succeed()?;
    let report = watch.stop()?;
    answered(&scratch, &exchanges)?;
    let legs = [Leg::plain(&curl, &tinyproxy), Leg::plain(&tinyproxy, &app)];
    sent.compare_all(&report, &legs)
}

#[test]
fn a_connection_that_was_there_before_auditor_is_read_from_its_next_message_on() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let exchanges = shop::with_large_bodies(&mut sent);
    let scratch = Scratch::new()?;
    let late = script(&scratch, "script.json", &exchanges)?;
    let early = script(&scratch, "script.json.early", &shop::early())?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&late])?;
    let mut client = http::client(&scratch, node_http("http1")?, server.port, &[&late, &early])?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn the_rest_of_a_body_that_auditor_met_midway_is_found_and_the_next_message_read() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/1.1");
    let mut exchanges = vec![shop::half_seen(&mut sent)];
    sent.joined();
    exchanges.extend(shop::many(&mut sent, 3));
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", &exchanges)?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
    let more: [&Path; 3] = [&script, "-".as_ref(), "PAUSE".as_ref()];
    let mut client = http::client(&scratch, node_http("http1")?, server.port, &more)?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}

/// curl exchanges them with Node.js.
fn by_curl(more: &[&str], exchanges: &[Exchange], sent: &Sent) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", exchanges)?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
    let base = format!("http://127.0.0.1:{}", server.port);
    let client = http::curl(&scratch, &base, more, exchanges)?;
    let seen = watched(&scratch, client, server)?;
    answered(&scratch, exchanges)?;
    seen.is(sent)
}
