//! Speed of the scanner on clean traffic, one thread: `cargo bench -p auditor --bench scan`.

use std::fmt::Write as _;

use auditor::content::{Document, Field, FieldLookup, Format};
use auditor::detect::{Fingerprinter, Scan as _, Scanner};
use divan::Bencher;
use divan::counter::BytesCount;

/// Length of every text, bytes.
const SIZE: usize = 4 << 20;
/// As in a reader.
const WINDOW: usize = 64 << 10;

fn main() {
    divan::main();
}

struct NoField;

impl FieldLookup for NoField {
    fn field_at(&self, _: &[u8], at: std::ops::Range<usize>) -> Field {
        Field {
            value: at,
            ..Field::default()
        }
    }
}

/// A generator that gives the same text every time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

fn text(mut record: impl FnMut(&mut String, &mut Random, usize)) -> String {
    let (mut text, mut random) = (String::new(), Random(1));
    for n in 0.. {
        if text.len() >= SIZE {
            break;
        }
        record(&mut text, &mut random, n);
    }
    text
}

/// Catalogue items as a web shop sends them.
fn clean_json() -> String {
    text(|text, random, n| {
        let _ = writeln!(
            text,
            r#"{{"id":{n},"title":"Trail running shoe","description":"Light and quick on any ground, with a sole that holds in mud and rain.","price":{{"amount":{}.90,"currency":"EUR"}},"in_stock":true,"tags":["shoes","outdoor","new"],"images":[{{"url":"https://cdn.shop.test/i/{n}/front.webp","width":1200,"height":800}}],"rating":4.{},"variants":null}}"#,
            20 + random.next() % 200,
            random.next() % 10,
        );
    })
}

/// Access and application logs.
fn log_lines() -> String {
    text(|text, random, n| {
        let _ = writeln!(
            text,
            "2026-02-03T10:{:02}:{:02}.{:03}Z INFO http.server: request done method=GET path=/v1/items/{} status=200 bytes={} took_ms={} worker={}",
            n / 60 % 60,
            n % 60,
            random.next() % 1000,
            random.next() % 100_000,
            random.next() % 50_000,
            random.next() % 300,
            n % 16,
        );
    })
}

/// Traces: ids, digests and times in every field.
fn hex_heavy_json() -> String {
    text(|text, random, _| {
        let mut hex = || format!("{:016x}", random.next());
        let (trace, span, parent, digest) = (hex() + &hex(), hex(), hex(), hex() + &hex() + &hex() + &hex());
        let _ = writeln!(
            text,
            r#"{{"traceId":"{trace}","spanId":"{span}","parentSpanId":"{parent}","startTimeUnixNano":"17{:017}","contentDigest":"{digest}","requestId":"{}-{}-4{}-a{}-{}"}}"#,
            random.next() % 100_000_000_000_000_000,
            &digest[..8],
            &digest[8..12],
            &digest[12..15],
            &digest[15..18],
            &digest[18..30],
        );
    })
}

#[divan::bench(args = ["clean JSON", "log lines", "hex-heavy JSON"])]
fn scan(bencher: Bencher<'_, '_>, name: &str) {
    let (text, format) = match name {
        "clean JSON" => (clean_json(), Format::Json),
        "log lines" => (log_lines(), Format::Text),
        _ => (hex_heavy_json(), Format::Json),
    };
    let scanner = Scanner::new(Fingerprinter::new([7; 32]));
    let mut found = Vec::new();
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        for window in text.as_bytes().chunks(WINDOW) {
            found.clear();
            scanner.scan(&Document::whole(window, format, &NoField), &mut found);
        }
        found.len()
    });
}
