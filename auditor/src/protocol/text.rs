//! Bytes of no known protocol, and of tunnels.
//!
//! Goes in: bytes of both directions. Comes out: [`Place::Stream`] parts, printable or not, one
//! message per direction and contiguous stretch. It holds nothing back. A tunnel that starts with
//! a TLS record is ciphertext, which nobody can scan and the ledger must not call scanned.

use std::sync::Arc;

use crate::ledger::Account;

use super::{Direction, Exchange, Part, Place, Sink, WINDOW};

/// Name of unknown protocols in findings.
pub const PROTOCOL: &str = "text";

/// Name of datagrams in findings.
pub const DATAGRAM: &str = "datagram";

/// Passes bytes on as a stream.
pub struct Text {
    exchange: Arc<Exchange>,
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    message: u64,
    offset: u64,
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
            exchange: Arc::new(Exchange {
                protocol: DATAGRAM,
                ..Exchange::default()
            }),
            ..Self::new()
        }
    }

    /// What follows an upgrade or `CONNECT`: the stream keeps the operation that opened it, and
    /// message numbers go on from `messages`.
    pub fn after(opened_by: &Exchange, messages: [u64; 2]) -> Self {
        let exchange = Exchange {
            protocol: PROTOCOL,
            ..opened_by.clone()
        };
        let side = |message| Side {
            message,
            ..Side::default()
        };
        Self {
            exchange: Arc::new(exchange),
            sides: messages.map(side),
        }
    }

    /// The number the next message of each direction would have.
    pub fn next_messages(&self) -> [u64; 2] {
        [self.sides[0].message + 1, self.sides[1].message + 1]
    }

    /// See [`super::Parser::feed`].
    pub fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let side = &mut self.sides[direction.index()];
        if *side.ciphertext.get_or_insert_with(|| is_tls_record(bytes)) {
            sink.settle(direction, Account::Ciphertext, bytes.len() as u64);
            return;
        }
        for data in bytes.chunks(WINDOW) {
            emit(
                &self.exchange,
                direction,
                &mut self.sides[direction.index()],
                data,
                false,
                sink,
            );
        }
    }

    /// See [`super::Parser::gap`].
    pub fn gap(&mut self, direction: Direction, sink: &mut dyn Sink) {
        self.finish(direction, sink);
    }

    /// See [`super::Parser::finish`].
    pub fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        let side = &mut self.sides[direction.index()];
        if side.offset > 0 {
            emit(&self.exchange, direction, side, &[], true, sink);
            side.message += 1;
            side.offset = 0;
        }
        if self.exchange.protocol == DATAGRAM {
            self.sides[direction.index()].ciphertext = None;
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

fn emit(
    exchange: &Arc<Exchange>,
    direction: Direction,
    side: &mut Side,
    data: &[u8],
    last: bool,
    sink: &mut dyn Sink,
) {
    sink.part(Part {
        exchange,
        direction,
        place: Place::Stream,
        message: side.message,
        content_type: None,
        content_encoding: None,
        offset: side.offset,
        last,
        data,
        wire_bytes: data.len() as u64,
    });
    side.offset += data.len() as u64;
}

/// The first three bytes of a TLS record: a content type, and major version 3 (RFC 8446 §5.1).
fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, ..])
}
