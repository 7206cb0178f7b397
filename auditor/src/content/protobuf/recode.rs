//! Wire bytes become text, as they come.
//!
//! Goes in: pieces of a message with their place in the source. Comes out, to a closure: text with
//! the place each run of it came from. Strings are shown as they are, whole numbers in decimal;
//! each field begins with a mark and its path. At most [`LOOK`] bytes wait for the rest of a
//! field, besides a piece itself. Every byte is looked at a fixed number of times, however deep it
//! lies, and nothing is allocated per field.

use std::sync::Arc;

use crate::content::recode::{Recode, Show, Taken};
use crate::content::window::Positions;
use crate::ledger::Account;
use crate::secret::Secret;

use super::input::{Input, show_number};
use super::levels::{Levels, Spot};
use super::path::decimal;
use super::schema::{MessageId, Schema};
use super::shape::{self, Kind, Numbers};
use super::wire::{self, Item, Value};

/// Bytes of a payload by which it is decided what that is.
const LOOK: usize = 16 * 1024;

/// Turns one message into text.
#[derive(Default)]
pub(in crate::content) struct Recoder {
    pending: Secret,
    positions: Positions,
    /// Place of the first pending byte in the message.
    base: u64,
    /// Pending bytes without which it cannot go on.
    needed: usize,
    levels: Levels,
    /// Names.
    schema: Option<Arc<Schema>>,
    leaf: Option<Leaf>,
    /// From and to where bytes are known to be printable; the one behind is not.
    printable: (u64, u64),
    /// Bytes that were decided on, and payloads among them that hold no text.
    taken: u64,
    binary: u64,
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
        self.schema = None;
        self.leaf = None;
        self.levels.begin(0, show);
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
    pub(in crate::content) fn with_schema(schema: Arc<Schema>, message: MessageId) -> Self {
        Self {
            levels: Levels::of(message),
            schema: Some(schema),
            ..Self::default()
        }
    }

    fn run(&mut self, last: bool, show: &mut Show<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut positions = std::mem::take(&mut self.positions);
        let schema = self.schema.take();
        let mut input = Input {
            bytes: pending.expose(),
            positions: &positions,
            at: 0,
            schema: schema.as_deref(),
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
        self.schema = schema;
    }

    /// Goes on by one field, or by what is there of a payload; tells how many bytes it needs when
    /// it cannot.
    fn step(&mut self, input: &mut Input<'_>, last: bool, show: &mut Show<'_>) -> Option<usize> {
        if self.leaf.is_some() {
            return self.pass(input, show);
        }
        let position = self.base + input.at as u64;
        self.levels.close(position);
        let end = self.levels.end();
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
            } => {
                // What does not fit the schema goes by number.
                let known = self.levels.known(input.schema, number);
                let known = known.filter(|known| known.fits(value));
                let spot = Spot { number, known };
                self.field(input, (spot, value), (tag, length), is_all, show)
            }
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
        (spot, value): (Spot<'_>, Value),
        (tag, length): (usize, usize),
        is_all: bool,
        show: &mut Show<'_>,
    ) -> Option<usize> {
        match value {
            Value::Delimited(payload) => {
                return self.delimited(input, (spot, payload), length, is_all, show);
            }
            Value::Varint(value) => self.number(input, (spot, value), (tag, length), show),
            Value::Fixed64(value) if shape::is_whole64(value) || spot.known.is_some() => {
                self.number(input, (spot, value), (tag, length), show)
            }
            Value::Fixed32(value) if shape::is_whole32(value) || spot.known.is_some() => {
                self.number(input, (spot, u64::from(value)), (tag, length), show);
            }
            Value::Fixed64(_) => {
                self.levels.count(spot.number);
                self.binary += 8;
            }
            Value::Fixed32(_) => {
                self.levels.count(spot.number);
                self.binary += 4;
            }
            Value::StartGroup if self.levels.may_nest() => {
                let end = self.levels.end();
                self.levels.open(input.schema, spot, end, true);
            }
            Value::EndGroup if self.levels.close_group(spot.number) => (),
            Value::StartGroup | Value::EndGroup => {
                self.rest(input, self.levels.end(), show);
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
        (spot, payload): (Spot<'_>, u64),
        head: usize,
        is_all: bool,
        show: &mut Show<'_>,
    ) -> Option<usize> {
        let start = self.base + (input.at + head) as u64;
        let end = self.levels.end();
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
        match self.kind(spot, look, payload, start) {
            Kind::Message => {
                self.levels.open(input.schema, spot, start + payload, false);
                input.at += head;
            }
            Kind::Numbers(numbers) => self.numbers(input, spot, (head, look.len()), numbers, show),
            Kind::Text if payload > 0 => {
                let source = input.positions.of(input.at);
                self.levels.begin_field(spot, source, show);
                if payload == look.len() as u64 && spot.known.is_some() {
                    self.levels.hear(input.schema, spot.number, look);
                }
                self.leaf = Some(Leaf {
                    left: payload,
                    shown: true,
                });
                input.at += head;
            }
            Kind::Text | Kind::Binary => {
                // An empty string is an occurrence as well.
                self.levels.count(spot.number);
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
    fn kind(&mut self, spot: Spot<'_>, look: &[u8], payload: u64, start: u64) -> Kind {
        let may_nest = self.levels.may_nest();
        if may_nest && self.levels.any(spot.number).is_some() && wire::are_fields(look, payload) {
            return Kind::Message;
        }
        let declared = spot.known.and_then(|known| known.kind(look, payload, may_nest));
        if let Some(kind) = declared {
            return kind;
        }
        let kind = shape::kind(look, payload, may_nest, || self.is_printable(look, start));
        match spot.known {
            Some(known) if kind == Kind::Binary => known.kind_of_binary(look, payload),
            _ => kind,
        }
    }

    /// The numbers of a packed field, each an occurrence of its own.
    fn numbers(
        &mut self,
        input: &mut Input<'_>,
        spot: Spot<'_>,
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
            self.levels.begin_field(spot, source(0), show);
            show_number(spot.known, value, taken == 4, source(tag), show);
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

    /// What cannot be read up to `end` is shown as it is.
    fn rest(&mut self, input: &Input<'_>, end: u64, show: &mut Show<'_>) {
        self.levels.begin(input.positions.of(input.at), show);
        self.leaf = Some(Leaf {
            left: end - (self.base + input.at as u64),
            shown: true,
        });
    }

    fn number(
        &mut self,
        input: &Input<'_>,
        (spot, value): (Spot<'_>, u64),
        (tag, length): (usize, usize),
        show: &mut Show<'_>,
    ) {
        let source = |at| input.positions.of(input.at + at);
        self.levels.begin_field(spot, source(0), show);
        show_number(spot.known, value, length - tag == 4, source(tag), show);
        show(b"\n", source(length - 1) + 1);
        if spot.known.is_some() {
            // It may be the key of a map.
            let mut digits = [0; 20];
            self.levels
                .hear(input.schema, spot.number, decimal(value, &mut digits));
        }
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
