//! WebSocket (RFC 6455) with compressed messages (RFC 7692).
//!
//! Goes in: bytes behind the handshake. Comes out: a part for each message, unmasked and decompressed,
//! and one for each control frame with a payload. It holds the start of a frame's header, and the
//! window that compressed messages share; a payload is handed on as it comes.

mod frames;
mod inflate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::http::Carrier;
use super::sniff::{Speaker, Start};
use super::{Direction, Exchange, Parser, Place, Sink};

pub(super) use frames::Frames;

/// Name of the protocol in findings.
pub const PROTOCOL: &str = "websocket";

/// What client and server agreed on about compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deflate {
    pub(super) agreed: bool,
    /// Per direction: a message may refer to the ones before it.
    pub(super) keeps_window: [bool; 2],
}

/// The parser of one connection.
pub struct WebSocket {
    exchange: Arc<Exchange>,
    sides: [Side; 2],
}

struct Side {
    frames: Frames,
    message: u64,
}

impl WebSocket {
    /// Its name in `Upgrade` (RFC 6455 §4.1).
    pub(super) const UPGRADE: &str = "websocket";

    /// Behind a handshake; message numbers go on from `messages`.
    pub(super) fn opened(exchange: Arc<Exchange>, deflate: Deflate, messages: [u64; 2]) -> Self {
        let side = |direction: Direction| Side {
            frames: Frames::new(direction, deflate),
            message: messages[direction.index()],
        };
        Self {
            exchange,
            sides: [side(Direction::ToServer), side(Direction::ToClient)],
        }
    }

    /// A connection whose handshake was not seen: what was agreed on is not known.
    pub(super) fn joined(messages: [u64; 2]) -> Self {
        let exchange = Exchange {
            protocol: PROTOCOL,
            ..Exchange::default()
        };
        let unknown = Deflate {
            agreed: true,
            keeps_window: [true, true],
        };
        let mut joined = Self::opened(Arc::new(exchange), unknown, messages);
        for side in &mut joined.sides {
            side.frames.lose_window();
        }
        joined
    }

    fn with(&mut self, direction: Direction, call: impl FnOnce(&mut Frames, &Carrier<'_>, &mut u64)) {
        let Side { frames, message } = &mut self.sides[direction.index()];
        let carrier = Carrier {
            exchange: &self.exchange,
            direction,
            place: Place::Message,
            content_type: None,
            content_encoding: None,
            message_encoding: None,
        };
        call(frames, &carrier, message);
    }
}

impl Parser for WebSocket {
    fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        self.with(direction, |frames, carrier, message| {
            frames.feed(carrier, message, bytes, sink)
        });
    }

    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink) {
        self.with(direction, |frames, carrier, message| {
            frames.gap(carrier, message, len, sink)
        });
    }

    fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        self.with(direction, |frames, carrier, message| {
            frames.finish(carrier, message, sink)
        });
    }
}

/// Whether what is written in the middle of a connection is one frame of text from a client. Frames of
/// servers are not masked: too much looks like them.
pub(super) fn within(bytes: &[u8]) -> Start {
    match frames::is_masked_text(bytes) {
        true => Start::Yes(Speaker::Client),
        false => Start::No,
    }
}
