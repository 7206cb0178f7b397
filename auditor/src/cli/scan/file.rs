//! One file, read once from front to back.
//!
//! Goes in: a reader. Comes out: detections with their place in the file, and the account of its
//! bytes. Raw HTTP messages are taken apart first; everything else is content. Memory does not
//! grow with the file: nothing but windows is held.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::content::protobuf::Registry;
use crate::content::window::Positions;
use crate::content::{Document, Field, Format, Limits, Origin, Reader, Receiver};
use crate::detect::Detection;
use crate::detect::sketch::{ScanSuspects, Spot};
use crate::ledger::Account;
use crate::protocol::http1::Http1;
use crate::protocol::http1::sniff::{self, MAX_START_LINE};
use crate::protocol::sniff::{Speaker, Start};
use crate::protocol::{Direction, Exchange, Parser, Part, Place, Sink};

use super::ahead::{Ahead, Helpers, Scanned};
use super::fields::Fields;
use super::lines::Lines;

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// A detection and where it is. It owns all it says and holds no value, so it may be kept.
pub(super) struct Occurrence {
    pub(super) detection: Detection,
    pub(super) spot: Whereabouts,
}

/// Where a detection is.
pub(super) struct Whereabouts {
    pub(super) place: Place,
    pub(super) content_type: Option<Arc<str>>,
    pub(super) exchange: Arc<Exchange>,
    /// In the file, or in the decoded body when that was compressed.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Unknown in a compressed body.
    pub(super) line: Option<u64>,
}

/// What all detections of a document have in common.
#[derive(Clone)]
pub(super) struct Facts {
    place: Place,
    content_type: Option<Arc<str>>,
    exchange: Arc<Exchange>,
    /// Lines of the file are lines of the content.
    has_lines: bool,
}

impl Facts {
    fn of(origin: &Origin<'_>, document: &Document<'_>) -> Self {
        Self {
            place: origin.place,
            content_type: origin.content_type.map(Arc::from),
            exchange: Arc::clone(origin.exchange),
            has_lines: !origin.decoded && document.format != Format::Protobuf,
        }
    }

    /// The field of these messages, for sketches.
    pub(super) fn spot(&self, field: &Field) -> Option<Spot> {
        Spot::of(self.exchange.operation.as_deref(), self.place.name(), field)
    }

    fn whereabouts(&self, source: Range<u64>, lines: &Lines) -> Whereabouts {
        Whereabouts {
            place: self.place,
            content_type: self.content_type.clone(),
            exchange: Arc::clone(&self.exchange),
            start: source.start,
            end: source.end,
            line: self.has_lines.then(|| lines.line_of(source.start)),
        }
    }
}

/// How much of a file was searched, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) scanned: u64,
    /// Why the others were not.
    pub(super) not_scanned: Vec<(Account, u64)>,
}

/// Who works on a file.
pub(super) struct Workers<'a> {
    pub(super) scanner: &'a dyn ScanSuspects,
    /// Names of protobuf fields.
    pub(super) descriptors: &'a Arc<Registry>,
    /// Threads that take windows of a long file.
    pub(super) helpers: Option<&'a Helpers>,
    /// Told of every block that was read, with its length.
    pub(super) read: &'a dyn Fn(u64),
}

/// Scans one file.
pub(super) fn scan(
    mut file: impl Read,
    workers: &Workers<'_>,
    found: &mut dyn FnMut(Occurrence),
) -> io::Result<Extent> {
    let mut block = Zeroizing::new(vec![0; BLOCK]);
    let mut length = fill(&mut file, &mut block)?;
    let findings = Findings {
        scanner: workers.scanner,
        ahead: Ahead::new(workers.helpers),
        fields: Fields::new(workers.scanner),
        found,
        lines: Lines::default(),
        ready: Vec::new(),
        extent: Extent::default(),
    };
    let reader = Reader::new(Limits::default()).with_descriptors(Arc::clone(workers.descriptors));
    let mut input = match sniff::message_start(&block[..length]) {
        Start::Yes(speaker) => Input::Http(Box::new(HttpFile::new(speaker, reader, findings))),
        Start::More | Start::No => Input::Content(Box::new(ContentFile::new(reader, findings))),
    };
    while length > 0 {
        (workers.read)(length as u64);
        input.feed(&block[..length]);
        length = fill(&mut file, &mut block)?;
    }
    Ok(input.finish())
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match file.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

enum Input<'a> {
    Content(Box<ContentFile<'a>>),
    Http(Box<HttpFile<'a>>),
}

impl Input<'_> {
    fn feed(&mut self, block: &[u8]) {
        match self {
            Self::Content(file) => file.feed(block, false),
            Self::Http(file) => file.feed(block),
        }
    }

    fn finish(self) -> Extent {
        match self {
            Self::Content(mut file) => {
                file.feed(&[], true);
                file.reader.finish(&mut file.findings);
                file.findings.finish()
            }
            Self::Http(file) => file.finish(),
        }
    }
}

/// A file that is one document.
struct ContentFile<'a> {
    reader: Reader,
    exchange: Arc<Exchange>,
    offset: u64,
    findings: Findings<'a>,
}

impl<'a> ContentFile<'a> {
    fn new(reader: Reader, findings: Findings<'a>) -> Self {
        Self {
            reader,
            exchange: Arc::default(),
            offset: 0,
            findings,
        }
    }

    fn feed(&mut self, data: &[u8], last: bool) {
        self.findings.lines.add(data);
        let part = Part {
            exchange: &self.exchange,
            direction: Direction::ToServer,
            place: Place::File,
            message: 0,
            content_type: None,
            content_encoding: None,
            offset: self.offset,
            last,
            data,
            wire_bytes: data.len() as u64,
        };
        self.reader.part(&part, &mut self.findings);
        self.offset += data.len() as u64;
    }
}

/// A file of HTTP requests and responses, one after the other.
struct HttpFile<'a> {
    parser: Http1,
    messages: Messages<'a>,
    direction: Direction,
    /// The unfinished line at the end of the last block.
    line: Zeroizing<Vec<u8>>,
    /// Bytes given to the parser.
    fed: u64,
}

impl<'a> HttpFile<'a> {
    fn new(speaker: Speaker, reader: Reader, findings: Findings<'a>) -> Self {
        let messages = Messages {
            reader,
            findings,
            tracks: Default::default(),
        };
        let direction = direction_of(speaker);
        Self {
            parser: Http1::joined([true, true]),
            messages,
            direction,
            line: Zeroizing::default(),
            fed: 0,
        }
    }

    fn feed(&mut self, block: &[u8]) {
        self.messages.findings.lines.add(block);
        let mut bytes = std::mem::take(&mut self.line);
        bytes.extend_from_slice(block);
        // A message start in the last line may go on in the next block.
        let line = memchr::memrchr(b'\n', &bytes).map_or(0, |lf| lf + 1);
        let whole = if bytes.len() - line < MAX_START_LINE {
            line
        } else {
            bytes.len()
        };
        self.messages(&bytes[..whole]);
        self.line.extend_from_slice(&bytes[whole..]);
    }

    /// Cuts where the direction changes.
    fn messages(&mut self, bytes: &[u8]) {
        let mut from = 0;
        for start in starts(bytes) {
            let Start::Yes(speaker) = sniff::message_start(&bytes[start..]) else {
                continue;
            };
            if direction_of(speaker) != self.direction {
                self.pass(&bytes[from..start]);
                self.parser.finish(self.direction, &mut self.messages);
                self.direction = direction_of(speaker);
                from = start;
            }
        }
        self.pass(&bytes[from..]);
    }

    fn pass(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.messages.tracks[self.direction.index()].add(bytes.len() as u64, self.fed);
            self.fed += bytes.len() as u64;
            self.parser.feed(self.direction, bytes, &mut self.messages);
        }
    }

    fn finish(mut self: Box<Self>) -> Extent {
        let line = std::mem::take(&mut self.line);
        self.messages(&line);
        self.parser.finish(Direction::ToServer, &mut self.messages);
        self.parser.finish(Direction::ToClient, &mut self.messages);
        self.messages.reader.finish(&mut self.messages.findings);
        self.messages.findings.finish()
    }
}

fn direction_of(speaker: Speaker) -> Direction {
    match speaker {
        Speaker::Client | Speaker::Either => Direction::ToServer,
        Speaker::Server => Direction::ToClient,
    }
}

/// Where a message may start: at a line, and a response also right behind a body.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let lines = memchr::memchr_iter(b'\n', bytes)
        .map(|lf| lf + 1)
        .filter(|at| *at < bytes.len());
    let first = bytes.first().map(|_| 0);
    let plausible = |at: &usize| bytes[*at].is_ascii_uppercase();
    let mut starts: Vec<_> = first.into_iter().chain(lines).filter(plausible).collect();
    starts.extend(memchr::memmem::find_iter(bytes, b"HTTP/1."));
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Where the bytes of one direction are in the file.
#[derive(Default)]
struct Track {
    fed: u64,
    settled: u64,
    /// Position in the direction, position in the file.
    runs: VecDeque<(u64, u64)>,
}

impl Track {
    fn add(&mut self, bytes: u64, file: u64) {
        self.runs.push_back((self.fed, file));
        self.fed += bytes;
    }

    /// The position in the file of the next byte to be settled.
    fn position(&mut self) -> u64 {
        while self.runs.get(1).is_some_and(|(at, _)| *at <= self.settled) {
            self.runs.pop_front();
        }
        self.runs
            .front()
            .map_or(self.settled, |(at, file)| file + self.settled - at)
    }
}

/// Parts go on to the content stage with their place in the file: a parser settles the bytes of
/// a direction in their order.
struct Messages<'a> {
    reader: Reader,
    findings: Findings<'a>,
    tracks: [Track; 2],
}

impl Sink for Messages<'_> {
    fn part(&mut self, part: Part<'_>) {
        let track = &mut self.tracks[part.direction.index()];
        let source = track.position();
        track.settled += part.wire_bytes;
        // The decoder of a compressed body counts for itself; the others are placed in the file.
        self.reader.part_at(&part, source, &mut self.findings);
    }

    fn settle(&mut self, direction: Direction, account: Account, bytes: u64) {
        self.tracks[direction.index()].settled += bytes;
        self.findings.settle(direction, account, bytes);
    }
}

/// Scans documents, or has them scanned, and hands on what was found in the order of the file; what
/// only its field makes sure comes when it does.
struct Findings<'a> {
    scanner: &'a dyn ScanSuspects,
    ahead: Ahead<'a>,
    fields: Fields<'a>,
    found: &'a mut dyn FnMut(Occurrence),
    lines: Lines,
    ready: Vec<Occurrence>,
    extent: Extent,
}

impl Findings<'_> {
    /// Hands on what is known of the windows in front, or all.
    fn hand_on(&mut self, all: bool) {
        while let Some(done) = self.ahead.next(all || self.ahead.is_full()) {
            let (window, scanned) = *done;
            self.hear(&window.document(), &window.positions, &window.facts, scanned);
        }
    }

    /// Tells the fields what was found in the next document.
    fn hear(&mut self, document: &Document<'_>, positions: &Positions, facts: &Facts, scanned: Scanned) {
        let whereabouts = |range: &Range<usize>| facts.whereabouts(positions.of_range(range), &self.lines);
        let spot = |field: &Field| facts.spot(field);
        self.fields
            .hear(document, scanned, &spot, &whereabouts, &mut self.ready);
        self.ready.drain(..).for_each(&mut *self.found);
    }

    fn finish(mut self) -> Extent {
        self.hand_on(true);
        self.fields.finish(&mut self.ready);
        self.ready.drain(..).for_each(&mut *self.found);
        self.extent
    }
}

impl Receiver for Findings<'_> {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        let facts = Facts::of(origin, document);
        let watch = self.fields.watch();
        if self.ahead.take(origin, document, &facts, &watch, self.scanner) {
            self.hand_on(false);
            return;
        }
        self.hand_on(true);
        self.ahead.passed();
        let scanned = Scanned::of(self.scanner, document, self.fields.watch());
        self.hear(document, origin.positions, &facts, scanned);
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        if account == Account::Scanned {
            self.extent.scanned += bytes;
            return;
        }
        match self
            .extent
            .not_scanned
            .iter_mut()
            .find(|(known, _)| *known == account)
        {
            Some((_, sum)) => *sum += bytes,
            None => self.extent.not_scanned.push((account, bytes)),
        }
    }
}
