//! The parts a side gives out.
//!
//! Goes in: pieces of messages. Comes out: [`Part`]s with the exchange, message and offset that the
//! side stands at. It decides nothing.

use crate::protocol::sniff::Kind;
use crate::protocol::{Part, Place, Sink, WINDOW};

use super::Side;

impl Side {
    pub(super) fn trailer_place(&self) -> Place {
        match self.kind {
            Kind::Request => Place::RequestTrailers,
            Kind::Response => Place::ResponseTrailers,
        }
    }

    pub(super) fn emit_body(&mut self, data: &[u8], last: bool, sink: &mut dyn Sink) {
        let place = match self.kind {
            Kind::Request => Place::RequestBody,
            Kind::Response => Place::ResponseBody,
        };
        sink.part(Part {
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            offset: self.offset,
            last,
            ..self.part(place, data)
        });
        self.offset += data.len() as u64;
    }

    pub(super) fn emit_stream(&mut self, data: &[u8], last: bool, sink: &mut dyn Sink) {
        for window in data.chunks(WINDOW) {
            sink.part(Part {
                offset: self.offset,
                last: false,
                ..self.part(Place::Stream, window)
            });
            self.offset += window.len() as u64;
        }
        if last && self.offset > 0 {
            sink.part(Part {
                offset: self.offset,
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
