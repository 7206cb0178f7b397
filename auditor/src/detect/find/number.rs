//! Numbers: digits in one run or in groups.

use std::ops::Range;

use super::{Around, Finder, proved};
use crate::content::Format;
use crate::detect::candidate::{Digits, Joint};
use crate::detect::form::{GROUPS, Shape};
use crate::detect::rows::RowId;
use crate::detect::scan::{Found, LENGTHS};

impl Finder<'_, '_> {
    /// Looks at the number that begins at `at`, alone and with the groups behind it.
    pub(super) fn number(&mut self, at: usize) {
        let first = run(self.bytes, at);
        let behind = self.bytes.get(at + first);
        if behind.is_some_and(u8::is_ascii_alphanumeric) {
            // `12345678Z`: a word that begins with digits.
            self.word(at);
            return;
        }
        let mut shape = Shape::default();
        let (mut joint, mut length, mut start, mut separator) = (Joint::None, first, at, 0);
        for count in 1..=GROUPS {
            if shape.length + length >= LENGTHS || !shape.push(separator, &self.bytes[start..start + length])
            {
                break;
            }
            let end = start + length;
            let next = next_group(self.bytes, end, self.format);
            let is_cut = self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
            if !is_cut {
                let goes_on = next.is_some_and(|(next, _)| shape.length + run(self.bytes, next) <= 15);
                self.digits_at(at..end, &shape, joint, goes_on);
            }
            let Some((next, byte)) = next else {
                break;
            };
            joint = match (joint, byte) {
                (Joint::None, Some(byte)) if count == 1 => Joint::Uniform(byte),
                (Joint::Uniform(known), Some(byte)) if known == byte => joint,
                _ => Joint::Mixed,
            };
            separator = byte.unwrap_or(0);
            (start, length) = (next, run(self.bytes, next));
        }
        self.groups(at);
    }

    /// Asks the rows whether digits are theirs.
    fn digits_at(&mut self, range: Range<usize>, shape: &Shape, joint: Joint, goes_on: bool) {
        let scanner = self.scanner;
        let total = shape.length;
        let (rows, forms) = (&scanner.by_length[total], scanner.forms.numbers(total));
        if rows.is_empty() && forms.is_empty() {
            return;
        }
        let mut found = std::mem::take(&mut self.found);
        let around = Around::of(self, range.clone());
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
        for (row, verify) in rows {
            found.extend(verify(&number(*row)).map(|found| Found::Verified(*row, found)));
        }
        for form in forms.iter().filter(|form| form.fits(shape)) {
            if !around.allows(form.row) {
                continue;
            }
            let Some(proof) = (form.check)(shape.text()) else {
                continue;
            };
            let number = number(form.row);
            let is_cut_out = number.is_inside_more() || number.is_in_series() || number.is_in_uuid();
            if is_cut_out || shape.text().iter().all(|b| *b == shape.text[0]) {
                continue;
            }
            let joined = number.is_joined_to_word();
            found.push(Found::Verified(
                form.row,
                proved(range.clone(), form, proof, joined),
            ));
        }
        self.found = found;
    }
}

/// Digits at `at`, at most [`LENGTHS`].
fn run(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .take(LENGTHS)
        .take_while(|b| b.is_ascii_digit())
        .count()
}

/// Where the next group of a number begins, and the separator when it is a single byte.
fn next_group(bytes: &[u8], end: usize, format: Format) -> Option<(usize, Option<u8>)> {
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
