//! One direction of an HTTP/1 connection: heads, bodies, trailers, and the way back after a gap.
//!
//! Goes in: bytes of the direction. Comes out: parts, and settled bytes in the order of the
//! stream. Only an incomplete head, trailer section or start line is held.

mod emit;
mod recover;

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::http::{self, Body, Fields, Naming};
use crate::protocol::sniff::Start;
use crate::protocol::{Direction, Exchange, Place, Sink, WINDOW};
use crate::secret::Secret;

use super::chunked::{Chunked, Step};
use super::head::{self, Framing, Head, HeadError, Method, StartLine};
use super::pairing::{Pairing, Pending};
use super::{Kind, MAX_HEAD, PROTOCOL, settle_framing, sniff};

/// Why a side stopped before the end of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A response whose request has not been seen.
    Early,
    /// HTTP ends here.
    Tunnel,
}

pub(super) struct Side {
    direction: Direction,
    kind: Kind,
    state: State,
    /// Bytes of an incomplete head, trailer section or (when lost) start line.
    held: Secret,
    /// `held` has been searched for its end up to here.
    searched: usize,
    message: u64,
    exchange: Arc<Exchange>,
    fields: Fields,
    body: Body,
    /// Looks for the operation's name in a request's body.
    naming: Option<Naming>,
    /// Offset in what belongs to no message.
    offset: u64,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Trailers,
    Lost,
    Tunnel,
}

/// What one step consumed, and whether to stop behind it.
struct Taken(usize, Option<Stop>);

impl Side {
    /// The first message has the number `message`.
    pub(super) fn new(direction: Direction, kind: Kind, at_start: bool, message: u64) -> Self {
        Self {
            direction,
            kind,
            state: if at_start { State::Start } else { State::Lost },
            held: Secret::default(),
            searched: 0,
            message,
            exchange: unplaced(),
            fields: Fields::default(),
            body: Body::plain(),
            naming: None,
            offset: 0,
        }
    }

    pub(super) fn next_message(&self) -> u64 {
        self.message + 1
    }

    /// Whether the last message is over and none has started.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Start) && self.held.is_empty()
    }

    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// What the fields of the current message say about its body.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Reads on; returns where and why it stopped, if it did.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        pairing: &mut Pairing,
        sink: &mut dyn Sink,
    ) -> Option<(Stop, usize)> {
        if self.held.is_empty() {
            return self.read(bytes, pairing, sink);
        }
        let before = self.held.len();
        self.held.extend(bytes);
        if self.still_incomplete() {
            return None;
        }
        let whole = std::mem::take(&mut self.held);
        let stop = self.read(whole.expose(), pairing, sink);
        // What was held belongs to the message in front, so a stop is never inside it.
        stop.map(|(stop, at)| (stop, at.saturating_sub(before)))
    }

    /// Whether what is held, all within its limit, still lacks its end.
    fn still_incomplete(&mut self) -> bool {
        let held = self.held.expose();
        match self.state {
            State::Start | State::Trailers if held.len() <= MAX_HEAD => {
                let found = head::head_end(held, self.searched).is_some();
                // An empty line can end in the next bytes when it starts in the last three.
                self.searched = if found { 0 } else { held.len().saturating_sub(3) };
                let no_trailers = matches!(self.state, State::Trailers) && empty_line(held).is_some();
                !found && !no_trailers
            }
            State::Lost => sniff::message_start(held) == Start::More,
            _ => false,
        }
    }

    fn read(&mut self, bytes: &[u8], pairing: &mut Pairing, sink: &mut dyn Sink) -> Option<(Stop, usize)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let (message, was_lost) = (self.message, matches!(self.state, State::Lost));
            let Taken(taken, stop) = match self.state {
                State::Start => self.start(rest, pairing, sink),
                State::Length(left) => self.length(rest, left, pairing, sink),
                State::Chunked(chunked) => self.chunked(rest, chunked, pairing, sink),
                State::UntilClose => self.until_close(rest, pairing, sink),
                State::Trailers => self.trailers(rest, sink),
                State::Lost => self.lost(rest, sink),
                State::Tunnel => Taken(0, Some(Stop::Tunnel)),
            };
            at += taken;
            if self.kind == Kind::Response && self.message != message {
                pairing.response_ended();
            }
            if matches!(self.state, State::Lost) && (pairing.is_sure() || !was_lost) {
                pairing.doubt();
            }
            if let Some(stop) = stop {
                return Some((stop, at));
            }
        }
        None
    }

    fn start(&mut self, bytes: &[u8], pairing: &mut Pairing, sink: &mut dyn Sink) -> Taken {
        let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if blank > 0 {
            settle_framing(self.direction, blank, sink);
            return Taken(blank, None);
        }
        if self.kind == Kind::Response && pairing.is_sure() && !pairing.waits() {
            return Taken(0, Some(Stop::Early));
        }
        if !could_start(self.kind, bytes) {
            self.lose(sink);
            return Taken(0, None);
        }
        let window = &bytes[..bytes.len().min(MAX_HEAD)];
        let Some(end) = head::head_end(window, 0) else {
            return self.hold(bytes, sink);
        };
        match head::parse(self.kind, &bytes[..end]) {
            Ok(head) => self.head(head, &bytes[..end], pairing, sink),
            Err(HeadError::TooManyHeaders) => {
                sink.settle(self.direction, Account::Limit, end as u64);
                self.lose(sink);
                Taken(end, None)
            }
            Err(HeadError::Malformed) => {
                // All of it goes out at once: trying again inside would take quadratic time.
                self.lose(sink);
                self.emit_stream(&bytes[..end], false, sink);
                Taken(end, None)
            }
        }
    }

    /// Keeps an incomplete head or trailer section, or gives it up when it is too long.
    fn hold(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Taken {
        if bytes.len() >= MAX_HEAD {
            sink.settle(self.direction, Account::Limit, MAX_HEAD as u64);
            if matches!(self.state, State::Trailers) {
                self.message += 1;
            }
            self.lose(sink);
            return Taken(MAX_HEAD, None);
        }
        self.held.extend(bytes);
        self.searched = bytes.len().saturating_sub(3);
        Taken(bytes.len(), None)
    }

    fn head(&mut self, head: Head, bytes: &[u8], pairing: &mut Pairing, sink: &mut dyn Sink) -> Taken {
        let fields = &bytes[head.fields_at..];
        self.offset = 0;
        self.fields = head.fields;
        let next = match head.start_line {
            StartLine::Request {
                method_len,
                path_len,
                query_len,
                exchange,
                method,
            } => {
                self.naming = Naming::of(&exchange, &self.fields);
                self.exchange = Arc::new(exchange);
                pairing.request(Pending {
                    exchange: Arc::clone(&self.exchange),
                    method,
                });
                let path_at = method_len + 1;
                let query_at = path_at + path_len;
                settle_framing(self.direction, path_at, sink);
                self.emit_whole(Place::RequestPath, &bytes[path_at..query_at], sink);
                self.emit_whole(Place::RequestQuery, &bytes[query_at..query_at + query_len], sink);
                settle_framing(self.direction, head.fields_at - query_at - query_len, sink);
                self.emit_whole(Place::RequestHeaders, fields, sink);
                head.framing.map_or(State::Start, state_of)
            }
            StartLine::Response { status } => {
                let interim = (100..200).contains(&status) && status != 101;
                let request = pairing.response(interim);
                let method = request.as_ref().map_or(Method::Other, |request| request.method);
                let exchange = request.map_or_else(unplaced, |request| request.exchange);
                self.exchange = Arc::new(http::response(&exchange, Some(status), &self.fields));
                settle_framing(self.direction, head.fields_at, sink);
                self.emit_whole(Place::ResponseHeaders, fields, sink);
                response_state(status, method, head.framing)
            }
        };
        self.body = http::body_of(&self.exchange, &self.fields);
        self.state = next;
        if matches!(next, State::Start | State::Length(0)) {
            self.end_message();
        }
        let stop = matches!(next, State::Tunnel).then_some(Stop::Tunnel);
        Taken(bytes.len(), stop)
    }

    fn length(&mut self, bytes: &[u8], left: u64, pairing: &mut Pairing, sink: &mut dyn Sink) -> Taken {
        let n = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
            .min(WINDOW);
        let left = left - n as u64;
        self.emit_body(&bytes[..n], left == 0, pairing, sink);
        self.state = State::Length(left);
        if left == 0 {
            self.end_message();
        }
        Taken(n, None)
    }

    fn chunked(
        &mut self,
        bytes: &[u8],
        mut chunked: Chunked,
        pairing: &mut Pairing,
        sink: &mut dyn Sink,
    ) -> Taken {
        let step = chunked.step(&bytes[..bytes.len().min(WINDOW)]);
        self.state = State::Chunked(chunked);
        match step {
            Step::Framing(n) => {
                settle_framing(self.direction, n, sink);
                Taken(n, None)
            }
            Step::Data(n) => {
                self.emit_body(&bytes[..n], false, pairing, sink);
                Taken(n, None)
            }
            Step::Trailers(n) => {
                settle_framing(self.direction, n, sink);
                self.emit_body(&[], true, pairing, sink);
                self.state = State::Trailers;
                Taken(n, None)
            }
            Step::Broken => {
                self.emit_body(&[], true, pairing, sink);
                self.end_message();
                self.lose(sink);
                Taken(0, None)
            }
        }
    }

    fn until_close(&mut self, bytes: &[u8], pairing: &mut Pairing, sink: &mut dyn Sink) -> Taken {
        let n = bytes.len().min(WINDOW);
        self.emit_body(&bytes[..n], false, pairing, sink);
        Taken(n, None)
    }

    fn trailers(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Taken {
        if let Some(n) = empty_line(bytes) {
            settle_framing(self.direction, n, sink);
            self.end_message();
            return Taken(n, None);
        }
        let window = &bytes[..bytes.len().min(MAX_HEAD)];
        let Some(end) = head::head_end(window, 0) else {
            return self.hold(bytes, sink);
        };
        self.emit_whole(self.trailer_place(), &bytes[..end], sink);
        self.end_message();
        Taken(end, None)
    }

    fn end_message(&mut self) {
        self.message += 1;
        self.offset = 0;
        self.state = State::Start;
    }

    fn lose(&mut self, sink: &mut dyn Sink) {
        if !matches!(self.state, State::Lost) {
            sink.lost(self.direction, PROTOCOL);
        }
        self.exchange = unplaced();
        self.fields = Fields::default();
        self.body = Body::plain();
        self.naming = None;
        self.offset = 0;
        self.state = State::Lost;
    }
}

/// The exchange of bytes whose message start was not seen.
fn unplaced() -> Arc<Exchange> {
    Arc::new(Exchange {
        protocol: PROTOCOL,
        ..Exchange::default()
    })
}

fn state_of(framing: Framing) -> State {
    match framing {
        Framing::Length(length) => State::Length(length),
        Framing::Chunked => State::Chunked(Chunked::START),
        Framing::UntilClose => State::UntilClose,
    }
}

/// RFC 9112 §6.3: which responses have a body.
fn response_state(status: u16, method: Method, framing: Option<Framing>) -> State {
    match (status, method) {
        (101, _) | (200..300, Method::Connect) => State::Tunnel,
        (100..200 | 204 | 304, _) | (_, Method::Head) => State::Start,
        _ => state_of(framing.unwrap_or(Framing::UntilClose)),
    }
}

/// Length of the empty line at the front, if there is one.
fn empty_line(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// Whether bytes that must be a message start could be one, as far as they go.
fn could_start(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        Kind::Response => {
            let length = bytes.len().min(7);
            bytes[..length] == b"HTTP/1."[..length]
        }
        Kind::Request => {
            let token = |b: &&u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
            let length = bytes.iter().take(33).take_while(token).count();
            length > 0 && length <= 32 && bytes.get(length).is_none_or(|b| *b == b' ')
        }
    }
}
