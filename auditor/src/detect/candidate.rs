//! What the scanner hands to a verifier and what it gets back.
//!
//! Goes in: nothing; these are the types between scanner and verifiers. A [`Match`] holds
//! positions and reasons, never a value.

use std::borrow::Cow;
use std::ops::Range;

use super::mask;
use super::rows::RowId;
use super::{Evidence, State};
use crate::content::Format;

/// A position that may begin, or be inside of, a value.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the trigger is: first byte of a prefix or country code, or the at sign.
    pub(crate) at: usize,
    pub(crate) format: Format,
}

impl Place<'_> {
    /// The byte before `at`, unless it is the tail of a JSON or shell escape such as `\n`.
    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        neighbour_before(self.bytes, at)
    }
}

/// The byte before `at`; `None` at the start of the text and behind an escape such as `\n`.
pub(crate) fn neighbour_before(bytes: &[u8], at: usize) -> Option<u8> {
    let before = *bytes.get(at.checked_sub(1)?)?;
    let escaped = matches!(before, b'n' | b't' | b'r') && at >= 2 && bytes[at - 2] == b'\\';
    (!escaped).then_some(before)
}

/// True when a mask run stands right beside: what is clear is then the rest of a masked value.
pub(crate) fn beside_mask(bytes: &[u8], range: Range<usize>) -> bool {
    let before = range.start.checked_sub(1).map(|at| bytes[at]);
    // Bullets and blocks are three bytes of UTF-8 that end in 0x80..0xbf.
    let left = match before {
        Some(b'*' | b'#') => true,
        Some(0x80..=0xbf) => range.start >= 3 && mask::sure_at(bytes, range.start - 3).is_some(),
        _ => false,
    };
    let at = range.end;
    left || bytes.get(at) == Some(&b'#') || mask::sure_at(bytes, at).is_some()
}

/// How the groups of a number are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// One run of digits.
    None,
    /// The same single byte between all groups.
    Uniform(u8),
    /// Different or longer separators, as in telephone numbers.
    Mixed,
}

/// Digits in one run or in groups.
pub(crate) struct Digits<'a> {
    pub(crate) bytes: &'a [u8],
    /// From the first digit to behind the last.
    pub(crate) range: Range<usize>,
    /// The digits alone, ASCII.
    pub(crate) digits: &'a [u8],
    /// Length of each group.
    pub(crate) groups: &'a [u8],
    pub(crate) joint: Joint,
    /// Another group follows that would still leave it short enough for a telephone number.
    pub(crate) goes_on: bool,
    /// What stands around them.
    pub(crate) around: &'a dyn Around,
    /// The row that is asked.
    pub(crate) row: RowId,
}

/// Answers what stands around a candidate.
pub(crate) trait Around {
    /// Whether a name or word near by may speak of values of the row; cheap.
    fn may_speak_of(&self, row: RowId) -> bool;
}

impl Digits<'_> {
    /// The byte before the first digit; `None` at a boundary.
    pub(crate) fn before(&self) -> Option<u8> {
        neighbour_before(self.bytes, self.range.start)
    }

    /// True when the digits are cut out of something longer: a word, a decimal fraction, or a
    /// longer number whose groups are joined by the same separator.
    pub(crate) fn is_inside_more(&self) -> bool {
        let Range { start, end } = self.range;
        let digit_at = |at: Option<usize>| {
            at.and_then(|at| self.bytes.get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        if self.before().is_some_and(|b| b.is_ascii_alphanumeric()) {
            return true;
        }
        if self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) || beside_mask(self.bytes, start..end) {
            return true;
        }
        let joins = |byte: Option<&u8>| match (self.joint, byte) {
            (_, Some(b'.')) => true,
            (Joint::Uniform(joint), Some(&b)) => b == joint && b != b' ',
            (Joint::None | Joint::Mixed, Some(&b)) => b == b'-',
            _ => false,
        };
        let left =
            joins(start.checked_sub(1).and_then(|at| self.bytes.get(at))) && digit_at(start.checked_sub(2));
        left || joins(self.bytes.get(end)) && digit_at(Some(end + 1))
    }

    /// True when a dash and one letter stand behind digits in one run, as a check character does: they
    /// are all but the last of a longer number.
    pub(crate) fn lacks_last_letter(&self) -> bool {
        let behind = self.bytes.get(self.range.end..).unwrap_or_default();
        let letter = match behind {
            [b'-', letter] => Some(letter),
            [b'-', letter, next, ..] if !next.is_ascii_alphanumeric() => Some(letter),
            _ => None,
        };
        self.joint == Joint::None && letter.is_some_and(u8::is_ascii_alphabetic)
    }

    /// True when it is joined to a word by `-` or `_`: the tail of an identifier.
    pub(crate) fn is_joined_to_word(&self) -> bool {
        let Some(at) = self.range.start.checked_sub(2) else {
            return false;
        };
        matches!(self.bytes[at + 1], b'-' | b'_') && self.bytes[at].is_ascii_alphanumeric()
    }

    /// True when it is part of a UUID (RFC 9562).
    pub(crate) fn is_in_uuid(&self) -> bool {
        let of_uuid = |b: &u8| b.is_ascii_hexdigit() || *b == b'-';
        let (before, after) = (&self.bytes[..self.range.start], &self.bytes[self.range.end..]);
        let left = before.iter().rev().take(40).take_while(|b| of_uuid(b)).count();
        let right = after.iter().take(40).take_while(|b| of_uuid(b)).count();
        let token = &self.bytes[self.range.start - left..self.range.end + right];
        token.len() == 36 && [8, 13, 18, 23].iter().all(|&at| token[at] == b'-')
    }

    /// Whether a name or word near by may speak of such a value; cheap.
    pub(crate) fn may_be_named(&self) -> bool {
        self.around.may_speak_of(self.row)
    }

    /// True when another group of the same length stands beside it behind the same separator: a
    /// table or a longer number, not one value.
    pub(crate) fn is_in_series(&self) -> bool {
        let (Joint::Uniform(joint), Some(&first), Some(&last)) =
            (self.joint, self.groups.first(), self.groups.last())
        else {
            return false;
        };
        let run = |at: usize, length: u8, step_back: bool| {
            let length = usize::from(length);
            let from = if step_back {
                at.checked_sub(length)
            } else {
                Some(at)
            };
            from.and_then(|from| self.bytes.get(from..from + length))
                .is_some_and(|group| group.iter().all(u8::is_ascii_digit))
        };
        let Range { start, end } = self.range;
        (start > 0 && self.bytes[start - 1] == joint && run(start - 1, first, true))
            || (self.bytes.get(end) == Some(&joint) && run(end + 1, last, false))
    }
}

/// What a check of a value's characters says of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Proof {
    /// −log2 of the share of random values of the same form that pass.
    pub(crate) bits: f32,
    /// Why, as a predicate: "passes mod 11 and holds a date".
    pub(crate) reason: &'static str,
    /// Who published it as a test value.
    pub(crate) test: Option<&'static str>,
}

impl Proof {
    pub(crate) const fn new(bits: f32, reason: &'static str) -> Self {
        Self {
            bits,
            reason,
            test: None,
        }
    }

    /// The same value, published by `source` for tests, if any did.
    pub(crate) const fn or_test(self, source: Option<&'static str>) -> Self {
        Self { test: source, ..self }
    }
}

impl Proof {
    /// A match whose characters are this proof.
    pub(crate) fn into_match(self, range: Range<usize>) -> Match {
        let state = if self.test.is_some() {
            State::Test
        } else {
            State::Clear
        };
        let found = Match::new(range, state).because(self.bits, self.reason);
        match self.test {
            Some(source) => found.because(0.0, format!("is a test value: {source}")),
            None => found,
        }
    }
}

/// The whole value of a field that has a name of its row.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    /// As it stands in the document, without quotes and the spaces around it; never empty, at most
    /// 512 bytes.
    pub(crate) text: &'a [u8],
    /// It stands in quotes: not a number, a boolean or a null.
    pub(crate) quoted: bool,
    pub(crate) format: Format,
}

/// A value that passed its verifier.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) range: Range<usize>,
    pub(crate) state: State,
    pub(crate) under_masked: bool,
    /// Reasons that lie in the value itself.
    pub(crate) evidence: Vec<Evidence>,
    /// Labels beside those of its row: what it holds falls under them.
    pub(crate) extra_regulations: &'static [&'static str],
}

impl Match {
    pub(crate) fn new(range: Range<usize>, state: State) -> Self {
        Self {
            range,
            state,
            under_masked: false,
            evidence: Vec::new(),
            extra_regulations: &[],
        }
    }

    /// Adds a reason worth `bits`.
    pub(crate) fn because(mut self, bits: f32, reason: impl Into<Cow<'static, str>>) -> Self {
        self.evidence.push(Evidence {
            bits,
            reason: reason.into(),
        });
        self
    }

    /// Sum of the evidence.
    #[cfg(test)]
    pub(crate) fn bits(&self) -> f32 {
        self.evidence.iter().map(|line| line.bits).sum()
    }
}
