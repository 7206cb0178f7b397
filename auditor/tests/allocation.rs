//! Scanning clean traffic costs no allocation, and no field is asked for.

use std::fmt::Write as _;
use std::ops::Range;

use auditor::content::{Document, Field, FieldLookup, Format};
use auditor::detect::{Fingerprinter, Scan as _, Scanner};

/// Clean text must never be asked for a field.
struct Unasked;

impl FieldLookup for Unasked {
    fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
        panic!("asked for the field at {at:?}")
    }
}

fn clean(format: Format) -> String {
    let mut text = String::new();
    for n in 0..2000u64 {
        let hex = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let _ = match format {
            Format::Json => writeln!(
                text,
                r#"{{"id":{n},"traceId":"{hex:016x}{hex:016x}","price":{{"amount":{}.90}},"created_at":17{:08},"tags":["a","b"],"note":"no value here"}}"#,
                n % 90,
                n * 1000,
            ),
            Format::Form => write!(text, "id={n}&trace={hex:016x}&name=no+value&"),
            _ => writeln!(
                text,
                "2026-02-03T10:00:{:02}.{:03}Z INFO request done path=/v1/items/{n} status=200 took_ms={} trace={hex:016x}",
                n % 60,
                n % 1000,
                n % 300,
            ),
        };
    }
    text
}

#[test]
fn scanning_clean_text_allocates_nothing() {
    let scanner = Scanner::new(Fingerprinter::new([7; 32]));
    for format in [Format::Json, Format::Form, Format::Text, Format::Headers] {
        let text = clean(format);
        let mut found = Vec::new();
        // The first look builds the table of names.
        scanner.scan(&Document::whole(text.as_bytes(), format, &Unasked), &mut found);
        let used = allocation_counter::measure(|| {
            scanner.scan(&Document::whole(text.as_bytes(), format, &Unasked), &mut found);
        });
        assert!(found.is_empty(), "{format:?}");
        assert_eq!((used.count_total, used.bytes_total), (0, 0), "{format:?}");
    }
}

#[test]
fn a_value_is_seen_by_the_counter() {
    let scanner = Scanner::new(Fingerprinter::new([7; 32]));
    struct Anywhere;
    impl FieldLookup for Anywhere {
        fn field_at(&self, _: &[u8], _: Range<usize>) -> Field {
            Field::default()
        }
    }
    let text = "card 5447911234560249";
    let used = allocation_counter::measure(|| {
        let mut found = Vec::new();
        scanner.scan(
            &Document::whole(text.as_bytes(), Format::Text, &Anywhere),
            &mut found,
        );
        assert_eq!(found.len(), 1);
    });
    assert!(used.count_total > 0);
}
