//! auditor's own engine: the reader that makes windows, and the scanner that searches them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use auditor::content::{Document, Field, FieldLookup, Limits, Origin, Reader, Receiver};
use auditor::detect::{Confidence, Detection, Fingerprinter, Scan as _, Scanner};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};

use super::clock::Moment;
use super::{Engine, Pass, WINDOW};
use crate::corpus::Corpus;

/// Rows of [`Auditor`].
pub const SCANNER: &str = "auditor scanner";
pub const WHOLE: &str = "auditor reader + scanner";

/// A scanner with every row of the catalogue.
pub fn scanner() -> Scanner {
    Scanner::new(Fingerprinter::new([7; 32]))
}

/// Reads a corpus as one body and scans its windows, as a capture does. One pass gives two rows:
/// the time inside the scanner, which asks the reader for fields, and the time of both.
pub struct Auditor<'s> {
    pub scanner: &'s Scanner,
    pub rows: [&'static str; 2],
}

impl Engine for Auditor<'_> {
    fn rows(&self) -> &[&'static str] {
        &self.rows
    }

    fn pass(&mut self, corpus: &Corpus, limit: Duration) -> Vec<Pass> {
        let mut search = Search::new(self.scanner);
        let start = Moment::now();
        let bytes = read(corpus, &mut search, || start.elapsed() < limit);
        let whole = Pass {
            bytes,
            elapsed: start.elapsed(),
            hits: search.hits,
        };
        let inside = Pass {
            elapsed: search.inside,
            ..whole
        };
        vec![inside, whole]
    }
}

/// Feeds the corpus to a reader in windows while `goes_on`; returns how many bytes were fed.
pub fn read(corpus: &Corpus, receiver: &mut dyn Receiver, goes_on: impl Fn() -> bool) -> u64 {
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(Limits::default());
    let mut offset = 0;
    for data in corpus.bytes.chunks(WINDOW) {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type: Some(corpus.content_type),
            content_encoding: None,
            offset,
            last: false,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, receiver);
        offset += data.len() as u64;
        if !goes_on() {
            break;
        }
    }
    reader.finish(receiver);
    offset
}

/// Scans documents and notes the time it takes.
pub struct Search<'s> {
    scanner: &'s Scanner,
    found: Vec<Detection>,
    /// Values that would be reported.
    hits: u64,
    inside: Duration,
    /// Bytes that no document showed, as they were not taken for text.
    pub not_scanned: u64,
}

impl<'s> Search<'s> {
    /// Nothing found yet.
    pub fn new(scanner: &'s Scanner) -> Self {
        Self {
            scanner,
            found: Vec::new(),
            hits: 0,
            inside: Duration::ZERO,
            not_scanned: 0,
        }
    }
}

impl Receiver for Search<'_> {
    fn document(&mut self, _: &Origin<'_>, document: &Document<'_>) {
        self.found.clear();
        let start = Moment::now();
        self.scanner.scan(document, &mut self.found);
        self.inside += start.elapsed();
        self.hits += self
            .found
            .iter()
            .filter(|found| found.confidence > Confidence::Low)
            .count() as u64;
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        if account != Account::Scanned {
            self.not_scanned += bytes;
        }
    }
}

/// Knows no field.
pub struct NoField;

impl FieldLookup for NoField {
    fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
        Field {
            value: at,
            ..Field::default()
        }
    }
}
