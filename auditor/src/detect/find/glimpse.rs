//! A glimpse at a word with digits: is there anything that a row could ask about?
//!
//! Goes in: where the first digit of a word stands. Most words are turned away by their length,
//! the places of their digits and what they are joined to, all read from masks and tables; what is
//! left is looked at by [`super::number`] and [`super::word`]. Turns away only what these would
//! find nothing in.

use super::{Finder, PATH, neighbour_before, number, word};
use crate::content::Format;
use crate::detect::form::{self, Form, Forms, Kind};
use crate::detect::rows::RowSet;
use crate::detect::scan::{AsksDigits, LENGTHS};

/// Letters of a group of letters that may stand before a word, and one.
const LETTERS: usize = 8;
/// Where its letters and digits are.
const UUID_WORDS: u64 = 0xFFF << 24 | 0xF << 19 | 0xF << 14 | 0xF << 9 | 0xFF;
/// Groups up to this length are told apart; longer ones are like the longest.
const LENGTH: usize = 15;

/// What joins the groups of a number or an identifier, by its byte; 0 for what joins nothing.
pub(super) struct Joints([u8; 256]);

/// In most formats.
static JOINTS: Joints = Joints::of(b" -./()");
/// In forms, where a plus sign is a space.
static JOINTS_OF_FORMS: Joints = Joints::of(b" -./()").with(b'+', b' ');
/// Different joints, and two for none.
const KINDS: usize = 8;
/// What neither joins words nor belongs to them.
const WALL: u8 = 0;
/// What belongs to words.
const NOT_A_WALL: u8 = KINDS as u8;

impl Joints {
    const fn of(signs: &[u8]) -> Self {
        let mut joints = [WALL; 256];
        let mut n = 0;
        while n < 256 {
            // What stands behind a backslash may be no part of a word.
            if (n as u8).is_ascii_alphanumeric() {
                joints[n] = NOT_A_WALL;
            }
            n += 1;
        }
        n = 0;
        while n < signs.len() {
            joints[signs[n] as usize] = n as u8 + 1;
            n += 1;
        }
        Self(joints)
    }

    const fn with(mut self, sign: u8, like: u8) -> Self {
        self.0[sign as usize] = self.0[like as usize];
        self
    }

    pub(super) fn in_format(format: Format) -> &'static Self {
        if format == Format::Form {
            &JOINTS_OF_FORMS
        } else {
            &JOINTS
        }
    }

    /// Whether a byte neither belongs to words nor joins them.
    #[inline]
    fn is_wall(&self, byte: u8) -> bool {
        self.0[usize::from(byte)] == WALL
    }

    /// Number of a joint, below [`KINDS`].
    #[inline]
    fn kind(&self, byte: u8) -> usize {
        usize::from(self.0[usize::from(byte)]) % KINDS
    }
}

/// What words, numbers and groups of them any row asks for.
pub(in crate::detect) struct Interest {
    /// By number of digits in one run: which rows ask about such numbers.
    pub(super) rows: [RowSet; LENGTHS],
    /// Whether any does.
    asked: [bool; LENGTHS],
    /// And whether any does where neither a name nor a word speaks of its values.
    pub(super) bare: [bool; LENGTHS],
    /// Whether any row has a form that IPv4 addresses have.
    quads: bool,
    /// By number of digits in one run or in groups: whether any row asks about such numbers.
    grouped: [bool; LENGTHS],
    /// By kind and length of the first group and by the joint behind it: the lengths of the second.
    pairs: [[[u16; KINDS]; LENGTH + 1]; 3],
}

impl Default for Interest {
    fn default() -> Self {
        Self {
            rows: [RowSet::EMPTY; LENGTHS],
            asked: [false; LENGTHS],
            bare: [false; LENGTHS],
            quads: false,
            grouped: [false; LENGTHS],
            pairs: [[[0; KINDS]; LENGTH + 1]; 3],
        }
    }
}

impl Interest {
    pub(in crate::detect) fn of(forms: &Forms, by_length: &[Vec<AsksDigits>; LENGTHS]) -> Self {
        let rows: [RowSet; LENGTHS] = std::array::from_fn(|length| {
            let mut rows = RowSet::EMPTY;
            rows.extend(by_length[length].iter().map(|asks| asks.row));
            for free in [true, false] {
                rows.extend(forms.numbers(length, free).iter().map(|form| form.row));
            }
            rows
        });
        let mut made = Self {
            asked: std::array::from_fn(|length| !rows[length].is_empty()),
            bare: std::array::from_fn(|length| {
                by_length[length].iter().any(|asks| asks.bare) || !forms.numbers(length, true).is_empty()
            }),
            grouped: std::array::from_fn(|total| !by_length[total].is_empty() || forms.has_numbers(total)),
            quads: (0..LENGTHS).any(|total| forms.grouped(total).iter().any(Form::is_quads)),
            rows,
            ..Self::default()
        };
        for kind in [Kind::Digits, Kind::Letters, Kind::Mixed] {
            for length in 1..=LENGTH {
                for (joint, second) in forms.beginnings(kind, length) {
                    // No group of a form is longer than LENGTH where its rest is told by it.
                    made.pairs[kind as usize][length][JOINTS.kind(joint)] |= 1 << second.min(LENGTH);
                }
            }
        }
        made.pairs
            .as_flattened_mut()
            .iter_mut()
            .for_each(|joints| joints[0] = 0);
        made
    }

    /// Whether any row asks about numbers of so many digits, in one run or in groups.
    #[inline]
    pub(super) fn in_groups(&self, total: usize) -> bool {
        self.grouped.get(total).is_some_and(|asked| *asked)
    }

    /// Whether groups of these lengths, joined so, may begin a form.
    #[inline]
    fn may_pair(&self, kind: Kind, first: usize, joint: usize, second: usize) -> bool {
        let is_short = first <= LENGTH;
        let seconds = self.pairs[kind as usize][first.min(LENGTH)][joint];
        is_short & (second > 0) & (seconds >> second.min(LENGTH) & 1 != 0)
    }
}

/// A word as the masks show it.
struct Word {
    start: usize,
    length: usize,
    /// Places of its digits.
    digits: u64,
    kind: Kind,
    /// What joins it to what stands before and behind it.
    before: usize,
    behind: usize,
    /// Letters and digits of the word behind that joint.
    second: usize,
}

impl Finder<'_, '_> {
    /// Looks at the word that has its first digit at `at`.
    #[inline(never)]
    pub(super) fn digit_word(&mut self, at: usize) {
        if self.format == Format::Protobuf && neighbour_before(self.bytes, at) == Some(PATH) {
            // The numbers of fields are no numbers of the content.
            let path = memchr::memchr(b':', &self.bytes[at..]).unwrap_or(0);
            self.word_end = at + path;
            return;
        }
        let start = self.word_start(at);
        let (words, digits) = self.chunk.ahead(start).unwrap_or_default();
        let length = words.trailing_ones() as usize;
        if length == 0 || length > form::LONGEST || at >= start + word::BACK {
            self.word_end = self.word_end(start);
            return;
        }
        let all = (1u64 << length) - 1;
        let is_number = digits & all == all && length < LENGTHS;
        let word = Word {
            start,
            length,
            digits: digits & all,
            kind: if digits & all == all {
                Kind::Digits
            } else {
                Kind::Mixed
            },
            before: start.checked_sub(1).map_or(0, |at| self.joint(at)),
            behind: self.joint(start + length),
            second: (words >> length >> 1).trailing_ones() as usize,
        };
        if is_number {
            let is_asked = self.scanner.interest.asked[length % LENGTHS];
            if !is_asked & (word.before == 0) & (word.behind == 0) {
                return;
            }
        }
        if length == 8 && words & ((1 << word::UUID) - 1) == UUID_WORDS && word::is_uuid(self.bytes, start) {
            self.word_end = start + word::UUID;
            return;
        }
        if !is_number {
            self.mixed_word(&word);
        } else if self.is_passed_over(&word) {
            return;
        }
        self.neighbours(&word);
    }

    /// Whether the digits at `at` are all of a word, joined to nothing or by a decimal point, and no row
    /// asks for so many: most numbers are so. Passes over a fraction.
    #[inline(always)]
    pub(super) fn is_plain(&mut self, at: usize) -> bool {
        let interest = &self.scanner.interest;
        let Some((_, digits)) = self.chunk.ahead(at) else {
            return false;
        };
        let length = digits.trailing_ones() as usize;
        let byte = |at: usize| self.bytes.get(at).copied();
        let is_wall = |byte: Option<u8>| byte.is_some_and(|byte| self.joints.is_wall(byte));
        if length >= LENGTHS || !is_wall(byte(at.wrapping_sub(1))) {
            return false;
        }
        let behind = byte(at + length);
        if behind != Some(b'.') {
            return is_wall(behind) & !interest.asked[length];
        }
        let fraction = (digits >> (length + 1)).trailing_ones() as usize;
        let end = at + length + 1 + fraction;
        let is_plain = (fraction > 0) & (length + fraction < self.scanner.shortest)
            && is_wall(byte(end))
            && !interest.may_pair(Kind::Digits, length, self.joints.kind(b'.'), fraction);
        if is_plain {
            self.word_end = end;
        }
        is_plain
    }

    /// Number of what may join the byte before `at` to that behind it; 0 when nothing does.
    #[inline]
    fn joint(&self, at: usize) -> usize {
        self.bytes.get(at).map_or(0, |byte| self.joints.kind(*byte))
    }

    /// Looks at a number; true when it is part of a date.
    #[inline]
    fn is_passed_over(&mut self, word: &Word) -> bool {
        let end = word.start + word.length;
        if word.behind == 0 || number::next_group(self.bytes, end, self.format).is_none() {
            if self.scanner.interest.asked[word.length % LENGTHS] {
                self.lone_number(word.start, end);
            }
            return false;
        }
        if word.length == 4 && self.skip_time(word.start) {
            return true;
        }
        if word.length <= 3 && !self.scanner.interest.quads && self.skip_quads(end) {
            return true;
        }
        if self.reaches(end, word.length) {
            self.joined_number(word.start, word.length);
        }
        false
    }

    /// Passes over an IPv4 address whose first number ends at `end`, as the rows that ask about
    /// addresses look at values of names only.
    #[inline]
    fn skip_quads(&mut self, mut end: usize) -> bool {
        for _ in 0..3 {
            if self.bytes.get(end) != Some(&b'.') {
                return false;
            }
            let digits = self.digits_from(end + 1);
            if !(1..=3).contains(&digits) {
                return false;
            }
            end += 1 + digits;
        }
        let goes_on = self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)
            || number::next_group(self.bytes, end, self.format).is_some();
        if !goes_on {
            self.word_end = end;
        }
        !goes_on
    }

    /// Whether a number of `total` digits and the groups behind its `end` have as many digits as
    /// the shortest that any row asks for.
    #[inline]
    fn reaches(&self, mut end: usize, mut total: usize) -> bool {
        while total < self.scanner.shortest {
            let Some((next, _)) = number::next_group(self.bytes, end, self.format) else {
                return false;
            };
            let digits = self.digits_from(next);
            total += digits;
            end = next + digits;
        }
        true
    }

    /// Looks at a word of letters and digits, or of more digits than any number has.
    #[inline]
    fn mixed_word(&mut self, word: &Word) {
        let range = word.start..word.start + word.length;
        self.word_end = range.end;
        // Two letters of a country and two digits.
        if word.digits & 0b1111 == 0b1100 {
            self.country(&range);
        }
        self.whole_word(&range, word.digits);
        let first = self.bytes[word.start];
        if self.scanner.word_lengths[usize::from(first)] >> word.length & 1 != 0 {
            self.place_in_word(&range);
        }
    }

    /// Looks at the groups that a word is joined to.
    #[inline]
    fn neighbours(&mut self, word: &Word) {
        let interest = &self.scanner.interest;
        if interest.may_pair(word.kind, word.length, word.behind, word.second) {
            self.groups_from(word.start);
        }
        if word.before != 0
            && word.start >= 2
            && self.bytes[word.start - 2].is_ascii_alphabetic()
            && self.may_follow(word)
        {
            self.groups_before(word.start);
        }
    }

    /// Whether one or two groups of letters before a word may begin a form that goes on with it.
    #[inline]
    fn may_follow(&self, word: &Word) -> bool {
        let interest = &self.scanner.interest;
        let start = word.start;
        if start < self.chunk.start() + 2 * LETTERS {
            return true;
        }
        let letters = self.chunk.letters_before(start - 1);
        if letters >= LETTERS {
            return false;
        }
        if interest.may_pair(Kind::Letters, letters, word.before, word.length) {
            return true;
        }
        let joint = self.joint(start - 2 - letters);
        let first = self.chunk.letters_before(start - 2 - letters);
        first < LETTERS && interest.may_pair(Kind::Letters, first, joint, letters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Document;
    use crate::detect::find::signs;
    use crate::detect::fingerprint::Fingerprinter;
    use crate::detect::scan::Scanner;
    use crate::detect::tests::NoField;

    proptest! {
        #[test]
        fn what_is_passed_over_has_nothing_to_find(
            text in r#"([0-9]{1,14}|[.]|[ ,:/()-]|[a-z]{1,4}|"){0,60}"#,
            format in prop::sample::select(vec![Format::Json, Format::Text, Format::Csv, Format::Form]),
        ) {
            let scanner = Scanner::new(Fingerprinter::new([7; 32]));
            let document = Document::whole(text.as_bytes(), format, &NoField);
            let mut finder = Finder::new(&scanner, &document);
            let signs = signs(format);
            let is_json = format == Format::Json;
            finder.chunk.restart();
            while scanner.classifier.advance(&mut finder.chunk, finder.bytes, &signs, &scanner.heads, is_json) {
                for n in 0..finder.chunk.digit_words.len() {
                    let at = finder.chunk.start() + finder.chunk.digit_words.get(n);
                    finder.word_end = 0;
                    if !finder.is_plain(at) {
                        continue;
                    }
                    let end = finder.word_end;
                    let others = finder.chunk.digit_words.len();
                    let fractions = (n + 1..others)
                        .map(|n| finder.chunk.start() + finder.chunk.digit_words.get(n))
                        .take_while(|at| *at < end)
                        .collect::<Vec<_>>();
                    for at in [at].into_iter().chain(fractions) {
                        finder.word_end = 0;
                        finder.digit_word(at);
                        prop_assert!(finder.found.is_empty() && finder.weak.is_empty(), "{}", at);
                    }
                }
            }
        }
    }
}
