//! HTTP/2 (RFC 9113), both directions of one connection: with prior knowledge, by ALPN, or upgraded
//! to from HTTP/1.1.
//!
//! Goes in: bytes in order with gaps named. Comes out: path, query, header, body and trailer parts of
//! each stream with the operation of its request; for gRPC and its kin, a part for each message. Bodies
//! are handed on as they come. Only a frame with a header block waits until it is complete, at most
//! [`MAX_BLOCK`] bytes of it, and after a gap what may be the start of a frame. What belongs to no
//! frame goes out as [`Place::Stream`](super::Place).

mod block;
mod frame;
pub mod hpack;
mod resync;
mod side;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::secret::Secret;

use super::sniff::{Beginning, Speaker, Start};
use super::{Direction, Exchange, Parser, Sink, WINDOW};

use frame::{Header, Type};
use side::Side;
use stream::Streams;

/// Name of the protocol in findings.
pub const PROTOCOL: &str = "http/2";
/// Longest header block, in bytes; a longer one settles as `Limit`.
pub const MAX_BLOCK: usize = 64 * 1024;
/// What a client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The parser of one connection.
pub struct Http2 {
    sides: [Side; 2],
    streams: Streams,
    /// What a server sent before the request it answers came in, at most one window.
    early: Secret,
}

impl Http2 {
    /// Its name in `Upgrade`, without TLS (RFC 7540 §3.2).
    pub(super) const UPGRADE: &str = "h2c";

    /// A connection seen from its first byte.
    pub fn opened() -> Self {
        Self::new(&Beginning::opened())
    }

    /// As the first bytes show it.
    pub(super) fn new(beginning: &Beginning) -> Self {
        let side = |direction| Side::new(direction, beginning);
        Self {
            sides: [side(Direction::ToServer), side(Direction::ToClient)],
            streams: Streams::new(beginning.opened),
            early: Secret::default(),
        }
    }

    /// A connection that a request of HTTP/1.1 upgraded; its response comes in stream 1 (RFC 7540 §3.2).
    pub(super) fn upgraded(request: &Arc<Exchange>, messages: [u64; 2]) -> Self {
        let mut http2 = Self::new(&Beginning {
            messages,
            ..Beginning::opened()
        });
        let exchange = Exchange {
            protocol: PROTOCOL,
            status: None,
            ..(**request).clone()
        };
        http2.streams.upgraded(Arc::new(exchange));
        http2
    }

    fn read(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let before = self.sides[0].has_preface();
        self.read_on(direction, bytes, sink);
        if self.sides[0].has_preface() && !before {
            self.sides[1].begin();
            self.streams.begin();
        }
    }

    fn read_on(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        if let Some(early) = self.sides[direction.index()].feed(bytes, &mut self.streams, sink) {
            self.early = early;
        }
    }

    /// Reads what came early, once its request did or will not come any more.
    fn release_early(&mut self, at_once: bool, sink: &mut dyn Sink) {
        if self.early.is_empty() {
            return;
        }
        if at_once {
            self.streams.doubt();
        }
        let early = std::mem::take(&mut self.early);
        self.read(Direction::ToClient, early.expose(), sink);
    }
}

impl Parser for Http2 {
    fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        match direction {
            Direction::ToServer => {
                self.read(direction, bytes, sink);
                self.release_early(false, sink);
            }
            Direction::ToClient if !self.early.is_empty() => {
                self.early.extend(bytes);
                if self.early.len() > WINDOW {
                    self.release_early(true, sink);
                }
            }
            Direction::ToClient => self.read(direction, bytes, sink),
        }
    }

    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink) {
        self.release_early(true, sink);
        if direction == Direction::ToServer {
            self.streams.give_up_names();
        }
        self.sides[direction.index()].gap(len, &mut self.streams, sink);
    }

    fn quiet(&mut self, sink: &mut dyn Sink) {
        self.sides.iter_mut().for_each(|side| side.quiet(sink));
    }

    fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if direction == Direction::ToClient {
            self.release_early(true, sink);
        }
        self.sides[direction.index()].finish(&mut self.streams, sink);
    }
}

/// From the first bytes of a connection.
pub(super) fn opening(bytes: &[u8]) -> Start {
    let preface = bytes.len().min(PREFACE.len());
    if !bytes.is_empty() && bytes[..preface] == PREFACE[..preface] {
        // `PRI` is no method of HTTP/1, and nobody else says so much.
        return if preface > 16 {
            Start::Yes(Speaker::Client)
        } else {
            Start::More
        };
    }
    // A server begins with its settings, of which there are a few.
    match Header::parse(bytes) {
        Some(first) if first.kind == Type::Settings && first.flags == 0 && first.length <= 6 * 32 => {
            Start::Yes(Speaker::Server)
        }
        None if !bytes.is_empty() && bytes.len() < frame::LENGTH => settings_so_far(bytes),
        _ => Start::No,
    }
}

/// Whether less than a frame header could become that of settings.
fn settings_so_far(bytes: &[u8]) -> Start {
    let fits = bytes.iter().enumerate().all(|(at, byte)| match at {
        2 => *byte <= 6 * 32 && byte % 6 == 0,
        3 => *byte == 4,
        _ => *byte == 0,
    });
    if fits { Start::More } else { Start::No }
}

/// Where a write begins in the middle of a connection.
pub(super) fn within(bytes: &[u8]) -> Start {
    if bytes.starts_with(PREFACE) {
        return Start::Yes(Speaker::Client);
    }
    match resync::chain(bytes) {
        resync::Chain::Sure => Start::Yes(Speaker::Either),
        resync::Chain::More => Start::More,
        resync::Chain::No => Start::No,
    }
}
