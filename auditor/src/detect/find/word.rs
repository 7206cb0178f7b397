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
const BACK: usize = 64;

impl Finder<'_, '_> {
    /// Looks at the word around the digit at `at`, the first of its digits, once.
    pub(super) fn word(&mut self, at: usize) {
        let bytes = self.bytes;
        let letters = bytes[at.saturating_sub(BACK)..at]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        let start = behind_escape(bytes, at - letters, at);
        let end = at + alphanumerics(&bytes[at..]);
        self.word_end = end;
        if letters == BACK {
            return;
        }
        let word = start..end;
        self.country(&word);
        self.whole_word(&word);
        self.place_in_word(&word);
        self.groups(at);
    }

    /// Forms of one group.
    fn whole_word(&mut self, word: &Range<usize>) {
        let scanner = self.scanner;
        let forms = scanner.forms.words(word.len());
        let mut shape = Shape::default();
        if forms.is_empty() || !shape.push(0, &self.bytes[word.clone()]) {
            return;
        }
        self.forms_at(word, &shape, forms);
    }

    /// Rows that judge words by their length and first byte.
    fn place_in_word(&mut self, word: &Range<usize>) {
        let scanner = self.scanner;
        for (row, trigger) in &scanner.by_word {
            if trigger.lengths.contains(&word.len()) && trigger.first.contains(&self.bytes[word.start]) {
                self.push(*row, (trigger.verify)(&self.place(word.start)));
            }
        }
    }

    /// Two letters of a country and two digits at the start of a word.
    fn country(&mut self, word: &Range<usize>) {
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

    /// Forms of several groups with letters, around the first digit at `at`.
    pub(super) fn groups(&mut self, at: usize) {
        let bytes = self.bytes;
        let letters = bytes[at.saturating_sub(BACK)..at]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        let mut start = behind_escape(bytes, at - letters, at);
        self.groups_from(start);
        // Groups of letters alone may stand before: `AB 12 34 56 C`.
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
    fn groups_from(&mut self, start: usize) {
        let scanner = self.scanner;
        let bytes = self.bytes;
        let first = alphanumerics(&bytes[start..bytes.len().min(start + 20)]);
        let forms = scanner.forms.beginning_with(&bytes[start..start + first]);
        if forms.is_empty() {
            return;
        }
        let mut shape = Shape::default();
        let (mut at, mut length, mut separator) = (start, first, 0);
        while shape.push(separator, &bytes[at..at + length]) {
            let end = at + length;
            if shape.count > 1 {
                self.forms_at(&(start..end), &shape, forms);
            }
            separator = match bytes.get(end) {
                Some(b'+') if self.format == Format::Form => b' ',
                Some(byte) if joins(*byte, self.format) => *byte,
                _ => return,
            };
            at = end + 1;
            length = alphanumerics(&bytes[at..bytes.len().min(at + LONGEST + 1)]);
        }
    }

    fn forms_at(&mut self, range: &Range<usize>, shape: &Shape, forms: &[Form]) {
        let bytes = self.bytes;
        for form in forms.iter().filter(|form| form.fits(shape)) {
            if is_inside_more(bytes, range) {
                return;
            }
            let around = Around::of(self, range.clone());
            if !around.allows(form.row) {
                continue;
            }
            let named = around.may_speak_of(form.row);
            let Some(proof) = (form.check)(shape.text()) else {
                continue;
            };
            let joined = is_joined(bytes, range);
            let mut found = proved(range.clone(), form, proof, joined);
            if !named && has_both_cases(&bytes[range.clone()]) {
                found = found.because(-6.0, "mixes upper and lower case as no such number does");
            }
            self.found.push(Found::Verified(form.row, found));
        }
    }
}

/// Letters and digits at the start of `bytes`.
fn alphanumerics(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_alphanumeric()).count()
}

/// Where a word begins that seems to begin at `start`, when its first letter belongs to an escape.
fn behind_escape(bytes: &[u8], start: usize, at: usize) -> usize {
    let escaped =
        start < at && start > 0 && bytes[start - 1] == b'\\' && matches!(bytes[start], b'n' | b't' | b'r');
    start + usize::from(escaped)
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
