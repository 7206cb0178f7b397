//! Words of letters and digits, alone and in groups: identifiers with letters, account numbers,
//! addresses of ledgers.

use std::ops::Range;

use super::{Around, Finder, proved};
use crate::content::Format;
use crate::detect::candidate::{Around as _, beside_mask, neighbour_before};
use crate::detect::form::{Form, LONGEST, Shape};
use crate::detect::scan::Found;
use crate::detect::verify::iban;

/// Bytes of a word before a digit of it that are looked at; what is longer is no identifier.
pub(super) const BACK: usize = 64;

impl Finder<'_, '_> {
    /// Forms of one group.
    #[inline]
    pub(super) fn whole_word(&mut self, word: &Range<usize>, digits: u64) {
        let scanner = self.scanner;
        let mut forms = scanner.forms.words(word.len(), digits).peekable();
        if forms.peek().is_some() {
            let mut shape = Shape::default();
            if shape.push(0, &self.bytes[word.clone()]) {
                self.forms_at(word, &shape, forms);
            }
        }
    }

    /// Rows that judge words by their length and first byte.
    #[inline(never)]
    pub(super) fn place_in_word(&mut self, word: &Range<usize>) {
        let scanner = self.scanner;
        for (row, trigger) in &scanner.by_word {
            if trigger.lengths.contains(&word.len()) && trigger.first.contains(&self.bytes[word.start]) {
                self.push(*row, (trigger.verify)(&self.place(word.start)));
            }
        }
    }

    /// Two letters of a country and two digits at the start of a word.
    #[inline(never)]
    pub(super) fn country(&mut self, word: &Range<usize>) {
        let scanner = self.scanner;
        let [first, second, b'0'..=b'9', b'0'..=b'9', ..] = self.bytes[word.clone()] else {
            return;
        };
        if !first.is_ascii_alphabetic() || !iban::is_country(first, second) {
            return;
        }
        for (row, verify) in &scanner.by_country {
            self.push(*row, verify(&self.place(word.start)));
        }
    }

    /// Groups of letters alone may stand before a word: `AB 12 34 56 C`.
    #[inline(never)]
    pub(super) fn groups_before(&mut self, mut start: usize) {
        let bytes = self.bytes;
        for _ in 0..2 {
            let Some(end) = start.checked_sub(1).filter(|end| joins(bytes[*end], self.format)) else {
                return;
            };
            let letters = bytes[..end]
                .iter()
                .rev()
                .take(8)
                .take_while(|b| b.is_ascii_alphabetic())
                .count();
            if letters == 0 || letters == 8 {
                return;
            }
            start = end - letters;
            if neighbour_before(bytes, start).is_some_and(|b| b.is_ascii_alphanumeric()) {
                return;
            }
            self.groups_from(start);
        }
    }

    /// Forms of several groups, the first of which begins at `start`.
    #[inline(never)]
    pub(super) fn groups_from(&mut self, start: usize) {
        let scanner = self.scanner;
        let end = self.word_end(start);
        let first = end - start;
        let Some(separator) = self.separator(end).filter(|_| first <= LONGEST) else {
            return;
        };
        let forms = scanner.forms.beginning_with(first, self.digits_of(&(start..end)));
        if forms.is_empty() {
            return;
        }
        let second = (end + 1).min(self.bytes.len());
        let end = self.word_end(second);
        let length = end - second;
        let joint = self.separator(end).unwrap_or(0);
        let third = self
            .word_end((end + 1).min(self.bytes.len()))
            .saturating_sub(end + 1);
        let goes_on = |form: &Form| form.goes_on_with([separator, joint], [length, third]);
        if forms.iter().any(goes_on) {
            self.groups_like(start, first, forms);
        }
    }

    #[inline(never)]
    fn groups_like(&mut self, start: usize, first: usize, forms: &[Form]) {
        let bytes = self.bytes;
        let mut shape = Shape::default();
        let (mut at, mut length, mut separator) = (start, first, 0);
        while shape.push(separator, &bytes[at..at + length]) {
            let end = at + length;
            if !forms.iter().any(|form| form.begins_like(&shape)) {
                return;
            }
            if shape.count > 1 {
                self.forms_at(&(start..end), &shape, forms.iter());
            }
            let Some(next) = self.separator(end) else {
                return;
            };
            separator = next;
            at = end + 1;
            length = alphanumerics(&bytes[at.min(bytes.len())..bytes.len().min(at + LONGEST + 1)]);
        }
    }

    /// The separator at `at`, if one stands there.
    #[inline]
    pub(super) fn separator(&self, at: usize) -> Option<u8> {
        match *self.bytes.get(at)? {
            b'+' if self.format == Format::Form => Some(b' '),
            byte => joins(byte, self.format).then_some(byte),
        }
    }

    fn forms_at<'f>(&mut self, range: &Range<usize>, shape: &Shape, forms: impl Iterator<Item = &'f Form>) {
        let bytes = self.bytes;
        for form in forms.filter(|form| form.fits(shape)) {
            let Some(proof) = (form.check)(shape.text()) else {
                continue;
            };
            if is_inside_more(bytes, range) {
                return;
            }
            let around = Around::of(self, range.clone());
            if !around.allows(form.row) {
                continue;
            }
            if around.is_weak(form, &proof, &bytes[range.clone()]) {
                self.weak.push((*form, range.clone()));
                continue;
            }
            let named = around.may_speak_of(form.row);
            let joined = is_joined(bytes, range);
            let mut found = proved(range.clone(), form, proof, joined);
            if !named && has_both_cases(&bytes[range.clone()]) {
                found = found.because(-6.0, "mixes upper and lower case as no such number does");
            }
            self.found.push(Found::Verified(form.row, found));
        }
    }
}

/// Bytes of a UUID as text.
pub(super) const UUID: usize = 36;

/// Whether a UUID (RFC 9562) begins at `at`, where letters and digits stand where a UUID has them.
pub(super) fn is_uuid(bytes: &[u8], at: usize) -> bool {
    let Some(text) = bytes.get(at..).and_then(<[u8]>::first_chunk::<UUID>) else {
        return false;
    };
    // Eight bytes at a time: none is behind `f`; digits and dashes are before it.
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let beyond = [0, 8, 16, 24, 28].into_iter().fold(0, |beyond, part| {
        let eight = text[part..]
            .first_chunk()
            .map_or(u64::MAX, |eight| u64::from_le_bytes(*eight));
        let lower = eight | (0x20 * EACH);
        beyond | eight | (lower & !(0x80 * EACH)).wrapping_add((0x80 - u64::from(b'g')) * EACH)
    });
    beyond & (0x80 * EACH) == 0 && [8, 13, 18, 23].iter().all(|dash| text[*dash] == b'-')
}

/// Letters and digits at the start of `bytes`.
fn alphanumerics(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_alphanumeric()).count()
}

fn joins(byte: u8, format: Format) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')') || (byte == b'+' && format == Format::Form)
}

fn has_both_cases(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase)
}

/// Whether what stands at `range` is cut out of something longer: base 64, a name of a host or a
/// pod, a UUID.
fn is_inside_more(bytes: &[u8], range: &Range<usize>) -> bool {
    let is_word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    let joins = |b: u8| matches!(b, b'-' | b'_' | b'.' | b'+' | b'@');
    let before = neighbour_before(bytes, range.start);
    let left = before.is_some_and(|b| joins(b) || b == b'=') && is_word(range.start.checked_sub(2));
    // `key=ABC` and `Bearer=` join nothing.
    let left = left && before != Some(b'=');
    let right = bytes.get(range.end).is_some_and(|b| joins(*b)) && is_word(Some(range.end + 1));
    let slashes = before == Some(b'/') && bytes.get(range.end) == Some(&b'/');
    let masked = beside_mask(bytes, range.clone());
    left || right || slashes || masked || bytes.get(range.end..range.end + 2) == Some(b"==")
}

fn is_joined(bytes: &[u8], range: &Range<usize>) -> bool {
    neighbour_before(bytes, range.start).is_some_and(|b| matches!(b, b'-' | b'_' | b'/' | b'#'))
}
