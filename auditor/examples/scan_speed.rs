//! How fast clean JSON and clean text are scanned: `cargo run --release --example scan_speed`.

use std::ops::Range;
use std::time::Instant;

use auditor::content::{Document, Field, FieldLookup, Format};
use auditor::detect::{Fingerprinter, Scanner};

struct NoField;

impl FieldLookup for NoField {
    fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
        Field {
            value: at,
            ..Field::default()
        }
    }
}

fn main() {
    let scanner = Scanner::new(Fingerprinter::new([0; 32]));
    let json: String = (0..400_000u64)
        .map(|n| {
            format!(
                r#"{{"order_id":"ord-{n:08x}","created_at":{},"status":"shipped","items":[{{"sku":"A-{n}","quantity":{},"price":19.99}}],"note":"left at the door"}},"#,
                1_700_000_000 + n, n % 9
            )
        })
        .collect();
    let text =
        "The quick brown fox jumps over the lazy dog; nothing to see here.\n".repeat(900_000);
    let hex: String = (0..800_000u64)
        .map(|n| {
            format!(
                "\"trace_id\":\"{:032x}\",",
                u128::from(n) * 0x9E37_79B9_7F4A_7C15_F39C_0C5B
            )
        })
        .collect();
    for (name, input, format) in [
        ("json", json, Format::Json),
        ("text", text, Format::Text),
        ("hex ids", hex, Format::Json),
    ] {
        let mut found = Vec::new();
        let begun = Instant::now();
        for window in input.as_bytes().chunks(64 << 10) {
            let document = Document {
                bytes: window,
                format,
                fields: &NoField,
                overlap: 0,
                offset: 0,
            };
            scanner.scan(&document, &mut found);
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{name:<8} {:>5.0} MB/s, {} found",
            input.len() as f64 / 1e6 / seconds,
            found.len()
        );
    }
}
