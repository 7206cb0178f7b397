//! What is found in content, through the stages that read it.

use std::sync::{Arc, LazyLock};

use auditor::content::{Document, Limits, Origin, Reader, Receiver};
use auditor::detect::{Confidence, Detection, Fingerprinter, Scan as _, Scanner, State};
use auditor::ledger::Account;
use auditor::protocol::{Connection, Direction, Exchange, Parser as _, Part, Place, Sink};

use crate::written::Expected;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Fingerprinter::new([7; 32])));

/// One value that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub direction: usize,
    pub place: &'static str,
    pub protocol: &'static str,
    pub operation: Option<String>,
    pub what: Expected,
}

/// The stages behind a connection, or behind the parts of one body.
pub struct Stages {
    reader: Reader,
    heard: Heard,
}

#[derive(Default)]
struct Heard {
    findings: Vec<Finding>,
    settled: [u64; 2],
    found: Vec<Detection>,
}

impl Receiver for Heard {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        SCANNER.scan(document, &mut self.found);
        for found in self.found.drain(..) {
            // Values of other kinds are not what is written here.
            if !matches!(found.detector, "payment_card" | "email_address")
                || found.confidence == Confidence::Low
                || found.state != State::Clear
            {
                continue;
            }
            let at = origin.positions.of_range(&found.range);
            self.findings.push(Finding {
                direction: origin.direction.index(),
                place: origin.place.name(),
                protocol: origin.exchange.protocol,
                operation: origin.exchange.operation.clone(),
                what: Expected {
                    detector: found.detector,
                    value: String::from_utf8_lossy(&document.bytes[found.range]).into_owned(),
                    field: found.field.path,
                    at: Some((at.start, at.end)),
                },
            });
        }
    }

    fn settle(&mut self, direction: Direction, _: Account, bytes: u64) {
        self.settled[direction.index()] += bytes;
    }
}

impl Sink for Stages {
    fn part(&mut self, part: Part<'_>) {
        self.reader.part(&part, &mut self.heard);
    }

    fn settle(&mut self, direction: Direction, _: Account, bytes: u64) {
        self.heard.settled[direction.index()] += bytes;
    }
}

impl Stages {
    fn new(limits: Limits) -> Self {
        Self {
            reader: Reader::new(limits),
            heard: Heard::default(),
        }
    }

    /// What was found, in order of the values; all of what was fed must be settled.
    fn end(mut self, fed: [u64; 2]) -> Vec<Finding> {
        self.reader.finish(&mut self.heard);
        assert_eq!(self.heard.settled, fed, "every byte is settled once");
        self.heard.findings.sort();
        self.heard.findings
    }
}

/// Reads a body whose pieces come with their offsets.
pub fn body<'a>(
    limits: Limits,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    pieces: impl IntoIterator<Item = (usize, &'a [u8])>,
) -> Vec<Expected> {
    let mut stages = Stages::new(limits);
    let exchange = Arc::new(Exchange::default());
    let mut fed = 0;
    let mut pieces = pieces.into_iter().peekable();
    while let Some((offset, data)) = pieces.next() {
        fed += data.len() as u64;
        stages.part(Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type,
            content_encoding,
            offset: offset as u64,
            last: pieces.peek().is_none(),
            data,
            wire_bytes: data.len() as u64,
        });
    }
    let findings = stages.end([fed, 0]);
    findings.into_iter().map(|finding| finding.what).collect()
}

/// A piece of a conversation.
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    /// So many are missing.
    Gap(u64),
}

/// Reads a connection that is seen from its beginning.
pub fn connection<'a>(pieces: impl IntoIterator<Item = (Direction, Piece<'a>)>) -> Vec<Finding> {
    let mut stages = Stages::new(Limits::default());
    let mut connection = Connection::opened();
    let mut fed = [0; 2];
    for (direction, piece) in pieces {
        match piece {
            Piece::Bytes([]) | Piece::Gap(0) => {}
            Piece::Bytes(bytes) => {
                connection.feed(direction, bytes, &mut stages);
                fed[direction.index()] += bytes.len() as u64;
            }
            Piece::Gap(length) => connection.gap(direction, length, &mut stages),
        }
    }
    connection.finish(Direction::ToServer, &mut stages);
    connection.finish(Direction::ToClient, &mut stages);
    stages.end(fed)
}
