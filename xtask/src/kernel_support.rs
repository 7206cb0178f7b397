//! docs/kernel-support.md, made of what the virtual machines proved.
//!
//! Goes in: the scenarios of `cargo xtask vm --write`, and the words around the table in kernel_support/page.md. Comes
//! out: docs/kernel-support.json, which holds the results, and the page. A test holds the page to the results.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{
    process, verify,
    vm::{Booted, Outcome},
};

/// The words of the page; `@table@` is where the rows go.
const PAGE: &str = include_str!("kernel_support/page.md");

/// What a row is about: the scenario, its name for people, and the programs it stands on (any one set of them).
const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "sockets_tracepoint",
        "TCP, tier `tracepoint`",
        &["sock_send_length", "sock_recv_length"],
    ),
    (
        "sockets_fexit",
        "TCP, tier `fexit`",
        &["inet_sendmsg", "inet_recvmsg"],
    ),
    ("sockets_syscall", "TCP, tier `syscall`", &["sys_exit"]),
    ("messages_udp", "UDP", &["sock_send_length", "udp_recvmsg"]),
    (
        "messages_several",
        "`sendmmsg`, `recvmmsg`",
        &["sock_send_length", "recvmmsg_end"],
    ),
    (
        "kernel_sendfile",
        "`sendfile`",
        &["sock_send_length", "inet_sendmsg_given"],
    ),
    (
        "kernel_splice",
        "`splice` into a socket; what it takes out of one is counted",
        &["sock_send_length", "inet_sendmsg_given", "tcp_splice_read"],
    ),
    (
        "kernel_io_uring",
        "io_uring",
        &["sock_send_length", "inet_sendmsg_given"],
    ),
    ("unix_stream", "UNIX domain streams", &["sock_send_length"]),
    ("unix_messages", "UNIX domain datagrams", &["sock_send_length"]),
    (
        "auditor_finds_a_card_in_python_tls",
        "OpenSSL (Python)",
        &["tls_enter", "tls_exit"],
    ),
    (
        "auditor_names_the_peer_of_tls_in_memory",
        "OpenSSL on memory (Python), bound to its socket",
        &["tls_enter", "tls_exit"],
    ),
    ("tls_go", "Go crypto/tls", &["go_write", "go_written", "go_read"]),
    (
        "tls_rustls",
        "rustls 0.23",
        &["rustls_begin", "rustls_write", "rustls_written", "rustls_read"],
    ),
];

/// Longest reason shown in a row, characters.
const REASON: usize = 200;

/// Adds these results to the file and writes the page.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn write(booted: &[Booted]) -> anyhow::Result<()> {
    let (json, page) = ["docs/kernel-support.json", "docs/kernel-support.md"]
        .map(|path| process::root().join(path))
        .into();
    let mut results: BTreeMap<String, Value> = match fs::read_to_string(&json) {
        Ok(text) => {
            serde_json::from_str(&text).context("docs/kernel-support.json is not what --write writes")?
        }
        Err(_) => BTreeMap::new(),
    };
    for run in booted {
        results.insert(run.series.clone(), result(run));
    }
    let results = json!(results);
    fs::write(&json, serde_json::to_string_pretty(&results)? + "\n")?;
    fs::write(&page, text(&results))?;
    println!("wrote docs/kernel-support.json and docs/kernel-support.md");
    verify::record(booted)
}

fn result(run: &Booted) -> Value {
    let mut scenarios = Map::new();
    let mut loads = Value::Null;
    for scenario in &run.scenarios {
        if scenario.name == verify::SCENARIO {
            let doctor: Value = serde_json::from_str(&scenario.detail).unwrap_or_default();
            let programs = doctor["programs"].as_array().cloned().unwrap_or_default();
            loads = programs
                .iter()
                .filter(|program| program["refused"].is_null())
                .map(|program| program["name"].clone())
                .collect();
        } else if ROWS.iter().any(|(name, ..)| *name == scenario.name) {
            let outcome = match scenario.outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            };
            let mut entry = json!({"outcome": outcome});
            // What a capture counted differs from run to run; why one was not made does not.
            if scenario.outcome != Outcome::Passed {
                entry["why"] = scenario.detail.chars().take(REASON).collect::<String>().into();
            }
            scenarios.insert(scenario.name.clone(), entry);
        }
    }
    let mut result = json!({"package": run.package, "loads": loads, "scenarios": scenarios});
    if let Some(trouble) = run.trouble.as_ref().filter(|_| run.scenarios.is_empty()) {
        result["trouble"] = trouble.chars().take(REASON).collect::<String>().into();
    }
    result
}

/// The page for these results.
fn text(results: &Value) -> String {
    let mut kernels: Vec<(&String, &Value)> = results.as_object().into_iter().flatten().collect();
    kernels.sort_by_key(|(series, _)| numbers(series));
    let mut table = "| kernel | what | state | |\n|---|---|---|---|\n".to_owned();
    for (series, result) in kernels {
        if let Some(why) = result["trouble"].as_str() {
            let _ = writeln!(table, "| {series} | everything | unproved | {} |", cell(why));
            continue;
        }
        let package = result["package"].as_str().unwrap_or("?");
        for (name, shown, programs) in ROWS {
            let scenario = &result["scenarios"][name];
            let why = scenario["why"].as_str().unwrap_or("not run");
            let (state, remark) = match scenario["outcome"].as_str() {
                Some("passed") => ("proved", format!("`{package}`")),
                _ if load(result, programs) => ("symbols only", cell(&format!("the programs load; {why}"))),
                _ => ("unproved", cell(why)),
            };
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {series} | {shown} | {state} | {remark} |");
        }
    }
    PAGE.replace("@table@\n", &table)
}

fn load(result: &Value, programs: &[&str]) -> bool {
    let loads = result["loads"].as_array();
    programs
        .iter()
        .all(|program| loads.is_some_and(|loads| loads.iter().any(|name| name == program)))
}

/// A version as numbers, so that 6.1 comes before 6.12 and 5.10 before both.
fn numbers(series: &str) -> Vec<u64> {
    series.split('.').filter_map(|part| part.parse().ok()).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_made_of_the_committed_results() {
        let read = |path: &str| fs::read_to_string(process::root().join(path)).expect("it is committed");
        let results = serde_json::from_str(&read("docs/kernel-support.json")).expect("JSON");
        assert!(
            read("docs/kernel-support.md") == text(&results),
            "docs/kernel-support.md: change xtask/src/kernel_support/page.md and run `cargo xtask vm --write`"
        );
    }

    #[test]
    fn a_row_is_proved_by_a_capture_and_by_nothing_less() {
        let results = json!({
            "6.12": {"package": "linux-image-x", "loads": ["sys_exit"], "scenarios": {
                "sockets_tracepoint": {"outcome": "passed"},
                "sockets_fexit": {"outcome": "skipped", "why": "no|such function"},
                "sockets_syscall": {"outcome": "failed", "why": "no finding"},
            }},
            "5.10": {"package": "", "trouble": "no package"},
        });
        let page = text(&results);
        let rows = [
            "| 5.10 | everything | unproved | no package |\n",
            "| 6.12 | TCP, tier `tracepoint` | proved | `linux-image-x` |\n",
            "| 6.12 | TCP, tier `fexit` | unproved | no/such function |\n",
            "| 6.12 | TCP, tier `syscall` | symbols only | the programs load; no finding |\n",
        ];
        let at: Vec<usize> = rows.iter().filter_map(|row| page.find(row)).collect();
        assert_eq!(at.len(), rows.len(), "{page}");
        assert!(at.is_sorted(), "{page}");
    }
}
