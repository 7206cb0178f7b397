//! Frames of one direction become messages.
//!
//! Goes in: bytes of the direction. Comes out: parts, and settled bytes in the order of the stream.

mod header;

use zeroize::Zeroizing;

use crate::ledger::Account;
use crate::protocol::http::Carrier;
use crate::protocol::{Direction, Place, Sink};

use super::Deflate;
use super::inflate::{Inflate, Stop};
use header::Header;

pub(super) use header::is_masked_text;

/// Longest header: two bytes, a length of eight, a key of four.
const LONGEST_HEADER: usize = 14;
/// Bytes unmasked at once.
const PIECE: usize = 16 * 1024;
/// Longest payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u64 = 125;

/// One direction.
pub(in crate::protocol) struct Frames {
    direction: Direction,
    state: State,
    /// The message that frames add to.
    message: Option<Message>,
    deflate: Deflate,
    inflate: Option<Inflate>,
}

/// A message that has begun.
struct Message {
    /// Offset of its next byte, decompressed.
    offset: u64,
    compressed: bool,
    /// Its last part went out.
    closed: bool,
    /// The rest of it is not read, for this reason.
    given_up: Option<Account>,
}

#[derive(Clone, Copy)]
enum State {
    Header {
        held: [u8; LONGEST_HEADER],
        length: u8,
    },
    Payload(Frame),
    /// Where the next frame begins is not known.
    Lost {
        offset: u64,
    },
}

const START: State = State::Header {
    held: [0; LONGEST_HEADER],
    length: 0,
};

#[derive(Clone, Copy)]
struct Frame {
    left: u64,
    key: Option<[u8; 4]>,
    /// Which byte of the key is next.
    phase: u8,
    is_last: bool,
    is_control: bool,
    /// Offset in a control frame.
    offset: u64,
}

impl Frames {
    pub(in crate::protocol) fn new(direction: Direction, deflate: Deflate) -> Self {
        Self {
            direction,
            state: START,
            message: None,
            deflate,
            inflate: None,
        }
    }

    /// What compressed messages refer to was not seen.
    pub(super) fn lose_window(&mut self) {
        let keeps = self.deflate.agreed && self.deflate.keeps_window[self.direction.index()];
        self.inflate = keeps.then(Inflate::blind);
    }

    pub(in crate::protocol) fn feed(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        let carrier = &Carrier {
            place: Place::Message,
            content_type: None,
            content_encoding: None,
            ..*carrier
        };
        if let State::Lost { offset } = self.state
            && self.is_whole(bytes)
        {
            self.end_stretch(carrier, message, offset, sink);
            self.state = START;
        }
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.state {
                State::Header { held, length } => self.header(held, length, rest, carrier, message, sink),
                State::Payload(frame) => self.payload(frame, rest, carrier, message, sink),
                State::Lost { offset } => {
                    let n = rest.len().min(crate::protocol::WINDOW);
                    let stream = Carrier {
                        place: Place::Stream,
                        ..*carrier
                    };
                    stream.emit(*message, offset, &rest[..n], n as u64, false, sink);
                    self.state = State::Lost {
                        offset: offset + n as u64,
                    };
                    n
                }
            };
        }
    }

    pub(in crate::protocol) fn gap(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        len: u64,
        sink: &mut dyn Sink,
    ) {
        match &mut self.state {
            State::Payload(frame) if len > 0 && len <= frame.left => {
                frame.left -= len;
                frame.phase = ((u64::from(frame.phase) + len) % 4) as u8;
                let frame = *frame;
                if frame.is_control {
                    self.skip_control(frame, len, carrier, *message, sink);
                } else if let Some(open) = &mut self.message {
                    open.offset += len;
                    if open.compressed {
                        open.given_up = Some(Account::Gap);
                        self.lose_window();
                    }
                }
                if frame.left == 0 {
                    self.end_frame(frame, carrier, message, sink);
                }
            }
            State::Lost { offset } => *offset += len.max(1),
            _ => {
                self.finish(carrier, message, sink);
                self.lose_window();
                self.state = State::Lost { offset: 0 };
                sink.lost(self.direction, super::PROTOCOL);
            }
        }
    }

    /// `len` bytes of a control frame are missing.
    fn skip_control(
        &mut self,
        frame: Frame,
        len: u64,
        carrier: &Carrier<'_>,
        message: u64,
        sink: &mut dyn Sink,
    ) {
        if let State::Payload(open) = &mut self.state {
            open.offset += len;
        }
        if frame.left == 0 && frame.offset > 0 {
            carrier.emit(message + 1, frame.offset + len, &[], 0, true, sink);
        }
    }

    pub(in crate::protocol) fn finish(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        sink: &mut dyn Sink,
    ) {
        match self.state {
            State::Header { held, length } if length > 0 => {
                let stream = Carrier {
                    place: Place::Stream,
                    ..*carrier
                };
                let length = usize::from(length);
                stream.emit(*message + 1, 0, &held[..length], length as u64, true, sink);
                self.close_message(carrier, message, sink);
                *message += 1;
            }
            State::Lost { offset } => self.end_stretch(carrier, message, offset, sink),
            State::Payload(frame) => {
                if frame.is_control && frame.offset > 0 {
                    carrier.emit(*message + 1, frame.offset, &[], 0, true, sink);
                }
                self.close_message(carrier, message, sink);
                *message += 1;
            }
            State::Header { .. } => self.close_message(carrier, message, sink),
        }
        self.state = START;
    }

    /// Ends a stretch whose frames are not known.
    fn end_stretch(&mut self, carrier: &Carrier<'_>, message: &mut u64, offset: u64, sink: &mut dyn Sink) {
        if offset > 0 {
            let stream = Carrier {
                place: Place::Stream,
                ..*carrier
            };
            stream.emit(*message, offset, &[], 0, true, sink);
            *message += 1;
        }
    }

    fn close_message(&mut self, carrier: &Carrier<'_>, message: &mut u64, sink: &mut dyn Sink) {
        if let Some(open) = self.message.take() {
            if open.offset > 0 && !open.closed {
                carrier.emit(*message, open.offset, &[], 0, true, sink);
            }
            *message += 1;
        }
    }

    fn header(
        &mut self,
        mut held: [u8; LONGEST_HEADER],
        length: u8,
        bytes: &[u8],
        carrier: &Carrier<'_>,
        message: &mut u64,
        sink: &mut dyn Sink,
    ) -> usize {
        let have = usize::from(length);
        let n = (LONGEST_HEADER - have).min(bytes.len());
        held[have..have + n].copy_from_slice(&bytes[..n]);
        let Some(header) = Header::parse(&held[..have + n]) else {
            self.state = State::Header {
                held,
                length: (have + n) as u8,
            };
            return n;
        };
        // A header is never complete without a byte of these.
        let taken = header.length.saturating_sub(have);
        if !self.is_allowed(&header) {
            self.lose_window();
            self.close_message(carrier, message, sink);
            sink.lost(self.direction, super::PROTOCOL);
            let stream = Carrier {
                place: Place::Stream,
                ..*carrier
            };
            stream.emit(
                *message,
                0,
                &held[..have + taken],
                (have + taken) as u64,
                false,
                sink,
            );
            self.state = State::Lost {
                offset: (have + taken) as u64,
            };
            return taken;
        }
        carrier.settle(Account::Scanned, (have + taken) as u64, sink);
        self.begin(&header, carrier, message, sink);
        taken
    }

    /// Whether a frame may come now, and in this direction (RFC 6455 §5.1, §5.2).
    fn is_allowed(&self, header: &Header) -> bool {
        let compressible = self.deflate.agreed && matches!(header.opcode, 1 | 2);
        let fits = match header.opcode {
            0 => self.message.is_some() || self.is_joined(),
            1 | 2 => self.message.is_none(),
            _ => header.is_last && header.payload <= MAX_CONTROL,
        };
        header.key.is_some() == (self.direction == Direction::ToServer)
            && (header.reserved == 0 || header.reserved == 0x40 && compressible)
            && fits
    }

    fn is_joined(&self) -> bool {
        self.inflate.as_ref().is_some_and(Inflate::is_blind)
    }

    fn begin(&mut self, header: &Header, carrier: &Carrier<'_>, message: &mut u64, sink: &mut dyn Sink) {
        let frame = Frame {
            left: header.payload,
            key: header.key,
            phase: 0,
            is_last: header.is_last,
            is_control: header.opcode >= 8,
            offset: 0,
        };
        if !frame.is_control && self.message.is_none() {
            self.message = Some(Message {
                offset: 0,
                compressed: header.reserved != 0,
                closed: false,
                given_up: None,
            });
            if header.reserved != 0 {
                let keeps = self.deflate.keeps_window[self.direction.index()];
                self.inflate.get_or_insert_with(Inflate::new).begin(keeps);
            }
        }
        self.state = State::Payload(frame);
        if frame.left == 0 {
            self.end_frame(frame, carrier, message, sink);
        }
    }

    fn payload(
        &mut self,
        mut frame: Frame,
        bytes: &[u8],
        carrier: &Carrier<'_>,
        message: &mut u64,
        sink: &mut dyn Sink,
    ) -> usize {
        let n = usize::try_from(frame.left)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
            .min(PIECE);
        let masked = &bytes[..n];
        let unmasked = frame.key.map(|key| {
            let key = std::array::from_fn::<u8, 4, _>(|at| key[(at + usize::from(frame.phase)) % 4]);
            let mut plain = Zeroizing::new(masked.to_vec());
            for chunk in plain.chunks_mut(4) {
                chunk.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            }
            plain
        });
        let data = unmasked.as_ref().map_or(masked, |plain| plain.as_slice());
        frame.left -= n as u64;
        frame.phase = ((usize::from(frame.phase) + n) % 4) as u8;
        let ends = frame.left == 0 && frame.is_last;
        if frame.is_control {
            carrier.emit(*message + 1, frame.offset, data, n as u64, ends, sink);
            frame.offset += n as u64;
        } else {
            self.data(data, ends, carrier, *message, sink);
        }
        self.state = State::Payload(frame);
        if frame.left == 0 {
            self.end_frame(frame, carrier, message, sink);
        }
        n
    }

    /// Bytes of a message, as they were before masking.
    fn data(&mut self, data: &[u8], ends: bool, carrier: &Carrier<'_>, number: u64, sink: &mut dyn Sink) {
        let Some(open) = &mut self.message else { return };
        let wire = data.len() as u64;
        if let Some(account) = open.given_up {
            carrier.settle(account, wire, sink);
            return;
        }
        if !open.compressed {
            carrier.emit(number, open.offset, data, wire, ends, sink);
            open.offset += wire;
            open.closed = ends;
            return;
        }
        let Some(inflate) = &mut self.inflate else { return };
        let mut unsettled = wire;
        let stop = inflate.read(data, &mut |piece| {
            // The first piece answers for all that it was made of.
            carrier.emit(
                number,
                open.offset,
                piece,
                std::mem::take(&mut unsettled),
                false,
                sink,
            );
            open.offset += piece.len() as u64;
        });
        let account = match stop {
            None => Account::Scanned,
            Some(Stop::Blind) => Account::Gap,
            Some(Stop::Broken) => Account::Undecodable,
            Some(Stop::Limit) => Account::Limit,
        };
        carrier.settle(account, unsettled, sink);
        open.given_up = stop.map(|_| account);
    }

    fn end_frame(&mut self, frame: Frame, carrier: &Carrier<'_>, message: &mut u64, sink: &mut dyn Sink) {
        self.state = START;
        if frame.is_control {
            // A number of its own, between those of the message around it and the next one.
            let inside = self.message.is_some();
            if !inside && frame.offset > 0 {
                *message += 2;
            }
            return;
        }
        if !frame.is_last {
            return;
        }
        let Some(mut open) = self.message.take() else {
            return;
        };
        if open.compressed
            && open.given_up.is_none()
            && let Some(inflate) = &mut self.inflate
        {
            inflate.end(&mut |piece| {
                carrier.emit(*message, open.offset, piece, 0, false, sink);
                open.offset += piece.len() as u64;
            });
        }
        if open.offset > 0 && !open.closed {
            carrier.emit(*message, open.offset, &[], 0, true, sink);
        }
        *message += 2;
    }

    /// Whether `bytes` are one frame of this direction and no more: a place to go on.
    fn is_whole(&self, bytes: &[u8]) -> bool {
        Header::parse(bytes).is_some_and(|header| {
            self.is_allowed(&header) && header.opcode != 0 && header.total() == Some(bytes.len() as u64)
        })
    }
}
