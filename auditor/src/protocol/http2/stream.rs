//! The streams of a connection: which request a frame belongs to.
//!
//! Goes in: header sections and data of both directions. Comes out: parts. A stream is told by its number,
//! which is never used twice, so that after a gap it is the same or an unknown one. At most
//! [`MAX_STREAMS`] are known, with at most [`MAX_TEXT`] bytes of names; the oldest is forgotten first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::grpc::{Dialect, Envelopes};
use crate::protocol::http::{self, Body, Carrier, Fields, Naming};
use crate::protocol::websocket::{Deflate, Frames};
use crate::protocol::{Direction, Exchange, Part, Place, Sink};

use super::PROTOCOL;
use super::block::Head;

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

struct Stream {
    /// The request's.
    exchange: Arc<Exchange>,
    /// The same with the status, once that is known.
    answered: Option<Arc<Exchange>>,
    /// A WebSocket was asked for (RFC 8441).
    websocket: bool,
    halves: [Half; 2],
}

struct Half {
    body: Body,
    content_type: Option<Box<str>>,
    content_encoding: Option<Box<str>>,
    message_encoding: Option<Box<str>>,
    message: u64,
    is_request: bool,
    /// Its head was seen, so that what follows are trailers.
    begun: bool,
    /// Some of its data was.
    has_data: bool,
    ended: bool,
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
        self.keep(stream, known);
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
        if ends && stream.is_over() {
            self.forget(data.stream);
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

    fn expect_name(&mut self, number: u32, exchange: &Exchange, fields: &Fields) {
        let naming = Naming::of(exchange, fields);
        if naming.is_some() {
            if self.namings.len() == MAX_NAMINGS {
                self.namings.pop_front();
            }
            self.namings.push_back((number, naming));
        }
    }

    fn keep(&mut self, number: u32, stream: Stream) {
        if !stream.is_over() {
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

impl Stream {
    fn new(number: u32, exchange: Arc<Exchange>) -> Self {
        // A number for each message inside, which no other stream has.
        let message = u64::from(number) << 32;
        Self {
            exchange,
            answered: None,
            websocket: false,
            halves: [Half::new(true, message), Half::new(false, message)],
        }
    }

    fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.ended)
    }

    /// Bytes of names it holds.
    fn text(&self) -> usize {
        let exchange = |exchange: &Exchange| {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            text(&exchange.operation) + text(&exchange.authority)
        };
        let halves = self.halves.iter().flat_map(|half| {
            [&half.content_type, &half.content_encoding, &half.message_encoding]
                .into_iter()
                .flatten()
                .map(|text| text.len())
        });
        exchange(&self.exchange) + self.answered.as_deref().map_or(0, exchange) + halves.sum::<usize>()
    }

    /// Data comes. What looks like gRPC is, if no head says what it is.
    fn begin_data(&mut self, direction: Direction, bytes: &[u8], length: u64) {
        let half = &mut self.halves[direction.index()];
        if !half.has_data && half.content_type.is_none() && Envelopes::is_one(bytes, length) {
            half.envelop();
            if matches!(self.exchange.protocol, PROTOCOL) {
                self.exchange = as_grpc(&self.exchange);
                self.answered = self.answered.as_deref().map(as_grpc);
            }
        }
        half.has_data = true;
    }

    /// A head where data was: what came before belongs to nothing that is known.
    fn close_unplaced(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if self.halves[direction.index()].has_data {
            self.with(direction, |body, carrier, message| {
                body.end(carrier, message, &[], sink)
            });
            self.halves[direction.index()].message += 1;
        }
    }

    /// The head of a request, or what a server promises to answer.
    fn request(&mut self, section: &Section, last: &Arc<Exchange>, sink: &mut dyn Sink) {
        let Section { direction, head, .. } = section;
        self.close_unplaced(*direction, sink);
        self.websocket = head.protocol.as_deref() == Some("websocket");
        let exchange = http::Request {
            version: PROTOCOL,
            // The handshake of HTTP/1.1 would be a GET.
            method: if self.websocket {
                Some("GET")
            } else {
                head.method.as_deref()
            },
            target: head.target(),
            authority: head.authority.clone(),
            fields: &head.fields,
            is_partial: head.is_partial,
        }
        .exchange();
        self.exchange = if exchange == **last {
            Arc::clone(last)
        } else {
            Arc::new(exchange)
        };
        let half = &mut self.halves[direction.index()];
        half.is_request = true;
        if section.is_push {
            // Nothing follows it; what it promises is a response.
            show(section, &self.exchange, half.message, Place::RequestHeaders, sink);
            half.is_request = false;
            half.message += 1;
            self.halves[direction.reversed().index()].ended = true;
            return;
        }
        half.begin(&self.exchange, &head.fields);
        show(section, &self.exchange, half.message, Place::RequestHeaders, sink);
    }

    fn response(&mut self, section: &Section, sink: &mut dyn Sink) {
        let Section { direction, head, .. } = section;
        self.close_unplaced(*direction, sink);
        let exchange = Arc::new(http::response(&self.exchange, head.status, &head.fields));
        let half = &mut self.halves[direction.index()];
        half.is_request = false;
        show(section, &exchange, half.message, Place::ResponseHeaders, sink);
        if head.status.is_some_and(|status| (100..200).contains(&status)) {
            return;
        }
        if self.websocket && head.status.is_some_and(|status| (200..300).contains(&status)) {
            for direction in [Direction::ToServer, Direction::ToClient] {
                self.close_unplaced(direction, sink);
            }
            self.open_websocket(&head.fields);
            return;
        }
        half.begin(&exchange, &head.fields);
        self.answered = Some(exchange);
    }

    fn open_websocket(&mut self, answer: &Fields) {
        let (exchange, deflate) = http::websocket(&self.exchange, answer);
        for (half, direction) in self
            .halves
            .iter_mut()
            .zip([Direction::ToServer, Direction::ToClient])
        {
            half.body = Body::frames(Frames::new(direction, Deflate { ..deflate }));
            half.begun = true;
        }
        self.exchange = exchange;
        self.answered = None;
    }

    fn trailers(&mut self, section: &Section, sink: &mut dyn Sink) {
        let half = &mut self.halves[section.direction.index()];
        let place = if half.is_request {
            Place::RequestTrailers
        } else {
            Place::ResponseTrailers
        };
        let exchange = match &self.answered {
            Some(answered) if !half.is_request => answered,
            _ => &self.exchange,
        };
        show(section, exchange, half.message, place, sink);
    }

    /// The bytes of a request may name its operation.
    fn name(&mut self, namings: &mut VecDeque<(u32, Option<Naming>)>, number: u32, bytes: &[u8], last: bool) {
        let Some(at) = namings.iter().position(|(stream, _)| *stream == number) else {
            return;
        };
        let half = self.halves.iter().find(|half| half.is_request);
        let fields = Fields::of_type(half.and_then(|half| half.content_type.clone()));
        let naming = &mut namings[at].1;
        if let Some(named) = Naming::look(naming, &self.exchange, &fields, bytes, last) {
            self.exchange = named;
        }
        if naming.is_none() {
            namings.remove(at);
        }
    }

    /// A half of the stream ends with `bytes`.
    fn end(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        self.with(direction, |body, carrier, message| {
            body.end(carrier, message, bytes, sink)
        });
        self.halves[direction.index()].ended = true;
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.end(direction, &[], sink);
        }
    }

    fn with(&mut self, direction: Direction, call: impl FnOnce(&mut Body, &Carrier<'_>, &mut u64)) {
        let Half {
            body,
            content_type,
            content_encoding,
            message_encoding,
            message,
            is_request,
            ..
        } = &mut self.halves[direction.index()];
        let exchange = match &self.answered {
            Some(answered) if !*is_request => answered,
            _ => &self.exchange,
        };
        let carrier = Carrier {
            exchange,
            direction,
            place: if *is_request {
                Place::RequestBody
            } else {
                Place::ResponseBody
            },
            content_type: content_type.as_deref(),
            content_encoding: content_encoding.as_deref(),
            message_encoding: message_encoding.as_deref(),
        };
        call(body, &carrier, message);
    }
}

impl Half {
    fn new(is_request: bool, message: u64) -> Self {
        Self {
            body: Body::plain(),
            content_type: None,
            content_encoding: None,
            message_encoding: None,
            message,
            is_request,
            begun: false,
            has_data: false,
            ended: false,
        }
    }

    /// Its head is known.
    fn begin(&mut self, exchange: &Exchange, fields: &Fields) {
        self.begun = true;
        self.body = http::body_of(exchange, fields);
        self.content_type = fields.content_type.clone();
        self.content_encoding = fields.content_encoding.clone();
        self.message_encoding = fields.message_encoding.clone();
    }

    /// Its data looks like gRPC.
    fn envelop(&mut self) {
        self.body = Body::enveloped(Envelopes::new(), false);
        self.content_type = Some(Box::from("application/grpc"));
    }
}

/// Shows path, query and fields of a section. The block on the wire is settled with the fields.
fn show(section: &Section, exchange: &Arc<Exchange>, message: u64, place: Place, sink: &mut dyn Sink) {
    let Section {
        direction,
        head,
        wire,
        ..
    } = section;
    let part = |place, data, wire_bytes| Part {
        exchange,
        direction: *direction,
        place,
        message,
        content_type: None,
        content_encoding: None,
        offset: 0,
        last: true,
        data,
        wire_bytes,
    };
    if let Some(target) = head.path.as_ref().filter(|_| place == Place::RequestHeaders) {
        let target = target.expose();
        let query = memchr::memchr(b'?', target).unwrap_or(target.len());
        for (place, data) in [
            (Place::RequestPath, &target[..query]),
            (Place::RequestQuery, &target[query..]),
        ] {
            if !data.is_empty() {
                sink.part(part(place, data, 0));
            }
        }
    }
    let account = if head.is_cut {
        Account::Limit
    } else {
        Account::Scanned
    };
    if head.lines.is_empty() || head.is_cut {
        sink.settle(*direction, account, *wire);
    }
    if !head.lines.is_empty() {
        let wire = if head.is_cut { 0 } else { *wire };
        sink.part(part(place, head.lines.expose(), wire));
    }
}

fn as_grpc(exchange: &Exchange) -> Arc<Exchange> {
    Arc::new(Exchange {
        protocol: Dialect::Grpc.name(),
        ..exchange.clone()
    })
}

/// The exchange of a stream whose request was not seen.
fn unplaced() -> Arc<Exchange> {
    Arc::new(Exchange {
        protocol: PROTOCOL,
        ..Exchange::default()
    })
}
