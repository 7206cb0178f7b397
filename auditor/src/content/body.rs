//! One body, stream or file: bytes as they come, and windows of text to scan.
//!
//! Goes in: [`Part`]s of one message. Comes out, to a [`Receiver`]: documents, and the account of
//! every wire byte. Content encodings are undone, what it is is found out by its first bytes, and
//! what is no text is made one or left. It holds no more than a window and what waits for one.

mod coding;

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::{Direction, Exchange, Part, Place};
use crate::secret::Secret;

use super::lookup::Lookup;
use super::sniff::{self, Kind};
use super::text::Text;
use super::utf16::Utf16;
use super::window::{Buffer, Ending, Positions, Window};
use super::{Document, Format, Limits, Origin, Receiver, escape, protobuf};
use coding::Coding;

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
}

/// How content becomes text that can be scanned.
enum Recoding {
    None,
    Protobuf(Box<protobuf::Recoder>),
    Utf16(Utf16),
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
        if self.kind.is_none() && Utf16::of(part.data).is_some() {
            return false;
        }
        let kind = self
            .kind
            .unwrap_or_else(|| sniff::kind(self.content_type.as_deref(), part.data));
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
        let origin = self.origin(&positions);
        show(&origin, format, &self.lookup, &window, Ending::Last, receiver);
        true
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

    /// Takes decoded bytes.
    fn add(&mut self, bytes: &[u8], source: u64, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.recoding, Recoding::None) {
            Recoding::None => {
                let undecided = if self.kind.is_none() {
                    let room = sniff::SAMPLE.min(self.limits.window);
                    bytes.len().min(room.saturating_sub(self.buffer.len()))
                } else {
                    bytes.len()
                };
                self.append(&bytes[..undecided], source, receiver);
                if self.kind.is_none() && self.buffer.len() >= sniff::SAMPLE.min(self.limits.window) {
                    self.decide(receiver);
                }
                if undecided < bytes.len() {
                    self.add(&bytes[undecided..], source + undecided as u64, receiver);
                }
            }
            Recoding::Protobuf(mut recoder) => {
                recoder.feed(bytes, source, &mut |text, source| {
                    self.append(text, source, receiver)
                });
                self.recoding = Recoding::Protobuf(recoder);
            }
            Recoding::Utf16(mut utf16) => {
                utf16.feed(bytes, source, &mut |text, source| {
                    self.append(text, source, receiver)
                });
                self.recoding = Recoding::Utf16(utf16);
            }
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

    /// Finds out what the content is, and settles what waited for that.
    fn decide(&mut self, receiver: &mut dyn Receiver) {
        let sample = self.buffer.expose();
        let media = self.content_type.as_deref();
        let mut recoding = Recoding::None;
        let kind = match Utf16::of(sample) {
            Some(mut utf16) => {
                let mut text = Secret::default();
                utf16.feed(sample, 0, &mut |character, _| text.extend(character));
                recoding = Utf16::of(sample).map_or(Recoding::None, Recoding::Utf16);
                sniff::kind(media, text.expose())
            }
            None => sniff::kind(media, sample),
        };
        if let Kind::Text {
            format: Format::Protobuf,
            ..
        } = kind
        {
            recoding = Recoding::Protobuf(Box::default());
        }
        self.kind = Some(kind);
        self.lookup = Lookup::of(Some(kind));
        if kind == Kind::Binary {
            self.buffer.clear();
        } else if !matches!(recoding, Recoding::None) {
            let mut raw = std::mem::take(&mut self.buffer);
            self.recoding = recoding;
            raw.drain(|bytes, source| self.add(bytes, source, receiver));
        }
        let unsettled = std::mem::take(&mut self.unsettled);
        self.take_wire(unsettled, receiver);
    }

    /// Wire bytes that were decoded.
    fn take_wire(&mut self, bytes: u64, receiver: &mut dyn Receiver) {
        match self.kind {
            None => self.unsettled += bytes,
            // What of it is text is known once it was read.
            Some(_) if matches!(self.recoding, Recoding::Protobuf(_)) => self.unsettled += bytes,
            Some(Kind::Binary) => self.settle(Account::Binary, bytes, receiver),
            Some(Kind::Text { .. }) => self.settle(Account::Scanned, bytes, receiver),
        }
    }

    /// Settles what was made text of, and what held none.
    fn settle_recoded(&mut self, receiver: &mut dyn Receiver) {
        let Recoding::Protobuf(recoder) = &mut self.recoding else {
            return;
        };
        let taken = recoder.taken();
        // Of a compressed message only the share is known.
        let (all, binary) = if self.decoded {
            let binary = u128::from(self.unsettled) * u128::from(taken.binary) / u128::from(taken.all.max(1));
            (self.unsettled, u64::try_from(binary).unwrap_or(u64::MAX))
        } else {
            (taken.all.min(self.unsettled), taken.binary)
        };
        let binary = binary.min(all);
        self.unsettled -= all;
        self.settle(Account::Binary, binary, receiver);
        self.settle(Account::Scanned, all - binary, receiver);
    }

    /// Shows what waits for the rest of a field.
    fn end_recoding(&mut self, gap: bool, receiver: &mut dyn Receiver) {
        let Recoding::Protobuf(mut recoder) = std::mem::replace(&mut self.recoding, Recoding::None) else {
            return;
        };
        let show: &mut protobuf::Show<'_> = &mut |text, source| self.append(text, source, receiver);
        if gap {
            recoder.give_up(show);
        } else {
            recoder.finish(show);
        }
        self.recoding = Recoding::Protobuf(recoder);
        self.settle_recoded(receiver);
        let rest = std::mem::take(&mut self.unsettled);
        self.settle(Account::Scanned, rest, receiver);
    }

    fn settle(&self, account: Account, bytes: u64, receiver: &mut dyn Receiver) {
        if bytes > 0 {
            receiver.settle(self.direction, account, bytes);
        }
    }

    fn show_window(&mut self, ending: Ending, receiver: &mut dyn Receiver) {
        let Some(Kind::Text { format, .. }) = self.kind else {
            return;
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut lookup = std::mem::replace(&mut self.lookup, Lookup::Text(Text));
        buffer.window(ending, &self.limits, format, |window| {
            let origin = self.origin(window.positions);
            show(&origin, format, &lookup, &window, ending, receiver);
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
            self.end_recoding(false, receiver);
        }
        if self.buffer.fresh() > 0 {
            self.show_window(if last { Ending::Last } else { Ending::Early }, receiver);
        }
    }

    pub(super) fn finish(mut self: Box<Self>, receiver: &mut dyn Receiver) {
        self.flush(true, receiver);
    }

    /// Bytes are missing: nothing is joined across them, and compressed data ends.
    fn gap(&mut self, receiver: &mut dyn Receiver) {
        self.flush(true, receiver);
        self.buffer.clear();
        self.lookup = Lookup::of(self.kind);
        self.end_recoding(true, receiver);
        if matches!(self.coding, Coding::Compressed(_)) {
            self.coding = Coding::Discard(Account::Gap);
        }
    }
}

fn show(
    origin: &Origin<'_>,
    format: Format,
    lookup: &Lookup,
    window: &Window<'_>,
    ending: Ending,
    receiver: &mut dyn Receiver,
) {
    let document = Document {
        bytes: window.bytes,
        format,
        fields: lookup.fields(),
        overlap: window.overlap,
        flushed: window.flushed,
        next: (ending == Ending::Full).then_some(window.next),
        offset: window.positions.of(0),
    };
    receiver.document(origin, &document);
}
