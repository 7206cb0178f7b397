//! Mask runs anywhere in text: their shape, or a word near by, may tell their kind.

use std::ops::Range;

use super::Finder;
use crate::detect::State;
use crate::detect::candidate::{Match, neighbour_before};
use crate::detect::context;
use crate::detect::mask::Mask;
use crate::detect::rows::RowId;
use crate::detect::verify::iban;

impl Finder<'_, '_> {
    /// Looks at a mask run anywhere in text: its shape, or a word near by, may tell its kind.
    pub(super) fn stars(&mut self, at: usize) {
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
            if let Some(row) = self.scanner.row(id) {
                self.push_masked(row, range, &mask, bits, reason);
            }
            return;
        }
        for row in context::hints_near(&self.scanner.vocabulary, bytes, &range).iter() {
            self.push_masked(row, range.clone(), &mask, 3.0, "is a mask run with a clear end");
        }
    }

    fn push_masked(&mut self, row: RowId, range: Range<usize>, mask: &Mask, bits: f32, reason: &'static str) {
        let keeps = mask.keeps(self.scanner.rows[row.index()].convention);
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

/// The masked value around a star at `at`: digits, stars and separators, a country in front.
fn masked_range(bytes: &[u8], at: usize) -> Range<usize> {
    let mut start = at;
    while start > 0 && at - start < 24 {
        let part = match bytes[start - 1] {
            b'0'..=b'9' | b'+' | b'(' => true,
            b'-' | b' ' | b')' => start >= 2 && bytes[start - 2].is_ascii_digit() || bytes[start - 1] == b')',
            _ => false,
        };
        if !part {
            break;
        }
        start -= 1;
    }
    // The country of an IBAN: `DE12345678******0000`, `DE******0000`.
    if let Some([first, second]) = start.checked_sub(2).and_then(|country| bytes.get(country..start))
        && first.is_ascii_uppercase()
        && iban::is_country(*first, *second)
        && !neighbour_before(bytes, start - 2).is_some_and(|b| b.is_ascii_alphanumeric())
    {
        start -= 2;
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
