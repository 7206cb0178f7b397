//! Values that real clients and servers exchange over HTTP/2, in many streams at once, are reported in the operation,
//! part and field that they were sent in, by who sent them, and nothing else is.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use auditor_tests::{
    front::{Front, Upgrading},
    http::{self, Exchange, Serving, answered, node_http, opened, script, watched},
    message,
    peers::gated,
    process::Running,
    scratch::{Scratch, free_port},
    sent::{Leg, Sent, each},
    shop,
};
use serde_json::{Value, json};

/// Everything that the shop has: large bodies, and two dozen requests at once.
fn everything(sent: &mut Sent) -> Vec<Exchange> {
    let mut exchanges = shop::with_large_bodies(sent);
    exchanges.extend(shop::many(sent, 24));
    exchanges
}

#[test]
fn what_curl_sends_at_once_over_tls_is_reported_in_front_of_nginx_and_behind() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/2");
    let exchanges = everything(&mut sent);
    behind_nginx(&["--http2", "--parallel"], true, &exchanges, &sent)
}

#[test]
fn what_curl_sends_with_prior_knowledge_is_reported_in_front_of_nginx_and_behind() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/2");
    let exchanges = everything(&mut sent);
    // Debian's curl (7.88) fails at the second request of a connection that was not negotiated: one each, all at once.
    let more = ["--http2-prior-knowledge", "--parallel", "--parallel-immediate"];
    behind_nginx(&more, false, &exchanges, &sent)
}

/// curl speaks HTTP/2 to nginx, which speaks HTTP/1.1 to Node.js.
fn behind_nginx(more: &[&str], tls: bool, exchanges: &[Exchange], sent: &Sent) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", exchanges)?;
    let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
    let front = Front::start(&scratch, server.port)?;
    let base = if tls {
        format!("https://localhost:{}", front.tls)
    } else {
        format!("http://127.0.0.1:{}", front.known)
    };
    let client = http::curl(&scratch, &base, &[more, &["--compressed"]].concat(), exchanges)?;
    let (curl, app) = ([client.pid()], [server.pid()]);
    let watch = http::watch(&scratch, &[&front.pids[..], &curl, &app].concat())?;
    client.succeed()?;
    let report = watch.stop()?;
    answered(&scratch, exchanges)?;
    let mut outside = Leg::plain(&curl, &front.pids);
    outside.encrypted = tls;
    let inside = Leg::plain(&front.pids, &app).speaking("http/1.1");
    sent.compare_all(&report, &[outside, inside])
}

#[test]
fn an_upgrade_from_http_1_keeps_the_first_request_and_its_answer_together() -> anyhow::Result<()> {
    each(["GET", "POST"], |first| {
        // The first request is HTTP/1.1, its answer and all that follows HTTP/2.
        let mut sent = Sent::over("http/2");
        let upgraded = upgraded(first, &mut sent);
        let mut exchanges = vec![upgraded];
        exchanges.extend(shop::with_large_bodies(&mut sent));
        let scratch = Scratch::new()?;
        let script = script(&scratch, "script.json", &exchanges)?;
        let server = Serving::start(&scratch, node_http("http1")?, &[&script])?;
        let front = Upgrading::start(server.port)?;
        let base = format!("http://127.0.0.1:{}", front.port);
        let client = http::curl(&scratch, &base, &["--http2"], &exchanges)?;
        let (curl, nghttpx, app) = ([client.pid()], [front.pid()], [server.pid()]);
        let watch = http::watch(&scratch, &[curl, nghttpx, app].concat())?;
        client.succeed()?;
        let report = watch.stop()?;
        answered(&scratch, &exchanges)?;
        let legs = [
            Leg::plain(&curl, &nghttpx),
            Leg::plain(&nghttpx, &app).speaking("http/1.1"),
        ];
        sent.compare_all(&report, &legs)
    })
}

fn upgraded(method: &'static str, sent: &mut Sent) -> Exchange {
    let operation = format!("{method} /v1/first");
    let told = sent.iban(&operation, "response.headers", "x-first-told");
    let answer = json!({"iban": sent.iban(&operation, "response.body", "$.first.iban")});
    let answer = json!({"first": answer});
    sent.speak("http/1.1");
    let asked = sent.iban(&operation, "request.headers", "x-first-asked");
    let body = if method == "POST" {
        json!({"first": {"iban": sent.iban(&operation, "request.body", "$.first.iban")}})
    } else {
        Value::Null
    };
    sent.speak("http/2");
    Exchange::json(method, "/v1/first", &body, &answer)
        .header("x-first-asked", asked)
        .answered_with("x-first-told", told)
}

#[test]
fn streams_of_node_that_take_turns_are_each_reported_in_their_place() -> anyhow::Result<()> {
    each([false, true], |tls| between(&node, &node, *tls))
}

#[test]
fn streams_of_go_that_take_turns_are_each_reported_in_their_place() -> anyhow::Result<()> {
    each([false, true], |tls| between(&go, &go, *tls))
}

#[test]
fn node_and_go_understand_each_other_and_are_understood() -> anyhow::Result<()> {
    each(["Go serves", "Node.js serves"], |who| {
        if *who == "Go serves" {
            between(&go, &node, false)
        } else {
            between(&node, &go, false)
        }
    })
}

/// A peer, and what its client is told behind the script.
type Peer = dyn Fn() -> anyhow::Result<(Command, &'static [&'static str])>;

fn node() -> anyhow::Result<(Command, &'static [&'static str])> {
    Ok((node_http("http2")?, &["-"]))
}

fn go() -> anyhow::Result<(Command, &'static [&'static str])> {
    Ok((http::go_http()?, &[]))
}

/// Everything, and trailers both ways.
fn with_trailers(sent: &mut Sent) -> Vec<Exchange> {
    let mut exchanges = everything(sent);
    for name in ["oak", "elm"] {
        let operation = format!("POST /v1/{name}");
        let mut iban = |part: &str, field: &str| sent.iban(&operation, part, field);
        let request = json!({name: {"iban": iban("request.body", &format!("$.{name}.iban"))}});
        let answer = json!({name: {"account": iban("response.body", &format!("$.{name}.account"))}});
        let asked = vec![("x-payer-iban", iban("request.trailers", "x-payer-iban"))];
        let told = vec![("x-payee-iban", iban("response.trailers", "x-payee-iban"))];
        let exchange = Exchange::json("POST", format!("/v1/{name}"), &request, &answer);
        exchanges.push(exchange.trailers(asked, told));
    }
    exchanges
}

/// A server and a client that are given the script.
fn between(server: &Peer, client: &Peer, tls: bool) -> anyhow::Result<()> {
    let mut sent = Sent::over("http/2");
    let exchanges = with_trailers(&mut sent);
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", &exchanges)?;
    let certificate = tls.then(|| scratch.certificate()).transpose()?;
    let certificate: Vec<&Path> = certificate.as_deref().into_iter().collect();
    let words = [&[script.as_path()], &certificate[..]].concat();
    let server = Serving::start(&scratch, server()?.0, &words)?;
    let (command, more) = client()?;
    let more: Vec<&Path> = more.iter().map(Path::new).collect();
    let words = [&[script.as_path()], &more[..], &certificate[..]].concat();
    let client = http::client(&scratch, command, server.port, &words)?;
    let seen = watched(&scratch, client, server)?;
    if tls {
        seen.is_over_tls(&sent)
    } else {
        seen.is(&sent)
    }
}

#[test]
fn padding_continuations_pushes_and_trailers_of_nghttp_and_nghttpd_are_read() -> anyhow::Result<()> {
    // With tables of header fields as usual; and small ones, which forget.
    each(
        [
            &[][..],
            &["--header-table-size=256", "--encoder-header-table-size=256"],
        ],
        |more| by_nghttp(more),
    )
}

fn by_nghttp(more: &[&str]) -> anyhow::Result<()> {
    let mut sent = Sent::over("http/2");
    let scratch = Scratch::new()?;
    let folder = scratch.path("served");
    fs::create_dir_all(folder.join("v1"))?;
    let names = ["ash", "beech", "fir", "larch", "poplar"];
    let first = format!("POST /v1/{}", names[0]);
    // Every request carries the same, as nghttp has it.
    let asked = ["x-asked-iban", "x-payer-iban"].map(|name| {
        let part = if name == "x-asked-iban" {
            "request.headers"
        } else {
            "request.trailers"
        };
        (name, part, sent.iban(&first, part, name))
    });
    let body = sent.iban(&first, "request.body", "$.buyer.iban");
    let told = sent.iban(&first, "response.trailers", "x-told-iban");
    for name in &names[1..] {
        let operation = format!("POST /v1/{name}");
        for (field, part, value) in &asked {
            sent.again(value, &operation, part, field);
        }
        sent.again(&body, &operation, "request.body", "$.buyer.iban");
        sent.again(&told, &operation, "response.trailers", "x-told-iban");
    }
    for name in names {
        let iban = sent.iban(
            &format!("POST /v1/{name}"),
            "response.body",
            &format!("$.{name}.iban"),
        );
        let answer = json!({name: {"iban": iban}, "text": message::words(40_000)});
        fs::write(folder.join("v1").join(name), answer.to_string())?;
    }
    let pushed = sent.iban("GET /v1/pushed", "response.body", "$.pushed.iban");
    fs::write(
        folder.join("v1/pushed"),
        json!({"pushed": {"iban": pushed}}).to_string(),
    )?;
    sent.again(&told, "GET /v1/pushed", "response.trailers", "x-told-iban");
    let body = json!({"buyer": {"iban": body}, "text": message::words(70_000)});
    let body = scratch.file("body", body.to_string())?.display().to_string();
    let port = free_port()?.to_string();
    let mut command = Command::new("nghttpd");
    command.args([
        "--no-tls",
        "--padding=40",
        "--address=127.0.0.1",
        "--push=/v1/larch=/v1/pushed",
    ]);
    command.args(["--trailer", &format!("x-told-iban: {told}"), "--htdocs"]);
    let server = Running::start(command.arg(&folder).args(more).arg(&port))?;
    auditor_tests::front::listens(port.parse()?)?;
    let [header, trailer] = asked.map(|(name, _, value)| format!("{name}: {value}"));
    let mut words = vec!["nghttp", "--null-out", "--padding=30", "--continuation"];
    words.extend([
        "--header",
        ":method: POST",
        "--header",
        &header,
        "--trailer",
        &trailer,
    ]);
    words.extend(["--data", &body]);
    words.extend(more);
    let targets = names.map(|name| format!("http://127.0.0.1:{port}/v1/{name}"));
    words.extend(targets.iter().map(String::as_str));
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let client = gated(&scratch, &words)?;
    let pids = [client.pid(), server.pid()];
    let watch = http::watch(&scratch, &pids)?;
    client.succeed()?;
    sent.compare(&watch.stop()?, Leg::plain(&pids[..1], &pids[1..]))
}

#[test]
fn every_request_of_h2load_is_counted_in_its_place() -> anyhow::Result<()> {
    const REQUESTS: u64 = 120;
    let mut sent = Sent::over("http/2");
    sent.times(REQUESTS);
    let operation = "POST /v1/load";
    let mut iban = |part: &str, field: &str| sent.iban(operation, part, field);
    let request = json!({"iban": iban("request.body", "$.iban"), "text": message::words(3_000)});
    let answer = json!({"text": message::words(3_000), "iban": iban("response.body", "$.iban")});
    let (asked, told) = (
        iban("request.headers", "x-asked-iban"),
        iban("response.headers", "x-told-iban"),
    );
    let exchange = Exchange::json("POST", "/v1/load", &request, &answer)
        .header("x-asked-iban", asked.clone())
        .answered_with("x-told-iban", told);
    let scratch = Scratch::new()?;
    let body = scratch.file("body", &exchange.body)?.display().to_string();
    let script = script(&scratch, "script.json", &[exchange])?;
    let server = Serving::start(&scratch, node_http("http2")?, &[&script])?;
    let target = format!("http://127.0.0.1:{}/v1/load", server.port);
    let header = format!("x-asked-iban: {asked}");
    let number = format!("--requests={REQUESTS}");
    let mut words = vec!["h2load", &number, "--clients=3", "--max-concurrent-streams=10"];
    words.extend(["--header", "content-type: application/json", "--header", &header]);
    words.extend(["--data", &body, &target]);
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let client = gated(&scratch, &words)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn a_connection_that_was_there_before_auditor_gives_its_bodies_and_no_wrong_operation() -> anyhow::Result<()>
{
    let mut sent = Sent::over("http/2");
    sent.joined();
    let exchanges = everything(&mut sent);
    let scratch = Scratch::new()?;
    let late = script(&scratch, "script.json", &exchanges)?;
    let early = script(&scratch, "script.json.early", &shop::early())?;
    let server = Serving::start(&scratch, node_http("http2")?, &[&late])?;
    let mut client = http::client(&scratch, node_http("http2")?, server.port, &[&late, &early])?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn the_rest_of_a_body_that_auditor_met_midway_is_found_and_the_next_streams_read() -> anyhow::Result<()> {
    let mut sent = Sent::over("http/2");
    let mut exchanges = vec![shop::half_seen(&mut sent)];
    sent.joined();
    exchanges.extend(shop::many(&mut sent, 3));
    let scratch = Scratch::new()?;
    let script = script(&scratch, "script.json", &exchanges)?;
    let server = Serving::start(&scratch, node_http("http2")?, &[&script])?;
    let more: [&Path; 3] = [&script, "-".as_ref(), "PAUSE".as_ref()];
    let mut client = http::client(&scratch, node_http("http2")?, server.port, &more)?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}
