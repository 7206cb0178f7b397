//! One direction of an HTTP/2 connection: its frames.
//!
//! Goes in: bytes of the direction. Comes out: data and header blocks for the streams, and settled bytes
//! in the order of the connection. A frame that is not of use is passed as it comes.

mod recover;

use crate::ledger::Account;
use crate::protocol::sniff::Beginning;
use crate::protocol::text::Stretch;
use crate::protocol::{Direction, Sink};
use crate::secret::Secret;

use super::block::Head;
use super::frame::{self, Header, Type, flags};
use super::hpack::Decoder;
use super::stream::{Data, Section, Streams};
use super::{MAX_BLOCK, PREFACE, PROTOCOL};

pub(super) struct Side {
    direction: Direction,
    state: State,
    /// A frame that is not complete, or what may be the start of one.
    held: Secret,
    /// Bytes without which what is held is of no use.
    needed: usize,
    table: Decoder,
    /// A header block was read, or could not be.
    has_blocks: bool,
    /// The client's first bytes were seen.
    has_preface: bool,
    /// A header block that goes on in the next frame.
    block: Option<Block>,
    /// Bytes that belong to no stream.
    stretch: Stretch,
}

#[derive(Clone, Copy)]
enum State {
    /// The client's first bytes, of which so many were there.
    Preface(usize),
    Frame,
    Data(Data),
    /// Padding and payloads that are not looked at.
    Pass {
        left: u64,
        account: Account,
    },
    /// Payloads without a meaning here: shown as they are.
    Show {
        left: u64,
    },
    Lost,
}

/// A header block in pieces.
struct Block {
    header: Header,
    promised: Option<u32>,
    bytes: Secret,
    /// With all that framed it.
    wire: u64,
    /// Too long: the rest is passed.
    given_up: bool,
}

/// What a step did.
enum Step {
    Took(usize),
    /// The bytes end in the middle of what needs so many.
    Needs(usize),
    /// A response whose request has not been seen.
    Early,
}

impl Side {
    pub(super) fn new(direction: Direction, beginning: &Beginning) -> Self {
        let state = match (direction, beginning.at_start[direction.index()]) {
            (Direction::ToServer, true) => State::Preface(0),
            (Direction::ToClient, true) => State::Frame,
            (_, false) => State::Lost,
        };
        let mut table = Decoder::new();
        if !beginning.opened {
            table.forget();
        }
        Self {
            direction,
            state,
            held: Secret::default(),
            needed: 0,
            table,
            has_blocks: false,
            has_preface: false,
            block: None,
            stretch: Stretch::new(PROTOCOL, direction, beginning.messages[direction.index()]),
        }
    }

    /// The connection turns out to be seen from its start: no block was missed.
    pub(super) fn begin(&mut self) {
        if !self.has_blocks {
            self.table = Decoder::new();
        }
    }

    /// Whether the client's first bytes were seen.
    pub(super) fn has_preface(&self) -> bool {
        self.has_preface
    }

    /// Reads on. Gives back what comes before its request.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        streams: &mut Streams,
        sink: &mut dyn Sink,
    ) -> Option<Secret> {
        if self.held.is_empty() {
            return self.read(bytes, streams, sink);
        }
        self.held.extend(bytes);
        if self.held.len() < self.needed {
            return None;
        }
        let whole = std::mem::take(&mut self.held);
        self.read(whole.expose(), streams, sink)
    }

    fn read(&mut self, bytes: &[u8], streams: &mut Streams, sink: &mut dyn Sink) -> Option<Secret> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.step(rest, streams, sink) {
                Step::Took(n) => at += n,
                Step::Needs(needed) => {
                    self.needed = needed;
                    self.held.extend(rest);
                    return None;
                }
                Step::Early => return Some(Secret::copy_of(rest)),
            }
        }
        None
    }

    fn step(&mut self, bytes: &[u8], streams: &mut Streams, sink: &mut dyn Sink) -> Step {
        match self.state {
            State::Preface(matched) => {
                let n = (PREFACE.len() - matched).min(bytes.len());
                if bytes[..n] != PREFACE[matched..matched + n] {
                    // It was open before.
                    self.state = State::Frame;
                    return Step::Took(0);
                }
                self.settle(Account::Scanned, n as u64, sink);
                self.state = if matched + n == PREFACE.len() {
                    self.begin();
                    self.has_preface = true;
                    State::Frame
                } else {
                    State::Preface(matched + n)
                };
                Step::Took(n)
            }
            State::Frame => self.frame(bytes, streams, sink),
            State::Data(data) => Step::Took(self.data(data, bytes, streams, sink)),
            State::Pass { left, account } => {
                let n = at_most(left, bytes);
                self.settle(account, n as u64, sink);
                self.pass(left - n as u64, account);
                Step::Took(n)
            }
            State::Show { left } => {
                let n = at_most(left, bytes);
                self.stretch.feed(&bytes[..n], sink);
                self.state = State::Show {
                    left: left - n as u64,
                };
                if left == n as u64 {
                    self.stretch.finish(sink);
                    self.state = State::Frame;
                }
                Step::Took(n)
            }
            State::Lost => self.search(bytes, sink),
        }
    }

    /// At the start of a frame.
    fn frame(&mut self, bytes: &[u8], streams: &mut Streams, sink: &mut dyn Sink) -> Step {
        if bytes.len() < frame::LENGTH {
            return Step::Needs(frame::LENGTH);
        }
        let Some(header) = Header::parse(bytes) else {
            self.lose(streams, sink);
            return Step::Took(0);
        };
        let goes_on = header.kind == Type::Continuation;
        let belongs = match &self.block {
            Some(block) => goes_on && block.header.stream == header.stream,
            None => !goes_on,
        };
        if !belongs {
            return self.refuse(bytes, streams, sink);
        }
        match header.kind {
            Type::Headers | Type::PushPromise | Type::Continuation => {
                return self.block_frame(&header, bytes, streams, sink);
            }
            Type::Data if header.has(flags::PADDED) && bytes.len() == frame::LENGTH => {
                return Step::Needs(frame::LENGTH + 1);
            }
            Type::Data => return Step::Took(self.begin_data(&header, bytes, streams, sink)),
            _ => {}
        }
        let left = u64::from(header.length);
        self.settle(Account::Scanned, frame::LENGTH as u64, sink);
        match header.kind {
            Type::GoAway | Type::Other(_) if left > 0 => self.state = State::Show { left },
            _ => self.pass(left, Account::Scanned),
        }
        if header.kind == Type::ResetStream {
            streams.reset(header.stream, sink);
        }
        Step::Took(frame::LENGTH)
    }

    fn begin_data(
        &mut self,
        header: &Header,
        bytes: &[u8],
        streams: &mut Streams,
        sink: &mut dyn Sink,
    ) -> usize {
        let length = u64::from(header.length);
        let (framing, padding) = if header.has(flags::PADDED) {
            (frame::LENGTH + 1, u64::from(bytes[frame::LENGTH]))
        } else {
            (frame::LENGTH, 0)
        };
        let inside = length - (framing - frame::LENGTH) as u64;
        let padding = padding.min(inside);
        self.settle(Account::Scanned, framing as u64, sink);
        let data = Data {
            stream: header.stream,
            left: inside - padding,
            length: inside - padding,
            padding,
            ends: header.has(flags::END_STREAM),
        };
        self.state = State::Data(data);
        if data.left == 0 {
            self.data(data, &[], streams, sink);
        }
        framing
    }

    fn data(&mut self, mut data: Data, bytes: &[u8], streams: &mut Streams, sink: &mut dyn Sink) -> usize {
        let n = at_most(data.left, bytes);
        data.left -= n as u64;
        streams.data(self.direction, &data, &bytes[..n], sink);
        if data.left > 0 {
            self.state = State::Data(data);
        } else {
            self.pass(data.padding, Account::Scanned);
        }
        n
    }

    /// A frame with a piece of a header block; `bytes` begin with its header.
    fn block_frame(
        &mut self,
        header: &Header,
        bytes: &[u8],
        streams: &mut Streams,
        sink: &mut dyn Sink,
    ) -> Step {
        let length = header.length as usize;
        let so_far = self.block.as_ref().map_or(0, |block| block.bytes.len());
        let total = frame::LENGTH + length;
        if length + so_far > MAX_BLOCK || self.block.as_ref().is_some_and(|block| block.given_up) {
            return Step::Took(self.give_up_block(header, sink));
        }
        let Some(whole) = bytes.get(..total) else {
            return Step::Needs(total);
        };
        if header.kind == Type::Headers && streams.is_early(self.direction, header.stream) {
            return Step::Early;
        }
        let payload = &whole[frame::LENGTH..];
        let Some((promised, fragment)) = fragment(header, payload) else {
            return self.refuse(bytes, streams, sink);
        };
        if header.kind != Type::Continuation && header.has(flags::END_HEADERS) {
            self.head(header, promised, fragment, total as u64, streams, sink);
            return Step::Took(total);
        }
        let block = self.block.get_or_insert_with(|| Block {
            header: *header,
            promised,
            bytes: Secret::default(),
            wire: 0,
            given_up: false,
        });
        block.bytes.extend(fragment);
        block.wire += total as u64;
        if header.has(flags::END_HEADERS)
            && let Some(block) = self.block.take()
        {
            let Block {
                header,
                promised,
                wire,
                ..
            } = block;
            self.head(&header, promised, block.bytes.expose(), wire, streams, sink);
        }
        Step::Took(total)
    }

    /// A block that is too long. What it would have added to the table is not known.
    fn give_up_block(&mut self, header: &Header, sink: &mut dyn Sink) -> usize {
        self.table.forget();
        self.has_blocks = true;
        let before = self.block.take().map_or(0, |block| block.wire);
        self.settle(Account::Limit, before + frame::LENGTH as u64, sink);
        self.pass(u64::from(header.length), Account::Limit);
        if !header.has(flags::END_HEADERS) {
            self.block = Some(Block {
                header: *header,
                promised: None,
                bytes: Secret::default(),
                wire: 0,
                given_up: true,
            });
        }
        frame::LENGTH
    }

    /// A complete header block.
    fn head(
        &mut self,
        header: &Header,
        promised: Option<u32>,
        block: &[u8],
        wire: u64,
        streams: &mut Streams,
        sink: &mut dyn Sink,
    ) {
        self.has_blocks = true;
        match Head::read(block, &mut self.table) {
            Ok(head) => {
                let section = Section {
                    direction: self.direction,
                    stream: promised.unwrap_or(header.stream),
                    is_push: promised.is_some(),
                    ends: promised.is_none() && header.has(flags::END_STREAM),
                    head,
                    wire,
                };
                streams.section(section, sink);
            }
            Err(_) => {
                sink.lost(self.direction, PROTOCOL);
                self.settle(Account::Undecodable, wire, sink);
            }
        }
    }

    fn pass(&mut self, left: u64, account: Account) {
        self.state = if left > 0 {
            State::Pass { left, account }
        } else {
            State::Frame
        };
    }

    fn settle(&self, account: Account, bytes: u64, sink: &mut dyn Sink) {
        if bytes > 0 {
            sink.settle(self.direction, account, bytes);
        }
    }
}

/// How many of `bytes` are left, at most.
fn at_most(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

/// The piece of a block in a payload (RFC 9113 §6.2, §6.6), and the stream that is promised.
fn fragment<'a>(header: &Header, payload: &'a [u8]) -> Option<(Option<u32>, &'a [u8])> {
    if header.kind == Type::Continuation {
        return Some((None, payload));
    }
    let mut rest = payload;
    let mut padding = 0;
    if header.has(flags::PADDED) {
        let (length, behind) = rest.split_first()?;
        (padding, rest) = (usize::from(*length), behind);
    }
    let mut promised = None;
    if header.kind == Type::PushPromise {
        let (stream, behind) = rest.split_first_chunk::<4>()?;
        promised = Some(u32::from_be_bytes(*stream) & 0x7fff_ffff);
        rest = behind;
    } else if header.has(flags::PRIORITY) {
        rest = rest.get(5..)?;
    }
    let length = rest.len().checked_sub(padding)?;
    Some((promised, &rest[..length]))
}
