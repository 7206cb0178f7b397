//! Any bytes in any format, whole and in windows: no panic, and every range lies in the document.

use std::ops::Range;

use auditor::content::{Document, Field, FieldLookup, Format};
use auditor::detect::{Fingerprinter, Scan as _, Scanner};

struct NoField;

impl FieldLookup for NoField {
    fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
        Field {
            value: at,
            ..Field::default()
        }
    }
}

const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Form,
    Format::Headers,
    Format::Path,
    Format::Xml,
    Format::Csv,
    Format::Sql,
    Format::Text,
];

pub fn run(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    let format = match choice {
        0x80.. => Format::Protobuf,
        choice => FORMATS[usize::from(choice) % FORMATS.len()],
    };
    let scanner = Scanner::new(Fingerprinter::new([0; 32]));
    let mut found = Vec::new();
    for overlap in [0, bytes.len() / 2] {
        let next = (overlap == 0).then_some(bytes.len() / 2);
        let document = Document {
            overlap,
            next,
            ..Document::whole(bytes, format, &NoField)
        };
        scanner.scan(&document, &mut found);
    }
    for detection in found {
        assert!(detection.range.start < detection.range.end && detection.range.end <= bytes.len());
    }
}
