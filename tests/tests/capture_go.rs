//! Go's own TLS: what Go programs send and receive is reported with both ends, and every byte is
//! accounted, whichever compiler built them and however they were stripped.

use anyhow::{Context as _, ensure};
use auditor_tests::{
    expect::{self, Expected},
    go::{self, Build, Compiler, GoPeer, Requests},
    peers,
    scratch::Scratch,
    support::{Proof, prove},
    values,
    watch::{Report, Watch},
};
use serde_json::Value;

const OPERATION: &str = "POST /v1/orders";

fn order(card: &str) -> String {
    format!(r#"{{"order":17,"customer":{{"card":{{"number":"{card}","expiry":"11/29"}}}}}}"#)
}

fn hooks<'a>(report: &'a Report, program: &str) -> Vec<(&'a str, &'a str)> {
    let text = |value: &'a Value| value.as_str().unwrap_or("?");
    report.summary["attached"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|hook| hook["path"].as_str().is_some_and(|path| path.ends_with(program)))
        .map(|hook| (text(&hook["function"]), text(&hook["method"])))
        .collect()
}

/// Client and server are Go programs of one build.
fn both_ends(build: Build) -> anyhow::Result<()> {
    let program = go::build(build)?;
    let scratch = Scratch::new()?;
    let (request_card, response_card) = (values::card(), values::card());
    peers::answer(
        &scratch,
        "orders",
        format!(r#"{{"card_number":"{response_card}"}}"#).as_bytes(),
    )?;
    let server = GoPeer::server(&scratch, &program)?;
    let request = Requests {
        port: server.port,
        connections: 1,
        method: "POST",
        path: "/v1/orders",
        body: &order(&request_card),
        repeat: 1,
    };
    let client = GoPeer::client(&scratch, &program, &request)?;
    let (source, destination) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[source, destination], &[])?;
    let sent = client.counts()?;
    let received = server.counts()?;
    let report = watch.stop()?;
    print!("{}", report.hooks(&format!("{build:?}"), "tls"));
    ensure!(sent.sent == received.received, "{sent:?} {received:?}");
    let name = program
        .file_name()
        .and_then(|name| name.to_str())
        .context("a name")?;
    let program = format!("net/http of {}, {}", build.compiler.name(), build.form());
    let proof = Proof {
        library: "go",
        program: &program,
        form: build.form(),
        functions: &[
            "crypto/tls.(*Conn).Write",
            "crypto/tls.(*Conn).Read",
            "crypto/tls.(*Conn).Close",
        ],
        file: name,
        counted: Some(sent.total() + received.total()),
        bound: true,
    };
    prove(&report, proof)?;
    let mut attached = hooks(&report, name);
    attached.sort_unstable();
    let emulated = "instruction, emulated";
    ensure!(
        attached
            == [
                ("crypto/tls.(*Conn).Close", emulated),
                ("crypto/tls.(*Conn).Read", emulated),
                ("crypto/tls.(*Conn).Write", emulated),
                ("crypto/tls.(*Conn).Write", emulated),
                ("crypto/tls.(*Conn).Write", emulated),
                ("crypto/tls.(*Conn).Write", emulated),
            ],
        "{attached:?}"
    );
    let bindings = &report.summary["bindings"];
    ensure!(
        bindings["descriptor"] == 2 && bindings["unbound"] == 0,
        "{bindings}"
    );
    let by_part = |part: &str| {
        let leaks = report.leaks("payment_card");
        let found = leaks.into_iter().find(|leak| leak["location"]["part"] == part);
        found.with_context(|| format!("no leak in {part}: {:?}", report.samples()))
    };
    let expected = Expected {
        sample: &values::card_sample(&request_card),
        operation: OPERATION,
        part: "request.body",
        field: "$.customer.card.number",
        source,
        destination,
        encrypted: true,
    };
    expect::captured_by(by_part("request.body")?, expected, "go")?;
    let expected = Expected {
        sample: &values::card_sample(&response_card),
        part: "response.body",
        field: "$.card_number",
        source: destination,
        destination: source,
        ..expected
    };
    expect::captured_by(by_part("response.body")?, expected, "go")
}

#[test]
fn a_go_program_of_debians_compiler_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends(Build {
        compiler: Compiler::Debian,
        stripped: false,
        pie: false,
    })
}

#[test]
fn a_stripped_go_program_of_debians_compiler_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends(Build {
        compiler: Compiler::Debian,
        stripped: true,
        pie: true,
    })
}

#[test]
fn a_go_program_of_the_newest_compiler_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends(Build {
        compiler: Compiler::Newest,
        stripped: false,
        pie: false,
    })
}

#[test]
fn a_stripped_go_program_of_the_newest_compiler_is_captured_at_both_ends() -> anyhow::Result<()> {
    both_ends(Build {
        compiler: Compiler::Newest,
        stripped: true,
        pie: true,
    })
}

/// Goroutines change threads in the middle of a call, and all of them use the same few.
#[test]
fn two_hundred_connections_of_one_go_program_are_never_taken_for_one_another() -> anyhow::Result<()> {
    const CONNECTIONS: u32 = 200;
    let program = go::build(Build {
        compiler: Compiler::Newest,
        stripped: true,
        pie: false,
    })?;
    let scratch = Scratch::new()?;
    let card = values::card();
    let server = GoPeer::server(&scratch, &program)?;
    let request = Requests {
        port: server.port,
        connections: CONNECTIONS,
        method: "POST",
        // The server and the client know the client's port, and the finding has to name it.
        path: "/of/port-@MARK@-port",
        body: &format!(r#"{{"card_number":"{card}"}}"#),
        repeat: 3,
    };
    let client = GoPeer::client(&scratch, &program, &request)?;
    let pid = server.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    client.counts()?;
    let received = server.counts()?;
    let report = watch.stop()?;
    report.balanced()?;
    ensure!(
        report.bytes("tls", "moved") == received.total(),
        "{received:?} {:#}",
        report.summary
    );
    ensure!(
        report.summary["bindings"]["descriptor"] == CONNECTIONS && report.summary["bindings"]["unbound"] == 0,
        "{}",
        report.summary["bindings"]
    );
    let leaks = report.leaks("payment_card");
    ensure!(!leaks.is_empty(), "{:?}", report.samples());
    for leak in leaks {
        let operation = leak["flow"]["operation"].as_str().context("an operation")?;
        let marked = operation
            .split('-')
            .nth(1)
            .with_context(|| format!("no mark in {operation}"))?;
        let address = leak["source"]["address"].as_str().context("an address")?;
        ensure!(address.ends_with(&format!(":{marked}")), "{leak:#}");
    }
    Ok(())
}
