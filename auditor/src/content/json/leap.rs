//! Far through JSON by its brackets alone.
//!
//! Goes in: a cursor outside of strings, and bytes. Comes out: the same cursor further on, as if it had looked at each
//! byte: of an array or object that has ended by then nothing but its end is of use, so its keys and values are passed
//! sixty-four bytes at a time. What stands directly in an object that is still open is looked at afterwards. It
//! stops early at what is rare: a line end in a string, the end of a document, nesting beyond what is followed.

use super::marks::{BLOCK, Marks};
use super::{Json, MAX_DEPTH, MAX_SIBLINGS, State};

/// Shortest way that is worth it, bytes.
pub(super) const LEAST: usize = 512;
/// Stretches that are remembered of one object, the last one aside: each has a name, and more are not of use.
const MAX_STRETCHES: usize = 2 * MAX_SIBLINGS;

/// Stretches of text that stand directly in one object.
#[derive(Default)]
struct Own {
    /// Those before arrays and objects in it.
    ended: Vec<(usize, usize)>,
    /// Where the one that goes on begins.
    since: usize,
    /// Commas outside of strings before that.
    commas: u64,
}

impl Own {
    fn at(since: usize, commas: u64) -> Self {
        Self {
            ended: Vec::new(),
            since,
            commas,
        }
    }
}

struct Leap<'a> {
    json: &'a mut Json,
    /// One for each level that is followed.
    own: Vec<Own>,
    /// Commas outside of strings before the place that is looked at.
    commas: u64,
}

impl Json {
    /// Moves towards `to`, and says whether that was of use. For a cursor that is outside of strings that hold JSON.
    pub(super) fn leap(&mut self, bytes: &[u8], to: usize) -> bool {
        let is_usual = self.state == State::Between && self.level == 0 && self.deeper == 0 && self.depth > 0;
        if !is_usual || to - self.at < LEAST || self.at < self.careful_to {
            return false;
        }
        let from = self.at;
        let mut leap = Leap {
            own: (0..self.depth).map(|_| Own::at(from, 0)).collect(),
            commas: 0,
            json: self,
        };
        let end = leap.run(bytes, to);
        leap.settle(bytes, end);
        self.at > from
    }
}

impl Leap<'_> {
    /// Passes brackets, and gives back how far it came.
    fn run(&mut self, bytes: &[u8], to: usize) -> usize {
        let (mut inside, mut escaped) = (false, false);
        for block in (self.json.at..to).step_by(BLOCK) {
            let marks = Marks::of(&bytes[block..to]);
            let strings = if marks.backslashes == 0 && !escaped {
                marks.strings(inside)
            } else {
                strings_with_escapes(&marks, inside, &mut escaped)
            };
            if marks.line_ends & strings != 0 {
                self.json.careful_to = block + BLOCK;
                // It can be gone on from outside of a string only, as behind the last bracket.
                return if inside { self.innermost() } else { block };
            }
            let commas = marks.commas & !strings;
            let mut brackets = marks.brackets & !strings;
            while brackets != 0 {
                let bit = brackets & brackets.wrapping_neg();
                brackets ^= bit;
                let at = block + bit.trailing_zeros() as usize;
                let before = self.commas + u64::from((commas & (bit - 1)).count_ones());
                if !self.bracket(bytes[at], at, before) {
                    return at;
                }
            }
            self.commas += u64::from(commas.count_ones());
            inside = strings >> (BLOCK - 1) == 1;
        }
        to
    }

    /// Where the last stretch began.
    fn innermost(&self) -> usize {
        self.own.last().map_or(self.json.at, |own| own.since)
    }

    /// Passes a bracket, unless it is one to stop at.
    fn bracket(&mut self, byte: u8, at: usize, commas: u64) -> bool {
        let depth = self.json.depth;
        let Some(own) = self.own.last_mut() else {
            return false;
        };
        if matches!(byte, b'{' | b'[') {
            if depth == MAX_DEPTH {
                return false;
            }
            let frame = &mut self.json.frames[depth - 1];
            if frame.array {
                frame.index += commas - own.commas;
            } else {
                if own.ended.len() > MAX_STRETCHES {
                    own.ended.pop();
                }
                own.ended.push((own.since, at));
            }
            self.json.open(byte == b'[');
            self.own.push(Own::at(at + 1, commas));
        } else {
            if depth == 1 {
                return false;
            }
            self.json.depth -= 1;
            self.json.closed = false;
            self.own.pop();
            if let Some(outer) = self.own.last_mut() {
                (outer.since, outer.commas) = (at + 1, commas);
            }
        }
        true
    }

    /// Looks at what stands directly in the levels that are open at `end`.
    fn settle(self, bytes: &[u8], end: usize) {
        let json = self.json;
        let depth = json.depth;
        for (level, own) in self
            .own
            .iter()
            .enumerate()
            .filter(|(_, own)| !own.ended.is_empty())
        {
            // What strings hold takes the place of deeper levels.
            let inner = json.frames.split_off(level + 1);
            for (from, to) in &own.ended {
                json.again(bytes, level + 1, (*from, *to));
            }
            json.frames.truncate(level + 1);
            json.frames.extend(inner);
        }
        if let Some(own) = self.own.last() {
            json.again(bytes, depth, (own.since, end));
        }
    }
}

impl Json {
    /// Looks at each byte between two places that stand directly in the innermost of `depth` levels.
    fn again(&mut self, bytes: &[u8], depth: usize, (from, to): (usize, usize)) {
        self.reset();
        self.depth = depth;
        self.at = from;
        self.walk(bytes, to);
    }
}

/// As [`Marks::strings`], where a quote may be escaped; `escaped`: the first byte is, and whether the next block's is.
fn strings_with_escapes(marks: &Marks, mut inside: bool, escaped: &mut bool) -> u64 {
    let (mut strings, mut from) = (0, 0);
    let mut next = if std::mem::take(escaped) { 1 } else { 0 };
    let mut left = marks.quotes | marks.backslashes;
    while left != 0 {
        let at = left.trailing_zeros();
        left &= left - 1;
        if at < next {
            continue;
        }
        if marks.quotes >> at & 1 == 1 {
            strings |= run(from, at, inside);
            (from, inside) = (at, !inside);
        } else if inside {
            next = at + 2;
        }
    }
    *escaped = next > BLOCK as u32;
    strings | run(from, BLOCK as u32, inside)
}

/// Bits from one place up to another, or none.
fn run(from: u32, to: u32, set: bool) -> u64 {
    let below = |at: u32| 1_u64.checked_shl(at).map_or(u64::MAX, |bit| bit - 1);
    if set { below(to) & !below(from) } else { 0 }
}
