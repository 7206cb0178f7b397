//! Messages in protobuf whose descriptors are known, by a file or by the server's own answers, have their fields named in
//! findings; and a value that only its name tells from other numbers is found.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    calls::{Calls, Names, descriptors, script},
    http::{self, Seen, Serving, watched_with},
    scratch::Scratch,
    sent::{Sent, each},
};

const CALLS: Calls = Calls {
    names: Names::Descriptors,
    ..Calls::GRPC
};

#[test]
fn fields_of_grpc_are_named_by_a_descriptor_set() -> anyhow::Result<()> {
    each([&[][..], &["--gzip"], &["--pem"]], |more| {
        let (sent, seen) = called(Peer::Grpcio, CALLS, more, true)?;
        ensure!(seen.report.summary["descriptors"]["types"] == 5, "five types");
        if *more == ["--pem"] {
            seen.is_over_tls(&sent)
        } else {
            seen.is(&sent)
        }
    })
}

#[test]
fn fields_of_grpc_are_named_by_what_the_server_told_before() -> anyhow::Result<()> {
    // grpcio speaks v1alpha of reflection, grpc-js asks by v1.
    let variants = [
        (Peer::Grpcio, &["--reflect"][..]),
        (Peer::Grpcio, &["--reflect", "--gzip"]),
        (Peer::GrpcJs, &["--reflect"]),
    ];
    each(variants, |(peer, more)| {
        let (sent, seen) = called(*peer, CALLS, more, false)?;
        let learnt = &seen.report.summary["descriptors"];
        ensure!(learnt["learnt_files"] == 1 && learnt["refused"] == 0, "{learnt}");
        seen.is(&sent)
    })
}

/// A maker of gRPC that answers questions for its schema.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Grpcio,
    GrpcJs,
}

impl Peer {
    fn command(self) -> anyhow::Result<Command> {
        match self {
            Self::Grpcio => http::python("grpc_shop.py"),
            Self::GrpcJs => http::node("grpc_shop.js"),
        }
    }
}

/// Calls from a peer to itself.
fn called(peer: Peer, calls: Calls, more: &[&str], is_configured: bool) -> anyhow::Result<(Sent, Seen)> {
    let mut sent = Sent::over("grpc");
    let calls = calls.make(&mut sent);
    let scratch = Scratch::new()?;
    let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
    let certificate = scratch.certificate()?;
    let mut words: Vec<&Path> = vec![&script, &shop];
    words.extend(more.iter().map(Path::new));
    if more.contains(&"--pem") {
        words.push(&certificate);
    }
    let server = Serving::start(&scratch, peer.command()?, &words)?;
    let client = http::client(&scratch, peer.command()?, server.port, &words)?;
    let shop = shop.to_str().context("a path")?;
    let configured = ["--descriptors", shop];
    let told: &[&str] = if is_configured { &configured } else { &[] };
    let seen = watched_with(&scratch, client, server, told)?;
    Ok((sent, seen))
}

#[test]
fn fields_of_grpc_web_and_connect_are_named_by_a_descriptor_set() -> anyhow::Result<()> {
    let web = Calls {
        client_streams: false,
        ..CALLS
    };
    let connect = Calls {
        unary_trailers: Some(("response.headers", "trailer-x-card-number")),
        stream_trailers: None,
        ..web
    };
    let variants = [
        ("grpc-web", web, "http1"),
        ("grpc-web", web, "http2"),
        ("connect", connect, "http1"),
        ("connect", connect, "http2"),
    ];
    each(variants, |(protocol, calls, version)| {
        let mut sent = Sent::over(protocol);
        let calls = calls.make(&mut sent);
        let scratch = Scratch::new()?;
        let (script, shop) = (script(&scratch, "script.json", &calls)?, descriptors(&scratch)?);
        let mut words: Vec<&Path> = vec![&script, &shop, version.as_ref()];
        let server = Serving::start(&scratch, http::node("connect_shop.js")?, &words)?;
        words.push(protocol.as_ref());
        let client = http::client(&scratch, http::node("connect_shop.js")?, server.port, &words)?;
        let shop = shop.to_str().context("a path")?;
        watched_with(&scratch, client, server, &["--descriptors", shop])?.is(&sent)
    })
}
