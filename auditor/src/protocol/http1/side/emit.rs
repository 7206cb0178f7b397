//! The parts a side gives out.
//!
//! Goes in: pieces of messages. Comes out: [`Part`]s with the exchange, message and offset that the
//! side stands at. It decides nothing.

use crate::protocol::http::{Body, Carrier, Naming};
use crate::protocol::{BEHIND_GAP, Part, Place, Sink, WINDOW};

use super::{Kind, Pairing, Side};

impl Side {
    pub(super) fn trailer_place(&self) -> Place {
        match self.kind {
            Kind::Request => Place::RequestTrailers,
            Kind::Response => Place::ResponseTrailers,
        }
    }

    /// Shows the next bytes of the body, which may name the operation of a request.
    pub(super) fn emit_body(&mut self, data: &[u8], last: bool, pairing: &mut Pairing, sink: &mut dyn Sink) {
        let named = Naming::look(&mut self.naming, &self.exchange, &self.fields, data, last);
        if let Some(named) = named {
            pairing.rename(&self.exchange, &named);
            self.exchange = named;
        }
        self.with_body(|body, carrier, message| {
            if last {
                body.end(carrier, message, data, sink);
            } else {
                body.feed(carrier, message, data, sink);
            }
        });
    }

    /// The body, with what its parts have in common and the number of the message.
    pub(super) fn with_body(&mut self, call: impl FnOnce(&mut Body, &Carrier<'_>, &mut u64)) {
        let carrier = Carrier {
            exchange: &self.exchange,
            direction: self.direction,
            place: match self.kind {
                Kind::Request => Place::RequestBody,
                Kind::Response => Place::ResponseBody,
            },
            content_type: self.fields.content_type.as_deref(),
            content_encoding: self.fields.content_encoding.as_deref(),
            message_encoding: self.fields.message_encoding.as_deref(),
        };
        call(&mut self.body, &carrier, &mut self.message);
    }

    pub(super) fn emit_stream(&mut self, data: &[u8], last: bool, sink: &mut dyn Sink) {
        for window in data.chunks(WINDOW) {
            sink.part(Part {
                offset: BEHIND_GAP + self.offset,
                last: false,
                ..self.part(Place::Stream, window)
            });
            self.offset += window.len() as u64;
        }
        if last && self.offset > 0 {
            sink.part(Part {
                offset: BEHIND_GAP + self.offset,
                ..self.part(Place::Stream, &[])
            });
        }
    }

    /// A part that is complete in itself; none when it is empty.
    pub(super) fn emit_whole(&self, place: Place, data: &[u8], sink: &mut dyn Sink) {
        if !data.is_empty() {
            sink.part(self.part(place, data));
        }
    }

    pub(super) fn part<'a>(&'a self, place: Place, data: &'a [u8]) -> Part<'a> {
        Part {
            exchange: &self.exchange,
            direction: self.direction,
            place,
            message: self.message,
            content_type: None,
            content_encoding: None,
            offset: 0,
            last: true,
            data,
            wire_bytes: data.len() as u64,
        }
    }
}
