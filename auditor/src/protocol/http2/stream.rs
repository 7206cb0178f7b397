//! The streams of a connection: which request a frame belongs to.
//!
//! Goes in: header sections and data of both directions. Comes out: parts. A stream is told by its number,
//! which is never used twice, so that after a gap it is the same or an unknown one. At most
//! [`MAX_STREAMS`] are known, with at most [`MAX_TEXT`] bytes of names; the oldest is forgotten first.

mod one;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::protocol::http::{Fields, Naming};
use crate::protocol::{Direction, Exchange, Sink};

use super::PROTOCOL;
use super::block::Head;
use one::Stream;

/// Streams that are known at once.
pub(super) const MAX_STREAMS: usize = 512;
/// Bytes of all their names.
const MAX_TEXT: usize = 64 * 1024;
/// Bodies that are searched for a name at once.
const MAX_NAMINGS: usize = 16;

/// A frame of data, and how much of it is still to come.
#[derive(Clone, Copy)]
pub(super) struct Data {
    pub(super) stream: u32,
    pub(super) left: u64,
    /// All of it, without padding.
    pub(super) length: u64,
    pub(super) padding: u64,
    pub(super) ends: bool,
}

/// A header section.
pub(super) struct Section {
    pub(super) direction: Direction,
    pub(super) stream: u32,
    /// The server says what it would have been asked.
    pub(super) is_push: bool,
    pub(super) ends: bool,
    pub(super) head: Head,
    pub(super) wire: u64,
}

pub(super) struct Streams {
    known: BTreeMap<u32, Stream>,
    /// Bytes of names.
    text: usize,
    /// The highest number of a stream that a request came in.
    highest: u32,
    /// All requests were seen: an answer to none is early.
    sure: bool,
    /// Requests whose bodies may still name their operation.
    namings: VecDeque<(u32, Option<Naming>)>,
    /// The last request's: most are like the one before.
    last: Arc<Exchange>,
    /// That of requests that were not seen.
    unplaced: Arc<Exchange>,
}

impl Streams {
    pub(super) fn new(sure: bool) -> Self {
        Self {
            known: BTreeMap::new(),
            text: 0,
            highest: 0,
            sure,
            namings: VecDeque::new(),
            last: unplaced(),
            unplaced: unplaced(),
        }
    }

    /// Stream 1 of an upgraded connection, whose request has ended.
    pub(super) fn upgraded(&mut self, exchange: Arc<Exchange>) {
        let mut stream = Stream::new(1, exchange);
        stream.halves[0].begun = true;
        stream.halves[0].ended = true;
        self.highest = 1;
        self.text += stream.text();
        self.known.insert(1, stream);
    }

    /// The connection turns out to be seen from its start.
    pub(super) fn begin(&mut self) {
        self.sure = true;
    }

    /// Not every request was seen.
    pub(super) fn doubt(&mut self) {
        self.sure = false;
    }

    /// Whether a header section answers a request that is still to come.
    pub(super) fn is_early(&self, direction: Direction, stream: u32) -> bool {
        self.sure && direction == Direction::ToClient && stream % 2 == 1 && stream > self.highest
    }

    /// Bytes of a direction are missing: nothing is joined across them.
    pub(super) fn missed(&mut self, direction: Direction, sink: &mut dyn Sink) {
        self.sure = false;
        for stream in self.known.values_mut() {
            stream.with(direction, |body, carrier, message| {
                body.gap(carrier, message, 0, sink)
            });
        }
    }

    /// A header section is complete.
    pub(super) fn section(&mut self, section: Section, sink: &mut dyn Sink) {
        let Section {
            direction, stream, ..
        } = section;
        if direction == Direction::ToServer {
            self.highest = self.highest.max(stream);
        }
        self.make_room(stream, sink);
        let mut known = self
            .known
            .remove(&stream)
            .inspect(|known| self.text -= known.text())
            .unwrap_or_else(|| Stream::new(stream, Arc::clone(&self.unplaced)));
        let half = &known.halves[direction.index()];
        if !section.head.is_head && (half.begun || half.has_data) {
            known.trailers(&section, sink);
        } else if section.head.method.is_some()
            || section.head.path.is_some()
            || half.is_request && section.head.status.is_none()
        {
            let last = Arc::clone(&self.last);
            known.request(&section, &last, sink);
            self.last = Arc::clone(&known.exchange);
            if !section.ends && !section.is_push {
                self.expect_name(stream, &known.exchange, &section.head.fields);
            }
        } else {
            known.response(&section, sink);
        }
        if section.ends {
            known.end(direction, &[], sink);
        }
        self.keep(stream, known, sink);
    }

    /// Bytes of a data frame.
    pub(super) fn data(&mut self, direction: Direction, data: &Data, bytes: &[u8], sink: &mut dyn Sink) {
        let ends = data.ends && data.left == 0;
        if bytes.is_empty() && !ends {
            return;
        }
        if !self.known.contains_key(&data.stream) {
            self.make_room(data.stream, sink);
            let stream = Stream::new(data.stream, Arc::clone(&self.unplaced));
            self.text += stream.text();
            self.known.insert(data.stream, stream);
        }
        let Some(stream) = self.known.get_mut(&data.stream) else {
            return;
        };
        let before = stream.text();
        if stream.halves[direction.index()].is_request && !self.namings.is_empty() {
            stream.name(&mut self.namings, data.stream, bytes, ends);
        }
        stream.begin_data(direction, bytes, data.length);
        if ends {
            stream.end(direction, bytes, sink);
        } else {
            stream.with(direction, |body, carrier, message| {
                body.feed(carrier, message, bytes, sink)
            });
        }
        self.text = self.text + stream.text() - before;
        if ends
            && stream.is_over()
            && let Some(mut stream) = self.forget(data.stream)
        {
            stream.close(sink);
        }
    }

    /// `len` bytes of a data frame are missing.
    pub(super) fn gap(&mut self, direction: Direction, data: &Data, len: u64, sink: &mut dyn Sink) {
        if let Some(stream) = self.known.get_mut(&data.stream) {
            stream.with(direction, |body, carrier, message| {
                body.gap(carrier, message, len, sink)
            });
        }
    }

    /// A stream was given up by one of its ends.
    pub(super) fn reset(&mut self, number: u32, sink: &mut dyn Sink) {
        if let Some(mut stream) = self.forget(number) {
            stream.close(sink);
        }
    }

    /// A direction has ended.
    pub(super) fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        for stream in self.known.values_mut() {
            stream.end(direction, &[], sink);
        }
    }

    /// Bytes of requests are missing: a name is read from what is there without a gap.
    pub(super) fn give_up_names(&mut self) {
        self.namings.clear();
    }

    fn expect_name(&mut self, number: u32, exchange: &Exchange, fields: &Fields) {
        let naming = Naming::of(exchange, fields);
        if naming.is_some() {
            if self.namings.len() == MAX_NAMINGS {
                self.namings.pop_front();
            }
            self.namings.push_back((number, naming));
        }
    }

    /// Keeps a stream, unless it is over: then what came behind its end is shown.
    fn keep(&mut self, number: u32, mut stream: Stream, sink: &mut dyn Sink) {
        if stream.is_over() {
            stream.close(sink);
        } else {
            self.text += stream.text();
            self.known.insert(number, stream);
        }
    }

    fn forget(&mut self, number: u32) -> Option<Stream> {
        let stream = self.known.remove(&number)?;
        self.text -= stream.text();
        Some(stream)
    }

    fn make_room(&mut self, number: u32, sink: &mut dyn Sink) {
        while (self.known.len() >= MAX_STREAMS && !self.known.contains_key(&number) || self.text > MAX_TEXT)
            && let Some((_, mut oldest)) = self.known.pop_first()
        {
            self.text -= oldest.text();
            oldest.close(sink);
        }
    }
}

/// The exchange of a stream whose request was not seen.
fn unplaced() -> Arc<Exchange> {
    Arc::new(Exchange {
        protocol: PROTOCOL,
        ..Exchange::default()
    })
}
