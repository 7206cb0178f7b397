//! One body, stream or file: bytes as they come, and windows of text to scan.
//!
//! Goes in: [`Part`]s of one message. Comes out, to a [`Receiver`]: documents, and the account of
//! every wire byte. Content encodings are undone, what it is is found out by its first bytes, and
//! what is no text is made one or left. It holds no more than a window and what waits for one.

mod coding;
mod described;
mod inner;
mod parts;
mod recoding;

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::{Direction, Exchange, Part, Place};

use super::charset;
use super::lookup::Lookup;
use super::marked::MARK;
use super::nested::{self, Nested};
use super::prefix::{Inside, Prefix};
use super::sniff::Kind;
use super::text::Text;
use super::utf16::Utf16;
use super::window::{Buffer, Ending, Positions, Window};
use super::{Document, Format, Limits, Origin, Receiver, escape};
use coding::Coding;
use described::Described;
use recoding::Recoding;

/// A body, stream or file that is being read.
pub(super) struct Body {
    limits: Limits,
    exchange: Arc<Exchange>,
    pub(super) direction: Direction,
    pub(super) place: Place,
    message: u64,
    content_type: Option<Box<str>>,
    coding: Coding,
    decoded: bool,
    kind: Option<Kind>,
    recoding: Recoding,
    lookup: Lookup,
    buffer: Buffer,
    /// Wire bytes whose account waits until it is known what the content is.
    unsettled: u64,
    /// Offset the next part has unless something is missing.
    expected: u64,
    /// Decoded bytes so far.
    position: u64,
    /// Contents around this one.
    depth: usize,
    /// Bytes are missing in front: where in the content it is, is not known.
    is_lost: bool,
    described: Described,
}

impl Body {
    pub(super) fn new(part: &Part<'_>, format: Option<Format>, limits: Limits) -> Self {
        let (coding, decoded) = Coding::of(part, limits);
        let kind = format.map(|format| Kind::Text { format, delimiter: 0 });
        Self {
            limits,
            exchange: Arc::clone(part.exchange),
            direction: part.direction,
            place: part.place,
            message: part.message,
            content_type: part.content_type.map(Box::from),
            coding,
            decoded,
            lookup: Lookup::of(kind),
            kind,
            recoding: Recoding::None,
            buffer: Buffer::default(),
            unsettled: 0,
            expected: part.offset,
            position: 0,
            depth: 0,
            is_lost: part.offset > 0,
            described: Described::default(),
        }
    }

    /// Content inside of other content.
    fn inside(part: &Part<'_>, limits: Limits, depth: usize) -> Self {
        Self {
            depth,
            ..Self::new(part, None, limits)
        }
    }

    /// Whether a part belongs to it.
    pub(super) fn is_of(&self, part: &Part<'_>) -> bool {
        (self.direction, self.place, self.message) == (part.direction, part.place, part.message)
    }

    /// Bytes that wait for the rest of a window.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.coding, Coding::Compressed(_))
    }

    /// Too many are decompressed at once: the rest of this one is not.
    pub(super) fn stop_decoding(&mut self, receiver: &mut dyn Receiver) {
        self.flush(true, receiver);
        self.coding = Coding::Discard(Account::Limit);
    }

    pub(super) fn take(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        if part.offset != self.expected {
            self.gap(receiver);
        }
        self.expected = part.offset + part.data.len() as u64;
        // Its operation may have got a name since.
        if !Arc::ptr_eq(&self.exchange, part.exchange) {
            self.exchange = Arc::clone(part.exchange);
        }
        if !self.show_whole(part, source, receiver) {
            self.read(part, source, receiver);
            if part.last {
                self.flush(true, receiver);
            }
        }
    }

    /// A complete part that needs no copy is shown where it lies.
    fn show_whole(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) -> bool {
        let whole = part.last && part.offset == 0 && self.buffer.len() == 0 && self.unsettled == 0;
        if !whole || part.data.is_empty() || part.data.len() > self.limits.window || !self.is_plain(part.data)
        {
            return false;
        }
        if self.kind.is_none() && !self.is_utf8(part.data) {
            return false;
        }
        let kind = self.kind.unwrap_or_else(|| self.kind_of(part.data));
        let Kind::Text { format, .. } = kind else {
            return false;
        };
        if format == Format::Protobuf || escape::has_escapes(format, part.data) {
            return false;
        }
        self.settle(Account::Scanned, part.wire_bytes, receiver);
        self.lookup = Lookup::of(Some(kind));
        let positions = Positions::contiguous(source);
        let window = Window {
            bytes: part.data,
            overlap: 0,
            flushed: 0,
            positions: &positions,
            next: part.data.len(),
        };
        self.show(format, &self.lookup, &window, Ending::Last, receiver);
        true
    }

    /// Whether nothing says that text, `data`, is in another encoding than it seems to be.
    fn is_utf8(&self, data: &[u8]) -> bool {
        Utf16::of(data).is_none()
            && charset::declared(self.content_type.as_deref(), data)
                .is_none_or(|encoding| encoding.is_ascii_compatible() && data.is_ascii())
    }

    fn origin<'a>(&'a self, positions: &'a Positions) -> Origin<'a> {
        Origin {
            exchange: &self.exchange,
            direction: self.direction,
            place: self.place,
            message: self.message,
            content_type: self.content_type.as_deref(),
            decoded: self.decoded,
            positions,
        }
    }

    /// Text joins the window. A full one is shown once it is known that more follows: then what it
    /// leaves to the next window has one.
    fn append(&mut self, mut bytes: &[u8], mut source: u64, receiver: &mut dyn Receiver) {
        while !bytes.is_empty() && self.kind != Some(Kind::Binary) {
            if self.buffer.len() >= self.limits.window {
                self.show_window(Ending::Full, receiver);
            }
            let room = self
                .limits
                .window
                .saturating_sub(self.buffer.len())
                .clamp(1, bytes.len());
            self.buffer.extend(&bytes[..room], source);
            bytes = &bytes[room..];
            source += room as u64;
        }
    }

    fn settle(&self, account: Account, bytes: u64, receiver: &mut dyn Receiver) {
        if bytes > 0 {
            receiver.settle(self.direction, account, bytes);
        }
    }

    fn show_window(&mut self, ending: Ending, receiver: &mut dyn Receiver) {
        let Some(format) = self.kind.and_then(Kind::format) else {
            return;
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut lookup = std::mem::replace(&mut self.lookup, Lookup::Text(Text));
        buffer.window(ending, &self.limits, format, |window| {
            self.show(format, &lookup, &window, ending, receiver);
            if ending != Ending::Last {
                lookup.advance(window.bytes, window.next);
            }
        });
        self.buffer = buffer;
        self.lookup = lookup;
    }

    /// Shows what waits; `last` when nothing follows.
    pub(super) fn flush(&mut self, last: bool, receiver: &mut dyn Receiver) {
        if last {
            self.end_coding(receiver);
        }
        if self.kind.is_none() && (last || self.buffer.len() > 0) {
            self.decide(receiver);
        }
        if last {
            self.described.end();
            self.end_recoding(false, receiver);
        } else {
            self.flush_inner(receiver);
        }
        if self.buffer.fresh() > 0 {
            self.show_window(if last { Ending::Last } else { Ending::Early }, receiver);
        }
    }

    pub(super) fn finish(mut self, receiver: &mut dyn Receiver) {
        self.flush(true, receiver);
    }

    /// Bytes are missing: nothing is joined across them, no field is named by what stood in front of them, and
    /// compressed data ends.
    fn gap(&mut self, receiver: &mut dyn Receiver) {
        self.described.gap();
        self.flush(true, receiver);
        self.buffer.clear();
        self.is_lost = true;
        self.lookup = Lookup::behind_gap(self.kind, self.content_type.as_deref());
        self.end_recoding(true, receiver);
        if matches!(self.coding, Coding::Compressed(_)) {
            self.coding = Coding::Discard(Account::Gap);
        }
    }

    /// Shows a window, and what is encoded in its strings.
    fn show(
        &self,
        format: Format,
        lookup: &Lookup,
        window: &Window<'_>,
        ending: Ending,
        receiver: &mut dyn Receiver,
    ) {
        let origin = self.origin(window.positions);
        let document = Document {
            bytes: window.bytes,
            format,
            fields: lookup.fields(),
            overlap: window.overlap,
            flushed: window.flushed,
            next: (ending == Ending::Full).then_some(window.next),
            offset: window.positions.of(0),
        };
        receiver.document(&origin, &document);
        // The rest of a string whose beginning is missing decodes to the rest of something.
        let is_rest = |at: usize| {
            let before = &window.bytes[..at];
            self.is_lost && window.overlap == 0 && before.iter().all(|b| matches!(*b, MARK | b':' | b' '))
        };
        if self.depth < recoding::MAX_DEPTH {
            nested::look(&document, |nested| {
                if !is_rest(nested.range.start) {
                    self.show_nested(&document, &origin, nested, receiver);
                }
            });
        }
    }

    /// Shows what is encoded in a string of `document`. Its places are counted from where that begins.
    fn show_nested(
        &self,
        document: &Document<'_>,
        origin: &Origin<'_>,
        nested: Nested,
        receiver: &mut dyn Receiver,
    ) {
        let source = origin.positions.of(nested.range.start);
        let prefix = Prefix::of_encoded(document.field_at(nested.range), nested.encoding);
        let part = Part {
            exchange: origin.exchange,
            direction: origin.direction,
            place: origin.place,
            message: origin.message,
            content_type: None,
            content_encoding: None,
            offset: 0,
            last: true,
            data: nested.content.expose(),
            wire_bytes: 0,
        };
        let mut inner = Self::inside(&part, self.limits, self.depth + 1);
        inner.decoded = self.decoded;
        // Its bytes are in the account as those of the string.
        let mut inside = Inside {
            receiver,
            prefix: &prefix,
            settled: &mut |_, _| {},
        };
        inner.take(&part, source, &mut inside);
        inner.flush(true, &mut inside);
    }
}
