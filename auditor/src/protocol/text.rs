//! Bytes of no known protocol, and of tunnels.
//!
//! Goes in: bytes of both directions. Comes out: [`Place::Stream`] parts, printable or not, one
//! message per direction and contiguous stretch. It holds nothing back. A tunnel that starts with
//! a TLS record is ciphertext, which nobody can scan and the ledger must not call scanned.

use std::sync::Arc;

use crate::ledger::Account;

use super::{BEHIND_GAP, Direction, Exchange, Part, Place, Sink, WINDOW};

/// Name of unknown protocols in findings.
pub const PROTOCOL: &str = "text";

/// Name of datagrams in findings.
pub const DATAGRAM: &str = "datagram";

/// Passes bytes on as a stream.
pub struct Text {
    sides: [Side; 2],
    /// Each message stands alone.
    is_datagram: bool,
}

struct Side {
    stretch: Stretch,
    ciphertext: Option<bool>,
}

impl Text {
    /// A connection of unknown protocol.
    pub fn new() -> Self {
        Self::after(&Exchange::default(), [0, 0])
    }

    /// Messages that stand alone: nothing of one says what the next is.
    pub fn datagrams() -> Self {
        Self {
            is_datagram: true,
            ..Self::of(DATAGRAM, &Exchange::default(), [0, 0])
        }
    }

    /// What follows an upgrade or `CONNECT`: the stream keeps the operation that opened it, and
    /// message numbers go on from `messages`.
    pub fn after(opened_by: &Exchange, messages: [u64; 2]) -> Self {
        Self::of(PROTOCOL, opened_by, messages)
    }

    fn of(protocol: &'static str, opened_by: &Exchange, messages: [u64; 2]) -> Self {
        let exchange = Arc::new(Exchange {
            protocol,
            ..opened_by.clone()
        });
        let side = |direction: Direction| Side {
            stretch: Stretch {
                exchange: Arc::clone(&exchange),
                direction,
                message: messages[direction.index()],
                offset: 0,
                begin: 0,
            },
            ciphertext: None,
        };
        Self {
            sides: [side(Direction::ToServer), side(Direction::ToClient)],
            is_datagram: false,
        }
    }

    /// The number the next message of each direction would have.
    pub fn next_messages(&self) -> [u64; 2] {
        [
            self.sides[0].stretch.message + 1,
            self.sides[1].stretch.message + 1,
        ]
    }

    /// See [`super::Parser::feed`].
    pub fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let side = &mut self.sides[direction.index()];
        if *side.ciphertext.get_or_insert_with(|| is_tls_record(bytes)) {
            sink.settle(direction, Account::Ciphertext, bytes.len() as u64);
            return;
        }
        side.stretch.feed(bytes, sink);
    }

    /// See [`super::Parser::gap`].
    pub fn gap(&mut self, direction: Direction, sink: &mut dyn Sink) {
        self.finish(direction, sink);
        if !self.is_datagram {
            self.sides[direction.index()].stretch.lose();
        }
    }

    /// See [`super::Parser::finish`].
    pub fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        let side = &mut self.sides[direction.index()];
        side.stretch.finish(sink);
        if self.is_datagram {
            side.ciphertext = None;
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of one direction that belong to no message, one after the other.
pub(super) struct Stretch {
    exchange: Arc<Exchange>,
    direction: Direction,
    message: u64,
    offset: u64,
    /// Offset of the first byte.
    begin: u64,
}

impl Stretch {
    /// The first one has the number `message`.
    pub(super) fn new(protocol: &'static str, direction: Direction, message: u64) -> Self {
        Self {
            exchange: Arc::new(Exchange {
                protocol,
                ..Exchange::default()
            }),
            direction,
            message,
            offset: 0,
            begin: 0,
        }
    }

    /// Bytes are missing in front of the next stretch.
    pub(super) fn lose(&mut self) {
        self.begin = BEHIND_GAP;
    }

    /// Shows bytes that follow what came before.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        for data in bytes.chunks(WINDOW) {
            self.emit(data, false, sink);
        }
    }

    /// What follows does not belong to what came before.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) {
        if self.offset > 0 {
            self.emit(&[], true, sink);
            self.message += 1;
            self.offset = 0;
        }
    }

    fn emit(&mut self, data: &[u8], last: bool, sink: &mut dyn Sink) {
        sink.part(Part {
            exchange: &self.exchange,
            direction: self.direction,
            place: Place::Stream,
            message: self.message,
            content_type: None,
            content_encoding: None,
            offset: self.begin + self.offset,
            last,
            data,
            wire_bytes: data.len() as u64,
        });
        self.offset += data.len() as u64;
    }
}

/// The first three bytes of a TLS record: a content type, and major version 3 (RFC 8446 §5.1).
fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, ..])
}
