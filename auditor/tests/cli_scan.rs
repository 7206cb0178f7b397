//! `auditor scan` and `auditor detectors`: the built binary in a directory of its own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Values that are planted; none of them may come out again, in any output.
const CARD: &str = "5447911234560249";
const GROUPED: &str = "5447 9112 3456 0249";
const IBAN: &str = "DE27100777770209299700";
const MAIL: &str = "jane.sentinel@corp.de";
const SSN: &str = "536-22-1234";
const SENTINELS: [&str; 8] = [
    CARD,
    GROUPED,
    IBAN,
    MAIL,
    SSN,
    "791123456",
    "jane.sentinel",
    "10077777020929",
];

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Self {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        for sentinel in SENTINELS {
            assert!(!ran.out.contains(sentinel), "standard output holds a value");
            assert!(!ran.err.contains(sentinel), "standard error holds a value");
        }
        ran
    }

    /// Every line of standard output, which must follow the published schema.
    fn findings(&self) -> Vec<Value> {
        let schema = serde_json::from_str(include_str!("../../docs/finding.schema.json")).unwrap();
        let schema = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        let line = |line| {
            let finding: Value = serde_json::from_str(line).unwrap();
            if let Err(error) = schema.validate(&finding) {
                panic!("{error} in {line}");
            }
            finding
        };
        self.out.lines().map(line).collect()
    }
}

fn auditor(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditor"));
    command.current_dir(directory).args(words);
    command
}

fn run(directory: &Path, words: &[&str]) -> Ran {
    Ran::of(auditor(directory, words).stdin(Stdio::null()).output().unwrap())
}

fn with_input(directory: &Path, words: &[&str], input: &str) -> Ran {
    let mut child = auditor(directory, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Detector and field of each finding.
fn told(findings: &[Value]) -> Vec<(&str, Option<&str>)> {
    findings
        .iter()
        .map(|finding| {
            (
                finding["detector"].as_str().unwrap(),
                finding["location"]["field"].as_str(),
            )
        })
        .collect()
}

#[test]
fn values_are_found_in_every_kind_of_file() {
    let directory = directory();
    let json = format!(r#"{{"customer":{{"card":{{"number":"{CARD}"}},"mail":"{MAIL}"}}}}"#);
    let http = format!(
        "POST /v1/charges?iban={IBAN} HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}HTTP/1.1 200 OK\r\nX-Card-Number: {CARD}\r\nContent-Length: 2\r\n\r\nok",
        json.len()
    );
    let card = ("payment_card", Some("$.customer.card.number"));
    let mail = ("email_address", Some("$.customer.mail"));
    for (name, content, expected) in [
        (
            "events.ndjson",
            format!("{json}\n{{\"n\":1}}\n{json}\n"),
            vec![card, mail, card, mail],
        ),
        (
            "form.txt",
            format!(
                "order=7&card_number={}&email={}",
                GROUPED.replace(' ', "+"),
                MAIL.replace('@', "%40")
            ),
            vec![
                ("payment_card", Some("card_number")),
                ("email_address", Some("email")),
            ],
        ),
        (
            "conversation.http",
            http,
            vec![
                ("iban", Some("iban")),
                card,
                mail,
                ("payment_card", Some("x-card-number")),
            ],
        ),
        (
            "people.csv",
            format!("name,ssn,email\nJane,{SSN},{MAIL}\nJohn,***-**-1234,j***@corp.de\n"),
            vec![("us_ssn", Some("ssn")), ("email_address", Some("email"))],
        ),
        (
            "dump.sql",
            format!("INSERT INTO payments (id, card_number) VALUES (1, '{CARD}');\n"),
            vec![("payment_card", Some("payments.card_number"))],
        ),
        (
            "transfer.xml",
            format!("<?xml version=\"1.0\"?><pay><to><iban>{IBAN}</iban></to></pay>"),
            vec![("iban", Some("/pay/to/iban"))],
        ),
        (
            "service.log",
            format!("2026-02-03 INFO start\n2026-02-03 WARN card {GROUPED} declined, mail={MAIL}\n"),
            vec![("payment_card", None), ("email_address", None)],
        ),
    ] {
        fs::write(directory.path().join(name), &content).unwrap();
        let ran = run(directory.path(), &["scan", name, "--format", "json"]);
        let findings = ran.findings();
        assert_eq!(told(&findings), expected, "{name}");
        assert_eq!(ran.code, 1, "{name}");
        for finding in &findings {
            assert_eq!(finding["path"], name);
            let at = |end: &str| usize::try_from(finding["location"][end].as_u64().unwrap()).unwrap();
            let value = &content[at("start")..at("end")];
            let plain = value.replace("%40", "@").replace('+', " ");
            assert!(
                SENTINELS.contains(&plain.as_str()),
                "the offsets of {name} are those of a value"
            );
            let line = content[..at("start")].matches('\n').count() + 1;
            assert_eq!(finding["location"]["line"], line, "{name}");
        }
    }
}

#[test]
fn a_directory_is_walked_and_its_ignore_file_obeyed() {
    let directory = directory();
    let path = directory.path();
    for name in ["a/b/leak.json", ".env", "target/built.txt", "noise.log"] {
        fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        fs::write(path.join(name), format!("{{\"card_number\":\"{CARD}\"}}\n")).unwrap();
    }
    fs::write(path.join(".gitignore"), "target/\n*.log\n").unwrap();
    let ran = run(path, &["scan", ".", "--format", "json", "--threads", "2"]);
    let mut paths: Vec<String> = ran
        .findings()
        .iter()
        .map(|f| f["path"].as_str().unwrap().into())
        .collect();
    paths.sort();
    assert_eq!(paths, ["./.env", "./a/b/leak.json"]);
    let text = run(path, &["scan", "."]);
    assert!(
        text.out
            .contains("critical payment_card         544791******0249"),
        "{}",
        text.out
    );
    assert!(text.err.contains("findings"), "{}", text.err);
}

#[test]
fn standard_input_is_a_file_called_dash() {
    let directory = directory();
    let input = format!("{{\"iban\":\"{IBAN}\"}}");
    let ran = with_input(directory.path(), &["scan", "-", "--format", "json"], &input);
    let findings = ran.findings();
    assert_eq!(told(&findings), [("iban", Some("$.iban"))]);
    assert_eq!((findings[0]["path"].as_str(), ran.code), (Some("-"), 1));
}

#[test]
fn protected_and_test_values_are_told_only_when_asked_for() {
    let directory = directory();
    let records = [
        r#"{"card_number":"544791******0249"}"#,
        r#"{"card_number":"4111111111111111"}"#,
        r#"{"ssn":"***-**-1234"}"#,
        r#"{"card_number":"tok_1JXyzAbcdef"}"#,
    ];
    fs::write(directory.path().join("masked.ndjson"), records.join("\n")).unwrap();
    let clear = run(directory.path(), &["scan", "masked.ndjson", "--format", "json"]);
    assert_eq!((clear.code, clear.out.as_str()), (0, ""));
    let all = run(
        directory.path(),
        &["scan", "masked.ndjson", "--format", "json", "--states", "all"],
    );
    let states: Vec<Value> = all
        .findings()
        .iter()
        .map(|finding| finding["state"].clone())
        .collect();
    assert_eq!(states, ["masked", "test", "masked", "tokenised"]);
    assert_eq!(all.code, 0);
}

#[test]
fn fingerprints_compare_between_runs_with_the_same_key_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = directory();
    fs::write(
        directory.path().join("a.json"),
        format!("{{\"iban\":\"{IBAN}\"}}"),
    )
    .unwrap();
    let key = directory.path().join("key");
    fs::write(&key, [9; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let fingerprint = |words: &[&str]| {
        let words = [&["scan", "a.json", "--format", "json"], words].concat();
        run(directory.path(), &words).findings()[0]["fingerprint"].clone()
    };
    let keyed = ["--key-file", "key"];
    assert_eq!(fingerprint(&keyed), fingerprint(&keyed));
    assert_ne!(fingerprint(&[]), fingerprint(&[]));
}

#[test]
fn the_exit_code_tells_clean_leak_and_error_apart() {
    let directory = directory();
    fs::write(directory.path().join("clean.txt"), "nothing here\n").unwrap();
    fs::write(directory.path().join("leak.txt"), format!("card: {CARD}\n")).unwrap();
    for (words, code, error) in [
        (
            &["scan", "clean.txt"][..],
            0,
            "1 file (13 bytes) scanned, 0 findings",
        ),
        (&["scan", "leak.txt"], 1, "1 finding"),
        (&["scan", "missing.txt", "leak.txt"], 2, "cannot read missing.txt"),
        (
            &["scan", "leak.txt", "--key-file", "none"],
            2,
            "auditor: cannot read the fingerprint key none",
        ),
        (&["scan"], 2, "required"),
        (&["scan", "leak.txt", "--format", "xml"], 2, "possible values"),
        (
            &["detectors", "show", "payment_crad"],
            2,
            "auditor: no detector is called",
        ),
        (
            &["tail", "--socket", "none.sock"],
            2,
            "auditor: no auditor is running here",
        ),
        (&["nonsense"], 2, "unrecognized subcommand"),
        (&[], 2, "Usage"),
    ] {
        let ran = run(directory.path(), words);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
        assert!(ran.err.contains(error), "{words:?}: {}", ran.err);
    }
}

#[test]
fn the_version_says_how_the_ebpf_programs_were_built() {
    let directory = directory();
    let ran = run(directory.path(), &["--version"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out
            .starts_with(concat!("auditor ", env!("CARGO_PKG_VERSION"), "\n")),
        "{}",
        ran.out
    );
    let built = ran
        .out
        .lines()
        .nth(1)
        .and_then(|line| line.strip_prefix("eBPF programs: "));
    assert!(built.is_some_and(|how| !how.is_empty()), "{}", ran.out);
}

#[test]
fn detectors_are_listed_shown_and_tested_without_the_value() {
    let directory = directory();
    let list = run(directory.path(), &["detectors", "list", "--format", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&list.out).unwrap();
    assert!(
        rows.iter()
            .any(|row| row["id"] == "payment_card" && row["severity"] == "critical")
    );
    let show = run(directory.path(), &["detectors", "show", "iban"]);
    assert!(
        show.out.contains("mod 97") || show.out.contains("mod-97"),
        "{}",
        show.out
    );
    let words = ["detectors", "test", "-", "--key", "card_number"];
    let test = with_input(directory.path(), &words, CARD);
    assert!(
        test.out.contains("544791******0249") && test.out.contains("passes Luhn"),
        "{}",
        test.out
    );
    assert_eq!((list.code, show.code, test.code), (0, 0, 0));
}

#[test]
fn nothing_is_read_that_may_never_end_and_no_link_is_followed() {
    let directory = directory();
    let path = directory.path();
    let fifo = Command::new("mkfifo").arg(path.join("queue")).status().unwrap();
    assert!(fifo.success());
    fs::create_dir(path.join("inside")).unwrap();
    fs::write(path.join("leak.txt"), format!("card: {CARD}\n")).unwrap();
    std::os::unix::fs::symlink("..", path.join("inside/up")).unwrap();
    std::os::unix::fs::symlink("../leak.txt", path.join("inside/leak")).unwrap();
    let walked = run(path, &["scan", "inside", "leak.txt"]);
    assert_eq!(walked.out.lines().count(), 1, "{}", walked.out);
    assert!(
        walked.err.contains("not scanned: 2 symbolic links"),
        "{}",
        walked.err
    );
    let all = run(path, &["scan", "."]);
    assert_eq!(all.code, 1);
    assert!(all.err.contains("skipped ./queue: it is a FIFO"), "{}", all.err);
    for (name, kind) in [("queue", "FIFO"), ("/dev/zero", "device"), ("inside/up", "")] {
        let named = run(path, &["scan", name]);
        assert_eq!(named.code, if kind.is_empty() { 1 } else { 2 }, "{}", named.err);
        assert!(named.err.contains(kind), "{}", named.err);
    }
    let handed_over = with_input(path, &["scan", "/dev/stdin"], &format!("card: {CARD}\n"));
    assert_eq!(handed_over.code, 1, "{}", handed_over.err);
}

#[test]
fn utf_16_is_read_and_utf_32_is_said_not_to_be() {
    let directory = directory();
    let text = format!("name,mail\r\nJos\u{e9},{MAIL}\r\n");
    for (name, big_endian) in [("little.csv", false), ("big.csv", true)] {
        let unit = |unit: u16| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        let mut bytes = unit(0xfeff).to_vec();
        bytes.extend(text.encode_utf16().flat_map(unit));
        fs::write(directory.path().join(name), &bytes).unwrap();
        let ran = run(directory.path(), &["scan", name, "--format", "json"]);
        let findings = ran.findings();
        assert_eq!(told(&findings), [("email_address", Some("mail"))], "{name}");
        let at = |end: &str| usize::try_from(findings[0]["location"][end].as_u64().unwrap()).unwrap();
        let value: Vec<u8> = MAIL.encode_utf16().flat_map(unit).collect();
        assert_eq!(&bytes[at("start")..at("end")], value, "{name}");
        assert_eq!(findings[0]["location"]["line"], 2, "{name}");
    }
    let wide: Vec<u8> = "\u{feff}a b"
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    fs::write(directory.path().join("wide.txt"), wide).unwrap();
    let ran = run(directory.path(), &["scan", "wide.txt"]);
    assert!(ran.err.contains("16 bytes without text in 1 file"), "{}", ran.err);
}

#[test]
fn a_message_in_protocol_buffers_is_read_without_its_schema() {
    let directory = directory();
    let mut message = vec![0x08, 0x2a, 0x12, MAIL.len() as u8];
    message.extend(MAIL.bytes());
    message.extend([0x1a, 2 + IBAN.len() as u8, 0x0a, IBAN.len() as u8]);
    message.extend(IBAN.bytes());
    fs::write(directory.path().join("order.bin"), &message).unwrap();
    let ran = run(directory.path(), &["scan", "order.bin", "--format", "json"]);
    let findings = ran.findings();
    assert_eq!(
        told(&findings),
        [("email_address", Some("2")), ("iban", Some("3.1"))]
    );
    for (finding, value) in findings.iter().zip([MAIL, IBAN]) {
        let at = |end: &str| usize::try_from(finding["location"][end].as_u64().unwrap()).unwrap();
        assert_eq!(&message[at("start")..at("end")], value.as_bytes());
    }
}

/// `lead` of 15 digits with its Luhn digit.
/// A descriptor set of `shop.Orders/Place`, whose request has a card number in field 6.
fn descriptors() -> Vec<u8> {
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
        ServiceDescriptorProto,
    };
    let file = FileDescriptorProto {
        package: Some("shop".into()),
        message_type: vec![DescriptorProto {
            name: Some("Order".into()),
            field: vec![FieldDescriptorProto {
                name: Some("card_number".into()),
                number: Some(6),
                r#type: Some(Type::String.into()),
                label: Some(Label::Optional.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".into()),
            method: vec![MethodDescriptorProto {
                name: Some("Place".into()),
                input_type: Some(".shop.Order".into()),
                output_type: Some(".shop.Order".into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    prost::Message::encode_to_vec(&FileDescriptorSet { file: vec![file] })
}

#[test]
fn descriptors_name_the_fields_of_calls_and_a_card_is_told_by_its_name() {
    let directory = directory();
    let mut body = b"\x08\x07".to_vec();
    prost::encoding::string::encode(6, &CARD.to_owned(), &mut body);
    let head = format!(
        "POST /shop.Orders/Place HTTP/1.1\r\nhost: a.test\r\nconnect-protocol-version: 1\r\ncontent-type: application/proto\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    fs::write(
        directory.path().join("call.http"),
        [head.as_bytes(), &body].concat(),
    )
    .unwrap();
    fs::write(directory.path().join("shop.pb"), descriptors()).unwrap();
    let without = run(directory.path(), &["scan", "--format", "json", "call.http"]);
    assert_eq!(told(&without.findings()), []);
    let with = run(
        directory.path(),
        &[
            "scan",
            "--format",
            "json",
            "--descriptors",
            "shop.pb",
            "call.http",
        ],
    );
    assert_eq!(told(&with.findings()), [("payment_card", Some("$.card_number"))]);
    let query = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &body);
    let get = format!(
        "GET /shop.Orders/Place?connect=v1&encoding=proto&base64=1&message={query} HTTP/1.1\r\nhost: a.test\r\n\r\n"
    );
    fs::write(directory.path().join("get.http"), get).unwrap();
    let with = run(
        directory.path(),
        &["scan", "--format", "json", "--descriptors", "shop.pb", "get.http"],
    );
    let findings = with.findings();
    assert_eq!(told(&findings), [("payment_card", Some("message:$.card_number"))]);
    assert_eq!(findings[0]["location"]["part"], "request.query");
    assert_eq!(findings[0]["flow"]["protocol"], "connect");
    assert_eq!(findings[0]["flow"]["operation"], "/shop.Orders/Place");
    let refused = run(
        directory.path(),
        &["scan", "--descriptors", "call.http", "call.http"],
    );
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .err
            .contains("call.http cannot be used: it is no descriptor set")
            && refused.err.contains("--descriptor_set_out"),
        "{}",
        refused.err
    );
    let missing = run(
        directory.path(),
        &["scan", "--descriptors", "missing.pb", "call.http"],
    );
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("cannot read the descriptor set missing.pb"));
}

fn with_luhn(lead: u64) -> u64 {
    let sum: u64 = (0..15)
        .map(|place| {
            let digit = lead / 10u64.pow(place) % 10;
            match (place % 2, digit) {
                (0, 5..) => 2 * digit - 9,
                (0, _) => 2 * digit,
                _ => digit,
            }
        })
        .sum();
    lead * 10 + (10 - sum % 10) % 10
}

/// Numbers that look drawn by lot, the same in each run: 15 digits that begin like a card.
fn leads() -> impl Iterator<Item = u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let issuer = [453_957, 540_123, 402_400, 557_910][(state >> 60) as usize % 4];
        issuer * 1_000_000_000 + state % 1_000_000_000
    })
}

/// Real-looking cards, which no list of test values has.
fn cards() -> impl Iterator<Item = u64> {
    leads().map(with_luhn)
}

/// Ids of which one in ten passes Luhn, as chance has it.
fn ids() -> impl Iterator<Item = u64> {
    leads()
        .enumerate()
        .map(|(n, lead)| with_luhn(lead) / 10 * 10 + (with_luhn(lead) + n as u64) % 10)
}

/// Ids that count up.
fn counter() -> impl Iterator<Item = u64> {
    (4_539_571_000_000_000..).step_by(1)
}

/// One number a record, in a field whose name says nothing.
fn records(format: &str, numbers: impl Iterator<Item = u64>) -> String {
    let numbers: Vec<u64> = numbers.collect();
    match format {
        "json" => numbers
            .iter()
            .map(|n| format!("{{\"a\":true,\"zq\":\"{n}\"}}\n"))
            .collect(),
        "csv" => numbers
            .iter()
            .fold("kind,zq,ok\n".to_owned(), |all, n| all + &format!("x,{n},yes\n")),
        "sql" => numbers
            .iter()
            .map(|n| format!("INSERT INTO zz (kind, zq) VALUES ('x', '{n}');\n"))
            .collect(),
        _ => numbers
            .iter()
            .map(|n| format!("2026-01-01T00:00:00Z INFO done zq={n} ok=1\n"))
            .collect(),
    }
}

const RECORDS: [&str; 4] = ["json", "csv", "sql", "log"];

#[test]
fn five_different_cards_in_one_field_are_all_told_as_sure_whatever_its_name() {
    let directory = directory();
    for format in RECORDS {
        for count in [5, 40] {
            let path = directory.path().join("records");
            fs::write(&path, records(format, cards().take(count))).unwrap();
            let ran = run(
                directory.path(),
                &["scan", "--format", "json", "--min-confidence", "high", "records"],
            );
            let findings = ran.findings();
            assert_eq!(findings.len(), count, "{format} {}", ran.err);
            let lines: Vec<u64> = findings
                .iter()
                .map(|finding| finding["location"]["line"].as_u64().unwrap())
                .collect();
            assert!(lines.is_sorted(), "{format} {lines:?}");
            assert!(findings.iter().all(|f| f["detector"] == "payment_card"));
            assert_eq!(ran.code, 1);
        }
        let path = directory.path().join("four");
        fs::write(&path, records(format, cards().take(4))).unwrap();
        let ran = run(directory.path(), &["scan", "--min-confidence", "high", "four"]);
        assert_eq!((ran.out.as_str(), ran.code), ("", 0), "{format}");
    }
}

#[test]
fn ids_of_which_one_in_ten_passes_and_counters_stay_low() {
    let directory = directory();
    for format in RECORDS {
        for (kind, text) in [
            ("ids", records(format, ids().take(3000))),
            ("counter", records(format, counter().take(3000))),
        ] {
            fs::write(directory.path().join("records"), text).unwrap();
            let ran = run(directory.path(), &["scan", "records"]);
            assert_eq!(ran.out, "", "{format} {kind}");
            let low = run(directory.path(), &["scan", "--min-confidence", "low", "records"]);
            // One in ten of them, and nothing is lost while it waits.
            assert!(
                (200..400).contains(&low.out.lines().count()),
                "{format} {kind} {}",
                low.out.lines().count()
            );
        }
    }
}

#[test]
fn what_a_field_says_does_not_depend_on_windows_or_threads() {
    let directory = directory();
    // Cards from the third megabyte on, ids in another field from the first byte.
    let mut ids = ids();
    let mut cards = cards();
    let text: String = (0..30_000)
        .map(|n| {
            let card = (n > 15_000 && n % 100 == 0).then(|| cards.next().unwrap());
            let card = card.map_or(String::new(), |card| format!(",\"zq\":\"{card}\""));
            let padding = "x".repeat(n % 150);
            format!("{{\"zz\":{},\"t\":\"{padding}\"{card}}}\n", ids.next().unwrap())
        })
        .collect();
    fs::write(directory.path().join("long.ndjson"), text).unwrap();
    let places = |threads: &str, least: &str| {
        let words = [
            "scan",
            "--format",
            "json",
            "--threads",
            threads,
            "--min-confidence",
            least,
            "long.ndjson",
        ];
        let mut findings = run(directory.path(), &words).findings();
        findings
            .iter_mut()
            .map(|finding| (finding["location"].take(), finding["score_bits"].take()))
            .collect::<Vec<_>>()
    };
    let alone = places("1", "high");
    assert_eq!(alone.len(), 149);
    assert!(alone.iter().all(|(place, _)| place["field"] == "$.zq"));
    assert_eq!(places("4", "high"), alone);
    assert_eq!(places("4", "low"), places("1", "low"));
}

const OWN: &str = "scope:\n  nonsense: true\ndetectors:\n  - id: acme_customer\n    pattern: 'ACME-[0-9]{8}\\b'\n    severity: critical\n    regulations: [gdpr]\n    explanation: Customer numbers of a shop.\n    states:\n      masked: ['ACME-\\*{4}[0-9]{4}']\n";

#[test]
fn own_detectors_of_a_configuration_are_scanned_for_listed_shown_and_tested() {
    let directory = directory();
    fs::write(directory.path().join("own.yaml"), OWN).unwrap();
    fs::write(
        directory.path().join("log.txt"),
        "saw ACME-20481216 and ACME-****1216\n",
    )
    .unwrap();
    let words = ["scan", "--config", "own.yaml", "--format", "json", "log.txt"];
    let ran = run(directory.path(), &words);
    let findings = ran.findings();
    assert_eq!(told(&findings), [("acme_customer", None)], "{}", ran.err);
    let finding = &findings[0];
    assert_eq!(finding["category"], "own");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["regulations"], serde_json::json!(["gdpr"]));
    assert!(!ran.out.contains("20481216") && !ran.err.contains("20481216"));
    let masked = run(directory.path(), &[&words[..], &["--states", "all"]].concat());
    assert_eq!(masked.findings().len(), 2);
    assert_eq!(run(directory.path(), &["scan", "log.txt"]).out, "");

    for (words, expected) in [
        (&["list"][..], "acme_customer"),
        (&["show", "acme_customer"], "Customer numbers of a shop."),
        (&["test", "ACME-20481216"], "acme_customer  clear  high"),
    ] {
        let words = [&["detectors", "--config", "own.yaml"], words].concat();
        let ran = run(directory.path(), &words);
        assert!(ran.out.contains(expected), "{words:?} {} {}", ran.out, ran.err);
    }

    fs::write(
        directory.path().join("bad.yaml"),
        "detectors:\n  - id: acme_any\n    pattern: '[0-9]{8}'\n",
    )
    .unwrap();
    let refused = run(directory.path(), &["scan", "--config", "bad.yaml", "log.txt"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("acme_any") && refused.err.contains("slow: true"),
        "{}",
        refused.err
    );
}

#[test]
fn a_token_whose_claims_name_a_person_falls_under_data_protection_too() {
    let directory = directory();
    // {"sub":"7"} and {"email":"a"}
    for (claims, expected) in [
        ("eyJzdWIiOiI3In0", serde_json::json!(["secret"])),
        ("eyJlbWFpbCI6ImEifQ", serde_json::json!(["secret", "gdpr"])),
    ] {
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJlc2lnbmF0dXJl\n");
        fs::write(directory.path().join("token.txt"), token).unwrap();
        let ran = run(directory.path(), &["scan", "--format", "json", "token.txt"]);
        assert_eq!(ran.findings()[0]["regulations"], expected, "{}", ran.out);
    }
}
