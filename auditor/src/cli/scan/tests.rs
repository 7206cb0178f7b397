//! The command against files in a directory of its own, with a scanner that knows one value.

use std::fs;

use serde_json::Value;
use uuid::Uuid;

use crate::content::Document;
use crate::detect::{Detection, Fingerprinter, Scan};

use super::*;

const NEEDLE: &str = "5555555555554444";

/// Finds the needle: clear, or masked when stars follow.
struct Finder(Fingerprinter);

impl ScanSuspects for Finder {
    fn fingerprinter(&self) -> &Fingerprinter {
        &self.0
    }
}

impl Scan for Finder {
    fn scan(&self, document: &Document<'_>, found: &mut Vec<Detection>) {
        for start in memchr::memmem::find_iter(document.bytes, NEEDLE) {
            let range = start..start + NEEDLE.len();
            if !document.reports(&range) {
                continue;
            }
            let masked = document.bytes[range.end..].starts_with(b"*");
            found.push(Detection {
                detector: "payment_card",
                row: crate::detect::catalogue::find("payment_card").unwrap(),
                state: if masked { State::Masked } else { State::Clear },
                confidence: Confidence::Medium,
                score_bits: 7.0,
                evidence: Vec::new(),
                declared_masked: false,
                under_masked: false,
                extra_regulations: &[],
                sample: "555555******4444".into(),
                length: 16,
                fingerprint: "k1:0".into(),
                field: document.field_at(range.clone()),
                range,
            });
        }
    }
}

struct Outcome {
    code: ExitCode,
    out: String,
    err: String,
}

impl Outcome {
    fn findings(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A directory that goes away.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("auditor-scan-{}", Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn scan(paths: &[&Path], flags: &[&str]) -> Outcome {
    use clap::{Args as _, FromArgMatches as _};
    let command = Args::augment_args(clap::Command::new("scan"));
    let words = ["scan"]
        .into_iter()
        .chain(flags.iter().copied())
        .map(std::ffi::OsString::from);
    let matches = command.get_matches_from(words.chain(paths.iter().map(|path| path.as_os_str().to_owned())));
    let args = Args::from_arg_matches(&matches).unwrap();
    let scanner = Finder(Fingerprinter::new([0; 32]));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let descriptors = engine::descriptors(&args.descriptors, false).unwrap();
    let policies = engine::policies(&args.policy, &args.preset, &[]).unwrap();
    let with = With {
        known: Known {
            scanner: &scanner,
            descriptors: &descriptors,
        },
        policies: (!policies.rules.is_empty()).then_some(&policies),
        progress: &Progress::hidden(None),
    };
    let code = run(&args, with, &mut out, &mut err).unwrap();
    Outcome {
        code,
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

/// Every finding of a file must lie where its offsets and line say.
fn check_places(content: &[u8], findings: &[Value]) {
    for finding in findings {
        let place = &finding["location"];
        let at = |name: &str| usize::try_from(place[name].as_u64().unwrap()).unwrap();
        assert_eq!(&content[at("start")..at("end")], NEEDLE.as_bytes(), "{place}");
        let line = content[..at("start")].iter().filter(|b| **b == b'\n').count() + 1;
        assert_eq!(at("line"), line);
    }
}

const CONVERSATION: &str = "POST /v1/charges/42?card=N HTTP/1.1\r\nHost: shop.test\r\nX-Card: N\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"pan\":\"N\"}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19\r\n{\"a\":1,\r\n \"card\":\"5555555\r\nb\r\n555554444\"}\r\n0\r\n\r\nGET /N HTTP/1.1\r\n\r\nHTTP/1.0 200 OK\r\n\r\nok N\n\nPUT /last HTTP/1.1\r\n\r\n";

#[test]
fn findings_in_http_messages_have_their_place_in_the_file() {
    let directory = Directory::new();
    let content = CONVERSATION.replace('N', NEEDLE);
    let path = directory.file("conversation.http", &content);
    let outcome = scan(&[&path], &["--format", "json"]);
    let findings = outcome.findings();
    let seen: Vec<_> = findings
        .iter()
        .map(|f| {
            (
                f["location"]["part"].as_str().unwrap(),
                f["flow"]["operation"].as_str().unwrap(),
                f["location"]["field"].as_str(),
            )
        })
        .collect();
    let charge = "POST /v1/charges/{id}";
    assert_eq!(
        seen,
        [
            ("request.query", charge, Some("card")),
            ("request.headers", charge, Some("x-card")),
            ("request.body", charge, Some("$.pan")),
            ("response.body", charge, Some("$.card")),
            ("request.path", "GET /{id}", None),
            ("response.body", "GET /{id}", None),
        ]
    );
    let in_chunks = findings
        .iter()
        .position(|f| f["location"]["field"] == "$.card")
        .unwrap();
    let whole: Vec<_> = findings
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != in_chunks)
        .map(|(_, f)| f.clone())
        .collect();
    check_places(content.as_bytes(), &whole);
    let chunked = &findings[in_chunks]["location"];
    let start = content.find("5555555\r\nb\r\n").unwrap() as u64;
    assert_eq!(
        (chunked["start"].as_u64(), chunked["end"].as_u64()),
        (Some(start), Some(start + 21))
    );
    assert_eq!(outcome.code, ExitCode::from(1));
}

#[test]
fn a_long_file_is_read_in_windows_and_every_value_has_its_place() {
    let directory = Directory::new();
    let record = |n: u32| {
        format!(
            "{{\"n\":{n},\"note\":\"{}\",\"card\":{{\"pan\":\"{NEEDLE}\"}}}}\n",
            "x".repeat(n as usize % 3000)
        )
    };
    let ndjson: String = (0..2000).map(record).collect();
    let log: String = (0..3000)
        .map(|n| format!("2026-01-01 INFO request {n} took 7 ms pan={NEEDLE}\n"))
        .collect();
    let http = format!(
        "POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{ndjson}",
        ndjson.len()
    );
    for (content, count, field) in [
        (ndjson, 2000, Some("$.card.pan")),
        (log, 3000, None),
        (http, 2000, Some("$.card.pan")),
    ] {
        let path = directory.file("long", &content);
        let outcome = scan(&[&path], &["--format", "json", "--threads", "1"]);
        let findings = outcome.findings();
        let with_helpers = scan(&[&path], &["--format", "json", "--threads", "3"]);
        let places = |findings: Vec<Value>| -> Vec<Value> {
            findings.into_iter().map(|mut f| f["location"].take()).collect()
        };
        assert_eq!(places(with_helpers.findings()), places(outcome.findings()));
        assert_eq!(findings.len(), count);
        assert!(findings.iter().all(|f| f["location"]["field"].as_str() == field));
        check_places(content.as_bytes(), &findings);
    }
}

#[test]
fn directories_are_walked_and_ignored_files_are_left_out() {
    let directory = Directory::new();
    for name in ["a/b.txt", ".env", "target/x.txt", "c.log", ".git/config"] {
        directory.file(name, format!("card={NEEDLE}\n"));
    }
    directory.file(".gitignore", "target/\n*.log\n");
    directory.file(
        "logo.png",
        [b"\x89PNG\r\n\x1a\n\0".as_slice(), NEEDLE.as_bytes()].concat(),
    );
    let outcome = scan(&[&directory.0], &["--threads", "3"]);
    assert_eq!(outcome.out.lines().count(), 2, "{}", outcome.out);
    assert!(
        outcome
            .out
            .contains("b.txt:1  critical payment_card         555555******4444"),
        "{}",
        outcome.out
    );
    assert!(outcome.out.contains(".env:1 "));
    assert!(!outcome.out.contains(NEEDLE) && !outcome.err.contains(NEEDLE));
    assert!(
        outcome
            .err
            .contains("not scanned: 25 bytes without text in 1 file"),
        "{}",
        outcome.err
    );
    let ignored = scan(&[&directory.0.join("c.log")], &[]);
    assert_eq!(ignored.code, ExitCode::from(1), "a file that is named is scanned");
}

#[test]
fn the_exit_code_tells_clean_leak_and_error_apart() {
    let directory = Directory::new();
    let clean = directory.file("clean.txt", "nothing here\n");
    let empty = directory.file("empty", "");
    let masked = directory.file("masked.txt", format!("card: {NEEDLE}*\n"));
    let leak = directory.file("leak.txt", format!("card: {NEEDLE}\n"));
    let missing = directory.0.join("missing");
    for (paths, flags, code, lines) in [
        (vec![&clean, &empty], &[][..], 0, 0),
        (vec![&masked], &[], 0, 0),
        (vec![&masked], &["--states", "all"], 0, 1),
        (vec![&clean, &leak], &[], 1, 1),
        (vec![&leak], &["--min-confidence", "high"], 0, 0),
        (vec![&missing, &leak], &[], 2, 1),
    ] {
        let paths: Vec<_> = paths.into_iter().map(PathBuf::as_path).collect();
        let outcome = scan(&paths, flags);
        assert_eq!(outcome.code, ExitCode::from(code), "{paths:?} {flags:?}");
        assert_eq!(outcome.out.lines().count(), lines, "{paths:?} {flags:?}");
        assert_eq!(outcome.err.contains("cannot read"), code == 2);
    }
}
