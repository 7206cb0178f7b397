//! Cards in the traffic of programs with other TLS libraries than Debian's OpenSSL are reported, by the
//! library's own functions, with every byte accounted. Each test names what is hooked.

use std::{ffi::OsStr, fs, io::Write as _, net::TcpStream, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{self, Server, gated, program},
    posting::{client_in_c, copied, is_mapped, leaked, order, posted, posted_by_python, python},
    process::{LIMIT, Running, wait_for},
    rustls,
    scratch::{Scratch, free_port},
    support::{Proof, prove},
    values,
    watch::Watch,
};

#[test]
fn wget_posts_through_gnutls() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let body = scratch.file("order.json", order(&card))?;
    let url = format!("https://127.0.0.1:{}/v1/orders", server.port);
    let file = format!("--post-file={}", body.display());
    let words = [
        "wget",
        "--quiet",
        "--no-check-certificate",
        "--header=Content-Type: application/json",
        "--output-document=-",
        &file,
        &url,
    ];
    let wget = gated(&scratch, &words.map(OsStr::new))?;
    let (pid, port) = (wget.pid(), server.port);
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    wget.succeed()?;
    let report = watch.stop()?;
    let counted = Some(server.counts()?.total());
    prove(
        &report,
        Proof {
            library: "gnutls",
            program: "wget",
            form: "shared",
            functions: &GNUTLS,
            file: "/libgnutls.so",
            counted,
            bound: true,
        },
    )?;
    leaked(&report, &card, pid, "gnutls", Some(port))
}

const GNUTLS: [&str; 4] = [
    "gnutls_record_recv",
    "gnutls_record_recv_seq",
    "gnutls_record_send2",
    "gnutls_deinit",
];

#[test]
fn gnutls_cli_and_gnutls_serv_are_captured_at_both_ends() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let port = free_port()?;
    let pem = scratch.certificate()?;
    let mut command = Command::new("gnutls-serv");
    command.args(["--echo", "--quiet", "--disable-client-cert", "--port"]);
    command.arg(port.to_string());
    for option in ["--x509keyfile", "--x509certfile"] {
        command.arg(option).arg(&pem);
    }
    let server = Running::start(&mut command)?;
    wait_for("gnutls-serv to listen", LIMIT, || {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let port_word = port.to_string();
    let words = ["gnutls-cli", "--insecure", "--port", &port_word, "127.0.0.1"];
    let mut client = gated(&scratch, &words.map(OsStr::new))?;
    let pids = [client.pid(), server.pid()];
    let watch = Watch::pids(&scratch, &pids, &[])?;
    wait_for("gnutls-cli to be connected", LIMIT, || {
        Ok(client.said(&["Simple Client Mode"]).then_some(()))
    })?;
    let card = values::card();
    let line = format!("{{\"card_number\":\"{card}\"}}\n");
    client
        .stdin()
        .context("no standard input")?
        .write_all(line.as_bytes())?;
    wait_for("the server's echo", LIMIT, || {
        Ok(client.said(&[&card]).then_some(()))
    })?;
    let report = watch.stop()?;
    prove(
        &report,
        Proof {
            library: "gnutls",
            program: "gnutls-cli and gnutls-serv",
            form: "shared",
            functions: &GNUTLS,
            file: "/libgnutls.so",
            // There and back, at both ends.
            counted: Some(4 * i64::try_from(line.len())?),
            bound: true,
        },
    )?;
    let leaks = report.leaks("payment_card");
    ensure!(
        !leaks.is_empty() && leaks.iter().all(|leak| leak["flow"]["captured_by"] == "gnutls"),
        "{leaks:#?}"
    );
    Ok(())
}

#[test]
fn tstclnt_sends_through_nss() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let port = server.port.to_string();
    let words = ["tstclnt", "-h", "127.0.0.1", "-p", &port, "-o", "-D"];
    let mut client = gated(&scratch, &words.map(OsStr::new))?;
    let pid = client.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    let card = values::card();
    let request = message::post_json("/v1/orders", &order(&card));
    let mut input = client.stdin().context("no standard input")?;
    input.write_all(&request)?;
    wait_for("the answer", LIMIT, || {
        Ok(client.said(&["accepted"]).then_some(()))
    })?;
    let report = watch.stop()?;
    drop(input);
    drop(client);
    let port = server.port;
    let counted = Some(server.counts()?.total());
    prove(
        &report,
        Proof {
            library: "nss",
            program: "tstclnt",
            form: "shared",
            functions: &["ssl_SecureRecv", "ssl_SecureSend", "ssl_SecureClose"],
            file: "/libssl3.so",
            counted,
            bound: true,
        },
    )?;
    leaked(&report, &card, pid, "nss", Some(port))
}

#[test]
fn node_posts_through_the_openssl_inside_it() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let body = scratch.file("order.json", order(&card))?;
    let mut command = Command::new("node");
    command
        .arg(program("https_client.js"))
        .arg(server.port.to_string());
    command.arg(scratch.ready()).arg(&body);
    let node = Running::start(&mut command)?;
    let (pid, port) = (node.pid(), server.port);
    is_mapped(pid, "node")?;
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    node.succeed()?;
    let report = watch.stop()?;
    prove(
        &report,
        Proof {
            library: "openssl",
            program: "Node.js 20",
            form: "static",
            functions: &["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_free"],
            file: "/node",
            counted: Some(server.counts()?.total()),
            // It writes to memory; what goes to the socket right after is told by its length.
            bound: true,
        },
    )?;
    leaked(&report, &card, pid, "openssl", Some(port))
}

#[test]
fn grpcio_is_captured_without_a_symbol() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    let body = scratch.file("order.json", order(&card))?;
    let words = [scratch.certificate()?, scratch.ready(), body.clone()];
    let peer = python(&program("grpc_peer.py"), &words)?;
    let pid = peer.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    peer.succeed()?;
    let report = watch.stop()?;
    // HTTP/2 frames come on top; the message goes there and back, at both ends.
    let least = 4 * i64::try_from(fs::read(&body)?.len())?;
    ensure!(
        report.bytes("tls", "moved") > least,
        "{:?}",
        report.account("tls")
    );
    prove(
        &report,
        Proof {
            library: "boringssl",
            program: "grpcio 1.85 (PyPI)",
            form: "static, stripped",
            functions: &["SSL_read", "SSL_write"],
            file: "cygrpc",
            counted: None,
            // It writes to memory, and sends and receives from the same threads.
            bound: true,
        },
    )?;
    let leaks = report.leaks("payment_card");
    ensure!(
        leaks
            .iter()
            .any(|leak| leak["flow"]["captured_by"] == "boringssl"
                && leak["sample"] == values::card_sample(&card)),
        "{leaks:#?}"
    );
    Ok(())
}

#[test]
fn curl_cffi_posts_through_the_boringssl_inside_it() -> anyhow::Result<()> {
    posted_by_python(
        "curl_cffi_client.py",
        &[],
        Proof {
            library: "boringssl",
            program: "curl_cffi 0.17 (PyPI)",
            form: "static",
            functions: &["SSL_read", "SSL_write", "SSL_free"],
            file: "_wrapper.abi3.so",
            counted: None,
            bound: true,
        },
    )
}

/// It is written in Rust, and calls BoringSSL through crates.io's `boring` as tokio does.
#[test]
fn rnet_posts_through_the_boring_inside_it_without_a_symbol() -> anyhow::Result<()> {
    posted_by_python(
        "rust_client.py",
        &[PathBuf::from("rnet")],
        Proof {
            library: "boringssl",
            program: "rnet 2.4 (PyPI, boring2 4.15)",
            form: "static, stripped",
            functions: &["SSL_read", "SSL_write"],
            file: "/rnet.",
            counted: None,
            bound: true,
        },
    )
}

#[test]
fn primp_posts_through_the_rustls_inside_it_without_a_symbol() -> anyhow::Result<()> {
    posted_by_python(
        "rust_client.py",
        &[PathBuf::from("primp")],
        Proof {
            library: "rustls",
            program: "primp 2.0 (PyPI, rustls with AWS-LC)",
            form: "static, stripped",
            functions: &rustls::AEAD,
            file: "/primp.abi3.so",
            counted: None,
            bound: true,
        },
    )
}

#[test]
fn awscrt_posts_through_the_s2n_inside_it() -> anyhow::Result<()> {
    posted_by_python(
        "awscrt_client.py",
        &[peers::packages_with("s2n")?],
        Proof {
            library: "s2n",
            program: "awscrt 0.38 (PyPI)",
            form: "static",
            // Its s2n_recv begins with padded instructions, which take no probe.
            functions: &[
                "s2n_recv_impl",
                "s2n_send",
                "s2n_connection_free",
                "s2n_connection_wipe",
            ],
            file: "_awscrt.abi3.so",
            counted: None,
            bound: true,
        },
    )
}

#[test]
fn a_client_of_aws_lc_is_captured_with_and_without_symbols() -> anyhow::Result<()> {
    let client = rustls::aws_lc()?;
    for (form, functions) in [
        ("static", &["SSL_read", "SSL_write", "SSL_free"][..]),
        ("static, stripped", &["SSL_read", "SSL_write"]),
    ] {
        let scratch = Scratch::new()?;
        let copy = copied(&scratch, &client, form != "static")?;
        let start = |port: u16, request, counts| {
            let mut command = Command::new(&copy);
            command.arg(port.to_string());
            let running = Running::start(command.args([scratch.ready(), request, counts]))?;
            is_mapped(running.pid(), "/aws-lc-client")?;
            Ok(running)
        };
        let program = format!("a client in Rust (aws-lc-sys 0.47), {form}");
        let proof = Proof {
            library: "aws-lc",
            program: &program,
            form,
            functions,
            file: "/aws-lc-client",
            counted: None,
            bound: true,
        };
        posted(&scratch, start, proof)?;
    }
    Ok(())
}

#[test]
fn the_openssl_of_cryptography_is_captured_with_and_without_symbols() -> anyhow::Result<()> {
    let library = peers::packages()?.join("cryptography/hazmat/bindings/_rust.abi3.so");
    for (form, functions) in [
        (
            "static",
            &["ssl_read_internal", "ssl_write_internal", "SSL_free"][..],
        ),
        ("static, stripped", &["ssl_read_internal", "ssl_write_internal"]),
    ] {
        let scratch = Scratch::new()?;
        let card = values::card();
        let body = scratch.file("order.http", message::post_json("/v1/orders", &order(&card)))?;
        let copy = copied(&scratch, &library, form != "static")?;
        let counts = scratch.path("counts");
        let words = [
            copy,
            scratch.ready(),
            body,
            counts.clone(),
            scratch.certificate()?,
        ];
        let peer = python(&program("openssl_peer.py"), &words)?;
        let pid = peer.pid();
        let watch = Watch::pids(&scratch, &[pid], &[])?;
        peer.succeed()?;
        let report = watch.stop()?;
        let program = format!("cryptography 50 (PyPI, OpenSSL 4.0), {form}");
        prove(
            &report,
            Proof {
                library: "openssl",
                program: &program,
                form,
                functions,
                file: "_rust.abi3.so",
                counted: Some(peers::Counts::read(&counts)?.total()),
                // There is no socket at all.
                bound: false,
            },
        )?;
        leaked(&report, &card, pid, "openssl", None)?;
    }
    Ok(())
}

#[test]
fn a_client_of_mbedtls_is_captured() -> anyhow::Result<()> {
    client_in_c(
        "MBEDTLS",
        &["-lmbedtls", "-lmbedx509", "-lmbedcrypto"],
        Proof {
            library: "mbedtls",
            program: "a client in C (mbedTLS 2.28)",
            form: "shared",
            functions: &[
                "mbedtls_ssl_read",
                "mbedtls_ssl_write",
                "mbedtls_ssl_free",
                "mbedtls_ssl_session_reset",
            ],
            file: "/libmbedtls.so",
            counted: None,
            bound: true,
        },
    )
}

#[test]
fn a_client_of_wolfssl_is_captured() -> anyhow::Result<()> {
    client_in_c(
        "WOLFSSL",
        &["-lwolfssl"],
        Proof {
            library: "wolfssl",
            program: "a client in C (wolfSSL 5.5)",
            form: "shared",
            functions: &["wolfSSL_read", "wolfSSL_write", "wolfSSL_free", "wolfSSL_clear"],
            file: "/libwolfssl.so",
            counted: None,
            bound: true,
        },
    )
}
