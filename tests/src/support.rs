//! What the TLS tests proved, for the table in `docs/tls-support.md`.
//!
//! A test that captured a program's plaintext leaves a line. `cargo xtask tls-support` makes the page of them.

use std::collections::BTreeSet;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{proof, watch::Report};

/// A program and the library that was captured in it.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// Name of the row, as in `captured_by`.
    pub library: &'a str,
    /// The program, for people.
    pub program: &'a str,
    /// Where the library is: `shared`, `static`, `static, stripped`.
    pub form: &'a str,
    /// Functions that must be hooked, in this order.
    pub functions: &'a [&'a str],
    /// What the file's path has in it.
    pub file: &'a str,
    /// Bytes the program itself counted; `None` where it can not.
    pub counted: Option<i64>,
    /// Its streams were bound to their sockets.
    pub bound: bool,
}

/// Checks hooks, bytes and binding, prints them, and notes the result.
///
/// # Errors
/// When something is not as the proof says.
pub fn prove(report: &Report, proof: Proof<'_>) -> anyhow::Result<()> {
    report.balanced()?;
    let hooks: Vec<&Value> = report.summary["attached"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|hook| {
            hook["library"] == proof.library
                && hook["path"]
                    .as_str()
                    .is_some_and(|path| path.contains(proof.file))
        })
        .collect();
    let text = |hook: &Value, name: &str| hook[name].as_str().unwrap_or("?").to_owned();
    let names: BTreeSet<String> = hooks.iter().map(|hook| text(hook, "function")).collect();
    let wanted: BTreeSet<String> = proof.functions.iter().map(|name| (*name).to_owned()).collect();
    ensure!(
        names == wanted,
        "{}: hooked {names:?} instead of {wanted:?}; all: {}",
        proof.program,
        report.summary["attached"]
    );
    let moved = report.bytes("tls", "moved");
    match proof.counted {
        Some(counted) => ensure!(
            moved == counted,
            "{} moved {moved} bytes of plaintext and counted {counted}: {:?}",
            proof.program,
            report.account("tls")
        ),
        None => ensure!(moved > 0, "{} moved nothing", proof.program),
    }
    let bindings = &report.summary["bindings"];
    let binding = ["nested", "adjacent", "descriptor"]
        .into_iter()
        .find(|way| bindings[*way].as_u64().is_some_and(|streams| streams > 0));
    ensure!(
        binding.is_some() == proof.bound,
        "{}: bindings {bindings}",
        proof.program
    );
    let functions: Vec<Value> = proof
        .functions
        .iter()
        .filter_map(|name| hooks.iter().find(|hook| hook["function"] == **name))
        .map(|hook| {
            json!({
                "function": hook["function"],
                "instruction": hook["instruction"],
                "method": hook["method"],
            })
        })
        .collect();
    let line = json!({
        "library": proof.library,
        "program": proof.program,
        "form": proof.form,
        "functions": functions,
        "binding": binding.unwrap_or("none"),
    });
    println!("table: {line} | moved {moved}, difference 0");
    let name = format!("{}-{}", proof.library, proof.program);
    proof::note("AUDITOR_TLS_RESULTS", &name, &line)
}
