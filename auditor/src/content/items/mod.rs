//! MessagePack and CBOR become JSON text, as they come.
//!
//! Goes in: encoded items. Comes out: JSON with the same keys and values, an item at the top to a line, and
//! the place each run of it came from. Keys that are no strings are shown as if they were; bytes that are
//! readable are shown as a string, others are not shown. A header of an item waits, and of bytes at most
//! [`LOOK`]; nothing is allocated for an item, and [`MAX_DEPTH`] levels are followed.

mod cbor;
mod message_pack;
#[cfg(test)]
mod tests;
mod text;

use std::io::Write as _;

use super::recode::{Recode, Show, Taken};
use super::window::Positions;
use crate::ledger::Account;
use crate::secret::Secret;
use text::{big_endian, escaped, is_readable};

/// Levels of nesting that are followed; what is deeper is shown as it is.
const MAX_DEPTH: usize = 64;
/// Bytes by which it is decided whether bytes are readable.
const LOOK: usize = 64;

/// An item, or its beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Number(u64),
    /// −1 − n.
    Negative(u64),
    Float(f64),
    Literal(&'static str),
    /// Its length.
    Text(u64),
    Bytes(u64),
    /// Pieces of text or bytes follow, up to an [`Item::End`].
    Pieces,
    /// Items that follow; none when an [`Item::End`] ends them.
    Array(Option<u64>),
    /// Keys and values that follow.
    Map(Option<u64>),
    End,
    /// Says something of the next item.
    Tag,
}

/// What stands at the start of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// An item whose head has this length.
    Item(Item, usize),
    More,
    Broken,
}

/// An array or a map that is open.
#[derive(Clone, Copy)]
struct Level {
    map: bool,
    left: Option<u64>,
    is_first: bool,
    at_key: bool,
}

/// A string that is passed on.
struct Leaf {
    left: u64,
    shown: bool,
}

/// Makes JSON of items.
pub(super) struct Recoder {
    read: fn(&[u8]) -> Read,
    pending: Secret,
    positions: Positions,
    levels: Vec<Level>,
    leaf: Option<Leaf>,
    /// In a string that comes in pieces.
    in_pieces: bool,
    broken: bool,
    /// Items at the top so far, and strings that were keys.
    items: u64,
    keys: u64,
    taken: u64,
    binary: u64,
}

/// Whether content of which `sample` are the first bytes is MessagePack.
pub(super) fn is_message_pack(sample: &[u8]) -> bool {
    is_items(Recoder::message_pack(), sample)
}

/// Whether content of which `sample` are the first bytes is CBOR.
pub(super) fn is_cbor(sample: &[u8]) -> bool {
    is_items(Recoder::cbor(), sample)
}

/// By its first bytes: a map, or an array of such, whose keys are strings, and nothing in it is broken.
fn is_items(mut recoder: Recoder, sample: &[u8]) -> bool {
    let mut text = Secret::default();
    recoder.feed(sample, 0, &mut |shown, _| text.extend(shown));
    let text = text.expose();
    let begins = matches!(text, [b'{', b'"', ..] | [b'[', b'{', ..]);
    let is_valid = match str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    begins && is_valid && !recoder.broken && recoder.keys > 0 && recoder.items <= 1
}

impl Recoder {
    /// For MessagePack.
    pub(super) fn message_pack() -> Self {
        Self::new(message_pack::read)
    }

    /// For CBOR (RFC 8949), also for a sequence of items (RFC 8742).
    pub(super) fn cbor() -> Self {
        Self::new(cbor::read)
    }

    fn new(read: fn(&[u8]) -> Read) -> Self {
        Self {
            read,
            pending: Secret::default(),
            positions: Positions::default(),
            levels: Vec::new(),
            leaf: None,
            in_pieces: false,
            broken: false,
            items: 0,
            keys: 0,
            taken: 0,
            binary: 0,
        }
    }

    fn run(&mut self, last: bool, show: &mut Show<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut positions = std::mem::take(&mut self.positions);
        let mut at = 0;
        while let Some(taken) = self.step(&pending.expose()[at..], (&positions, at), last, show) {
            at += taken;
        }
        self.taken += at as u64;
        pending.consume(at);
        positions.consume(at);
        self.pending = pending;
        self.positions = positions;
    }

    /// Goes on by what can be read at the start of `bytes`; none when that is nothing.
    fn step(
        &mut self,
        bytes: &[u8],
        (positions, base): (&Positions, usize),
        last: bool,
        show: &mut Show<'_>,
    ) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        if self.leaf.is_some() {
            return Some(self.pass(bytes, (positions, base), show));
        }
        let source = positions.of(base);
        let (item, head) = match (self.read)(bytes) {
            Read::Item(item, head) => (item, head),
            Read::More if !last => return None,
            Read::More | Read::Broken => {
                self.give_up_at(source, show);
                return Some(0);
            }
        };
        let opens = matches!(item, Item::Array(_) | Item::Map(_));
        let is_lost = match item {
            Item::End => !self.in_pieces && self.levels.last().is_none_or(|level| level.left.is_some()),
            Item::Text(_) | Item::Bytes(_) => false,
            _ => self.in_pieces || opens && self.levels.len() == MAX_DEPTH,
        };
        if is_lost {
            self.give_up_at(source, show);
            return Some(0);
        }
        self.item(item, (bytes, head), (source, last), show)
    }

    fn item(
        &mut self,
        item: Item,
        (bytes, head): (&[u8], usize),
        (source, last): (u64, bool),
        show: &mut Show<'_>,
    ) -> Option<usize> {
        match item {
            Item::Text(length) => self.string(length, true, source, show),
            Item::Bytes(length) => {
                let look = usize::try_from(length).map_or(LOOK, |length| length.min(LOOK));
                let there = &bytes[head..];
                if there.len() < look && !last {
                    return None;
                }
                let shown = is_readable(&there[..look.min(there.len())]);
                self.string(length, shown, source, show);
            }
            Item::Pieces => {
                self.before(true, source, show);
                show(b"\"", source);
                self.in_pieces = true;
            }
            Item::End if self.in_pieces => {
                self.in_pieces = false;
                show(b"\"", source);
                self.behind(source, show);
            }
            Item::End => self.close(source, show),
            Item::Array(left) => self.open(false, left, source, show),
            Item::Map(pairs) => match pairs.map(|pairs| pairs.checked_mul(2)) {
                Some(None) => self.give_up_at(source, show),
                None => self.open(true, None, source, show),
                Some(left) => self.open(true, left, source, show),
            },
            Item::Tag => {}
            Item::Number(_) | Item::Negative(_) | Item::Float(_) | Item::Literal(_) => {
                self.scalar(item, source, show);
            }
        }
        Some(head)
    }

    fn scalar(&mut self, item: Item, source: u64, show: &mut Show<'_>) {
        let mut text = [0; 40];
        let mut rest = &mut text[..];
        // What does not fit is cut off, which no number is.
        let _ = match item {
            Item::Number(number) => write!(rest, "{number}"),
            Item::Negative(number) => write!(rest, "-{}", u128::from(number) + 1),
            Item::Float(float) if float == 0.0 || (1e-7..1e16).contains(&float.abs()) => {
                write!(rest, "{float}")
            }
            Item::Literal(word) => write!(rest, "{word}"),
            _ => write!(rest, "null"),
        };
        let length = 40 - rest.len();
        let is_key = self.before(false, source, show);
        if is_key {
            show(b"\"", source);
        }
        show(&text[..length], source);
        if is_key {
            show(b"\"", source);
        }
        self.behind(source, show);
    }

    /// The separator in front of an item; tells whether it is a key.
    fn before(&mut self, is_string: bool, source: u64, show: &mut Show<'_>) -> bool {
        let Some(level) = self.levels.last_mut() else {
            return false;
        };
        let is_key = level.map && level.at_key;
        self.keys += u64::from(is_key && is_string);
        if level.map && !level.at_key {
            show(b":", source);
        } else if !std::mem::replace(&mut level.is_first, false) {
            show(b",", source);
        }
        is_key
    }

    /// An item is complete, and so may be what holds it.
    fn behind(&mut self, source: u64, show: &mut Show<'_>) {
        loop {
            let Some(level) = self.levels.last_mut() else {
                self.items += 1;
                show(b"\n", source);
                return;
            };
            level.at_key = !level.at_key;
            if let Some(left) = &mut level.left {
                *left -= 1;
            }
            if level.left != Some(0) {
                return;
            }
            let map = level.map;
            self.levels.pop();
            show(if map { b"}" } else { b"]" }, source);
        }
    }

    fn open(&mut self, map: bool, left: Option<u64>, source: u64, show: &mut Show<'_>) {
        self.before(false, source, show);
        show(if map { b"{" } else { b"[" }, source);
        self.levels.push(Level {
            map,
            left,
            is_first: true,
            at_key: true,
        });
        if left == Some(0) {
            self.close(source, show);
        }
    }

    fn close(&mut self, source: u64, show: &mut Show<'_>) {
        if let Some(level) = self.levels.pop() {
            show(if level.map { b"}" } else { b"]" }, source);
            self.behind(source, show);
        }
    }

    /// The beginning of a string of `left` bytes.
    fn string(&mut self, left: u64, shown: bool, source: u64, show: &mut Show<'_>) {
        if !self.in_pieces {
            self.before(true, source, show);
            show(b"\"", source);
        }
        self.leaf = Some(Leaf { left, shown });
        if left == 0 {
            self.end_string(source, show);
        }
    }

    fn end_string(&mut self, source: u64, show: &mut Show<'_>) {
        self.leaf = None;
        if !self.in_pieces {
            show(b"\"", source);
            self.behind(source, show);
        }
    }

    /// Passes on what is there of a string.
    fn pass(&mut self, bytes: &[u8], (positions, base): (&Positions, usize), show: &mut Show<'_>) -> usize {
        let Some(leaf) = &mut self.leaf else { return 0 };
        let length = usize::try_from(leaf.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        leaf.left -= length as u64;
        let ended = leaf.left == 0;
        if leaf.shown {
            let mut at = 0;
            while at < length {
                let run = positions.run_end(base + at).saturating_sub(base).min(length);
                escaped(&bytes[at..run], positions.of(base + at), show);
                at = run;
            }
        } else {
            self.binary += length as u64;
        }
        if ended {
            let source = positions.of(base + length - 1) + 1;
            self.end_string(source, show);
        }
        length
    }

    /// What follows cannot be read, and is shown as it is.
    fn give_up_at(&mut self, source: u64, show: &mut Show<'_>) {
        self.broken = true;
        self.levels.clear();
        self.in_pieces = false;
        show(b"\n\"", source);
        self.leaf = Some(Leaf {
            left: u64::MAX,
            shown: true,
        });
    }
}

impl Recode for Recoder {
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>) {
        self.positions.mark(self.pending.len(), source);
        self.pending.extend(bytes);
        self.run(false, show);
    }

    fn finish(&mut self, show: &mut Show<'_>) {
        self.run(true, show);
    }

    fn give_up(&mut self, show: &mut Show<'_>) {
        self.finish(show);
        if !self.broken {
            let source = self.positions.of(0);
            self.give_up_at(source, show);
        }
    }

    fn taken(&mut self) -> Option<Taken> {
        let mut taken = Taken::of(std::mem::take(&mut self.taken));
        taken.leave_out(Account::Binary, std::mem::take(&mut self.binary));
        Some(taken)
    }

    fn has_binary(&self) -> bool {
        true
    }
}
