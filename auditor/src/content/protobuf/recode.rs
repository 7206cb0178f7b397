//! Wire bytes become text, as they come.
//!
//! Goes in: pieces of a message with their place in the source. Comes out, to a closure: text with
//! the place each run of it came from. Strings are shown as they are, whole numbers in decimal;
//! each field begins with a mark and its path. At most [`LOOK`] bytes wait for the rest of a
//! field, besides a piece itself. Every byte is looked at a fixed number of times, however deep it
//! lies, and nothing is allocated per field.

use crate::content::marked;
use crate::content::recode::{Recode, Show, Taken};
use crate::content::window::Positions;
use crate::ledger::Account;
use crate::secret::Secret;

use super::input::{Input, show_number};
use super::path::{Counts, Path};
use super::schema::{Known, MessageId, Schema, Shape};
use super::shape::{self, Kind, Numbers};
use super::wire::{self, Item, Value};

/// Bytes of a payload by which it is decided what that is.
const LOOK: usize = 16 * 1024;
/// Messages inside of each other that are followed; below, only text is.
const MAX_DEPTH: usize = 32;

/// Turns one message into text.
#[derive(Default)]
pub(in crate::content) struct Recoder {
    pending: Secret,
    positions: Positions,
    /// Place of the first pending byte in the message.
    base: u64,
    /// Pending bytes without which it cannot go on.
    needed: usize,
    levels: Vec<Level>,
    /// Of the outermost message.
    counts: Counts,
    path: Path,
    /// Names, and the outermost message.
    schema: Option<(&'static Schema, MessageId)>,
    leaf: Option<Leaf>,
    /// From and to where bytes are known to be printable; the one behind is not.
    printable: (u64, u64),
    /// Bytes that were decided on, and payloads among them that hold no text.
    taken: u64,
    binary: u64,
}

/// A message inside of another.
struct Level {
    /// Place in the outermost message where it ends; that of a group is the end of what holds it.
    end: u64,
    /// Field number of a group, which has an end of its own.
    group: Option<u32>,
    /// Length of the path around it.
    path: usize,
    counts: Counts,
    /// None when it is not known which one it is.
    message: Option<MessageId>,
}

/// A payload that is not looked into.
struct Leaf {
    left: u64,
    shown: bool,
}

impl Recode for Recoder {
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>) {
        self.positions.mark(self.pending.len(), source);
        self.pending.extend(bytes);
        if self.pending.len() >= self.needed {
            self.run(false, show);
        }
    }

    fn finish(&mut self, show: &mut Show<'_>) {
        self.run(true, show);
    }

    /// What follows is no message any more.
    fn give_up(&mut self, show: &mut Show<'_>) {
        self.finish(show);
        self.levels.clear();
        self.path.truncate(0);
        self.leaf = None;
        self.begin(0, show);
        self.leaf = Some(Leaf {
            left: u64::MAX,
            shown: true,
        });
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

impl Recoder {
    /// For a message that is known.
    pub(in crate::content) fn with_schema(schema: &'static Schema, message: MessageId) -> Self {
        let mut recoder = Self {
            schema: Some((schema, message)),
            ..Self::default()
        };
        recoder.path.begin();
        recoder
    }

    /// What is known of a field of the message it is in.
    fn known(&self, number: u32) -> Option<&'static Known> {
        let (schema, outermost) = self.schema?;
        let message = match self.levels.last() {
            Some(level) => level.message?,
            None => outermost,
        };
        schema.field(message, number)
    }

    fn run(&mut self, last: bool, show: &mut Show<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut positions = std::mem::take(&mut self.positions);
        let mut input = Input {
            bytes: pending.expose(),
            positions: &positions,
            at: 0,
        };
        self.needed = loop {
            if let Some(more) = self.step(&mut input, last, show) {
                break more;
            }
        };
        let at = input.at;
        if last && self.leaf.take().is_some_and(|leaf| leaf.shown) {
            show(b"\n", positions.of(at));
        }
        self.base += at as u64;
        self.taken += at as u64;
        pending.consume(at);
        positions.consume(at);
        self.pending = pending;
        self.positions = positions;
    }

    /// Goes on by one field, or by what is there of a payload; tells how many bytes it needs when
    /// it cannot.
    fn step(&mut self, input: &mut Input<'_>, last: bool, show: &mut Show<'_>) -> Option<usize> {
        if self.leaf.is_some() {
            return self.pass(input, show);
        }
        let position = self.base + input.at as u64;
        while let Some(level) = self.levels.pop_if(|level| level.end == position) {
            self.path.truncate(level.path);
        }
        let end = self.levels.last().map_or(u64::MAX, |level| level.end);
        let rest = &input.bytes[input.at..];
        if rest.is_empty() {
            return Some(1);
        }
        let bound = usize::try_from(end - position).map_or(rest.len(), |bound| bound.min(rest.len()));
        let is_all = last || bound as u64 == end - position;
        let rest = &rest[..bound];
        match wire::item(rest) {
            Item::Field {
                number,
                value,
                tag,
                length,
            } => self.field(input, (number, value), (tag, length), is_all, show),
            Item::More if !is_all => Some(rest.len() + 1),
            Item::More | Item::Broken => {
                self.rest(input, end, show);
                None
            }
        }
    }

    fn field(
        &mut self,
        input: &mut Input<'_>,
        (number, value): (u32, Value),
        (tag, length): (usize, usize),
        is_all: bool,
        show: &mut Show<'_>,
    ) -> Option<usize> {
        match value {
            Value::Delimited(payload) => {
                return self.delimited(input, (number, payload), length, is_all, show);
            }
            Value::Varint(value) => self.number(input, (number, value), (tag, length), show),
            Value::Fixed64(value) if shape::is_whole64(value) || self.known(number).is_some() => {
                self.number(input, (number, value), (tag, length), show)
            }
            Value::Fixed32(value) if shape::is_whole32(value) || self.known(number).is_some() => {
                self.number(input, (number, u64::from(value)), (tag, length), show);
            }
            Value::Fixed64(_) => {
                self.count(number);
                self.binary += 8;
            }
            Value::Fixed32(_) => {
                self.count(number);
                self.binary += 4;
            }
            Value::StartGroup if self.levels.len() < MAX_DEPTH => {
                let end = self.levels.last().map_or(u64::MAX, |level| level.end);
                self.open(number, end, Some(number));
            }
            Value::EndGroup
                if self
                    .levels
                    .last()
                    .is_some_and(|level| level.group == Some(number)) =>
            {
                let level = self.levels.pop();
                self.path.truncate(level.map_or(0, |level| level.path));
            }
            Value::StartGroup | Value::EndGroup => {
                let end = self.levels.last().map_or(u64::MAX, |level| level.end);
                self.rest(input, end, show);
                return None;
            }
        }
        input.at += length;
        None
    }

    /// A payload of `payload` bytes behind `head` bytes of tag and length.
    fn delimited(
        &mut self,
        input: &mut Input<'_>,
        (number, payload): (u32, u64),
        head: usize,
        is_all: bool,
        show: &mut Show<'_>,
    ) -> Option<usize> {
        let start = self.base + (input.at + head) as u64;
        let end = self.levels.last().map_or(u64::MAX, |level| level.end);
        if payload > end - start {
            self.rest(input, end, show);
            return None;
        }
        let there = &input.bytes[input.at + head..];
        let look = usize::try_from(payload).map_or(LOOK, |payload| payload.min(LOOK));
        if there.len() < look && !is_all {
            return Some(head + look);
        }
        let look = &there[..look.min(there.len())];
        match self.kind(number, look, payload, start) {
            Kind::Message => {
                self.open(number, start + payload, None);
                input.at += head;
            }
            Kind::Numbers(numbers) => self.numbers(input, number, (head, look.len()), numbers, show),
            Kind::Text if payload > 0 => {
                self.begin_field(number, input.positions.of(input.at), show);
                self.leaf = Some(Leaf {
                    left: payload,
                    shown: true,
                });
                input.at += head;
            }
            Kind::Text | Kind::Binary => {
                // An empty string is an occurrence as well.
                self.count(number);
                self.leaf = (payload > 0).then_some(Leaf {
                    left: payload,
                    shown: false,
                });
                input.at += head;
            }
        }
        None
    }

    /// What a payload is, by its first bytes.
    fn kind(&mut self, number: u32, look: &[u8], payload: u64, start: u64) -> Kind {
        let may_nest = self.levels.len() < MAX_DEPTH;
        let is_whole = payload == look.len() as u64;
        let by_name = self
            .known(number)
            .and_then(|known| known.kind(may_nest, is_whole));
        if let Some(kind) = by_name {
            return kind;
        }
        shape::kind(look, payload, may_nest, || self.is_printable(look, start))
    }

    /// The numbers of a packed field, each an occurrence of its own.
    fn numbers(
        &mut self,
        input: &mut Input<'_>,
        number: u32,
        (head, length): (usize, usize),
        numbers: Numbers,
        show: &mut Show<'_>,
    ) {
        let mut at = head;
        while at < head + length {
            let Some((value, taken)) = numbers.first(&input.bytes[input.at + at..input.at + head + length])
            else {
                break;
            };
            // The tag belongs to the first one.
            let tag = if at == head { head } else { 0 };
            let from = input.at + at - tag;
            let source = |at| input.positions.of(from + at);
            let known = self.known(number);
            self.begin_field(number, source(0), show);
            show_number(known, value, taken == 4, source(tag), show);
            show(b"\n", source(tag + taken - 1) + 1);
            at += taken;
        }
        input.at += head + length;
    }

    /// Whether all of `look`, which begins at `start`, is printable. Remembers how far it looked,
    /// so that messages inside of each other are not looked at again and again.
    fn is_printable(&mut self, look: &[u8], start: u64) -> bool {
        let (from, to) = self.printable;
        if start < from || start > to {
            self.printable = (start, start + shape::printable_length(look) as u64);
        }
        start + look.len() as u64 <= self.printable.1
    }

    fn open(&mut self, number: u32, end: u64, group: Option<u32>) {
        let path = self.path.len();
        let index = self.count(number);
        let mut message = None;
        match self.known(number) {
            Some(known) => {
                self.path
                    .push_step(known.name.as_bytes(), known.is_repeated.then_some(index));
                if let Shape::Message(known) = known.shape {
                    message = known;
                }
            }
            None => self.path.push(number, index),
        }
        self.levels.push(Level {
            end,
            group,
            path,
            counts: Counts::default(),
            message,
        });
    }

    /// What cannot be read up to `end` is shown as it is.
    fn rest(&mut self, input: &Input<'_>, end: u64, show: &mut Show<'_>) {
        self.begin(input.positions.of(input.at), show);
        self.leaf = Some(Leaf {
            left: end - (self.base + input.at as u64),
            shown: true,
        });
    }

    fn number(
        &mut self,
        input: &Input<'_>,
        (number, value): (u32, u64),
        (tag, length): (usize, usize),
        show: &mut Show<'_>,
    ) {
        let source = |at| input.positions.of(input.at + at);
        let known = self.known(number);
        self.begin_field(number, source(0), show);
        show_number(known, value, length - tag == 4, source(tag), show);
        show(b"\n", source(length - 1) + 1);
    }

    /// Counts one more occurrence of a field; tells how many there were before.
    fn count(&mut self, number: u32) -> u32 {
        let level = self.levels.last_mut();
        level
            .map_or(&mut self.counts, |level| &mut level.counts)
            .next(number)
    }

    /// The beginning of a field's line.
    fn begin_field(&mut self, number: u32, source: u64, show: &mut Show<'_>) {
        let index = self.count(number);
        if let Some(known) = self.known(number) {
            let index = known.is_repeated.then_some(index);
            let mut line = [0; marked::LINE];
            let length = marked::begin_in(&mut line, self.path.text(), index, &known.name);
            show(&line[..length], source);
            return;
        }
        let around = self.path.len();
        self.path.push(number, index);
        self.begin(source, show);
        self.path.truncate(around);
    }

    fn begin(&mut self, source: u64, show: &mut Show<'_>) {
        show(self.path.line(), source);
    }

    /// Passes on what is there of a payload.
    fn pass(&mut self, input: &mut Input<'_>, show: &mut Show<'_>) -> Option<usize> {
        let leaf = self.leaf.as_mut()?;
        let there = input.bytes.len() - input.at;
        let length = usize::try_from(leaf.left).map_or(there, |left| left.min(there));
        let end = input.at + length;
        leaf.left -= length as u64;
        let more = (leaf.left > 0).then_some(1);
        if leaf.shown {
            input.show(end, show);
        } else {
            self.binary += length as u64;
        }
        if more.is_none() {
            if leaf.shown && end > 0 {
                show(b"\n", input.positions.of(end - 1) + 1);
            }
            self.leaf = None;
        }
        input.at = end;
        more
    }
}
