//! Parts of one connection become documents.
//!
//! Goes in: [`Part`]s of both directions (or pieces of a file). Comes out, to a [`Receiver`]: the
//! documents to scan, and the account of every wire byte. A part that is complete is shown where
//! it lies; only longer, encoded or escaped content is copied, one window at a time.

use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::{Direction, Exchange, Part, Place};
use crate::secret::Secret;

use super::csv::Csv;
use super::cursor::Tracked;
use super::encoding::{DecodeLimits, Decoder, Encoding, Stop};
use super::form::Form;
use super::headers::Headers;
use super::json::Json;
use super::path::Path;
use super::protobuf;
use super::sniff::{self, Kind};
use super::sql::Sql;
use super::text::Text;
use super::utf16::Utf16;
use super::window::{self, Buffer, Ending, Positions, Window};
use super::xml::Xml;
use super::{Document, FieldLookup, Format, escape};

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

/// Content of one connection, both directions.
///
/// Every `wire_bytes` of every part is settled once, at the latest in [`Reader::finish`]. Bytes
/// settled as scanned may still wait for the rest of their window, also until then.
pub struct Reader {
    limits: Limits,
    bodies: [Option<Box<Body>>; 2],
}

impl Reader {
    /// A reader for one connection.
    pub fn new(limits: Limits) -> Self {
        let least = window::MIN_WINDOW.max(4 * limits.overlap + 2 * limits.longest);
        let window = limits.window.max(least);
        Self {
            limits: Limits { window, ..limits },
            bodies: [None, None],
        }
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
            return;
        }
        if part.place == Place::Stream {
            self.flush_stream(part.direction.reversed(), receiver);
        }
        let slot = &mut self.bodies[part.direction.index()];
        if let Some(other) = slot.take_if(|body| (body.place, body.message) != (part.place, part.message)) {
            other.finish(receiver);
        }
        let body = slot.get_or_insert_with(|| Box::new(Body::new(part, None, self.limits)));
        body.take(part, source, receiver);
        if part.last {
            *slot = None;
        }
    }

    /// Shows what waits for a full window, so that a quiet connection is scanned in time.
    pub fn flush(&mut self, receiver: &mut dyn Receiver) {
        for body in self.bodies.iter_mut().flatten() {
            body.flush(false, receiver);
        }
    }

    /// Ends all: shows what waits and settles what is not settled yet.
    pub fn finish(&mut self, receiver: &mut dyn Receiver) {
        for body in self.bodies.iter_mut().filter_map(Option::take) {
            body.finish(receiver);
        }
    }

    /// In protocols that take turns, an answer ends the message before it.
    fn flush_stream(&mut self, direction: Direction, receiver: &mut dyn Receiver) {
        if let Some(body) = &mut self.bodies[direction.index()]
            && body.place == Place::Stream
        {
            body.flush(false, receiver);
        }
    }
}

/// A body, stream or file that is being read.
struct Body {
    limits: Limits,
    exchange: Arc<Exchange>,
    direction: Direction,
    place: Place,
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

enum Coding {
    Identity,
    Compressed(Decoder),
    /// All that comes ends here.
    Discard(Account),
}

impl Body {
    fn new(part: &Part<'_>, format: Option<Format>, limits: Limits) -> Self {
        let (coding, decoded) = match Encoding::of(part.content_encoding) {
            Encoding::Identity => (Coding::Identity, false),
            Encoding::Unsupported => (Coding::Discard(Account::UnsupportedEncoding), false),
            encoding => (
                Coding::Compressed(Decoder::new(encoding == Encoding::Gzip, limits.decode)),
                true,
            ),
        };
        let kind = format.map(|format| Kind::Text { format, delimiter: 0 });
        Self {
            limits,
            exchange: Arc::clone(part.exchange),
            direction: part.direction,
            place: part.place,
            message: part.message,
            content_type: part.content_type.map(Box::from),
            // A body joined in its middle cannot be decompressed.
            coding: if decoded && part.offset > 0 {
                Coding::Discard(Account::Gap)
            } else {
                coding
            },
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

    fn take(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        if part.offset != self.expected {
            self.gap(receiver);
        }
        self.expected = part.offset + part.data.len() as u64;
        if !self.show_whole(part, source, receiver) {
            self.read(part, source, receiver);
            if part.last {
                self.flush(true, receiver);
            }
        }
    }

    fn read(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.coding, Coding::Identity) {
            Coding::Discard(account) => {
                self.coding = Coding::Discard(account);
                self.settle(account, part.wire_bytes, receiver);
            }
            Coding::Identity => {
                self.take_wire(part.wire_bytes, receiver);
                self.add(part.data, source, receiver);
            }
            Coding::Compressed(mut decoder) => {
                let (read, stop) = decoder.decode(part.data, |piece| {
                    self.add(piece, self.position, receiver);
                    self.position += piece.len() as u64;
                });
                let read = part.wire_bytes.min(read as u64);
                self.take_wire(read, receiver);
                self.coding = match stop {
                    None => Coding::Compressed(decoder),
                    Some(Stop::Broken) => Coding::Discard(Account::Undecodable),
                    Some(Stop::Limit) => Coding::Discard(Account::Limit),
                };
                if let Coding::Discard(account) = self.coding {
                    self.settle(account, part.wire_bytes - read, receiver);
                }
            }
        }
        if self.kind == Some(Kind::Binary) {
            self.coding = Coding::Discard(Account::Binary);
        }
        self.settle_recoded(receiver);
    }

    /// A complete part that needs no copy is shown where it lies.
    fn show_whole(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) -> bool {
        let whole = part.last && part.offset == 0 && self.buffer.len() == 0 && self.unsettled == 0;
        if !whole
            || part.data.is_empty()
            || part.data.len() > self.limits.window
            || !matches!(self.coding, Coding::Identity)
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
    fn flush(&mut self, last: bool, receiver: &mut dyn Receiver) {
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

    fn finish(mut self: Box<Self>, receiver: &mut dyn Receiver) {
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

/// The field lookup of each format.
enum Lookup {
    Json(Tracked<Json>),
    Form(Tracked<Form>),
    Csv(Tracked<Csv>),
    Protobuf(Tracked<protobuf::Fields>),
    Xml(Tracked<Xml>),
    Sql(Tracked<Sql>),
    Headers(Headers),
    Path(Path),
    Text(Text),
}

impl Lookup {
    fn of(kind: Option<Kind>) -> Self {
        let Some(Kind::Text { format, delimiter }) = kind else {
            return Self::Text(Text);
        };
        match format {
            Format::Json => Self::Json(Tracked::new(Json::default())),
            Format::Form => Self::Form(Tracked::new(Form::default())),
            Format::Csv => Self::Csv(Tracked::new(Csv::new(delimiter))),
            Format::Xml => Self::Xml(Tracked::new(Xml::default())),
            Format::Headers => Self::Headers(Headers),
            Format::Path => Self::Path(Path),
            Format::Sql => Self::Sql(Tracked::new(Sql::default())),
            Format::Protobuf => Self::Protobuf(Tracked::new(protobuf::Fields::default())),
            Format::Text => Self::Text(Text),
        }
    }

    fn fields(&self) -> &dyn FieldLookup {
        match self {
            Self::Json(lookup) => lookup,
            Self::Form(lookup) => lookup,
            Self::Csv(lookup) => lookup,
            Self::Protobuf(lookup) => lookup,
            Self::Xml(lookup) => lookup,
            Self::Sql(lookup) => lookup,
            Self::Headers(lookup) => lookup,
            Self::Path(lookup) => lookup,
            Self::Text(lookup) => lookup,
        }
    }

    /// The next window starts `n` bytes on; only formats with memory need to know.
    fn advance(&mut self, bytes: &[u8], n: usize) {
        match self {
            Self::Json(lookup) => lookup.advance(bytes, n),
            Self::Form(lookup) => lookup.advance(bytes, n),
            Self::Csv(lookup) => lookup.advance(bytes, n),
            Self::Protobuf(lookup) => lookup.advance(bytes, n),
            Self::Xml(lookup) => lookup.advance(bytes, n),
            Self::Sql(lookup) => lookup.advance(bytes, n),
            Self::Headers(_) | Self::Path(_) | Self::Text(_) => {}
        }
    }
}
