//! A conversation from the wire to the detections: every byte is settled exactly once, and no
//! value that was planted is in what a detection, an operation or a field path says.
//!
//! The input is a list of pieces: a byte that says what to do and in which direction, a length, and
//! that many bytes. In them the bytes 0xf0 to 0xf3 stand for a planted value.

use std::sync::LazyLock;

use auditor::{
    content::{Document, Limits, Origin, Reader, Receiver},
    detect::{Detection, Fingerprinter, Scan as _, Scanner},
    ledger::Account,
    protocol::{Connection, Direction, Parser as _, Part, Sink},
};

use super::conversation::{Command, next};

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Fingerprinter::new([3; 32])));

/// Made up, and valid.
const PLANTED: [&str; 4] = [
    "5447911234560249",
    "jane.roe@plantedmail.de",
    "DE27100777770209299700",
    "5447-9112-3456-0249",
];

struct Stages {
    reader: Reader,
    outcome: Outcome,
}

#[derive(Default)]
struct Outcome {
    settled: [u64; 2],
    found: Vec<Detection>,
}

impl Sink for Stages {
    fn part(&mut self, part: Part<'_>) {
        if let Some(operation) = &part.exchange.operation {
            assert_no_value(operation);
        }
        self.reader.part(&part, &mut self.outcome);
    }

    fn settle(&mut self, direction: Direction, _: Account, bytes: u64) {
        self.outcome.settled[direction.index()] += bytes;
    }
}

impl Receiver for Outcome {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        SCANNER.scan(document, &mut self.found);
        for detection in self.found.drain(..) {
            assert!(detection.range.end <= document.bytes.len());
            let at = origin.positions.of_range(&detection.range);
            assert!(at.start <= at.end);
            assert_no_value(&format!("{detection:?}"));
        }
    }

    fn settle(&mut self, direction: Direction, _: Account, bytes: u64) {
        self.settled[direction.index()] += bytes;
    }
}

fn assert_no_value(text: &str) {
    for (number, value) in PLANTED.iter().enumerate() {
        assert!(!text.contains(value), "planted value {number} is shown: {text}");
    }
}

pub fn run(input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else {
        return;
    };
    let mut connection = if first & 1 == 0 {
        Connection::opened()
    } else {
        Connection::joined()
    };
    let limits = if first & 2 == 0 {
        Limits::default()
    } else {
        Limits {
            window: 512,
            overlap: 64,
            longest: 128,
            ..Limits::default()
        }
    };
    let mut stages = Stages {
        reader: Reader::new(limits),
        outcome: Outcome::default(),
    };
    let mut fed = [0; 2];
    while let Some(Command {
        what,
        direction,
        length,
        bytes,
    }) = next(&mut rest)
    {
        match what {
            1 => connection.gap(direction, u64::from(length), &mut stages),
            2 => connection.finish(direction, &mut stages),
            3 => stages.reader.flush(&mut stages.outcome),
            _ if bytes.is_empty() => {}
            _ => {
                let bytes = planted(bytes);
                connection.feed(direction, &bytes, &mut stages);
                fed[direction.index()] += bytes.len() as u64;
            }
        }
    }
    connection.finish(Direction::ToServer, &mut stages);
    connection.finish(Direction::ToClient, &mut stages);
    stages.reader.finish(&mut stages.outcome);
    assert_eq!(stages.outcome.settled, fed);
}

fn planted(bytes: &[u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            0xf0..=0xf3 => filled.extend(PLANTED[usize::from(byte - 0xf0)].as_bytes()),
            _ => filled.push(byte),
        }
    }
    filled
}
