//! The first pass: candidates by block masks, values by their checks.
//!
//! Goes in: the bytes of a document. Comes out: what passed a check, and protected values whose
//! name may tell their kind. Each place that is looked at costs a bounded number of bytes around
//! it, and no place is looked at twice for the same reason.

mod number;
mod stars;
mod value;
mod word;

use std::cell::OnceCell;
use std::ops::Range;

use super::block::{BLOCK, BLOCKS, Masks, Signs};
use super::candidate::{self, Around as _, Match, Place, Proof, neighbour_before};
use super::catalogue::Needs;
use super::context::{self, Peek};
use super::evidence;
use super::form::{Form, Shape};
use super::glance::{ANSWERS, Answer, Glance, Names};
use super::rows::{RowId, RowSet};
use super::scan::{Found, PrefixJudge, Scanner};
use crate::content::{Document, Format};

/// What stands before the path of a field of protocol buffers.
const PATH: u8 = 0x1e;

/// How far back the object around a field is looked for, bytes. Of a field further behind, a name
/// that says nothing by itself says nothing.
const PARENT: usize = 512;

/// Finds what passes a check in one document.
pub(super) struct Finder<'s, 'd> {
    scanner: &'s Scanner,
    document: &'d Document<'d>,
    bytes: &'d [u8],
    format: Format,
    names: Box<Names>,
    /// Where the block that is looked at begins.
    at: usize,
    /// Words, digits and quotes of that block, and the quotes of the one before.
    words: u64,
    /// Words of the block before, and letters and digits of the next one; zero when not known.
    words_before: u64,
    words_next: u64,
    digits: u64,
    quotes: u64,
    quotes_before: u64,
    /// The last generic name that was read with the object around it: where it begins, and where
    /// the object's own name is.
    parent: (usize, Range<usize>),
    /// The last element of a JSON array that was looked at, and what the array's name says.
    array: (usize, Answer),
    /// What the document's names said, a bit for each answer.
    seen: [u64; ANSWERS / 64],
    /// What passed a check that proves little, without a name: kept when a sibling turns up.
    weak: Vec<(Form, Range<usize>)>,
    /// What the columns of a table say, once asked.
    columns: Vec<Option<Answer>>,
    /// End of the word that was looked at last.
    word_end: usize,
    /// End of the value that was looked at last.
    value_end: usize,
    found: Vec<Found>,
}

impl<'s, 'd> Finder<'s, 'd> {
    pub(super) fn new(scanner: &'s Scanner, document: &'d Document<'d>) -> Self {
        let mut names = Names::taken(scanner.number);
        Self {
            scanner,
            document,
            bytes: document.bytes,
            format: document.format,
            at: 0,
            words: 0,
            words_before: 0,
            words_next: 0,
            digits: 0,
            quotes: 0,
            quotes_before: 0,
            parent: (0, 0..0),
            array: (0, Answer::NOTHING),
            seen: [0; ANSWERS / 64],
            weak: std::mem::take(&mut names.room),
            names,
            columns: Vec::new(),
            word_end: 0,
            value_end: 0,
            found: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<Found> {
        let scanner = self.scanner;
        for (row, own) in scanner.own.iter().filter(|(_, own)| own.slow) {
            own.everywhere(self.bytes, |found| self.found.push(Found::Verified(*row, found)));
        }
        let signs = signs(self.format);
        let mut masks = [Masks::default(); BLOCKS];
        let mut carry = Carry::default();
        let mut at = 0;
        if self.document.overlap == 0 && matches!(self.format, Format::Csv | Format::Text) {
            self.value(0);
        }
        loop {
            let count = scanner.classifier.blocks(self.bytes, at, &signs, &mut masks);
            if count == 0 {
                return self.end();
            }
            for n in 0..count {
                let next = masks[..count]
                    .get(n + 1)
                    .map_or(0, |next| next.digits | next.letters);
                self.block(at, &masks[n], next, &mut carry);
                at += BLOCK;
            }
        }
    }

    fn end(mut self) -> Vec<Found> {
        let beside = if self.weak.is_empty() {
            RowSet::EMPTY
        } else {
            self.names.beside(&self.seen)
        };
        let mut weak = std::mem::take(&mut self.weak);
        for (form, range) in weak.drain(..) {
            if !beside.contains(form.row) {
                continue;
            }
            let mut shape = Shape::default();
            let text = self.bytes[range.clone()].iter().copied();
            text.filter(u8::is_ascii_alphanumeric).for_each(|byte| {
                shape.extend(byte);
            });
            if let Some(proof) = (form.check)(shape.text()) {
                let found = proved(range, &form, proof, false);
                self.found.push(Found::Verified(form.row, found));
            }
        }
        self.names.room = weak;
        self.names.keep();
        self.found
    }

    #[inline]
    fn block(&mut self, at: usize, masks: &Masks, next: u64, carry: &mut Carry) {
        // The letter of an escape such as `\n` belongs to no word.
        let escaped = masks.escapes << 1 | carry.escape;
        let words = (masks.digits | masks.letters) & !escaped;
        let digits = masks.digits & words;
        let word_starts = words & !(words << 1 | carry.word);
        let digit_starts = digits & !(digits << 1 | carry.digit);
        *carry = Carry {
            escape: masks.escapes >> 63,
            word: words >> 63,
            digit: digits >> 63,
        };
        self.at = at;
        (self.words_before, self.words, self.words_next) = (self.words, words, next);
        self.digits = masks.digits;
        (self.quotes, self.quotes_before) = (masks.quotes, self.quotes);
        each(word_starts, at, |at| {
            if self.scanner.prefixes.may_be_at(self.bytes, at) {
                self.prefix(at);
            }
        });
        each(masks.starts, at, |at| self.value(at + 1));
        each(digit_starts, at, |at| self.number_or_word(at));
        each(masks.rare, at, |at| self.rare(at));
    }

    /// Where the word begins that holds the byte at `at` of this block.
    #[inline]
    fn word_start(&self, at: usize) -> usize {
        let behind = at.wrapping_sub(self.at);
        let others = if behind < BLOCK {
            !self.words & ((1 << behind) - 1)
        } else {
            0
        };
        if others != 0 {
            return self.at + (u64::BITS - others.leading_zeros()) as usize;
        }
        let before = !self.words_before;
        if behind < BLOCK && before != 0 && before != u64::MAX {
            return self.at - before.leading_zeros() as usize;
        }
        let letters = |b: &&u8| b.is_ascii_alphanumeric();
        let before = &self.bytes[at.saturating_sub(BLOCK)..at];
        let start = at - before.iter().rev().take_while(letters).count();
        // The first letter may belong to an escape.
        let escaped = start > 0
            && start < at
            && self.bytes[start - 1] == b'\\'
            && matches!(self.bytes[start], b'n' | b't' | b'r');
        start + usize::from(escaped)
    }

    /// Where the word ends that holds the byte at `at` of this block.
    #[inline]
    fn word_end(&self, at: usize) -> usize {
        let behind = at.wrapping_sub(self.at);
        if behind < BLOCK {
            let letters = (!(self.words >> behind)).trailing_zeros() as usize;
            if behind + letters < BLOCK {
                return at + letters;
            }
            let next = (!self.words_next).trailing_zeros() as usize;
            if 0 < next && next < BLOCK {
                return self.at + BLOCK + next;
            }
        }
        at + self.bytes[at..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count()
    }

    /// Places of the digits of a word of at most 63 bytes.
    #[inline]
    fn digits_of(&self, word: &Range<usize>) -> u64 {
        let all = (1u64 << word.len().min(63)) - 1;
        match word.start.checked_sub(self.at) {
            Some(start) if word.end <= self.at + BLOCK => self.digits >> start & all,
            _ => self.bytes[word.clone()]
                .iter()
                .take(63)
                .enumerate()
                .fold(0, |places, (n, b)| places | u64::from(b.is_ascii_digit()) << n),
        }
    }

    /// The last double quote before `at`, in this block or the one before.
    #[inline]
    fn quote_before(&self, at: usize) -> Option<usize> {
        let behind = at.checked_sub(self.at).filter(|behind| *behind < BLOCK);
        let here = behind.map_or(0, |behind| self.quotes & ((1 << behind) - 1));
        if here != 0 {
            return Some(self.at + 63 - here.leading_zeros() as usize);
        }
        let before = match self.at.checked_sub(at) {
            Some(back) if back > 0 => self.quotes_before & (u64::MAX >> back.min(63)),
            _ => self.quotes_before,
        };
        (before != 0).then(|| self.at - 1 - before.leading_zeros() as usize)
    }

    /// The name in JSON that stands before a colon at `colon`.
    #[inline]
    fn json_name(&self, colon: usize) -> Option<Range<usize>> {
        let end = colon.checked_sub(1).filter(|end| self.bytes[*end] == b'"')?;
        Some(self.quote_before(end)? + 1..end)
    }

    #[inline(never)]
    fn prefix(&mut self, at: usize) {
        let scanner = self.scanner;
        for (row, judge) in scanner.prefixes.at(self.bytes, at) {
            let found = match *judge {
                PrefixJudge::Verify(verify) => verify(&self.place(at)),
                PrefixJudge::Own(own, behind) => at
                    .checked_sub(behind)
                    .and_then(|start| scanner.own[own].1.at(self.bytes, start)),
            };
            self.push(*row, found);
        }
    }

    /// The first digit in a row: of a number, or inside of a word.
    #[inline]
    fn number_or_word(&mut self, at: usize) {
        if at < self.word_end {
            return;
        }
        if self.format == Format::Protobuf && neighbour_before(self.bytes, at) == Some(PATH) {
            // The numbers of fields are no numbers of the content.
            let path = memchr::memchr(b':', &self.bytes[at..]).unwrap_or(0);
            self.word_end = at + path;
            return;
        }
        let behind = at - self.at;
        let is_inside = match behind {
            0 => neighbour_before(self.bytes, at).is_some_and(|b| b.is_ascii_alphanumeric()),
            _ => self.words >> (behind - 1) & 1 != 0,
        };
        if is_inside {
            self.word(at);
        } else {
            self.number(at);
        }
    }

    #[inline(never)]
    fn rare(&mut self, at: usize) {
        match self.bytes[at] {
            b'*' if at > 0 && self.bytes[at - 1] == b'*' => {}
            b'*' => self.stars(at),
            b'%' if !self.bytes[at..].starts_with(b"%40") => {}
            _ => {
                let scanner = self.scanner;
                for (row, verify) in &scanner.by_at {
                    self.push(*row, verify(&self.place(at)));
                }
            }
        }
    }

    fn place(&self, at: usize) -> Place<'d> {
        Place {
            bytes: self.bytes,
            at,
            format: self.format,
        }
    }

    fn push(&mut self, row: RowId, found: Option<Match>) {
        self.found.extend(found.map(|found| Found::Verified(row, found)));
    }

    /// What is known of the name of a value that begins at `at`.
    fn named(&mut self, at: usize) -> Option<Answer> {
        match self.peek(at) {
            Peek::Name(name) => Some(self.answer_within(name)),
            Peek::Nothing => None,
            Peek::Elsewhere if self.format == Format::Json => Some(self.array(at)),
            Peek::Elsewhere => Some(self.column(at)),
        }
    }

    /// The name of a value that begins at `at`, quotes or not.
    #[inline]
    fn peek(&self, at: usize) -> Peek<'d> {
        if self.format == Format::Json {
            let quote = at
                .checked_sub(1)
                .is_some_and(|before| self.bytes.get(before) == Some(&b'"'));
            let colon = at.checked_sub(1 + usize::from(quote));
            let name = colon
                .filter(|colon| self.bytes[*colon] == b':')
                .and_then(|colon| self.json_name(colon));
            if let Some(name) = name {
                return Peek::Name(&self.bytes[name]);
            }
        }
        context::peek(self.bytes, at, self.format)
    }

    /// What a name says by itself.
    #[inline]
    fn answer(&mut self, name: &'d [u8]) -> Answer {
        let answer = self.names.answer(&self.scanner.vocabulary, name, &[]);
        self.seen[answer.index() / 64] |= 1 << (answer.index() % 64);
        answer
    }

    /// What a name says; one that says nothing by itself is read with the object around it.
    fn answer_within(&mut self, name: &'d [u8]) -> Answer {
        let answer = self.answer(name);
        if !answer.is_of_any() || self.format == Format::Xml || !self.names.glance(answer).generic {
            return answer;
        }
        let parent = match self.format {
            Format::Json => self.parent_of(name),
            _ => &[],
        };
        if parent.is_empty() {
            return self.names.alone(answer);
        }
        let parent = parent.strip_suffix(b"s").unwrap_or(parent);
        self.names.answer(&self.scanner.vocabulary, name, parent)
    }

    /// What the name of the JSON array says that holds the element at `at`.
    fn array(&mut self, at: usize) -> Answer {
        let bytes = self.bytes;
        let (known, answer) = self.array;
        let since = known..at.max(known);
        let same = known > 0 && since.len() <= PARENT && memchr::memchr2(b'[', b']', &bytes[since]).is_none();
        let answer = if same {
            answer
        } else {
            let near = &bytes[at.saturating_sub(PARENT)..at];
            let opened = memchr::memrchr2(b'[', b']', near).filter(|open| near[*open] == b'[');
            let name = opened.and_then(|open| {
                let colon = (at - near.len() + open).checked_sub(1)?;
                let colon = if bytes[colon] == b' ' {
                    colon.checked_sub(1)?
                } else {
                    colon
                };
                let end = colon.checked_sub(1).filter(|_| bytes[colon] == b':')?;
                let before = &bytes[end.saturating_sub(PARENT)..end];
                let start = memchr::memrchr(b'"', before).filter(|_| bytes[end] == b'"')?;
                Some(&before[start + 1..])
            });
            name.map_or(Answer::UNKNOWN, |name| self.answer_within(name))
        };
        self.array = (at, answer);
        answer
    }

    /// The name of the JSON object that holds the field `name`, when it begins close by.
    fn parent_of(&mut self, name: &'d [u8]) -> &'d [u8] {
        let start = name.as_ptr().addr() - self.bytes.as_ptr().addr();
        let (known, _) = self.parent;
        // The name looked at last may be in the same object: then no brace stands between.
        let since = known..start.max(known);
        let same =
            known > 0 && since.len() <= PARENT && memchr::memchr2(b'{', b'}', &self.bytes[since]).is_none();
        if !same {
            let parent = context::parent(self.bytes, start, PARENT).unwrap_or_default();
            let at = parent.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr());
            self.parent.1 = if parent.is_empty() {
                0..0
            } else {
                at..at + parent.len()
            };
        }
        self.parent.0 = start;
        &self.bytes[self.parent.1.clone()]
    }

    /// What the column says that the cell at `at` is in.
    fn column(&mut self, at: usize) -> Answer {
        if !matches!(self.format, Format::Csv | Format::Sql) {
            return Answer::UNKNOWN;
        }
        let fields = self.document.fields;
        let Some(column) = fields.column_at(self.bytes, at) else {
            return Answer::UNKNOWN;
        };
        let index = usize::from(column);
        if index >= self.columns.len() {
            self.columns.resize(index + 1, None);
        }
        if let Some(answer) = self.columns[index] {
            return answer;
        }
        let name = fields.column_name(column).unwrap_or_default();
        let answer = self.names.answer(&self.scanner.vocabulary, name.as_bytes(), &[]);
        self.seen[answer.index() / 64] |= 1 << (answer.index() % 64);
        self.columns[index] = Some(answer);
        answer
    }
}

/// A value that has `form` and passed its check; `joined` when it is the tail of something longer.
fn proved(range: Range<usize>, form: &Form, proof: Proof, joined: bool) -> Match {
    let mut found = proof.into_match(range);
    let bits = form.grouping_bits();
    if bits > 0.0 {
        found = found.because(bits, "is written in groups as such numbers are");
    }
    if joined {
        found = found.because(-3.0, "is the tail of a longer identifier");
    }
    found
}

/// Least bits of a value that is kept without a name, a word or a sibling: what proves less would
/// cost a look at the field around one number in ten, and only to be dropped.
const UNNAMED: f32 = 5.0;

/// What stands around a candidate. May say yes for no reason (names that are further away), never
/// no wrongly.
struct Around<'f, 's, 'd> {
    finder: &'f Finder<'s, 'd>,
    range: Range<usize>,
    named: Option<Answer>,
    hints: OnceCell<RowSet>,
}

impl candidate::Around for Around<'_, '_, '_> {
    fn may_speak_of(&self, row: RowId) -> bool {
        match self.named() {
            Some(glance) => glance.generic || glance.rows.contains(row),
            None if self.is_glued() => false,
            None => self
                .hints
                .get_or_init(|| {
                    context::hints_near(&self.finder.scanner.vocabulary, self.finder.bytes, &self.range)
                })
                .contains(row),
        }
    }
}

impl<'f, 's, 'd> Around<'f, 's, 'd> {
    fn of(finder: &'f mut Finder<'s, 'd>, range: Range<usize>) -> Self {
        Self {
            named: finder.named(range.start),
            finder,
            range,
            hints: OnceCell::new(),
        }
    }

    /// Whether it stands right behind what joins it to something longer, as in a path: then no
    /// word near by speaks of it.
    fn is_glued(&self) -> bool {
        let before = self.range.start.checked_sub(1).map(|at| self.finder.bytes[at]);
        matches!(before, Some(b'/' | b'_' | b'-' | b'='))
    }

    /// Whether a value of so many bits, written as `text`, is too weak to be kept without a name.
    fn is_weak(&self, form: &Form, proof: &Proof, text: &[u8]) -> bool {
        let bits = proof.bits + form.grouping_bits();
        if bits >= 20.0 || self.may_speak_of(form.row) {
            return false;
        }
        let against = self.named().and_then(|glance| glance.against);
        let against: f32 = evidence::against(text, against, None).map(|(bits, _)| bits).sum();
        bits + against < UNNAMED
    }

    /// What the name says, if there is one.
    fn named(&self) -> Option<&Glance> {
        self.named.map(|answer| self.finder.names.glance(answer))
    }

    /// Whether the row can be reported here at all.
    fn allows(&self, row: RowId) -> bool {
        match self.finder.scanner.rows[row.index()].needs {
            Needs::Nothing | Needs::KeyOrSibling => true,
            Needs::Name | Needs::Key | Needs::KeyAndSibling => self.may_speak_of(row),
        }
    }
}

/// What the block before this one ended with.
#[derive(Default)]
struct Carry {
    escape: u64,
    word: u64,
    digit: u64,
}

fn signs(format: Format) -> Signs {
    // Before what a value begins.
    let starts = match format {
        Format::Xml => *b":=>>>>",
        Format::Csv => *b",;\t|\n=",
        Format::Sql => *b"=,(\t\n'",
        _ => *b":=====",
    };
    Signs {
        starts,
        // An escaped `@` in forms.
        rare: if format == Format::Form { *b"*@%" } else { *b"*@@" },
        escape: b'\\',
    }
}

/// Calls `look` for every bit of `mask`.
#[inline]
fn each(mut mask: u64, base: usize, mut look: impl FnMut(usize)) {
    while mask != 0 {
        look(base + mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}
