//! Undoes what a body is encoded in, named or not.
//!
//! Goes in: parts as they were on the wire. Comes out: decoded bytes for [`Body::add`], and the account
//! of wire bytes that are not decoded. At most three bytes wait for what tells how they are encoded.

use crate::content::encoding::{Decoder, Encoding, Magic, Stop, by_magic};
use crate::content::sniff::{self, Kind};
use crate::content::{Limits, Receiver};
use crate::ledger::Account;
use crate::protocol::{Part, Place};
use crate::secret::Secret;

use super::Body;

pub(super) enum Coding {
    Identity,
    /// The first bytes of what may be encoded without saying so: they begin a magic number.
    Undecided(Held),
    Compressed(Decoder),
    /// All that comes ends here.
    Discard(Account),
}

/// Bytes that wait for the next ones.
#[derive(Default)]
pub(super) struct Held {
    bytes: Secret,
    source: u64,
    wire_bytes: u64,
}

impl Coding {
    /// What a body is, and whether it is decoded.
    pub(super) fn of(part: &Part<'_>, limits: Limits) -> (Self, bool) {
        let is_body = matches!(part.place, Place::RequestBody | Place::ResponseBody);
        let sniffs = is_body && part.offset == 0 && !sniff::is_binary(part.content_type);
        match Encoding::of(part.content_encoding) {
            Encoding::Identity if sniffs => (Self::Undecided(Held::default()), false),
            Encoding::Identity => (Self::Identity, false),
            Encoding::Unsupported => (Self::Discard(Account::UnsupportedEncoding), false),
            Encoding::TooDeep => (Self::Discard(Account::Limit), false),
            // A body joined in its middle cannot be decompressed.
            Encoding::Coded(_) if part.offset > 0 => (Self::Discard(Account::Gap), true),
            Encoding::Coded(codings) => {
                let decoder = Decoder::new(&codings, sniffs, limits.decode);
                (Self::Compressed(decoder), true)
            }
        }
    }
}

impl Body {
    pub(super) fn read(&mut self, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        if let Coding::Undecided(held) = &mut self.coding {
            let held = std::mem::take(held);
            self.find_coding(held, part, source, receiver);
        }
        self.pass(part.data, source, part.wire_bytes, receiver);
        if self.kind == Some(Kind::Binary) {
            self.coding = Coding::Discard(Account::Binary);
        }
        self.settle_recoded(receiver);
    }

    /// Tells by the first bytes whether they are encoded, and passes those that waited for that.
    fn find_coding(&mut self, mut held: Held, part: &Part<'_>, source: u64, receiver: &mut dyn Receiver) {
        let waited = held.bytes.len();
        held.bytes.extend(&part.data[..part.data.len().min(4)]);
        let magic = by_magic(held.bytes.expose());
        if magic == Magic::More && !part.last {
            held.source = if waited == 0 { source } else { held.source };
            held.wire_bytes += part.wire_bytes;
            self.coding = Coding::Undecided(held);
            return;
        }
        self.coding = Coding::Identity;
        if let Magic::Coded(coding) = magic {
            self.decoded = true;
            self.coding = Coding::Compressed(Decoder::new(&[coding], true, self.limits.decode));
        }
        if waited > 0 {
            let bytes = &held.bytes.expose()[..waited];
            self.pass(bytes, held.source, held.wire_bytes, receiver);
        }
    }

    /// Nothing follows that could tell: what waited is what it is.
    pub(super) fn end_coding(&mut self, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.coding, Coding::Identity) {
            Coding::Undecided(held) => {
                self.pass(held.bytes.expose(), held.source, held.wire_bytes, receiver);
            }
            Coding::Compressed(mut decoder) => {
                decoder.finish(|piece| self.add_decoded(piece, receiver));
                self.coding = Coding::Compressed(decoder);
            }
            coding => self.coding = coding,
        }
    }

    /// Takes wire bytes.
    fn pass(&mut self, data: &[u8], source: u64, wire_bytes: u64, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.coding, Coding::Identity) {
            Coding::Discard(account) => {
                self.coding = Coding::Discard(account);
                self.settle(account, wire_bytes, receiver);
            }
            Coding::Undecided(held) => self.coding = Coding::Undecided(held),
            Coding::Identity => {
                self.take_wire(wire_bytes, receiver);
                self.described.hear(data);
                self.add(data, source, receiver);
            }
            Coding::Compressed(mut decoder) => {
                let (read, stop) = decoder.decode(data, |piece| self.add_decoded(piece, receiver));
                // Where it stopped is at least one byte whose content is not known, or a short bomb would not show.
                let most = wire_bytes.saturating_sub(u64::from(stop.is_some()));
                let read = most.min(read as u64);
                self.take_wire(read, receiver);
                self.coding = match stop {
                    None => Coding::Compressed(decoder),
                    Some(stop) => {
                        // What was decoded before is worth a look.
                        decoder.finish(|piece| self.add_decoded(piece, receiver));
                        Coding::Discard(match stop {
                            Stop::Broken => Account::Undecodable,
                            Stop::Limit => Account::Limit,
                        })
                    }
                };
                if let Coding::Discard(account) = self.coding {
                    self.settle(account, wire_bytes - read, receiver);
                }
            }
        }
    }

    fn add_decoded(&mut self, piece: &[u8], receiver: &mut dyn Receiver) {
        self.described.hear(piece);
        self.add(piece, self.position, receiver);
        self.position += piece.len() as u64;
    }

    /// Whether all of a body, `data`, is there as it is.
    pub(super) fn is_plain(&self, data: &[u8]) -> bool {
        match &self.coding {
            Coding::Identity => true,
            Coding::Undecided(held) => held.bytes.is_empty() && !matches!(by_magic(data), Magic::Coded(_)),
            Coding::Compressed(_) | Coding::Discard(_) => false,
        }
    }
}
