//! Reader and scanner together: however content is cut into parts, windows and early looks, the
//! same values are found, each once.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use auditor::content::{Document, Limits, Origin, Reader, Receiver};
use auditor::detect::{Detection, Fingerprinter, Scan as _, Scanner};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Fingerprinter::new([7; 32])));

/// Start and end in the decoded content, detector, field.
type Hit = (u64, u64, &'static str, Option<String>);

#[derive(Default)]
struct Findings {
    hits: Vec<Hit>,
    found: Vec<Detection>,
    settled: u64,
}

impl Receiver for Findings {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        SCANNER.scan(document, &mut self.found);
        for found in self.found.drain(..) {
            let source = origin.positions.of_range(&found.range);
            self.hits
                .push((source.start, source.end, found.detector, found.field.path));
        }
    }

    fn settle(&mut self, _: Direction, _: Account, bytes: u64) {
        self.settled += bytes;
    }
}

/// How content reaches the reader.
struct Way<'a> {
    limits: Limits,
    place: Place,
    content_type: Option<&'a str>,
    content_encoding: Option<&'a str>,
    /// Positions between parts.
    cuts: &'a [usize],
    /// Positions behind which a flush comes; each of them is also a cut.
    flushes: &'a [usize],
}

fn read(wire: &[u8], way: &Way<'_>) -> Vec<Hit> {
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(way.limits);
    let mut findings = Findings::default();
    let mut ends: Vec<usize> = way.cuts.iter().chain(way.flushes).copied().collect();
    ends.push(wire.len());
    ends.sort_unstable();
    ends.dedup();
    let mut from = 0;
    for to in ends {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: way.place,
            message: 0,
            content_type: way.content_type,
            content_encoding: way.content_encoding,
            offset: from as u64,
            last: to == wire.len() && way.place != Place::Stream,
            data: &wire[from..to],
            wire_bytes: (to - from) as u64,
        };
        reader.part(&part, &mut findings);
        if way.flushes.contains(&to) {
            reader.flush(&mut findings);
        }
        from = to;
    }
    reader.finish(&mut findings);
    assert_eq!(findings.settled, wire.len() as u64);
    let mut hits = findings.hits;
    hits.sort_unstable();
    hits
}

/// A token of about `length` bytes.
fn token(length: usize) -> String {
    let claims = format!(r#"{{"sub":"{}","exp":1}}"#, "a1B2".repeat(length / 6));
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims),
        "Qk3_x-".repeat(57)
    )
}

/// An armoured key of `lines` lines, line ends as `end`.
fn key(lines: usize, end: &str) -> String {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDI+x/7kPq1bTzA";
    format!(
        "-----BEGIN PRIVATE KEY-----{end}{}-----END PRIVATE KEY-----",
        format!("{line}{end}").repeat(lines)
    )
}

/// Content of pieces that are never cut by a flush, and the values that must be found in it.
#[derive(Clone, Debug)]
struct Content {
    pieces: Vec<String>,
    values: Vec<&'static str>,
}

impl Content {
    fn text(&self) -> String {
        self.pieces.concat()
    }

    /// Ends of some pieces.
    fn seams(&self, chosen: &[prop::sample::Index]) -> Vec<usize> {
        let ends: Vec<usize> = self
            .pieces
            .iter()
            .scan(0, |at, piece| {
                *at += piece.len();
                Some(*at)
            })
            .collect();
        chosen.iter().map(|index| ends[index.index(ends.len())]).collect()
    }
}

/// What a record holds.
#[derive(Clone, Debug)]
enum Value {
    Card,
    Email,
    Token(usize),
    Key(usize),
    Filler(usize),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Card),
        4 => Just(Value::Email),
        1 => (100..8000usize).prop_map(Value::Token),
        1 => (1..120usize).prop_map(Value::Key),
        8 => (0..900usize).prop_map(Value::Filler),
    ]
}

fn json(records: &[Value]) -> Content {
    let mut content = Content {
        pieces: vec![r#"{"v":1,"items":["#.into()],
        values: Vec::new(),
    };
    for (n, record) in records.iter().enumerate() {
        let (name, text, detector) = match record {
            Value::Card => ("card_number", "5447911234560249".into(), Some("payment_card")),
            Value::Email => ("mail", "jane.doe@corp.de".into(), Some("email_address")),
            Value::Token(length) => ("session", token(*length), Some("jwt")),
            Value::Key(lines) => ("pem", key(*lines, "\\n"), Some("private_key")),
            Value::Filler(length) => ("note", "lorem ipsum ".repeat(length / 12), None),
        };
        let comma = if n == 0 { "" } else { "," };
        content
            .pieces
            .push(format!("{comma}{{\"n\":{n},\"o\":{{\"{name}\":\"{text}\""));
        content.pieces.push("}}".into());
        content.values.extend(detector);
    }
    content.pieces.push("]}".into());
    content
}

fn log(records: &[Value]) -> Content {
    let mut content = Content {
        pieces: vec!["2026-02-03 10:00:00 INFO service started, all is well\n".into()],
        values: Vec::new(),
    };
    for record in records {
        let (text, detector) = match record {
            Value::Card => ("paid with card 5447911234560249".into(), Some("payment_card")),
            Value::Email => ("mail to jane.doe@corp.de".into(), Some("email_address")),
            Value::Token(length) => (format!("session={}", token(*length)), Some("jwt")),
            Value::Key(lines) => (format!("read\n{}", key(*lines, "\n")), Some("private_key")),
            Value::Filler(length) => ("lorem ipsum ".repeat(length / 12), None),
        };
        content.pieces.push(format!("2026-02-03 10:00:01 INFO {text}\n"));
        content.values.extend(detector);
    }
    content
}

fn detectors(hits: &[Hit]) -> Vec<&'static str> {
    hits.iter().map(|(_, _, detector, _)| *detector).collect()
}

fn limits(window: usize) -> Limits {
    Limits {
        window,
        longest: 10 * 1024,
        ..Limits::default()
    }
}

/// A window that holds everything.
fn one_piece() -> Limits {
    limits(16 << 20)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn parts_windows_and_early_looks_change_no_finding(
        records in prop::collection::vec(value(), 0..220),
        is_json: bool,
        window in 20_000..60_000usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        flushes in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let content = if is_json { json(&records) } else { log(&records) };
        let text = content.text();
        let (place, content_type) = if is_json {
            (Place::RequestBody, Some("application/json"))
        } else {
            (Place::Stream, None)
        };
        let way = |limits, cuts, flushes| Way { limits, place, content_type, content_encoding: None, cuts, flushes };
        let expected = read(text.as_bytes(), &way(one_piece(), &[], &[]));
        prop_assert_eq!(detectors(&expected), content.values.clone());

        let cuts: Vec<usize> = cuts.iter().map(|index| index.index(text.len())).filter(|at| *at > 0).collect();
        let flushes = content.seams(&flushes);
        prop_assert_eq!(&read(text.as_bytes(), &way(limits(window), &cuts, &flushes)), &expected);

        let wire = gzip(&text);
        let cuts: Vec<usize> = cuts.iter().map(|at| at % wire.len()).filter(|at| *at > 0).collect();
        let encoded = Way { content_encoding: Some("gzip"), ..way(limits(window), &cuts, &[]) };
        prop_assert_eq!(&read(&wire, &encoded), &expected);
    }

    #[test]
    fn small_windows_find_what_one_piece_holds(
        records in prop::collection::vec(
            prop_oneof![Just(Value::Card), Just(Value::Email), (0..400usize).prop_map(Value::Filler)], 0..300,
        ),
        is_json: bool,
        window in 0..6000usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let content = if is_json { json(&records) } else { log(&records) };
        let text = content.text();
        let cuts: Vec<usize> = cuts.iter().map(|index| index.index(text.len())).filter(|at| *at > 0).collect();
        let way = |limits, cuts| Way {
            limits, place: Place::File, content_type: None, content_encoding: None, cuts, flushes: &[],
        };
        let small = Limits { window, longest: 0, ..Limits::default() };
        let expected = read(text.as_bytes(), &way(one_piece(), &[]));
        prop_assert_eq!(detectors(&expected), content.values.clone());
        prop_assert_eq!(read(text.as_bytes(), &way(small, &cuts)), expected);
    }
}

#[test]
fn a_value_cut_by_an_early_look_is_found_whole_and_once() {
    let long = token(4000);
    let armoured = key(60, "\n");
    for (value, detector) in [
        ("5447911234560249", "payment_card"),
        ("5447 9112 3456 0249", "payment_card"),
        ("jane.doe@corp.de", "email_address"),
        ("DE27100777770209299700", "iban"),
        (long.as_str(), "jwt"),
        (armoured.as_str(), "private_key"),
    ] {
        for before in [0, 500, 3000] {
            let head = format!("{}\nsession card mail=", "lorem ipsum ".repeat(before / 12));
            let text = format!("{head}{value}\nand more\n");
            let (start, end) = (head.len() as u64, (head.len() + value.len()) as u64);
            for cut in 1..=value.len().min(40) {
                let at = head.len() + cut * value.len() / value.len().min(40);
                let way = Way {
                    limits: Limits::default(),
                    place: Place::Stream,
                    content_type: None,
                    content_encoding: None,
                    cuts: &[],
                    flushes: &[at, text.len()],
                };
                let hits = read(text.as_bytes(), &way);
                let whole = hits
                    .iter()
                    .filter(|hit| (hit.0, hit.1) == (start, end) && hit.2 == detector);
                assert_eq!(whole.count(), 1, "{detector} cut behind {cut}: {hits:?}");
                let others = hits.iter().filter(|hit| hit.1 > at as u64);
                assert_eq!(
                    others.count(),
                    usize::from(at < end as usize),
                    "{detector} cut behind {cut}: {hits:?}"
                );
            }
        }
    }
}

#[test]
fn an_escape_cut_by_an_early_look_is_still_undone() {
    let text = r#"{"mail":"jane.doe\u0040corp.de","n":1}"#;
    for at in 1..text.len() {
        let way = Way {
            limits: Limits::default(),
            place: Place::RequestBody,
            content_type: Some("application/json"),
            content_encoding: None,
            cuts: &[],
            flushes: &[at],
        };
        let hits = read(text.as_bytes(), &way);
        let whole = hits.iter().filter(|hit| (hit.0, hit.1) == (9, 30));
        assert_eq!(whole.count(), 1, "flush behind {at}: {hits:?}");
    }
}

/// Seconds for each megabyte of `content`, read and scanned as a body of that type.
fn seconds_per_megabyte(content: &[u8], content_type: Option<&str>, encoding: Option<&str>) -> f64 {
    let way = Way {
        limits: Limits::default(),
        place: Place::RequestBody,
        content_type,
        content_encoding: encoding,
        cuts: &[],
        flushes: &[],
    };
    let started = std::time::Instant::now();
    read(content, &way);
    started.elapsed().as_secs_f64() / (content.len() as f64 / 1e6)
}

#[test]
fn content_made_to_be_slow_takes_time_in_line_with_its_length() {
    const LENGTH: usize = 3 << 20;
    let fill = |unit: &[u8]| unit.iter().copied().cycle().take(LENGTH).collect::<Vec<u8>>();
    let line = b"2026-02-03T10:00:01Z INFO request done path=/v1/items/17 status=200 took_ms=12\n";
    let clean = seconds_per_megabyte(&fill(line), None, None);
    // Messages inside of each other as far as lengths can say.
    let mut nested = b"\x08\x01".to_vec();
    while nested.len() < LENGTH / 2 {
        let mut outer = vec![0x0a];
        let mut length = nested.len();
        while length >= 0x80 {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend_from_slice(&nested);
        outer.extend_from_slice(&nested[..nested.len().min(40_000)]);
        nested = outer;
    }
    let protobuf = Some("application/x-protobuf");
    for (name, content, content_type) in [
        ("digits", fill(b"4"), None),
        ("at signs", fill(b"@"), None),
        ("quotes", fill(b"\""), None),
        ("brackets", fill(b"["), Some("application/json")),
        ("objects", fill(b"{\"a\":"), Some("application/json")),
        ("backslashes", fill(b"\\"), Some("application/json")),
        ("tags", fill(b"<a b="), Some("text/xml")),
        (
            "ampersands",
            fill(b"a=&"),
            Some("application/x-www-form-urlencoded"),
        ),
        ("commas", fill(b","), Some("text/csv")),
        (
            "brackets in SQL",
            [b"INSERT INTO t (a) VALUES ".to_vec(), fill(b"(")].concat(),
            None,
        ),
        ("broken UTF-8", fill(b"a\xff\xc0"), None),
        ("zeros", fill(b"\0"), None),
        ("tags of strings", fill(b"\n"), protobuf),
        ("groups", fill(b"\x0b"), protobuf),
        ("fields without content", fill(b"\x0a\0"), protobuf),
        ("numbers", fill(b"\x08\x01"), protobuf),
        ("nested messages", nested, protobuf),
    ] {
        let hostile = seconds_per_megabyte(&content, content_type, None);
        assert!(
            hostile < 60.0 * clean + 0.05,
            "{name}: {hostile:.3} s for a megabyte, {clean:.3} s of clean text"
        );
    }
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..100 {
        bomb.write_all(&[b'4'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let started = std::time::Instant::now();
    seconds_per_megabyte(&bomb, None, Some("gzip"));
    // What is decoded of it is bounded, whatever it would come to.
    let bound = 60.0 * clean * 64.0 + 1.0;
    assert!(started.elapsed().as_secs_f64() < bound);
}
