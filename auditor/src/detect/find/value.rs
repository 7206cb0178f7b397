//! Whole values of fields: what their name alone makes telling, and what is protected.

use super::Finder;
use crate::content::Format;
use crate::detect::candidate::Value;
use crate::detect::context::{self, Peek};
use crate::detect::glance::Glance;
use crate::detect::rows::RowSet;
use crate::detect::scan::{Found, ValueJudge};
use crate::detect::state;

/// Longest value that a name is asked about, bytes.
const LONGEST: usize = state::LONGEST;

/// A value as it stands in a document.
struct Extent {
    start: usize,
    end: usize,
    quoted: bool,
}

impl Finder<'_, '_> {
    /// Looks at the value that begins behind `at`.
    #[inline]
    pub(super) fn value(&mut self, at: usize) {
        let bytes = self.bytes;
        let mut start = at;
        while start < at + 2 && matches!(bytes.get(start), Some(b' ' | b'\t')) {
            start += 1;
        }
        let glance = match context::peek(bytes, start, self.format) {
            Peek::Name(name) => self.glance(name),
            Peek::Nothing => Glance {
                generic: at == 0,
                ..Glance::NOTHING
            },
            Peek::Elsewhere => match self.column(start) {
                Some(glance) => glance,
                None => Glance {
                    generic: true,
                    ..Glance::NOTHING
                },
            },
        };
        if glance.is_of_any() || self.may_be_placeholder(start) {
            self.value_of(start, &glance);
        }
    }

    /// A placeholder may name its kind where the field does not.
    #[inline]
    fn may_be_placeholder(&self, start: usize) -> bool {
        let first = match self.bytes.get(start) {
            Some(b'"' | b'\'') => self.bytes.get(start + 1),
            first => first,
        };
        matches!(first, Some(b'[' | b'<' | b'{' | b'$' | b'('))
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
                Some(ValueJudge::Check(check)) => {
                    check(&value).map(|proof| proof.into_match(start..start + text.len()))
                }
                Some(ValueJudge::Own(own)) => self.scanner.own[own].1.named(&value, start),
                None => None,
            };
            self.push(row, found);
        }
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
            end: start + value_length(rest, quote, self.format, is_phrase),
            quoted: quote.is_some(),
        })
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
        b'|' => format == Format::Csv || is_phrase,
        b'\t' if format == Format::Csv || format == Format::Sql => true,
        b',' | b';' => !rest.starts_with(b"$argon2"),
        b')' => format == Format::Sql,
        b'}' | b']' => format == Format::Json || !brackets,
        b' ' | b'\t' if format == Format::Xml || format == Format::Csv => false,
        b' ' | b'\t' if is_phrase => rest.get(at + 1) == Some(&b' '),
        b' ' | b'\t' => rest
            .get(at + 1)
            .is_some_and(|b| b.is_ascii_alphabetic() && !matches!(b, b'x' | b'X')),
        _ => false,
    };
    (0..rest.len()).find(|&at| ends(at)).unwrap_or(rest.len())
}
