//! One stream: a request, its response, and what is known of both.
//!
//! Goes in: its header sections and data. Comes out: parts. It knows no other stream.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::grpc::{Dialect, Envelopes};
use crate::protocol::http::{self, Body, Carrier, Fields, Naming};
use crate::protocol::websocket::Frames;
use crate::protocol::{Direction, Exchange, Part, Place, Sink};

use super::super::PROTOCOL;
use super::Section;

pub(super) struct Stream {
    /// The request's.
    pub(super) exchange: Arc<Exchange>,
    /// The same with the status, once that is known.
    answered: Option<Arc<Exchange>>,
    /// A WebSocket was asked for (RFC 8441).
    websocket: bool,
    pub(super) halves: [Half; 2],
}

pub(super) struct Half {
    body: Body,
    content_type: Option<Box<str>>,
    content_encoding: Option<Box<str>>,
    message_encoding: Option<Box<str>>,
    message: u64,
    pub(super) is_request: bool,
    /// Its head was seen, so that what follows are trailers.
    pub(super) begun: bool,
    /// Some of its data was.
    pub(super) has_data: bool,
    pub(super) ended: bool,
}

impl Stream {
    pub(super) fn new(number: u32, exchange: Arc<Exchange>) -> Self {
        // A number for each message inside, which no other stream has.
        let message = u64::from(number) << 32;
        Self {
            exchange,
            answered: None,
            websocket: false,
            halves: [Half::new(true, message), Half::new(false, message)],
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.ended)
    }

    /// Bytes of names it holds.
    pub(super) fn text(&self) -> usize {
        let exchange = |exchange: &Exchange| {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            let client = exchange.client.as_ref().map_or(0, |client| client.len());
            text(&exchange.operation) + text(&exchange.authority) + client
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
    pub(super) fn begin_data(&mut self, direction: Direction, bytes: &[u8], length: u64) {
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
    pub(super) fn close_unplaced(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if self.halves[direction.index()].has_data {
            self.with(direction, |body, carrier, message| {
                body.end(carrier, message, &[], sink)
            });
            self.halves[direction.index()].message += 1;
        }
    }

    /// The head of a request, or what a server promises to answer.
    pub(super) fn request(&mut self, section: &Section, last: &Arc<Exchange>, sink: &mut dyn Sink) {
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

    pub(super) fn response(&mut self, section: &Section, sink: &mut dyn Sink) {
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

    pub(super) fn open_websocket(&mut self, answer: &Fields) {
        let (exchange, deflate) = http::websocket(&self.exchange, answer);
        for (half, direction) in self
            .halves
            .iter_mut()
            .zip([Direction::ToServer, Direction::ToClient])
        {
            half.body = Body::frames(Frames::new(direction, deflate));
            half.begun = true;
        }
        self.exchange = exchange;
        self.answered = None;
    }

    pub(super) fn trailers(&mut self, section: &Section, sink: &mut dyn Sink) {
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
    pub(super) fn name(
        &mut self,
        namings: &mut VecDeque<(u32, Option<Naming>)>,
        number: u32,
        bytes: &[u8],
        last: bool,
    ) {
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
    pub(super) fn end(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        self.with(direction, |body, carrier, message| {
            body.end(carrier, message, bytes, sink)
        });
        self.halves[direction.index()].ended = true;
    }

    pub(super) fn close(&mut self, sink: &mut dyn Sink) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.end(direction, &[], sink);
        }
    }

    pub(super) fn with(
        &mut self,
        direction: Direction,
        call: impl FnOnce(&mut Body, &Carrier<'_>, &mut u64),
    ) {
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
    pub(super) fn new(is_request: bool, message: u64) -> Self {
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
    pub(super) fn begin(&mut self, exchange: &Exchange, fields: &Fields) {
        self.begun = true;
        self.body = http::body_of(exchange, fields);
        self.content_type = fields.content_type.clone();
        self.content_encoding = fields.content_encoding.clone();
        self.message_encoding = fields.message_encoding.clone();
    }

    /// Its data looks like gRPC.
    pub(super) fn envelop(&mut self) {
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
