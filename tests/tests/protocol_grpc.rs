//! Values in the messages, the metadata and the trailers of gRPC, gRPC-Web and Connect are reported under the method that
//! they were sent to, by the numbers of their fields, and nothing else is. Peers of several makers, each with others.

use std::{path::Path, process::Command};

use auditor_tests::{
    calls::{Calls, Names, descriptors, script},
    http::{self, Serving, opened, watched},
    rustls,
    scratch::Scratch,
    sent::{Sent, each},
};
use serde_json::Value;

/// A maker of gRPC.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Grpcio,
    GrpcJs,
    Tonic,
}

impl Peer {
    fn command(self) -> anyhow::Result<Command> {
        match self {
            Self::Grpcio => http::python("grpc_shop.py"),
            Self::GrpcJs => http::node("grpc_shop.js"),
            Self::Tonic => Ok(Command::new(rustls::tonic()?)),
        }
    }

    /// What it can serve: a service of tonic sets no trailers.
    fn calls(self) -> Calls {
        match self {
            Self::Grpcio | Self::GrpcJs => Calls::GRPC,
            Self::Tonic => Calls {
                unary_trailers: None,
                stream_trailers: None,
                ..Calls::GRPC
            },
        }
    }
}

#[test]
fn every_kind_of_call_between_grpcio_and_itself_is_reported_in_its_place() -> anyhow::Result<()> {
    between(Peer::Grpcio, Peer::Grpcio, &[])
}

#[test]
fn every_kind_of_call_between_grpc_js_and_itself_is_reported_in_its_place() -> anyhow::Result<()> {
    between(Peer::GrpcJs, Peer::GrpcJs, &[])
}

#[test]
fn every_kind_of_call_between_tonic_and_itself_is_reported_in_its_place() -> anyhow::Result<()> {
    between(Peer::Tonic, Peer::Tonic, &[])
}

#[test]
fn calls_between_peers_of_different_makers_are_reported_in_their_places() -> anyhow::Result<()> {
    let pairs = [
        (Peer::Grpcio, Peer::GrpcJs),
        (Peer::GrpcJs, Peer::Tonic),
        (Peer::Tonic, Peer::Grpcio),
    ];
    each(pairs, |(server, client)| between(*server, *client, &[]))
}

#[test]
fn messages_compressed_with_gzip_are_read_in_both_directions() -> anyhow::Result<()> {
    each([Peer::Grpcio, Peer::GrpcJs, Peer::Tonic], |peer| {
        between(*peer, *peer, &["--gzip"])
    })
}

#[test]
fn calls_over_tls_are_reported_in_their_places() -> anyhow::Result<()> {
    each([Peer::Grpcio, Peer::GrpcJs], |peer| {
        between(*peer, *peer, &["--pem"])
    })
}

fn between(server: Peer, client: Peer, more: &[&str]) -> anyhow::Result<()> {
    let mut sent = Sent::over("grpc");
    let calls = server.calls().make(&mut sent);
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
    let certificate = scratch.certificate()?;
    let tls = more == ["--pem"];
    let mut words: Vec<&Path> = vec![&script, &shop];
    words.extend(more.iter().map(Path::new));
    if tls {
        words.push(&certificate);
    }
    let server = Serving::start(&scratch, server.command()?, &words)?;
    let client = http::client(&scratch, client.command()?, server.port, &words)?;
    let seen = watched(&scratch, client, server)?;
    if tls {
        seen.is_over_tls(&sent)
    } else {
        seen.is(&sent)
    }
}

#[test]
fn a_connection_of_calls_that_was_there_before_auditor_gives_its_messages_and_no_wrong_method()
-> anyhow::Result<()> {
    let mut sent = Sent::over("grpc");
    sent.joined();
    let calls = Calls::GRPC.distinct(&mut sent);
    let early = Calls::GRPC.early();
    let scratch = Scratch::new()?;
    let shop = descriptors(&scratch)?;
    let late = script(&scratch, "script.json", &calls)?;
    let early = script(&scratch, "script.json.early", &early)?;
    let server = Serving::start(&scratch, Peer::Grpcio.command()?, &[&late, &shop])?;
    let words: [&Path; 4] = [&late, &shop, "--early".as_ref(), &early];
    let mut client = http::client(&scratch, Peer::Grpcio.command()?, server.port, &words)?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn the_words_of_a_refusal_are_read_in_its_trailers() -> anyhow::Result<()> {
    let mut sent = Sent::over("grpc");
    let calls = Calls::GRPC.refused(&mut sent);
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
    let server = Serving::start(&scratch, Peer::Grpcio.command()?, &[&script, &shop])?;
    let client = http::client(&scratch, Peer::Grpcio.command()?, server.port, &[&script, &shop])?;
    watched(&scratch, client, server)?.is(&sent)
}

/// Where fields have names then, these are for tests of schemas to say; here only headers and trailers carry values.
#[test]
fn questions_for_the_schema_are_no_leak_and_calls_after_them_keep_their_methods() -> anyhow::Result<()> {
    let mut sent = Sent::over("grpc");
    let calls = Calls::GRPC.without_messages(&mut sent);
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
    let words: [&Path; 3] = [&script, &shop, "--reflect".as_ref()];
    let server = Serving::start(&scratch, Peer::Grpcio.command()?, &words)?;
    let client = http::client(&scratch, Peer::Grpcio.command()?, server.port, &words)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn grpc_web_is_reported_under_its_methods_over_http_1_and_http_2() -> anyhow::Result<()> {
    // A client that streams needs HTTP/2.
    let over_http_1 = Calls {
        client_streams: false,
        ..Calls::GRPC
    };
    let variants = [
        ("http1", &["grpc-web"][..]),
        ("http1", &["grpc-web", "gzip"]),
        ("http2", &["grpc-web"]),
        ("http2", &["grpc-web", "gzip"]),
    ];
    each(variants, |(version, more)| {
        let calls = if *version == "http1" {
            over_http_1
        } else {
            Calls::GRPC
        };
        by_connect("grpc-web", calls, version, more)
    })
}

/// What a browser speaks: the client of gRPC-Web itself, to a server that encodes each message by itself.
#[test]
fn grpc_web_in_base64_is_reported_under_its_methods() -> anyhow::Result<()> {
    let mut sent = Sent::over("grpc-web");
    let calls = Calls {
        client_streams: false,
        ..Calls::GRPC
    };
    let calls = calls.make(&mut sent);
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
    let words: [&Path; 3] = [&script, &shop, "--web".as_ref()];
    let server = Serving::start(&scratch, http::python("grpc_shop.py")?, &words)?;
    let words: [&Path; 4] = [&script, &shop, "http1".as_ref(), "grpc-web-text".as_ref()];
    let client = http::client(&scratch, http::node("connect_shop.js")?, server.port, &words)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn connect_by_get_has_its_message_in_the_query() -> anyhow::Result<()> {
    let mut variants = Vec::new();
    for version in ["http1", "http2"] {
        variants.extend([
            (version, Names::Numbers, &["connect", "get"][..]),
            (version, Names::Numbers, &["connect", "get", "gzip"]),
            (version, Names::Json, &["connect", "get", "json"]),
        ]);
    }
    each(variants, |(version, names, more)| {
        let calls = Calls {
            names: *names,
            unary_trailers: Some(("response.headers", "trailer-x-card-number")),
            ..Calls::GRPC
        };
        let mut sent = Sent::over("connect");
        let calls = calls.in_queries(&mut sent);
        connecting(&sent, &calls, version, more)
    })
}

#[test]
fn connect_is_reported_under_its_methods_in_protobuf_and_json() -> anyhow::Result<()> {
    // The trailers of a call without streams are header fields; those of a stream are in its last message.
    let calls = |names, client_streams| Calls {
        names,
        client_streams,
        unary_trailers: Some(("response.headers", "trailer-x-card-number")),
        stream_trailers: None,
    };
    let mut variants = Vec::new();
    for version in ["http1", "http2"] {
        variants.extend([
            (version, Names::Numbers, &["connect"][..]),
            (version, Names::Numbers, &["connect", "gzip"]),
            (version, Names::Json, &["connect", "json"]),
        ]);
    }
    each(variants, |(version, names, more)| {
        by_connect("connect", calls(*names, *version == "http2"), version, more)
    })
}

#[test]
fn grpc_spoken_by_connect_is_grpc() -> anyhow::Result<()> {
    by_connect("grpc", Calls::GRPC, "http2", &["grpc"])
}

/// The packages of Connect serve all three protocols.
fn by_connect(protocol: &'static str, calls: Calls, version: &str, more: &[&str]) -> anyhow::Result<()> {
    let mut sent = Sent::over(protocol);
    let calls = calls.make(&mut sent);
    connecting(&sent, &calls, version, more)
}

fn connecting(sent: &Sent, calls: &Value, version: &str, more: &[&str]) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", calls)?, descriptors(&scratch)?);
    let mut words: Vec<&Path> = vec![&script, &shop, version.as_ref()];
    let server = Serving::start(&scratch, http::node("connect_shop.js")?, &words)?;
    words.extend(more.iter().map(Path::new));
    let client = http::client(&scratch, http::node("connect_shop.js")?, server.port, &words)?;
    watched(&scratch, client, server)?.is(sent)
}
