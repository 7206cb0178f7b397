//! Numbers: digits in one run or in groups.

use std::ops::Range;

use super::{Around, Finder, is_glued, proved};
use crate::content::Format;
use crate::detect::candidate::{Digits, Joint};
use crate::detect::context;
use crate::detect::form::{Form, GROUPS, Shape};
use crate::detect::glance::Answer;
use crate::detect::rows::RowId;
use crate::detect::scan::{AsksDigits, Found, LENGTHS};

impl Finder<'_, '_> {
    /// Digits at `at`, at most [`LENGTHS`].
    #[inline]
    pub(super) fn digits_from(&self, at: usize) -> usize {
        match self.chunk.digits_ahead(at) {
            Some(digits) => digits.min(LENGTHS),
            None => {
                let digits = self.bytes[at..].iter().take(LENGTHS);
                digits.take_while(|b| b.is_ascii_digit()).count()
            }
        }
    }

    /// Passes over a date, and a time of day behind it (ISO 8601): no number that anything asks for
    /// is written so.
    #[inline]
    pub(super) fn skip_time(&mut self, at: usize) -> bool {
        let [
            _,
            _,
            _,
            _,
            b'-',
            b'0'..=b'1',
            b'0'..=b'9',
            b'-',
            b'0'..=b'3',
            b'0'..=b'9',
            rest @ ..,
        ] = &self.bytes[at..]
        else {
            return false;
        };
        if rest.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-') {
            return false;
        }
        let is_of_time = |b: &&u8| b.is_ascii_digit() | matches!(**b, b'T' | b':' | b'.' | b'Z' | b'+');
        let time = rest.iter().take(24).take_while(is_of_time).count();
        self.word_end = at + 10 + time;
        true
    }

    #[inline(never)]
    pub(super) fn lone_number(&mut self, at: usize, end: usize) {
        let named = self.named(at);
        if !self.scanner.interest.bare[end - at] && !self.is_signed(at) {
            let says_nothing = match named {
                Some(answer) => {
                    let glance = self.names.glance(answer);
                    !glance.generic && !glance.rows.meets(&self.scanner.interest.rows[end - at])
                }
                None => {
                    is_glued(self.bytes, at)
                        || !context::hints_near(&self.scanner.vocabulary, self.bytes, &(at..end))
                            .meets(&self.scanner.interest.rows[end - at])
                }
            };
            if says_nothing {
                return;
            }
        }
        let mut shape = Shape::default();
        shape.push(0, &self.bytes[at..end]);
        self.digits_at(at..end, named, &shape, Joint::None, false);
    }

    /// Whether a plus sign may stand before a number, and a parenthesis behind that.
    fn is_signed(&self, at: usize) -> bool {
        at.checked_sub(1)
            .is_some_and(|before| matches!(self.bytes[before], b'+' | b'('))
    }

    #[inline(never)]
    pub(super) fn joined_number(&mut self, at: usize, first: usize) {
        let mut shape = Shape::default();
        let (mut joint, mut length, mut start, mut separator) = (Joint::None, first, at, 0);
        let mut named = None;
        for count in 1..=GROUPS {
            if shape.length + length >= LENGTHS || !shape.push(separator, &self.bytes[start..start + length])
            {
                return;
            }
            let end = start + length;
            let next = next_group(self.bytes, end, self.format);
            let is_cut = self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
            if !is_cut {
                let goes_on = next.is_some_and(|(next, _)| shape.length + self.digits_from(next) <= 15);
                if self.scanner.interest.in_groups(shape.length) {
                    let said = *named.get_or_insert_with(|| self.named(at));
                    self.digits_at(at..end, said, &shape, joint, goes_on);
                }
            }
            let Some((next, byte)) = next else {
                return;
            };
            joint = match (joint, byte) {
                (Joint::None, Some(byte)) if count == 1 => Joint::Uniform(byte),
                (Joint::Uniform(known), Some(byte)) if known == byte => joint,
                _ => Joint::Mixed,
            };
            separator = byte.unwrap_or(0);
            (start, length) = (next, self.digits_from(next));
        }
    }

    /// Asks the rows whether digits are theirs.
    fn digits_at(
        &mut self,
        range: Range<usize>,
        named: Option<Answer>,
        shape: &Shape,
        joint: Joint,
        goes_on: bool,
    ) {
        let scanner = self.scanner;
        let total = shape.length;
        let rows = &scanner.by_length[total];
        let is_signed = self.is_signed(range.start);
        let mut found = std::mem::take(&mut self.found);
        let mut weak = std::mem::take(&mut self.weak);
        let around = Around::named_so(self, range.clone(), named);
        let number = |row: RowId| Digits {
            bytes: around.finder.bytes,
            range: range.clone(),
            digits: shape.text(),
            groups: &shape.groups[..shape.count],
            joint,
            goes_on,
            around: &around,
            row,
        };
        let says_no = |row: RowId| {
            let named = around.named().filter(|glance| !glance.generic);
            named.is_some_and(|glance| !glance.rows.contains(row)) && joint == Joint::None && !is_signed
        };
        for AsksDigits { row, bare, verify } in rows {
            if !bare && says_no(*row) {
                continue;
            }
            found.extend(verify(&number(*row)).map(|found| Found::Verified(*row, found)));
        }
        let mut ask = |form: &Form| {
            let Some(proof) = (form.check)(shape.text()) else {
                return;
            };
            let number = number(form.row);
            let is_cut_out = number.is_inside_more()
                || number.lacks_last_letter()
                || number.is_in_series()
                || number.is_in_uuid();
            if is_cut_out || shape.text().iter().all(|b| *b == shape.text[0]) || !around.allows(form.row) {
                return;
            }
            if around.is_weak(form, &proof, &around.finder.bytes[range.clone()]) {
                weak.push((*form, range.clone()));
                return;
            }
            let joined = number.is_joined_to_word();
            found.push(Found::Verified(
                form.row,
                proved(range.clone(), form, proof, joined),
            ));
        };
        if joint != Joint::None {
            let fitting = |form: &&Form| form.fits(shape);
            scanner.forms.grouped(total).iter().filter(fitting).for_each(ask);
        } else {
            scanner.forms.numbers(total, true).iter().for_each(&mut ask);
            let needing = scanner.forms.numbers(total, false).iter();
            match around.named() {
                Some(glance) if !glance.generic => {
                    needing
                        .filter(|form| glance.rows.contains(form.row))
                        .for_each(ask);
                }
                _ => needing.for_each(ask),
            }
        }
        (self.found, self.weak) = (found, weak);
    }
}

/// Where the next group of a number begins, and the separator when it is a single byte.
#[inline]
pub(super) fn next_group(bytes: &[u8], end: usize, format: Format) -> Option<(usize, Option<u8>)> {
    let joins =
        |b: u8| matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'/') || (b == b'+' && format == Format::Form);
    let first = *bytes.get(end).filter(|b| joins(**b))?;
    match *bytes.get(end + 1)? {
        b'0'..=b'9' => Some((end + 1, Some(first))),
        second if joins(second) && matches!((first, second), (b')', b' ' | b'-') | (b' ' | b'-', b'(')) => {
            bytes
                .get(end + 2)
                .is_some_and(u8::is_ascii_digit)
                .then_some((end + 2, None))
        }
        _ => None,
    }
}
