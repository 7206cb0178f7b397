//! Cards in the traffic of programs with versions of OpenSSL that Debian 12 no longer has are reported, with every byte
//! accounted: 1.0.2, 1.1.0 and 1.1.1, shared and static, with symbols and without.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    peers::{packages_with, program},
    posting::{client_in_c, copied, library, posted, python},
    scratch::Scratch,
    support::Proof,
};

const OPENSSL: Proof<'_> = Proof {
    library: "openssl",
    program: "",
    form: "",
    functions: &[],
    file: "",
    counted: None,
    bound: true,
};

#[test]
fn a_client_of_openssl_1_0_2_is_captured() -> anyhow::Result<()> {
    let folder = packages_with("openssl-1.0.2")?.join("psycopg2/.libs");
    let [ssl, crypto] = ["libssl-", "libcrypto-"].map(|prefix| library(&folder, prefix));
    let (ssl, crypto) = (shown(&ssl?)?, shown(&crypto?)?);
    // For the libraries that these ask for, too.
    let rpath = format!("-Wl,--disable-new-dtags,-rpath,{}", shown(&folder)?);
    client_in_c(
        "OPENSSL_1_0",
        &[&ssl, &crypto, &rpath],
        Proof {
            program: "a client in C (OpenSSL 1.0.2q of psycopg2 2.7.7, PyPI)",
            form: "shared",
            functions: &["SSL_read", "SSL_write", "SSL_free"],
            file: "/libssl-",
            ..OPENSSL
        },
    )
}

#[test]
fn pyopenssl_posts_through_openssl_1_1_0_with_and_without_symbols() -> anyhow::Result<()> {
    let program = "pyOpenSSL 18 (PyPI, OpenSSL 1.1.0j)";
    with_and_without_symbols("1.1.0", program, ["SSL_read", "SSL_write"])
}

#[test]
fn pyopenssl_posts_through_openssl_1_1_1_with_and_without_symbols() -> anyhow::Result<()> {
    let program = "pyOpenSSL 20 (PyPI, OpenSSL 1.1.1l)";
    with_and_without_symbols("1.1.1", program, ["ssl_read_internal", "ssl_write_internal"])
}

fn with_and_without_symbols(version: &str, name: &str, [read, write]: [&str; 2]) -> anyhow::Result<()> {
    let packages = packages_with(&format!("openssl-{version}"))?;
    let original = packages.join("cryptography/hazmat/bindings/_openssl.abi3.so");
    for (form, functions) in [
        ("static", &[read, write, "SSL_free"][..]),
        ("static, stripped", &[read, write]),
    ] {
        let scratch = Scratch::new()?;
        let copy = copied(&scratch, &original, form.contains("stripped"))?;
        let start = |port: u16, request, counts| {
            let port = PathBuf::from(port.to_string());
            let words = [
                packages.clone(),
                copy.clone(),
                port,
                scratch.ready(),
                request,
                counts,
            ];
            python(&program("pyopenssl_client.py"), &words)
        };
        let name = format!("{name}, {form}");
        let proof = Proof {
            program: &name,
            form,
            functions,
            file: &shown(&copy)?,
            ..OPENSSL
        };
        let report = posted(&scratch, start, proof)?;
        let bindings = &report.summary["bindings"];
        ensure!(
            bindings["nested"] == 1 && bindings["unbound"] == 0 && bindings["conflicts"] == 0,
            "{bindings}"
        );
    }
    Ok(())
}

fn shown(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("a path that is no text")?.to_owned())
}
