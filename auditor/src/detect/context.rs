//! What stands around a value: its name, read backwards without parsing, and words near by.
//!
//! Goes in: bytes and a position. Comes out: a borrowed name or an answer yes or no; at most
//! [`BACK`] bytes are looked at and nothing is allocated. It is a first look that keeps clean
//! numbers cheap; the field that a finding names comes from [`crate::content::FieldLookup`].

use std::ops::Range;

use super::key;
use super::rows::RowSet;
use super::vocabulary::Vocabulary;
use crate::content::Format;

/// Bytes before a value that are looked at.
const BACK: usize = 96;

/// What the bytes before a value say of its name.
pub(crate) enum Peek<'a> {
    /// The value has this name.
    Name(&'a [u8]),
    /// The value is inside of free text.
    Nothing,
    /// The name is further away: arrays, rows, columns.
    Elsewhere,
}

/// Looks for the name of a value that begins at `at`.
pub(crate) fn peek(bytes: &[u8], at: usize, format: Format) -> Peek<'_> {
    if matches!(format, Format::Csv | Format::Sql) {
        return Peek::Elsewhere;
    }
    let floor = at.saturating_sub(BACK);
    let back_over = |mut end: usize, skip: fn(u8) -> bool| {
        while end > floor && skip(bytes[end - 1]) {
            end -= 1;
        }
        end
    };
    // A number may be written `+49…`, `(415)…`; a string has quotes, escaped ones in logs.
    let end = back_over(at, |b| matches!(b, b'"' | b'\'' | b'\\' | b' ' | b'+' | b'('));
    match end.checked_sub(1).map(|last| bytes[last]) {
        Some(b':' | b'=') => {
            let end = back_over(end - 1, |b| matches!(b, b'"' | b'\'' | b'\\' | b' '));
            let quoted = bytes.get(end).is_some_and(|b| matches!(b, b'"' | b'\'' | b'\\'));
            let start = if quoted {
                back_over(end, |b| !matches!(b, b'"' | b'\'' | b'{' | b','))
            } else {
                back_over(end, |b| {
                    b.is_ascii_alphanumeric() || b >= 0x80 || b"_-.[]".contains(&b)
                })
            };
            // `10:11`, `2026-02-03T10:11`: no name begins with a digit.
            if start == end || bytes[start].is_ascii_digit() {
                Peek::Nothing
            } else {
                Peek::Name(&bytes[start..end])
            }
        }
        Some(b'>') => {
            let start = back_over(end - 1, |b| b != b'<');
            let tag = &bytes[start..end - 1];
            let name = tag.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
            if name.is_empty() {
                Peek::Nothing
            } else {
                Peek::Name(name)
            }
        }
        Some(b'[' | b',') if format == Format::Json => Peek::Elsewhere,
        _ => Peek::Nothing,
    }
}

/// The name of the object that holds the field whose name begins at `name`: `card` of
/// `{"card":{"number":`. `None` when no object begins within `back` bytes.
pub(crate) fn parent(bytes: &[u8], name: usize, back: usize) -> Option<&[u8]> {
    let mut depth = 0;
    let floor = name.saturating_sub(back);
    for at in memchr::memrchr2_iter(b'{', b'}', &bytes[floor..name]) {
        let at = floor + at;
        match bytes[at] {
            b'}' => depth += 1,
            _ if depth > 0 => depth -= 1,
            _ => {
                return Some(match peek(bytes, at, Format::Json) {
                    Peek::Name(parent) => parent,
                    Peek::Nothing | Peek::Elsewhere => &[],
                });
            }
        }
    }
    None
}

/// Rows at which words within a few words of the value hint, on the same line and inside the same
/// string.
pub(crate) fn hints_near(vocabulary: &Vocabulary, bytes: &[u8], range: &Range<usize>) -> RowSet {
    let before = before(bytes, range.start);
    let after = &bytes[range.end..bytes.len().min(range.end + 24)];
    let after = &after[..after.iter().position(is_wall).unwrap_or(after.len())];
    key::hints(vocabulary, before)
        .or(&key::hints(vocabulary, after))
        .or(&key::names_before(vocabulary, before))
}

/// Rows that the words right before the value name.
pub(crate) fn names_before(vocabulary: &Vocabulary, bytes: &[u8], range: &Range<usize>) -> RowSet {
    key::names_before(vocabulary, before(bytes, range.start))
}

/// A few words before `at`, on its line and in its string.
fn before(bytes: &[u8], at: usize) -> &[u8] {
    let before = &bytes[at.saturating_sub(48)..at];
    &before[before.iter().rposition(is_wall).map_or(0, |wall| wall + 1)..]
}

fn is_wall(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\n' | b'<' | b'>' | b'&' | b'{' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::catalogue;
    use crate::detect::rows::RowId;

    #[test]
    fn a_name_is_read_backwards_in_every_format() {
        for (text, format, expected) in [
            (r#"{"card_number": "4111"}"#, Format::Json, Some("card_number")),
            (r#"{"card_number":4111}"#, Format::Json, Some("card_number")),
            (r#"{\"pan\":\"4111\"}"#, Format::Text, Some("pan")),
            ("a=1&card=4111", Format::Form, Some("card")),
            ("X-Card: 4111", Format::Headers, Some("X-Card")),
            ("<pan kind=\"a\">4111</pan>", Format::Xml, Some("pan")),
            ("phone=+4111", Format::Form, Some("phone")),
            ("paid with 4111", Format::Text, None),
            ("4111", Format::Text, None),
        ] {
            let at = text.find("4111").unwrap();
            let found = match peek(text.as_bytes(), at, format) {
                Peek::Name(name) => Some(std::str::from_utf8(name).unwrap()),
                _ => None,
            };
            assert_eq!(found, expected, "{text}");
        }
        assert!(matches!(peek(b"[1,4111]", 3, Format::Json), Peek::Elsewhere));
    }

    #[test]
    fn a_word_counts_on_its_line_and_in_its_string_only() {
        let vocabulary = Vocabulary::new(catalogue::all());
        let card = catalogue::all().iter().position(|row| row.id == "payment_card");
        let card = RowId::new(card.unwrap()).unwrap();
        for (text, expected) in [
            ("paid with card 4111", true),
            ("Cards: 4111", true),
            ("4111 (visa)", true),
            ("discard 4111", false),
            ("card\n4111", false),
            (r#""card","4111""#, false),
        ] {
            let at = text.find("4111").unwrap();
            let found = hints_near(&vocabulary, text.as_bytes(), &(at..at + 4));
            assert_eq!(found.contains(card), expected, "{text}");
        }
    }
}
