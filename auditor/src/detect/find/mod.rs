//! The first pass: candidates by block masks, values by their checks.
//!
//! Goes in: the bytes of a document. Comes out: what passed a check, and protected values whose
//! name may tell their kind. Each place that is looked at costs a bounded number of bytes around
//! it, and no place is looked at twice for the same reason.

mod around;
mod glimpse;
mod name;
mod number;
mod stars;
mod value;
mod word;

use std::ops::Range;

use super::block::{Chunk, Signs};
use super::candidate::{Match, Place, Proof, neighbour_before};
use super::form::{Form, Shape};
use super::glance::{ANSWERS, Answer, Names};
use super::rows::{RowId, RowSet};
use super::scan::{Found, PrefixJudge, Scanner};
use crate::content::{Document, Format};
use around::{Around, is_glued};
pub(super) use glimpse::Interest;
use glimpse::Joints;

/// What stands before the path of a field of protocol buffers.
const PATH: u8 = 0x1e;

/// How far back a word is followed where the masks do not tell.
const BACK: usize = 64;

/// Candidates that are kept before those in front are judged: more would only take room.
const BATCH: usize = 4096;

/// How far behind the start of a value the sign of it may stand, bytes.
const SIGN: usize = 8 * 1024;

/// Finds what passes a check in one document.
pub(super) struct Finder<'s, 'd> {
    scanner: &'s Scanner,
    document: &'d Document<'d>,
    bytes: &'d [u8],
    format: Format,
    joints: &'static Joints,
    names: Box<Names>,
    /// The part that is looked at.
    chunk: Box<Chunk>,
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
            joints: Joints::in_format(document.format),
            chunk: names.chunk.take().unwrap_or_else(Chunk::new),
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

    /// Hands on what was found, and before which place nothing more will be; at the end all that is
    /// left, in no order.
    pub(super) fn run(mut self, mut judge: impl FnMut(&mut Vec<Found>, usize)) {
        let scanner = self.scanner;
        for (row, own) in scanner.own.iter().filter(|(_, own)| own.slow) {
            own.everywhere(self.bytes, |found| self.found.push(Found::Verified(*row, found)));
        }
        let signs = signs(self.format);
        if self.document.overlap == 0 && matches!(self.format, Format::Csv | Format::Text) {
            self.value(0);
        }
        self.chunk.restart();
        let is_json = self.format == Format::Json;
        while scanner
            .classifier
            .advance(&mut self.chunk, self.bytes, &signs, &scanner.heads, is_json)
        {
            scanner.classifier.with_bits(|| self.look());
            // What is kept for a sibling is found at the end and may lie before all else.
            if self.found.len() >= BATCH && self.weak.is_empty() {
                judge(&mut self.found, self.chunk.start().saturating_sub(SIGN));
            }
        }
        judge(&mut self.end(), usize::MAX);
    }

    /// Looks at the places of a chunk.
    #[inline(always)]
    fn look(&mut self) {
        let start = self.chunk.start();
        self.prefixes(start);
        self.names(start);
        self.values_and_words(start);
        for n in 0..self.chunk.rare.len() {
            self.rare(start + self.chunk.rare.get(n));
        }
    }

    /// Looks at values and at words with digits. Where the names of values are columns, in the order in
    /// which they stand: who is asked for columns walks through the text and does not go back well.
    #[inline(always)]
    fn values_and_words(&mut self, start: usize) {
        let is_table = matches!(self.format, Format::Csv | Format::Sql);
        let mut word = 0;
        for n in 0..self.chunk.starts.len() {
            let sign = self.chunk.starts.get(n);
            if is_table {
                word = self.words(start, word, sign + 1);
            }
            self.value(start + sign + 1);
        }
        self.words(start, word, usize::MAX);
    }

    /// Looks at words with digits, from the one of number `word` on, that have their first digit before
    /// `end`; returns the number of the next.
    #[inline(always)]
    fn words(&mut self, start: usize, mut word: usize, end: usize) -> usize {
        while word < self.chunk.digit_words.len() && self.chunk.digit_words.get(word) < end {
            let at = start + self.chunk.digit_words.get(word);
            if at >= self.word_end && !self.is_plain(at) {
                self.digit_word(at);
            }
            word += 1;
        }
        word
    }

    /// Looks where words begin for what secrets begin with.
    #[inline(always)]
    fn prefixes(&mut self, start: usize) {
        let (scanner, text) = (self.scanner, &self.bytes[start..]);
        let list = &mut self.chunk.word_starts;
        list.retain(|at| scanner.prefixes.may_be_at(text, at));
        for n in 0..self.chunk.word_starts.len() {
            let at = start + self.chunk.word_starts.get(n);
            if scanner.prefixes.goes_on_at(self.bytes, at) {
                self.prefix(at);
            }
        }
    }

    /// Looks at the values that stand behind names in JSON. Most names are of nothing.
    #[inline(always)]
    fn names(&mut self, start: usize) {
        for n in 0..self.chunk.colons.len() {
            let colon = start + self.chunk.colons.get(n);
            let Some(name) = self.chunk.name_before(colon) else {
                self.value(colon + 1);
                continue;
            };
            let answer = self.answer(name.clone());
            if answer.is_of_any() || self.may_be_placeholder_behind(colon + 1) {
                self.named_value(self.behind_spaces(colon + 1), &self.bytes[name]);
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
        self.names.chunk = Some(self.chunk);
        self.names.keep();
        self.found
    }

    /// Where the word begins that holds the byte before `at`, or `at` when there is none.
    #[inline]
    fn word_start(&self, at: usize) -> usize {
        if let Some(letters) = self.chunk.word_before(at) {
            return at - letters;
        }
        let letters = |b: &&u8| b.is_ascii_alphanumeric();
        let before = &self.bytes[at.saturating_sub(BACK)..at];
        let start = at - before.iter().rev().take_while(letters).count();
        // The first letter may belong to an escape.
        let escaped = start > 0
            && start < at
            && self.bytes[start - 1] == b'\\'
            && matches!(self.bytes[start], b'n' | b't' | b'r');
        start + usize::from(escaped)
    }

    /// Where the word ends that begins at `at` or holds it.
    #[inline]
    fn word_end(&self, at: usize) -> usize {
        if let Some(letters) = self.chunk.word_ahead(at) {
            return at + letters;
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
        match self.chunk.ahead(word.start) {
            Some((_, digits)) => digits & all,
            None => self.bytes[word.clone()]
                .iter()
                .take(63)
                .enumerate()
                .fold(0, |places, (n, b)| places | u64::from(b.is_ascii_digit()) << n),
        }
    }

    /// The name in JSON that stands before a colon at `colon`.
    #[inline]
    fn json_name(&self, colon: usize) -> Option<Range<usize>> {
        let is_quoted = colon.checked_sub(1).is_some_and(|end| self.bytes[end] == b'"');
        is_quoted.then(|| self.chunk.name_before(colon)).flatten()
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
