//! The first pass: candidates by block masks, values by their verifiers.
//!
//! Goes in: the bytes of a document. Comes out: what passed a verifier, and protected values whose
//! name may tell their kind. Each trigger looks at a bounded number of bytes around it.

use std::ops::Range;

use super::block::{self, BLOCK};
use super::candidate::{Digits, Joint, Match, Place, neighbour_before};
use super::catalogue::{self, DetectorInfo};
use super::context::{self, Peek};
use super::glance::Names;
use super::mask::Mask;
use super::scan::{Found, LENGTHS, Scanner};
use super::verify::iban;
use super::{State, state};
use crate::content::{Document, Format};

/// Groups of a number that are joined at most.
const GROUPS: usize = 8;

pub(super) struct Finder<'s, 'd> {
    scanner: &'s Scanner,
    bytes: &'d [u8],
    format: Format,
    /// The bytes are the first of their content.
    at_start: bool,
    names: Names<'d>,
    found: Vec<Found>,
}

impl<'s, 'd> Finder<'s, 'd> {
    pub(super) fn new(scanner: &'s Scanner, document: &Document<'d>) -> Self {
        Self {
            scanner,
            bytes: document.bytes,
            format: document.format,
            at_start: document.overlap == 0,
            names: Names::default(),
            found: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<Found> {
        self.prefixes();
        self.signs();
        self.blocks();
        self.found
    }

    fn prefixes(&mut self) {
        let Some(prefixes) = &self.scanner.prefixes else {
            return;
        };
        for hit in prefixes.find_iter(self.bytes) {
            let (row, verify) = self.scanner.by_prefix[hit.pattern().as_usize()];
            let place = Place {
                bytes: self.bytes,
                at: hit.start(),
                format: self.format,
            };
            self.push(row, verify(&place));
        }
    }

    /// Signs that are rare in clean text.
    fn signs(&mut self) {
        let bytes = self.bytes;
        // An escaped `@`.
        let escape = if self.format == Format::Form { b'%' } else { b'@' };
        for at in memchr::memchr3_iter(b'*', b'@', escape, bytes) {
            match bytes[at] {
                b'*' if at > 0 && bytes[at - 1] == b'*' => {}
                b'*' => self.stars(at),
                _ => self.sign(at),
            }
        }
    }

    fn blocks(&mut self) {
        // Before what a value begins, beside `:` and `=`.
        let (third, fourth) = match self.format {
            Format::Xml => (Some(b'>'), None),
            Format::Csv => (Some(b','), Some(b'\n')),
            Format::Sql => (Some(b'\''), Some(b'(')),
            _ => (None, None),
        };
        let mut digit_before = 0;
        for at in (0..self.bytes.len()).step_by(BLOCK) {
            let block = block::load(self.bytes, at);
            let digits = block::digits(&block);
            let mut starts = block::either(&block, b':', b'=');
            for byte in [third, fourth].into_iter().flatten() {
                starts |= block::equal(&block, byte);
            }
            each(digits & !(digits << 1 | digit_before), at, |at| self.number(at));
            each(starts, at, |at| self.value(at + 1));
            digit_before = digits >> 63;
        }
        if self.at_start && matches!(self.format, Format::Csv | Format::Text) {
            self.value(0);
        }
    }

    fn push(&mut self, row: &'static DetectorInfo, found: Option<Match>) {
        self.found.extend(found.map(|found| Found::Verified(row, found)));
    }

    fn sign(&mut self, at: usize) {
        if self.bytes[at] == b'%' && !self.bytes[at..].starts_with(b"%40") {
            return;
        }
        for (row, verify) in &self.scanner.by_at {
            let place = Place {
                bytes: self.bytes,
                at,
                format: self.format,
            };
            self.push(row, verify(&place));
        }
    }

    /// Looks at a word of which the first digit is at `at` and two letters before are a country.
    fn country(&mut self, at: usize) {
        let bytes = self.bytes;
        let Some(start) = at
            .checked_sub(2)
            .filter(|start| bytes[*start].is_ascii_alphabetic())
        else {
            return;
        };
        let is_word = !neighbour_before(bytes, start).is_some_and(|b| b.is_ascii_alphanumeric());
        if !is_word
            || !bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
            || !iban::is_country(bytes[start], bytes[at - 1])
        {
            return;
        }
        for (row, verify) in &self.scanner.by_country {
            let place = Place {
                bytes,
                at: start,
                format: self.format,
            };
            self.push(row, verify(&place));
        }
    }

    /// Looks at the number that begins at `at`, alone and with the groups behind it.
    fn number(&mut self, at: usize) {
        // A number inside of a word is none, however it ends.
        if neighbour_before(self.bytes, at).is_some_and(|b| b.is_ascii_alphanumeric()) {
            self.country(at);
            return;
        }
        let first = run(self.bytes, at);
        let mut digits = [0u8; LENGTHS];
        let mut groups = [0u8; GROUPS];
        let (mut total, mut joint, mut length, mut start) = (0, Joint::None, first, at);
        for count in 1..=GROUPS {
            if total + length >= LENGTHS {
                return;
            }
            let end = start + length;
            let next = next_group(self.bytes, end, self.format);
            if next.is_none() && self.scanner.by_length[total + length].is_empty() {
                return;
            }
            digits[total..total + length].copy_from_slice(&self.bytes[start..start + length]);
            groups[count - 1] = length as u8;
            total += length;
            let is_cut = self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
            if !is_cut && !self.scanner.by_length[total].is_empty() {
                let goes_on = next.is_some_and(|(next, _)| total + run(self.bytes, next) <= 15);
                let (bytes, format) = (self.bytes, self.format);
                let (digits, groups) = (&digits[..total], &groups[..count]);
                let names = &self.names;
                let named = |row: &DetectorInfo| context::may_be_named(bytes, &(at..end), format, names, row);
                let number = Digits {
                    bytes,
                    range: at..end,
                    digits,
                    groups,
                    joint,
                    goes_on,
                    named: &named,
                };
                for (row, verify) in &self.scanner.by_length[total] {
                    self.found
                        .extend(verify(&number).map(|found| Found::Verified(row, found)));
                }
            }
            let Some((next, separator)) = next else {
                return;
            };
            joint = match (joint, separator) {
                (Joint::None, Some(byte)) if count == 1 => Joint::Uniform(byte),
                (Joint::Uniform(known), Some(byte)) if known == byte => joint,
                _ => Joint::Mixed,
            };
            (start, length) = (next, run(self.bytes, next));
        }
    }

    /// Looks at the value that begins behind `at`, when it looks protected.
    fn value(&mut self, at: usize) {
        let bytes = self.bytes;
        let mut start = at;
        while start < at + 2 && matches!(bytes.get(start), Some(b' ' | b'\t')) {
            start += 1;
        }
        let escaped =
            usize::from(bytes.get(start) == Some(&b'\\') && matches!(bytes.get(start + 1), Some(b'"')));
        let quote = bytes
            .get(start + escaped)
            .copied()
            .filter(|b| matches!(b, b'"' | b'\''));
        if quote.is_some() {
            start += 1 + escaped;
        }
        let Some(rest) = bytes.get(start..) else {
            return;
        };
        if !state::may_be_protected(&rest[..rest.len().min(BLOCK)]) {
            return;
        }
        let rest = &rest[..rest.len().min(state::LONGEST)];
        let end = start + value_length(rest, quote, self.format);
        if self.format == Format::Xml && bytes[start] == b'<' {
            return;
        }
        let named = match context::peek(bytes, start, self.format) {
            Peek::Elsewhere => true,
            Peek::Name(name) => {
                self.names.glance(name).is_of_any() || state::placeholder_name(&bytes[start..end]).is_some()
            }
            Peek::Nothing => at == 0,
        };
        if !named {
            return;
        }
        if let Some(value) = state::of(&bytes[start..end]) {
            self.found.push(Found::Protected(start..end, value));
        }
    }

    /// Looks at a mask run anywhere in text: its shape, or a word near by, may tell its kind.
    fn stars(&mut self, at: usize) {
        let bytes = self.bytes;
        if at >= 2 && matches!(bytes[at - 1], b' ' | b'-') && bytes[at - 2] == b'*' {
            return;
        }
        let range = masked_range(bytes, at);
        if bytes.get(range.end) == Some(&b'@') {
            return;
        }
        let Some(mask) = Mask::read(&bytes[range.clone()]) else {
            return;
        };
        if mask.tail < 2 || mask.hidden < 3 {
            return;
        }
        if let Some((id, bits, reason)) = shape(&mask) {
            if let Some(row) = catalogue::find(id) {
                self.push_masked(row, range, &mask, bits, reason);
            }
            return;
        }
        for row in catalogue::all().iter().copied() {
            if context::word_near(bytes, &range, row).is_some() {
                self.push_masked(row, range.clone(), &mask, 3.0, "is a mask run with a clear end");
            }
        }
    }

    fn push_masked(
        &mut self,
        row: &'static DetectorInfo,
        range: Range<usize>,
        mask: &Mask,
        bits: f32,
        reason: &str,
    ) {
        let keeps = mask.keeps(row.convention);
        let mut found =
            Match::new(range, if keeps { State::Masked } else { State::Clear }).because(bits, reason);
        found.under_masked = !keeps;
        self.push(row, Some(found));
    }
}

/// Kinds that a mask's shape alone tells.
fn shape(mask: &Mask) -> Option<(&'static str, f32, &'static str)> {
    let Mask {
        head,
        hidden,
        middle,
        tail,
        digits,
        country,
        ..
    } = *mask;
    if mask.groups[..4] == [3, 2, 4, 0] && digits && tail <= 4 {
        return Some(("us_ssn", 7.0, "is a mask of the form 3-2-4"));
    }
    if digits && middle == 0 && (13..=19).contains(&mask.total()) && tail == 4 && hidden >= 3 {
        return match head {
            0 if hidden >= 8 => Some((
                "payment_card",
                7.0,
                "is a mask of a card's length with four clear digits",
            )),
            4..=12 => Some((
                "payment_card",
                9.0,
                "keeps the beginning and end of a card number",
            )),
            _ => None,
        };
    }
    (country && hidden >= 8 && (15..=34).contains(&mask.total())).then_some((
        "iban",
        8.0,
        "keeps the country and end of an IBAN",
    ))
}

/// Calls `look` for every bit of `mask`.
#[inline]
fn each(mut mask: u64, base: usize, mut look: impl FnMut(usize)) {
    while mask != 0 {
        look(base + mask.trailing_zeros() as usize);
        mask &= mask - 1;
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

/// Bytes of the value at the start of `rest`.
fn value_length(rest: &[u8], quote: Option<u8>, format: Format) -> usize {
    if let Some(quote) = quote {
        let end = rest.iter().position(|b| *b == quote).unwrap_or(rest.len());
        return if end > 0 && rest[end - 1] == b'\\' {
            end - 1
        } else {
            end
        };
    }
    let brackets = matches!(rest.first(), Some(b'[' | b'{' | b'<' | b'$'));
    let ends = |at: usize| match rest[at] {
        b'\n' | b'\r' | b'"' => true,
        b'&' => format != Format::Xml,
        b'<' => at > 0,
        b',' | b';' => !rest.starts_with(b"$argon2"),
        b'}' | b']' => format == Format::Json || !brackets,
        b' ' | b'\t' => rest
            .get(at + 1)
            .is_some_and(|b| b.is_ascii_alphabetic() && !matches!(b, b'x' | b'X')),
        _ => false,
    };
    (0..rest.len()).find(|&at| ends(at)).unwrap_or(rest.len())
}

/// The masked value around a star at `at`: digits, stars and separators, a country in front.
fn masked_range(bytes: &[u8], at: usize) -> Range<usize> {
    let mut start = at;
    while start > 0 && at - start < 24 {
        let part = match bytes[start - 1] {
            b'0'..=b'9' | b'+' | b'(' => true,
            b'-' | b' ' | b')' => start >= 2 && bytes[start - 2].is_ascii_digit() || bytes[start - 1] == b')',
            b'A'..=b'Z' => start >= 2 && at - start < 6,
            _ => false,
        };
        if !part {
            break;
        }
        start -= 1;
    }
    let mut end = at;
    while end < bytes.len() && end - at < 48 {
        let next = bytes.get(end + 1);
        let part = match bytes[end] {
            b'*' | b'0'..=b'9' => true,
            b' ' | b'-' | b'(' | b')' => next.is_some_and(|b| matches!(b, b'*' | b'0'..=b'9' | b' ' | b'(')),
            _ => false,
        };
        if !part {
            break;
        }
        end += 1;
    }
    start..end
}
