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
use super::form::Form;
use super::glance::{Glance, Names};
use super::rows::{RowId, RowSet};
use super::scan::{Found, Scanner};
use crate::content::{Document, Format};

/// Finds what passes a check in one document.
pub(super) struct Finder<'s, 'd> {
    scanner: &'s Scanner,
    document: &'d Document<'d>,
    bytes: &'d [u8],
    format: Format,
    names: Names<'d>,
    /// What the columns of a table say, once asked.
    columns: Vec<Option<Glance>>,
    /// End of the word that was looked at last.
    word_end: usize,
    /// End of the value that was looked at last.
    value_end: usize,
    found: Vec<Found>,
}

impl<'s, 'd> Finder<'s, 'd> {
    pub(super) fn new(scanner: &'s Scanner, document: &'d Document<'d>) -> Self {
        Self {
            scanner,
            document,
            bytes: document.bytes,
            format: document.format,
            names: Names::default(),
            columns: Vec::new(),
            word_end: 0,
            value_end: 0,
            found: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<Found> {
        let signs = signs(self.format);
        let mut masks = [Masks::default(); BLOCKS];
        let mut carry = Carry::default();
        let mut at = 0;
        if self.document.overlap == 0 && matches!(self.format, Format::Csv | Format::Text) {
            self.value(0);
        }
        loop {
            let count = self.scanner.classifier.blocks(self.bytes, at, &signs, &mut masks);
            if count == 0 {
                return self.found;
            }
            for masks in &masks[..count] {
                self.block(at, masks, &mut carry);
                at += BLOCK;
            }
        }
    }

    #[inline]
    fn block(&mut self, at: usize, masks: &Masks, carry: &mut Carry) {
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
        each(word_starts, at, |at| {
            if self.scanner.prefixes.may_be_at(self.bytes, at) {
                self.prefix(at);
            }
        });
        each(digit_starts, at, |at| self.digits(at));
        each(masks.starts, at, |at| self.value(at + 1));
        each(masks.rare, at, |at| self.rare(at));
    }

    #[inline(never)]
    fn prefix(&mut self, at: usize) {
        let scanner = self.scanner;
        for (row, verify) in scanner.prefixes.at(self.bytes, at) {
            self.push(*row, verify(&self.place(at)));
        }
    }

    /// The first digit in a row: of a number, or inside of a word.
    #[inline]
    fn digits(&mut self, at: usize) {
        if at < self.word_end {
            return;
        }
        let is_inside = neighbour_before(self.bytes, at).is_some_and(|b| b.is_ascii_alphanumeric());
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
    fn named(&mut self, at: usize) -> Option<Glance> {
        match context::peek(self.bytes, at, self.format) {
            Peek::Name(name) => Some(self.glance(name)),
            Peek::Nothing => None,
            Peek::Elsewhere => Some(self.column(at).unwrap_or(Glance {
                generic: true,
                ..Glance::NOTHING
            })),
        }
    }

    /// What a name says; one that says nothing by itself is read with the object around it.
    fn glance(&self, name: &'d [u8]) -> Glance {
        let vocabulary = &self.scanner.vocabulary;
        let glance = self.names.glance(vocabulary, name, &[]);
        if !glance.generic || self.format != Format::Json {
            return glance;
        }
        let start = name.as_ptr().addr() - self.bytes.as_ptr().addr();
        match context::parent(self.bytes, start) {
            [] => glance,
            parent => {
                let both = self
                    .names
                    .glance(vocabulary, name, parent.strip_suffix(b"s").unwrap_or(parent));
                Glance {
                    rows: both.rows,
                    generic: false,
                }
            }
        }
    }

    /// What the column says that the cell at `at` is in; `None` outside of tables.
    fn column(&mut self, at: usize) -> Option<Glance> {
        if !matches!(self.format, Format::Csv | Format::Sql) {
            return None;
        }
        let fields = self.document.fields;
        let column = fields.column_at(self.bytes, at)?;
        let index = usize::from(column);
        if index >= self.columns.len() {
            self.columns.resize(index + 1, None);
        }
        Some(*self.columns[index].get_or_insert_with(|| {
            let name = fields.column_name(column).unwrap_or_default();
            Glance::of(&self.scanner.vocabulary, name.as_bytes(), &[])
        }))
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

/// What stands around a candidate, found out when first asked.
/// May say yes for no reason (names that are further away), never no wrongly.
struct Around<'f, 's, 'd> {
    finder: &'f Finder<'s, 'd>,
    range: Range<usize>,
    named: Option<Glance>,
    hints: OnceCell<RowSet>,
}

impl candidate::Around for Around<'_, '_, '_> {
    fn may_speak_of(&self, row: RowId) -> bool {
        match &self.named {
            Some(glance) => glance.generic || glance.rows.contains(row),
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
