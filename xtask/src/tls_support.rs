//! `cargo xtask tls-support`: the page of TLS libraries, made of what native tests proved.
//!
//! Goes in: the lines of tests that captured a program (`tests/src/support.rs`), and the rows below of what has no test.
//! Comes out: docs/tls-support.md. `cargo xtask test` compares the two.

use std::fmt::Write as _;

use serde_json::Value;

use crate::proved::Page;

pub(crate) const PAGE: Page = Page {
    variable: "AUDITOR_TLS_RESULTS",
    name: "tls-support",
    tests: "capture",
    text: page,
};

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
        "Envoy: no binary to be had here; the same search applies. The fork `btls` (wreq 0.13, PyPI) sends without `SSL_write`: \
         what it receives is read, what it sends is `ciphertext`",
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
        "stripped programs that encrypt with ring, those with two versions, and versions before 0.23: not hooked; all but the \
         first are told in the log. The AES-GCM of ring is assembly that names nothing, is chosen by the processor, and is not \
         given the record's header, so nothing would tell TLS from the rest. In 0.22.4, built with fat LTO and without, the \
         function that receives is no function of its own any more. Where AWS-LC encrypts, the seam of stripped programs serves \
         all these as well; that was not tried",
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
