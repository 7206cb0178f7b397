//! Whole values of fields: what their name alone makes telling, and what is protected.

use std::ops::Range;

use super::{Finder, PATH};
use crate::content::Format;
use crate::detect::candidate::Value;
use crate::detect::context::{self, Peek};
use crate::detect::glance::{Answer, Glance};
use crate::detect::rows::{RowId, RowSet};
use crate::detect::scan::{Found, ValueJudge};
use crate::detect::{mask, state};

/// Longest value that a name is asked about, bytes.
const LONGEST: usize = state::LONGEST;
/// Longest name that is found by masks, bytes.
const PLAIN: usize = 64;
/// How far before a value the start of its header is looked for, bytes.
const LONGEST_LINE: usize = 4 * 1024;

/// What the first byte behind a sign may be: a quote, what placeholders begin with, a space, or what
/// stands inside of objects and arrays.
static FIRST: [u8; 256] = {
    let mut first = [0; 256];
    let mut n = 0;
    while n < 5 {
        first[b"[<{$("[n] as usize] = OPENS;
        n += 1;
    }
    n = 0;
    while n < 5 {
        first[b" \t\n\r\x0b"[n] as usize] = SPACE;
        n += 1;
    }
    n = 0;
    while n < 13 {
        first[b"0123456789-}]"[n] as usize] = INSIDE;
        n += 1;
    }
    first[b'"' as usize] = QUOTE;
    first[b'\'' as usize] = QUOTE;
    first
};
const QUOTE: u8 = 1;
const OPENS: u8 = 2;
const SPACE: u8 = 3;
const INSIDE: u8 = 4;

/// A value as it stands in a document.
struct Extent {
    start: usize,
    end: usize,
    quoted: bool,
}

impl<'d> Finder<'_, 'd> {
    /// Looks at the value that begins behind `at`.
    #[inline]
    pub(super) fn value(&mut self, at: usize) {
        let bytes = self.bytes;
        if self.format == Format::Protobuf && at > 0 && self.is_behind_path(at - 1) {
            if self.may_be_placeholder(at) {
                self.answered_value(at, Answer::NOTHING);
            }
            return;
        }
        let mut start = at;
        if self.format == Format::Sql && matches!(bytes.get(at), Some(b'(' | b')' | b',')) {
            // No value; another one may begin behind it.
            return;
        }
        if self.format == Format::Sql && at > 0 && bytes[at - 1] == b'\'' {
            // `N'…'`, `E'…'`: behind other quotes a string ends, or was looked at already.
            let is_marked = at >= 3
                && matches!(bytes[at - 2], b'N' | b'n' | b'E' | b'e')
                && !bytes[at - 3].is_ascii_alphanumeric();
            if !is_marked {
                return;
            }
            start = at - 1;
        }
        if start == at {
            start = self.behind_spaces(at);
        }
        let name = match at.checked_sub(1).filter(|_| self.format == Format::Json) {
            Some(colon) if bytes[colon] == b':' => self.json_name(colon),
            _ => None,
        };
        let peeked = match name.or_else(|| self.plain_name(at)) {
            // `10:11`, `2026-02-03T10:11`: no name begins with a digit.
            Some(name) if bytes[name.start].is_ascii_digit() => Peek::Nothing,
            Some(name) => Peek::Name(&bytes[name]),
            None => context::peek(bytes, start, self.format),
        };
        let answer = match peeked {
            Peek::Name(name) => {
                if self.answer(self.place_of(name)).is_of_any() || self.may_be_placeholder(start) {
                    self.named_value(start, name);
                }
                return;
            }
            Peek::Nothing if at == 0 => Answer::UNKNOWN,
            Peek::Nothing => Answer::NOTHING,
            Peek::Elsewhere => self.column(start),
        };
        self.answered_value(start, answer);
    }

    /// Looks at the value at `start` that has this name.
    #[inline(never)]
    pub(super) fn named_value(&mut self, start: usize, name: &'d [u8]) {
        let answer = self.answer_within(name);
        self.answered_value(start, answer);
    }

    #[inline]
    fn answered_value(&mut self, start: usize, answer: Answer) {
        if answer.is_of_any() || self.may_be_placeholder(start) {
            let glance = *self.names.glance(answer);
            self.value_of(start, &glance);
        }
    }

    /// Where a value begins whose sign ends at `at`: at most two spaces are passed over.
    #[inline]
    pub(super) fn behind_spaces(&self, at: usize) -> usize {
        let is_space = |at: usize| matches!(self.bytes.get(at), Some(b' ' | b'\t'));
        if !is_space(at) {
            at
        } else {
            at + 1 + usize::from(is_space(at + 1))
        }
    }

    /// Whether the path of a field of protocol buffers ends at `at`: numbers name nothing.
    #[inline]
    fn is_behind_path(&self, at: usize) -> bool {
        let is_of_path = |b: &&u8| b.is_ascii_digit() | (**b == b'.');
        let path = self.bytes[..at]
            .iter()
            .rev()
            .take(PLAIN)
            .take_while(is_of_path)
            .count();
        at.checked_sub(path + 1)
            .is_some_and(|mark| self.bytes[mark] == PATH)
    }

    /// The name without quotes that stands right before a colon or an equals sign that ends at
    /// `at`, as [`context::peek`] would find it; `None` when that has to look.
    #[inline]
    fn plain_name(&self, at: usize) -> Option<Range<usize>> {
        let sign = at.checked_sub(1)?;
        let is_of_names = !matches!(self.format, Format::Csv | Format::Sql | Format::Xml);
        if !is_of_names || !matches!(self.bytes[sign], b':' | b'=') {
            return None;
        }
        let mut start = sign;
        // Of longer names only the end counts.
        while sign - start < PLAIN {
            let letters = self.chunk.word_before(start)?;
            start -= letters;
            match start.checked_sub(1).map(|before| self.bytes[before]) {
                Some(b'_' | b'-' | b'.' | b'[' | b']' | 0x80..) => start -= 1,
                // A letter behind a backslash may be no part of a word.
                Some(b'\\') => return None,
                _ if start == sign => return None,
                _ => return Some(start..sign),
            }
        }
        None
    }

    /// A placeholder may name its kind where the field does not.
    #[inline]
    pub(super) fn may_be_placeholder(&self, start: usize) -> bool {
        let is = |at: usize, kind: u8| self.bytes.get(at).is_some_and(|b| FIRST[usize::from(*b)] == kind);
        is(start + usize::from(is(start, QUOTE)), OPENS)
    }

    /// The same in JSON, behind a colon that ends at `at`: objects and arrays are no placeholders.
    /// May say yes where spaces stand there.
    #[inline]
    pub(super) fn may_be_placeholder_behind(&self, at: usize) -> bool {
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or_default();
        let kind = |at: usize| FIRST[usize::from(byte(at))];
        match kind(at) {
            QUOTE => kind(at + 1) == OPENS,
            // `{{x}}` and `[REDACTED]`, but neither `{"a"` nor `[1`.
            OPENS => !matches!(
                (byte(at), kind(at + 1)),
                (b'{' | b'[', QUOTE | SPACE | INSIDE) | (b'[', OPENS)
            ),
            other => other == SPACE,
        }
    }

    #[inline(never)]
    fn value_of(&mut self, start: usize, glance: &Glance) {
        let Some(extent) = self.extent(start) else {
            return;
        };
        self.protected(&extent, glance);
        let rows = glance.rows.and(&self.scanner.named_rows);
        if rows.is_empty() {
            return;
        }
        if self.format == Format::Json && !extent.quoted && self.bytes.get(extent.start) == Some(&b'[') {
            self.elements(extent.start + 1, &rows);
            return;
        }
        self.ask(&extent, &rows);
    }

    /// Asks the rows about a value.
    fn ask(&mut self, extent: &Extent, rows: &RowSet) {
        let bytes = self.bytes;
        let text = bytes[extent.start..extent.end].trim_ascii();
        let is_structure =
            !extent.quoted && self.format == Format::Json && matches!(text.first(), Some(b'{' | b'['));
        if text.is_empty() || text.len() > LONGEST || is_structure {
            return;
        }
        let start = text.as_ptr().addr() - bytes.as_ptr().addr();
        let value = Value {
            text,
            quoted: extent.quoted,
            format: self.format,
        };
        for row in rows.iter() {
            let found = match self.scanner.by_name[row.index()] {
                Some(ValueJudge::Check(check)) => check(&value).map(|proof| {
                    let mut found = proof.into_match(start..start + text.len());
                    found.under_masked = self.leaves_too_much(row, text);
                    found
                }),
                Some(ValueJudge::Own(own)) => self.scanner.own[own].1.named(&value, start),
                None => None,
            };
            self.push(row, found);
        }
    }

    /// Whether part of a value that counts as clear is hidden: `abcdefgh****1234`.
    fn leaves_too_much(&self, row: RowId, text: &[u8]) -> bool {
        // Values hold `xx` and `##` by chance.
        let is_hidden = |at| mask::run_at(text, at).is_some_and(|(_, count)| count > 1);
        memchr::memchr2(b'*', 0xE2, text).is_some_and(|at| mask::sure_at(text, at).is_some() && is_hidden(at))
            && state::of(text).is_some_and(|found| found.judge(self.scanner.rows[row.index()].convention).1)
    }

    /// Asks the rows about the strings and numbers of a JSON array that begins behind `at`.
    fn elements(&mut self, at: usize, rows: &RowSet) {
        let bytes = self.bytes;
        let mut at = at.max(self.value_end);
        loop {
            at += bytes[at..]
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b','))
                .count();
            let first = bytes.get(at).copied();
            if !matches!(first, Some(b'"' | b'-' | b'0'..=b'9')) {
                return;
            }
            let Some(extent) = self.extent(at) else {
                return;
            };
            self.ask(&extent, rows);
            // The text may end before the closing quote does.
            at = (extent.end + usize::from(extent.quoted)).min(bytes.len());
            self.value_end = at;
        }
    }

    /// Where the value at `start` begins and ends, without its quotes.
    fn extent(&self, mut start: usize) -> Option<Extent> {
        let bytes = self.bytes;
        let escaped =
            usize::from(bytes.get(start) == Some(&b'\\') && matches!(bytes.get(start + 1), Some(b'"')));
        let quote = bytes
            .get(start + escaped)
            .copied()
            .filter(|b| matches!(b, b'"' | b'\''));
        if quote.is_some() {
            start += 1 + escaped;
        }
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        if self.format == Format::Xml && rest[0] == b'<' {
            return None;
        }
        let rest = &rest[..rest.len().min(LONGEST + 1)];
        let is_phrase = matches!(self.format, Format::Text | Format::Headers)
            && start >= 2
            && bytes[..start].trim_ascii_end().last() == Some(&b':');
        Some(Extent {
            start,
            end: start
                + match quote {
                    None if self.is_in_cookie(start) => {
                        let ends = |b: &u8| matches!(b, b';' | b'\r' | b'\n');
                        rest.iter().position(ends).unwrap_or(rest.len())
                    }
                    Some(b'"') if matches!(self.format, Format::Json | Format::Text) => {
                        let length = self
                            .chunk
                            .quote_ahead(start)
                            .or_else(|| memchr::memchr(b'"', rest));
                        let length = length.map_or(rest.len(), |length| length.min(rest.len()));
                        // The backslash of a quote that is part of a text in a text.
                        length - usize::from(length > 0 && rest[length - 1] == b'\\')
                    }
                    _ => value_length(rest, quote, self.format, is_phrase),
                },
            quoted: quote.is_some(),
        })
    }

    /// Whether `at` is in a Cookie or Set-Cookie line, whose escapes are undone: only a semicolon
    /// ends a value there.
    fn is_in_cookie(&self, at: usize) -> bool {
        if self.format != Format::Headers {
            return false;
        }
        let before = &self.bytes[at.saturating_sub(LONGEST_LINE)..at];
        let line = memchr::memrchr(b'\n', before).map_or(before, |end| &before[end + 1..]);
        let starts = |name: &[u8]| {
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        starts(b"cookie:") || starts(b"set-cookie:")
    }

    /// Keeps the value when it is protected and its name, or it itself, may tell its kind.
    fn protected(&mut self, extent: &Extent, glance: &Glance) {
        let bytes = self.bytes;
        let near = &bytes[extent.start..bytes.len().min(extent.start + 64)];
        if !state::may_be_protected(near) {
            return;
        }
        let text = &bytes[extent.start..extent.end];
        if !glance.is_of_any() && state::placeholder_name(text).is_none() {
            return;
        }
        if let Some(value) = state::of(text) {
            self.found.push(Found::Protected(extent.start..extent.end, value));
        }
    }
}

/// Bytes of the value at the start of `rest`; a phrase may hold words.
fn value_length(rest: &[u8], quote: Option<u8>, format: Format, is_phrase: bool) -> usize {
    if let Some(quote) = quote {
        // `O''Brien`, `2"" pipe`: two quotes are one in SQL and in separated values.
        let doubled = matches!(format, Format::Sql | Format::Csv);
        let mut end = 0;
        loop {
            end += rest[end..]
                .iter()
                .position(|b| *b == quote)
                .unwrap_or(rest.len() - end);
            if !doubled || rest.get(end + 1) != Some(&quote) {
                break;
            }
            end += 2;
        }
        return if end > 0 && rest[end - 1] == b'\\' {
            end - 1
        } else {
            end
        };
    }
    // Escapes are undone, so nothing else ends a parameter; nor the text of an element.
    let end = match format {
        Format::Form => Some(b'&'),
        Format::Xml => Some(b'<'),
        _ => None,
    };
    if let Some(end) = end {
        let ends = |b: &u8| *b == end || format == Format::Form && matches!(b, b'\n' | b'\r');
        let found = rest.iter().skip(1).position(ends);
        return found.map_or(rest.len(), |found| found + 1);
    }
    let brackets = matches!(rest.first(), Some(b'[' | b'{' | b'<' | b'$'));
    let ends = |at: usize| match rest[at] {
        b'\n' | b'\r' | b'"' => true,
        b'&' => true,
        b'<' => at > 0,
        b'|' => format == Format::Csv || is_phrase,
        b'\t' if format == Format::Csv || format == Format::Sql => true,
        // A header's value is the rest of its line; cookies stand behind `=`.
        b',' | b';' if format == Format::Headers && is_phrase => false,
        b',' | b';' => !rest.starts_with(b"$argon2"),
        b')' => format == Format::Sql,
        b'}' | b']' => format == Format::Json || !brackets,
        b' ' | b'\t' if format == Format::Csv => false,
        b' ' | b'\t' if is_phrase => rest.get(at + 1) == Some(&b' '),
        b' ' | b'\t' => rest
            .get(at + 1)
            .is_some_and(|b| b.is_ascii_alphabetic() && !matches!(b, b'x' | b'X')),
        _ => false,
    };
    (0..rest.len()).find(|&at| ends(at)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_format_says() {
        for (rest, quote, format, is_phrase, expected) in [
            (
                "12 Main St, Springfield&b=1",
                None,
                Format::Form,
                false,
                "12 Main St, Springfield",
            ),
            ("IG Metall", None, Format::Form, false, "IG Metall"),
            ("a, b; c & d</name>", None, Format::Xml, false, "a, b; c & d"),
            ("O''Brien', 'x'", Some(b'\''), Format::Sql, false, "O''Brien"),
            ("2\"\" pipe\",x", Some(b'"'), Format::Csv, false, "2\"\" pipe"),
            (
                "12 Main St, Springfield\r\nB: c",
                None,
                Format::Headers,
                true,
                "12 Main St, Springfield",
            ),
            ("abc, b=1", None, Format::Headers, false, "abc"),
            ("abc took_ms=1", None, Format::Text, false, "abc"),
            ("12, 'x')", None, Format::Sql, false, "12"),
        ] {
            let length = value_length(rest.as_bytes(), quote, format, is_phrase);
            assert_eq!(&rest[..length], expected, "{rest}");
        }
    }
}
