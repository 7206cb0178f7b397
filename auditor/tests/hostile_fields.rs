//! Content made to cost time or memory where names, fields and own detectors are looked at: the
//! command on megabytes of it, under a limit of memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of two contents of a kind.
const SHORT: usize = 1 << 20;
const LONG: usize = 8 * SHORT;
/// Memory that may be written, KiB: several times what a scan with two threads takes.
const MEMORY: &str = "400000";

const OWN: &str = r"
detectors:
  - id: acme_customer
    pattern: 'ACME-[0-9]{8}\b'
    keys: [zq, a, customer]
  - id: acme_any
    pattern: '(a|b|=|:){3,}[0-9]+'
    slow: true
  - id: acme_named
    pattern: '[^x]+x'
    keys: [phones, religion, k1]
    validator: luhn
";

/// A card in a field that says nothing is low: it waits in a sketch.
fn card(n: usize) -> u64 {
    let lead = 453_957_100_000_000 + n as u64 * 7_919 % 1_000_000_000;
    let sum: u64 = (0..15)
        .map(|place| match (place % 2, lead / 10u64.pow(place) % 10) {
            (0, digit @ 5..) => 2 * digit - 9,
            (0, digit) => 2 * digit,
            (_, digit) => digit,
        })
        .sum();
    lead * 10 + (10 - sum % 10) % 10
}

/// Pieces by number until the content is long enough, between a head and a tail.
fn content(length: usize, head: &str, piece: impl Fn(usize) -> String, tail: &str) -> String {
    let mut out = head.to_owned();
    for n in 0.. {
        if out.len() >= length {
            break;
        }
        out += &piece(n);
    }
    out + tail
}

type Make = fn(usize) -> String;

const CONTENTS: [(&str, Make); 13] = [
    ("one key again and again", |length| {
        content(length, "{\"n\":1", |n| format!(",\"zq\":\"{}\"", card(n)), "}")
    }),
    ("one record again and again", |length| {
        content(length, "", |n| format!("{{\"zq\":{}}}\n", card(n)), "")
    }),
    ("keys that are all different", |length| {
        content(length, "{\"n\":1", |n| format!(",\"k{n}\":\"{}\"", card(n)), "}")
    }),
    ("records whose keys are all different", |length| {
        content(length, "", |n| format!("{{\"k{n}\":{}}}\n", card(n)), "")
    }),
    ("numbers that fail in one field", |length| {
        content(
            length,
            "",
            |n| format!("{{\"zq\":{}}}\n", card(n) + n as u64 % 10),
            "",
        )
    }),
    ("an array under a name", |length| {
        let phone = |n| format!("\"+4915{:09}\",", n % 1_000_000_000);
        content(length, "{\"phones\":[", phone, "\"\"]}")
    }),
    ("an array under a name that is sensitive", |length| {
        content(
            length,
            "{\"religion\":[",
            |n| format!("\"buddhist {n}\","),
            "\"\"]}",
        )
    }),
    ("ten thousand columns", |length| {
        let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
        let row = |n: usize| {
            let cells: Vec<String> = (0..10_000).map(|column| (n + column).to_string()).collect();
            cells.join(",") + "\n"
        };
        content(length, &(names.join(",") + "\n"), row, "")
    }),
    ("ten thousand columns of cards", |length| {
        let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
        let row = |n: usize| {
            let cells: Vec<String> = (0..10_000)
                .map(|column| card(n * 10_000 + column).to_string())
                .collect();
            cells.join(",") + "\n"
        };
        content(length, &(names.join(",") + "\n"), row, "")
    }),
    ("equals signs", |length| "a=".repeat(length / 2)),
    ("colons", |length| ":".repeat(length)),
    ("quotes", |length| "\"".repeat(length)),
    ("names without values", |length| {
        "{\"phones\":".repeat(length / 10)
    }),
];

/// How long a scan of `content` takes; it must end by itself within its memory.
fn seconds(directory: &Path, name: &str, content: &str) -> f64 {
    fs::write(directory.join("content"), content).unwrap();
    let script = format!(
        "ulimit -d {MEMORY} && exec {} scan --threads 2 --min-confidence low --states all --config own.yaml content",
        env!("CARGO_BIN_EXE_auditor")
    );
    let began = Instant::now();
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let took = began.elapsed();
    assert!(matches!(status.code(), Some(0 | 1)), "{name}: {status}");
    assert!(took < Duration::from_secs(120), "{name}: {took:?}");
    took.as_secs_f64()
}

#[test]
fn no_names_fields_or_own_detectors_make_a_scan_slow_or_large() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("own.yaml"), OWN).unwrap();
    for (name, make) in CONTENTS {
        let short = seconds(directory.path(), name, &make(SHORT));
        let long = seconds(directory.path(), name, &make(LONG));
        println!("{name}: {short:.2} s, {long:.2} s");
        // Other work on the machine may double a time; quadratic work takes 64 times as long.
        assert!(
            long < 24.0 * short + 0.5,
            "{name}: {short:.2} s for a megabyte, {long:.2} s for eight"
        );
    }
}
