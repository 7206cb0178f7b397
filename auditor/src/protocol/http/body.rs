//! The body of one HTTP message becomes parts.
//!
//! Goes in: pieces of the body, gaps, and what its parts have in common. Comes out: parts: one
//! stretch of them, or one for each message inside (gRPC and its kin, WebSocket over HTTP/2). It holds
//! nothing back but the start of a message's header.

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::grpc::{Base64, Envelopes};
use crate::protocol::websocket::Frames;
use crate::protocol::{Direction, Exchange, Part, Place, Sink, WINDOW};

/// What the parts of a body have in common.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct Carrier<'a> {
    pub(in crate::protocol) exchange: &'a Arc<Exchange>,
    pub(in crate::protocol) direction: Direction,
    pub(in crate::protocol) place: Place,
    pub(in crate::protocol) content_type: Option<&'a str>,
    pub(in crate::protocol) content_encoding: Option<&'a str>,
    /// Coding of single messages inside.
    pub(in crate::protocol) message_encoding: Option<&'a str>,
}

impl Carrier<'_> {
    /// A part with these; `wire` bytes are to be settled for it.
    pub(in crate::protocol) fn emit(
        &self,
        message: u64,
        offset: u64,
        data: &[u8],
        wire: u64,
        last: bool,
        sink: &mut dyn Sink,
    ) {
        sink.part(Part {
            exchange: self.exchange,
            direction: self.direction,
            place: self.place,
            message,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            offset,
            last,
            data,
            wire_bytes: wire,
        });
    }

    /// Bytes that a parser itself has looked at.
    pub(in crate::protocol) fn settle(&self, account: Account, wire: u64, sink: &mut dyn Sink) {
        if wire > 0 {
            sink.settle(self.direction, account, wire);
        }
    }
}

/// A body, as far as it has come.
pub(in crate::protocol) struct Body {
    framing: Framing,
    /// Offset in it, where it is one stretch.
    offset: u64,
    /// A stretch that was begun has not ended.
    open: bool,
}

enum Framing {
    Plain,
    Enveloped(Envelopes),
    /// The same in base64 (gRPC-Web).
    Base64(Box<(Base64, Envelopes)>),
    Frames(Box<Frames>),
}

impl Body {
    pub(in crate::protocol) const fn plain() -> Self {
        Self::new(Framing::Plain)
    }

    pub(in crate::protocol) fn enveloped(envelopes: Envelopes, base64: bool) -> Self {
        Self::new(if base64 {
            Framing::Base64(Box::new((Base64::default(), envelopes)))
        } else {
            Framing::Enveloped(envelopes)
        })
    }

    pub(in crate::protocol) fn frames(frames: Frames) -> Self {
        Self::new(Framing::Frames(Box::new(frames)))
    }

    const fn new(framing: Framing) -> Self {
        Self {
            framing,
            offset: 0,
            open: false,
        }
    }

    /// Takes the next bytes. `message` is the number of the message it is in; each message inside that
    /// ends moves it on.
    pub(in crate::protocol) fn feed(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        let wire = bytes.len() as u64;
        match &mut self.framing {
            Framing::Plain => {
                for data in bytes.chunks(WINDOW) {
                    let length = data.len() as u64;
                    carrier.emit(*message, self.offset, data, length, false, sink);
                    self.offset += length;
                    self.open = true;
                }
            }
            Framing::Enveloped(envelopes) => envelopes.feed(carrier, message, bytes, wire, sink),
            Framing::Base64(inner) => {
                let (base64, envelopes) = &mut **inner;
                let decoded = base64.decode(bytes);
                envelopes.feed(carrier, message, decoded.expose(), wire, sink);
            }
            Framing::Frames(frames) => frames.feed(carrier, message, bytes, sink),
        }
    }

    /// Takes the last bytes.
    pub(in crate::protocol) fn end(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        if matches!(self.framing, Framing::Plain) && bytes.len() <= WINDOW {
            if self.open || !bytes.is_empty() {
                carrier.emit(*message, self.offset, bytes, bytes.len() as u64, true, sink);
            }
            self.offset += bytes.len() as u64;
            self.open = false;
            return;
        }
        if !bytes.is_empty() {
            self.feed(carrier, message, bytes, sink);
        }
        match &mut self.framing {
            Framing::Plain => self.end(carrier, message, &[], sink),
            Framing::Enveloped(envelopes) => envelopes.finish(carrier, message, sink),
            Framing::Base64(inner) => inner.1.finish(carrier, message, sink),
            Framing::Frames(frames) => frames.finish(carrier, message, sink),
        }
    }

    /// `len` bytes are missing (0: unknown).
    pub(in crate::protocol) fn gap(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        len: u64,
        sink: &mut dyn Sink,
    ) {
        match &mut self.framing {
            // At least one byte, or the pieces on both sides would be joined.
            Framing::Plain => self.offset += len.max(1),
            Framing::Enveloped(envelopes) => envelopes.gap(carrier, message, len, sink),
            Framing::Base64(inner) => {
                inner.0 = Base64::default();
                inner.1.gap(carrier, message, 0, sink);
            }
            Framing::Frames(frames) => frames.gap(carrier, message, len, sink),
        }
    }
}
