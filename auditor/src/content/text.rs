//! Fields of lines: logs (`key=value`, `key: value`), plain text and whatever has no better format.
//!
//! Goes in: any bytes. Comes out: the word or words before the nearest `:` or `=` on the line, and
//! the other such names around. No path: nothing says that a word is a name. It remembers nothing
//! and looks at most a bounded distance each way.

use std::ops::Range;

use super::cursor::{siblings, text_of};
use super::{Field, FieldLookup};

/// How far before a value its key may start, bytes.
const BACK: usize = 160;
/// How far around a value its siblings are looked for, bytes.
const AROUND: usize = 512;
/// Longest name, in words.
const MAX_WORDS: usize = 3;

pub(super) struct Text;

impl FieldLookup for Text {
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        let start = at.start.min(bytes.len());
        let end = at.end.clamp(start, bytes.len());
        let line = line_around(bytes, &(start..end));
        let key = key_before(bytes, line.start.max(start.saturating_sub(BACK))..start);
        let around = line.start.max(start.saturating_sub(AROUND))..line.end.min(end + AROUND);
        let names = names(bytes, around);
        let siblings = siblings(names.into_iter(), key.as_deref());
        Field {
            path: None,
            key,
            siblings,
            value: quoted_around(bytes, &line, &(start..end))
                .unwrap_or_else(|| value_around(bytes, &line, &(start..end))),
        }
    }

    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        Some(Box::new(Self))
    }
}

fn line_around(bytes: &[u8], at: &Range<usize>) -> Range<usize> {
    let low = at.start.saturating_sub(AROUND);
    let high = bytes.len().min(at.end + AROUND);
    let start = memchr::memrchr(b'\n', &bytes[low..at.start]).map_or(low, |lf| low + lf + 1);
    let end = memchr::memchr(b'\n', &bytes[at.end..high]).map_or(high, |lf| at.end + lf);
    start..end
}

/// The name in front of the separator nearest to the end of `before`.
fn key_before(bytes: &[u8], before: Range<usize>) -> Option<String> {
    let text = &bytes[before.clone()];
    let separator = text.iter().rposition(|b| matches!(b, b':' | b'='))?;
    // `a: 1, 2`: the second value has no name of its own, but the first one's is the nearest.
    let name_end = text[..separator].iter().rposition(|b| is_name(*b))? + 1;
    if text[name_end..separator].iter().any(|b| {
        !matches!(
            b,
            b' ' | b'"' | b'\'' | b'\\' | b'`' | b':' | b'>' | b')' | b']' | b'*'
        )
    }) {
        return None;
    }
    Some(text_of(
        bytes,
        before.start + name_start(text, name_end)..before.start + name_end,
    ))
}

/// Start of the words that end at `end`: up to [`MAX_WORDS`], only the last one when the line
/// goes on with `=` (`user logged in email=…`).
fn name_start(text: &[u8], end: usize) -> usize {
    let separator = text[end..].iter().find(|b| matches!(b, b':' | b'='));
    let words = if separator == Some(&b'=') { 1 } else { MAX_WORDS };
    let mut start = end;
    for _ in 0..words {
        let word = text[..start]
            .iter()
            .rposition(|b| !is_name(*b))
            .map_or(0, |at| at + 1);
        if word == start {
            break;
        }
        start = word;
        let joined = start >= 2 && text[start - 1] == b' ' && text[start - 2].is_ascii_alphabetic();
        if !joined {
            return start;
        }
        start -= 1;
    }
    if text.get(start) == Some(&b' ') {
        start + 1
    } else {
        start
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | 0x80..)
}

/// All names in a stretch of a line.
fn names(bytes: &[u8], around: Range<usize>) -> Vec<String> {
    let text = &bytes[around.clone()];
    let separators = memchr::memchr2_iter(b':', b'=', text).take(64);
    separators
        .filter_map(|at| key_before(bytes, around.start..around.start + at + 1))
        .collect()
}

/// The whole of a quoted value: from behind `="` to the next quote on the line.
fn quoted_around(bytes: &[u8], line: &Range<usize>, at: &Range<usize>) -> Option<Range<usize>> {
    let before = &bytes[line.start..at.start];
    let open = before.iter().rposition(|b| matches!(b, b'"' | b'\''))?;
    let escaped = usize::from(open > 0 && before[open - 1] == b'\\');
    if !matches!(before[..open - escaped].last(), Some(b'=' | b':' | b' ')) {
        return None;
    }
    let named = before[..open - escaped].trim_ascii_end().last();
    let quote = before[open];
    let close = memchr::memchr2(quote, b'\\', &bytes[at.end..line.end])?;
    matches!(named, Some(b'=' | b':')).then(|| line.start + open + 1..at.end + close)
}

/// From behind the separator, quote or blank before the candidate to the one behind it.
fn value_around(bytes: &[u8], line: &Range<usize>, at: &Range<usize>) -> Range<usize> {
    let ends = |b: &u8| {
        matches!(
            b,
            b' ' | b'\t'
                | b'\r'
                | b'"'
                | b'\''
                | b','
                | b';'
                | b'='
                | b'&'
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
        )
    };
    let start = bytes[line.start..at.start]
        .iter()
        .rposition(ends)
        .map_or(line.start, |found| line.start + found + 1);
    let end = bytes[at.end..line.end]
        .iter()
        .position(ends)
        .map_or(line.end, |found| at.end + found);
    start..end
}
