//! `cargo xtask tls-support`: the page of TLS libraries, made of what native tests proved.
//!
//! A native test that captured a program leaves one line in a folder (`tests/src/support.rs`). Goes in: those lines,
//! and the rows below of what has no test. Comes out: docs/tls-support.md. `cargo xtask test` compares the two.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process;

/// Where native tests leave what they proved.
pub(crate) const VARIABLE: &str = "AUDITOR_TLS_RESULTS";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the page is not what the results say.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Libraries in the order of the page: name in `captured_by`, name for people, and what is known besides the tests.
const LIBRARIES: &[(&str, &str, &str)] = &[
    (
        "openssl",
        "OpenSSL",
        "1.0.2 static and stripped: no program to be had here; the search finds the functions in the code of the shared one",
    ),
    (
        "boringssl",
        "BoringSSL",
        "Envoy: no binary to be had here; the same search applies",
    ),
    ("aws-lc", "AWS-LC", ""),
    (
        "libressl",
        "LibreSSL",
        "told from OpenSSL in unit tests; no program and no source was found in Debian, PyPI, npm or crates.io",
    ),
    ("gnutls", "GnuTLS", ""),
    ("nss", "NSS", ""),
    ("mbedtls", "mbedTLS", ""),
    ("wolfssl", "wolfSSL", ""),
    (
        "s2n",
        "s2n",
        "stripped programs, and `s2n_sendv`, which takes a list of buffers: not hooked",
    ),
    (
        "go",
        "Go crypto/tls",
        "before Go 1.17, and built without optimisation: told and left alone",
    ),
    (
        "rustls",
        "rustls",
        "stripped programs, those with two versions, and versions before 0.23: not hooked; all but the first are told in the \
         log. In 0.22.4, built with fat LTO and without, the function that receives is no function of its own any more",
    ),
    (
        "arm64",
        "all, on 64-bit ARM",
        "designed, tested on the code of Debian's arm64 packages (OpenSSL, GnuTLS, NSS, mbedTLS, wolfSSL), never run",
    ),
    (
        "jsse",
        "Java JSSE",
        "not there: it is Java code that is compiled while it runs, so there is no file to attach to. It would need an \
         agent inside the watched program, and auditor puts nothing into a watched program",
    ),
];

const HEAD: &str = "\
# TLS libraries

Made by `cargo xtask tls-support` from what the native tests proved; do not edit it. A row is *proved* when a test sent
a card through the library in a real program and found it, with every byte of plaintext accounted. *unproved*: what is
known is in the row.

";

/// The folder of the results, under the build folder.
pub(crate) fn folder() -> PathBuf {
    process::root().join("target/tls-support")
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let results = results()?;
    if results.is_empty() {
        bail!(
            "there are no results in {}: run `cargo xtask test --only native capture` first",
            folder().display()
        );
    }
    let page = page(&results);
    let path = process::root().join("docs/tls-support.md");
    if fs::read_to_string(&path).is_ok_and(|there| there == page) {
        println!("docs/tls-support.md is what the tests proved");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        println!("docs/tls-support.md differs from what the tests proved: run `cargo xtask tls-support`");
        return Ok(ExitCode::FAILURE);
    }
    fs::write(&path, page).context("docs/tls-support.md can not be written")?;
    println!("wrote docs/tls-support.md");
    Ok(ExitCode::SUCCESS)
}

/// One line a file, by file name.
fn results() -> anyhow::Result<Vec<Value>> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Ok(Vec::new());
    };
    let mut lines = BTreeMap::new();
    for entry in entries.flatten() {
        let text = fs::read_to_string(entry.path())?;
        let line = serde_json::from_str(&text).with_context(|| format!("{}", entry.path().display()))?;
        lines.insert(entry.file_name(), line);
    }
    Ok(lines.into_values().collect())
}

fn page(results: &[Value]) -> String {
    let mut text = HEAD.to_owned();
    text +=
        "| library | state | program | form | functions, and the instruction under each probe | binding |\n";
    text += "|---|---|---|---|---|---|\n";
    for (id, name, note) in LIBRARIES {
        let proofs: Vec<&Value> = results.iter().filter(|line| line["library"] == *id).collect();
        for proof in &proofs {
            let word = |name: &str| proof[name].as_str().unwrap_or("?").to_owned();
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {name} | proved | {} | {} | {} | {} |",
                word("program"),
                word("form"),
                functions(proof),
                word("binding"),
            );
        }
        if !note.is_empty() {
            let _ = writeln!(text, "| {name} | unproved | | | {note} | |");
        }
    }
    text
}

/// `function` at `instruction`, with what the kernel does there.
fn functions(proof: &Value) -> String {
    let functions = proof["functions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let shown: Vec<String> = functions
        .iter()
        .map(|function| {
            let word = |name: &str| function[name].as_str().unwrap_or("?").to_owned();
            format!(
                "`{}` at `{}` ({})",
                word("function"),
                word("instruction"),
                word("method")
            )
        })
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_a_row_and_a_library_without_one_says_why() {
        let proof = serde_json::json!({
            "library": "gnutls",
            "program": "wget",
            "form": "shared",
            "functions": [{"function": "gnutls_record_send2", "instruction": "push r15", "method": "entry"}],
            "binding": "nested",
        });
        let page = page(&[proof]);
        let row =
            "| GnuTLS | proved | wget | shared | `gnutls_record_send2` at `push r15` (entry) | nested |\n";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("| Java JSSE | unproved |"), "{page}");
        assert!(page.contains("| LibreSSL | unproved |"), "{page}");
    }
}
