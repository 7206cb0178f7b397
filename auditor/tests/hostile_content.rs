//! Content that is made to hold the reader up: bounded memory, time in line with the length, and an account that
//! says what was not read.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use auditor::content::{Document, Limits, Origin, Reader, Receiver};
use auditor::detect::{Detection, Fingerprinter, Scan as _, Scanner};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes of two contents of a kind.
const SHORT: usize = 256 << 10;
const LONG: usize = 4 * SHORT;
/// Most that is held at once for one body, bytes: windows and what their text is made from, four of them in each
/// other.
const MEMORY: u64 = 8 << 20;

struct Stages {
    scanner: Scanner,
    found: Vec<Detection>,
    count: usize,
    settled: Vec<(Account, u64)>,
}

impl Receiver for Stages {
    fn document(&mut self, _: &Origin<'_>, document: &Document<'_>) {
        self.scanner.scan(document, &mut self.found);
        self.count += self.found.len();
        self.found.clear();
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        match self.settled.iter_mut().find(|(known, _)| *known == account) {
            Some((_, sum)) => *sum += bytes,
            None => self.settled.push((account, bytes)),
        }
    }
}

/// What reading took.
struct Taken {
    seconds: f64,
    /// Most that was held at once, bytes.
    memory: u64,
    settled: Vec<(Account, u64)>,
    found: usize,
}

fn read(content_type: Option<&str>, content_encoding: Option<&str>, content: &[u8], piece: usize) -> Taken {
    let exchange = Arc::new(Exchange::default());
    let mut stages = Stages {
        scanner: Scanner::new(Fingerprinter::new([7; 32])),
        found: Vec::with_capacity(1 << 14),
        count: 0,
        settled: Vec::new(),
    };
    let begun = Instant::now();
    let used = allocation_counter::measure(|| {
        let mut reader = Reader::new(Limits::default());
        let mut offset = 0;
        for data in content.chunks(piece) {
            let part = Part {
                exchange: &exchange,
                direction: Direction::ToServer,
                place: Place::RequestBody,
                message: 0,
                content_type,
                content_encoding,
                offset,
                last: offset as usize + data.len() == content.len(),
                data,
                wire_bytes: data.len() as u64,
            };
            reader.part(&part, &mut stages);
            offset += data.len() as u64;
        }
        reader.finish(&mut stages);
    });
    let settled: u64 = stages.settled.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(settled, content.len() as u64, "every byte is settled once");
    Taken {
        seconds: begun.elapsed().as_secs_f64(),
        memory: used.bytes_max,
        settled: stages.settled,
        found: stages.count,
    }
}

/// A unit again and again behind a head, cut to `length`.
fn filled(head: &[u8], unit: &[u8], length: usize) -> Vec<u8> {
    let mut content = head.to_vec();
    content.extend(
        unit.iter()
            .copied()
            .cycle()
            .take(length.saturating_sub(head.len())),
    );
    content
}

const MULTIPART: Option<&str> = Some("multipart/mixed; boundary=X");
const MESSAGE_PACK: Option<&str> = Some("application/msgpack");
const CBOR: Option<&str> = Some("application/cbor");
const YAML: Option<&str> = Some("application/yaml");
const XML: Option<&str> = Some("application/xml");
const HTML: Option<&str> = Some("text/html");
const EVENTS: Option<&str> = Some("text/event-stream");
const JSON: Option<&str> = Some("application/json");
const CSV: Option<&str> = Some("text/csv");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

/// Name, type, head, and what follows without end.
type Kind = (&'static str, Option<&'static str>, &'static [u8], &'static [u8]);

#[rustfmt::skip]
const KINDS: [Kind; 44] = [
    ("empty parts", MULTIPART, b"", b"--X\r\n\r\n\r\n"),
    ("parts that are JSON", MULTIPART, b"", b"--X\r\n\r\n{\"card_number\":1}\r\n"),
    ("a header without end", MULTIPART, b"--X\r\n", b"a: b\r\n"),
    ("a header of one line", MULTIPART, b"--X\r\nX-A: ", b"a"),
    ("boundaries without an end", MULTIPART, b"--X", b" "),
    ("boundaries of a longer one", MULTIPART, b"--X\r\n\r\n", b"\r\n--XX"),
    ("beginnings of boundaries", MULTIPART, b"--X\r\n\r\n", b"\r\n--"),
    ("a boundary of dashes", Some("multipart/mixed; boundary=--------"), b"----------\r\n\r\n", b"-"),
    ("a boundary of 200 signs", Some(LONG_BOUNDARY), b"", b"\r\n--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("multiparts inside of each other", MULTIPART, b"", b"--X\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n"),
    ("multiparts of longer boundaries", MULTIPART, b"--X\r\nContent-Type: multipart/mixed; boundary=XX\r\n\r\n", b"--XX\r\nContent-Type: multipart/mixed; boundary=XX\r\n\r\n"),
    ("maps of 2^32 members", MESSAGE_PACK, b"", b"\xdf\xff\xff\xff\xff\xa1a"),
    ("arrays inside of each other", MESSAGE_PACK, b"", b"\x91"),
    ("a string of 2^32 bytes", MESSAGE_PACK, b"\xdb\xff\xff\xff\xff", b"card "),
    ("bytes of 2^32 bytes", MESSAGE_PACK, b"\xc6\xff\xff\xff\xff", b"\0\x01"),
    ("empty items", MESSAGE_PACK, b"", b"\x80"),
    ("a string of 2^63 bytes", CBOR, b"\x7b\x80\0\0\0\0\0\0\0", b"card "),
    ("an array of 2^63 items", CBOR, b"\x9b\x80\0\0\0\0\0\0\0", b"\x01"),
    ("a map of 2^63 pairs", CBOR, b"\xbb\x80\0\0\0\0\0\0\0", b"\x61a\x01"),
    ("items without ends inside of each other", CBOR, b"", b"\x9f"),
    ("strings in pieces without end", CBOR, b"\x7f", b"\x61a"),
    ("tags without end", CBOR, b"", b"\xc1"),
    ("aliases of aliases", YAML, b"---\na: &a [lol,lol]\n", b"b: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n"),
    ("levels", YAML, b"---\n", b"- "),
    ("one line of keys", YAML, b"---\n", b"a: "),
    ("entities of entities", XML, b"<!DOCTYPE l [<!ENTITY a \"ha\">", b"<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"),
    ("references", XML, b"<!DOCTYPE l [<!ENTITY a \"ha\">]><l>", b"&a;"),
    ("elements inside of each other", XML, b"<?xml version=\"1.0\"?>", b"<a>"),
    ("a comment without end", XML, b"<?xml version=\"1.0\"?><!--", b"--"),
    ("a million tags that are not closed", HTML, b"<!doctype html>", b"<b>"),
    ("ends of nothing", HTML, b"<!doctype html>", b"</b>"),
    ("inputs", HTML, b"<!doctype html>", b"<input value='4111"),
    ("a script without end", HTML, b"<!doctype html><script>", b"</scrip"),
    ("one line", EVENTS, b"data: ", b"{\"a\":"),
    ("lines of data", EVENTS, b"", b"data:{\n"),
    ("names without a colon", EVENTS, b"", b"dat\n"),
    ("line ends", EVENTS, b"", b"\r"),
    ("objects inside of each other", JSON, b"", b"{\"a\":"),
    ("strings inside of each other", JSON, b"{\"a\":\"{\\\"a\\\":\\\"", b"\\\\\\\\\\\\\\\""),
    ("a million columns", CSV, b"a,b\n", b"4111,"),
    ("a quote that is not closed", CSV, b"a,b\n1,\"", b"\"\","),
    ("parameters of JSON", FORM, b"a=1", b"&a={\"a\":"),
    ("escapes of escapes", FORM, b"a=", b"%25"),
    ("signs of base64", JSON, b"{\"a\":\"", b"eyJhIjoi"),
];

const LONG_BOUNDARY: &str = "multipart/mixed; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn content_without_end_takes_little_memory_and_time_in_line_with_its_length() {
    let mut failures = Vec::new();
    for (name, content_type, head, unit) in KINDS {
        for piece in [60_000, 7] {
            let take = |length| read(content_type, None, &filled(head, unit, length), piece);
            let (short, long) = (take(SHORT), take(LONG));
            println!(
                "{name}, {piece} at once: {:.3} s, {:.3} s, {} KiB",
                short.seconds,
                long.seconds,
                long.memory >> 10
            );
            // Other work on the machine may double a time; quadratic work takes sixteen times as long.
            if long.seconds > 10.0 * short.seconds + 0.5 {
                failures.push(format!(
                    "{name}: {:.3} s, then {:.3} s",
                    short.seconds, long.seconds
                ));
            }
            if long.memory > MEMORY || long.memory > 2 * short.memory + (1 << 20) {
                failures.push(format!("{name}: {} bytes, then {}", short.memory, long.memory));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 5,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &content[..], &mut encoded, &parameters).unwrap();
    encoded
}

#[test]
fn a_bomb_inside_of_others_is_left_at_a_limit_that_shows() {
    let zeros = gzip(&vec![b'0'; 96 << 20]);
    let part = [
        &b"--X\r\nContent-Encoding: gzip\r\n\r\n"[..],
        &zeros,
        b"\r\n--X\r\n\r\n{\"card_number\":\"5447911234560249\"}\r\n--X--\r\n",
    ]
    .concat();
    // A frame whose window is larger than RFC 9659 lets it be, 2^27 bytes.
    let window = b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00".to_vec();
    for (name, content_type, encoding, content, found) in [
        ("gzip in Brotli", JSON, "gzip, br", brotli(&zeros), 0),
        ("gzip in gzip", JSON, "gzip, gzip", gzip(&zeros), 0),
        ("gzip in gzip that is not named", JSON, "gzip", gzip(&zeros), 0),
        ("gzip in a part", MULTIPART, "", part, 1),
        ("a large window", JSON, "zstd", window, 0),
    ] {
        let taken = read(content_type, Some(encoding), &content, 1000);
        let left = taken
            .settled
            .iter()
            .find(|(account, _)| *account == Account::Limit);
        assert!(
            left.is_some_and(|(_, bytes)| *bytes > 0),
            "{name}: {:?}",
            taken.settled
        );
        assert!(taken.memory < MEMORY, "{name}: {} bytes", taken.memory);
        assert_eq!(taken.found, found, "{name}: what is behind is read");
    }
}

#[test]
fn strings_inside_of_each_other_are_followed_as_far_as_is_said() {
    let mut content = "{\"card_number\":\"5447911234560249\"}".to_owned();
    let mut found = Vec::new();
    for _ in 0..=100 {
        if content.len() > 4 << 20 {
            break;
        }
        found.push(read(JSON, None, content.as_bytes(), 60_000).found);
        content = format!("{{\"a\":\"{}\"}}", STANDARD.encode(&content));
    }
    // Three are followed.
    assert_eq!(found[..5], [1, 1, 1, 1, 0]);
    assert!(found.len() > 20 && found[4..].iter().all(|found| *found == 0));
}

#[test]
fn a_token_with_claims_longer_than_a_window_is_read_as_far_as_the_window_reaches() {
    let claims = format!(
        "{{\"email\":\"jane.roe@corp.de\",\"groups\":[\"{}\"]}}",
        "\"staff\",".repeat(400_000)
    );
    let token = format!(
        "{{\"t\":\"eyJhbGciOiJub25lIn0.{}.c2ln\"}}",
        STANDARD.encode(claims)
    );
    let taken = read(JSON, None, token.as_bytes(), 60_000);
    assert!(taken.memory < MEMORY, "{} bytes", taken.memory);
    assert!(taken.found > 0);
}

#[test]
fn ten_thousand_parts_and_a_thousand_levels_are_all_scanned() {
    let mut many = String::new();
    for n in 0..10_000 {
        many.push_str(&format!(
            "--X\r\nContent-Disposition: form-data; name=\"a{n}\"\r\n"
        ));
        many.push_str("Content-Type: application/json\r\n\r\n{\"email\":\"jane.roe@corp.de\"}\r\n");
    }
    let taken = read(MULTIPART, None, many.as_bytes(), 60_000);
    assert_eq!(taken.found, 10_000);
    assert_eq!(taken.settled, [(Account::Scanned, many.len() as u64)]);
    assert!(taken.memory < MEMORY, "{} bytes", taken.memory);

    let mut deep = String::new();
    for n in 0..1000 {
        deep.push_str(&format!(
            "--X{n}\r\nContent-Type: multipart/mixed; boundary=X{}\r\n\r\n",
            n + 1
        ));
    }
    deep.push_str("--X1000\r\n\r\njane.roe@corp.de\r\n");
    let taken = read(
        Some("multipart/mixed; boundary=X0"),
        None,
        deep.as_bytes(),
        60_000,
    );
    assert_eq!(taken.found, 1);
    assert_eq!(taken.settled, [(Account::Scanned, deep.len() as u64)]);
    assert!(taken.memory < MEMORY, "{} bytes", taken.memory);
}
