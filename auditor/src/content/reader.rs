//! Parts of one connection become documents.
//!
//! Goes in: [`Part`]s of both directions (or pieces of a file). Comes out, to a [`Receiver`]: the
//! documents to scan, and the account of every wire byte. A part that is complete is shown where
//! it lies; only longer, encoded or escaped content is copied, one window at a time.

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::{CONNECT, Direction, Exchange, Part, Place};

use super::body::Body;
use super::encoding::DecodeLimits;
use super::prefix::{Inside, Prefix};
use super::protobuf::Registry;
use super::window::{self, Positions};
use super::{Document, Format, connect};

/// Bounds of what a reader holds and decodes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of a window in bytes; at least [`window::MIN_WINDOW`], and four overlaps and twice
    /// the longest value.
    pub window: usize,
    /// Bytes of the previous window that a window starts with.
    pub overlap: usize,
    /// Longest token or armoured block that is kept for the next window when it goes on there.
    pub longest: usize,
    pub decode: DecodeLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: window::WINDOW,
            overlap: window::OVERLAP,
            longest: window::LONGEST,
            decode: DecodeLimits::default(),
        }
    }
}

/// Where a document comes from.
pub struct Origin<'a> {
    pub exchange: &'a Arc<Exchange>,
    pub direction: Direction,
    pub place: Place,
    pub message: u64,
    /// As sent.
    pub content_type: Option<&'a str>,
    /// True when a content encoding was undone: positions are those of the decoded content.
    pub decoded: bool,
    /// Source position of each byte, which escapes and chunks move: of the part, or of the file.
    pub positions: &'a Positions,
}

/// Takes what a reader makes of parts.
pub trait Receiver {
    /// One document to scan.
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>);
    /// `bytes` of the wire end here.
    fn settle(&mut self, direction: Direction, account: Account, bytes: u64);
}

/// Most bodies of a connection that are read at once; of those beyond it the one quiet for longest ends.
const MAX_BODIES: usize = 128;

/// Most of them that are decompressed at once.
const MAX_COMPRESSED: usize = 16;

/// Most bytes of a connection that wait for the rest of their windows.
const MAX_WAITING: usize = 1024 * 1024;

/// Content of one connection, both directions.
///
/// Every `wire_bytes` of every part is settled once, at the latest in [`Reader::finish`]. Bytes
/// settled as scanned may still wait for the rest of their window, also until then.
pub struct Reader {
    limits: Limits,
    /// Bodies that are open, the one that came last at the end: some protocols send many at once.
    bodies: Vec<Body>,
    /// Names of protobuf fields, for messages whose operation says what they are.
    registry: Option<Arc<Registry>>,
}

impl Reader {
    /// A reader for one connection.
    pub fn new(limits: Limits) -> Self {
        let least = window::MIN_WINDOW.max(4 * limits.overlap + 2 * limits.longest);
        let window = limits.window.max(least);
        Self {
            limits: Limits { window, ..limits },
            bodies: Vec::new(),
            registry: None,
        }
    }

    /// With descriptors of protobuf messages, to which what servers tell of themselves is added.
    #[must_use]
    pub fn with_descriptors(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Takes a part whose positions are its own.
    pub fn part(&mut self, part: &Part<'_>, receiver: &mut dyn Receiver) {
        self.part_at(part, part.offset, receiver);
    }

    /// Takes a part whose first byte has the position `source`.
    pub fn part_at(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        let format = match part.place {
            Place::RequestPath => Some(Format::Path),
            Place::RequestQuery => Some(Format::Form),
            Place::RequestHeaders
            | Place::RequestTrailers
            | Place::ResponseHeaders
            | Place::ResponseTrailers => Some(Format::Headers),
            Place::RequestBody | Place::ResponseBody | Place::Message | Place::Stream | Place::File => None,
        };
        if let Some(format) = format {
            Body::new(part, Some(format), self.limits).take(part, source, receiver);
            if part.place == Place::RequestQuery && part.exchange.protocol == CONNECT {
                self.called(part, source, receiver);
            }
            return;
        }
        if part.place == Place::Stream {
            self.flush_stream(part.direction.reversed(), receiver);
        }
        let open = self.bodies.iter().rposition(|body| body.is_of(part));
        let mut body = match open {
            Some(at) => self.bodies.remove(at),
            None => self.begin(part),
        };
        body.take(part, source, receiver);
        if !part.last {
            self.bodies.push(body);
            self.keep_within_bounds(receiver);
        }
    }

    /// Shows what waits for a full window, so that a quiet connection is scanned in time.
    pub fn flush(&mut self, receiver: &mut dyn Receiver) {
        for body in &mut self.bodies {
            body.flush(false, receiver);
        }
    }

    /// Ends all: shows what waits and settles what is not settled yet.
    pub fn finish(&mut self, receiver: &mut dyn Receiver) {
        for body in self.bodies.drain(..) {
            body.finish(receiver);
        }
    }

    /// In protocols that take turns, an answer ends the message before it.
    fn flush_stream(&mut self, direction: Direction, receiver: &mut dyn Receiver) {
        for body in &mut self.bodies {
            if body.place == Place::Stream && body.direction == direction {
                body.flush(false, receiver);
            }
        }
    }

    /// Shows the message that a query holds. Its bytes are in the account as those of the query.
    fn called(&self, query: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        let Some(message) = connect::message(query.data) else {
            return;
        };
        let part = Part {
            place: Place::RequestBody,
            content_type: Some("application/proto"),
            content_encoding: message.encoding,
            offset: 0,
            last: true,
            data: message.content.expose(),
            wire_bytes: 0,
            ..*query
        };
        let prefix = Prefix::of_part("message", None);
        let mut inside = Inside {
            receiver,
            prefix: &prefix,
            settled: &mut |_, _| {},
        };
        let body = self.begin(&part);
        body.of_query().take(&part, source, &mut inside);
    }

    fn begin(&self, part: &Part<'_>) -> Body {
        let mut body = Body::new(part, None, self.limits);
        if let Some(registry) = &self.registry {
            body.ask(registry);
        }
        body
    }

    fn keep_within_bounds(&mut self, receiver: &mut dyn Receiver) {
        if self.bodies.len() > MAX_BODIES {
            self.bodies.remove(0).finish(receiver);
        }
        let compressed = |body: &&mut Body| body.is_compressed();
        let excess = self
            .bodies
            .iter_mut()
            .filter(compressed)
            .count()
            .saturating_sub(MAX_COMPRESSED);
        for body in self.bodies.iter_mut().filter(compressed).take(excess) {
            body.stop_decoding(receiver);
        }
        let mut waiting: usize = self.bodies.iter().map(Body::waiting).sum();
        for body in &mut self.bodies {
            if waiting <= MAX_WAITING {
                break;
            }
            waiting -= body.waiting();
            body.flush(false, receiver);
            waiting += body.waiting();
        }
    }
}
