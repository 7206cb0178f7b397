//! The text of a value: escapes of its format undone, and whether it is prose at all.
//!
//! Goes in: a [`Value`] as it stands in the document. Comes out: its characters in a buffer on the
//! stack, never longer than the value. Never allocates and never shows what it holds.

use crate::content::Format;
use crate::detect::candidate::Value;

/// Longest value that is read, bytes.
const LONGEST: usize = 512;

/// The characters of a value.
pub(crate) struct Plain {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Plain {
    /// Undoes JSON, form and XML escapes. `None` for a value that is too long or not UTF-8.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        let mut plain = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        let mut rest = value.text;
        if rest.len() > LONGEST {
            return None;
        }
        while let Some(&byte) = rest.first() {
            let (length, character) = match (byte, value.format) {
                (b'\\', _) => json(rest),
                (b'%', Format::Form | Format::Path | Format::Headers) => {
                    match rest.get(1..3).and_then(|hex| number(hex, 16)) {
                        // A byte of a longer character, perhaps: checked at the end.
                        Some(byte) => {
                            plain.push(&[byte as u8]);
                            rest = &rest[3..];
                            continue;
                        }
                        None => (1, Some('%')),
                    }
                }
                (b'+', Format::Form) => (1, Some(' ')),
                (b'&', Format::Xml | Format::Html) => entity(rest),
                _ => {
                    plain.push(&[byte]);
                    rest = &rest[1..];
                    continue;
                }
            };
            plain.push(character?.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[length..];
        }
        std::str::from_utf8(&plain.bytes[..plain.length])
            .is_ok()
            .then_some(plain)
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    /// Without white space around it.
    pub(crate) fn text(&self) -> &str {
        // It was valid when it was built.
        std::str::from_utf8(&self.bytes[..self.length])
            .unwrap_or_default()
            .trim()
    }
}

/// Length and character of the JSON escape that `rest` begins with.
fn json(rest: &[u8]) -> (usize, Option<char>) {
    match rest.get(1) {
        Some(b'u') => {
            let unit = |at: usize| rest.get(at..at + 4).and_then(|hex| number(hex, 16));
            match (unit(2), rest.get(6..8), unit(8)) {
                (Some(high @ 0xD800..=0xDBFF), Some(b"\\u"), Some(low @ 0xDC00..=0xDFFF)) => (
                    12,
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)),
                ),
                (Some(unit), ..) => (6, char::from_u32(unit)),
                (None, ..) => (2, Some('u')),
            }
        }
        Some(b'n' | b't' | b'r') => (2, Some(' ')),
        Some(byte) if byte.is_ascii() => (2, Some(char::from(*byte))),
        _ => (1, Some('\\')),
    }
}

/// Length and character of the XML reference that `rest` begins with.
fn entity(rest: &[u8]) -> (usize, Option<char>) {
    let Some(end) = rest.iter().take(10).position(|b| *b == b';') else {
        return (1, Some('&'));
    };
    let character = match &rest[1..end] {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', hex @ ..] => number(hex, 16).and_then(char::from_u32),
        [b'#', decimal @ ..] => number(decimal, 10).and_then(char::from_u32),
        _ => None,
    };
    (end + 1, character)
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 7 {
        return None;
    }
    digits.iter().try_fold(0u32, |sum, digit| {
        Some(sum * base + char::from(*digit).to_digit(base)?)
    })
}

/// Words that stand where a value is missing, or that describe a field instead of filling it.
static EMPTY: [&str; 63] = [
    "anonymous",
    "any",
    "blank",
    "boolean",
    "cannot",
    "char",
    "default",
    "deleted",
    "desconhecido",
    "desconocido",
    "disabled",
    "double",
    "empty",
    "enabled",
    "error",
    "example",
    "false",
    "field",
    "float",
    "hidden",
    "inconnu",
    "int",
    "integer",
    "invalid",
    "is",
    "keyword",
    "label",
    "missing",
    "must",
    "n.a.",
    "na",
    "nan",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "number",
    "object",
    "onbekend",
    "optional",
    "other",
    "password",
    "placeholder",
    "private",
    "redacted",
    "removed",
    "required",
    "sconosciuto",
    "string",
    "tbd",
    "test",
    "text",
    "todo",
    "true",
    "unavailable",
    "undefined",
    "unbekannt",
    "unknown",
    "unset",
    "value",
    "varchar",
    "yes",
];

/// Whether `word` says that there is no value, or is a word of schemas and error messages.
pub(crate) fn is_empty_word(word: &str) -> bool {
    let word = word.trim_end_matches([',', '.', ':']);
    word.len() <= 16 && EMPTY.iter().any(|empty| word.eq_ignore_ascii_case(empty))
}

/// Letters, and the marks that some scripts write with them.
pub(crate) fn is_letter(letter: char) -> bool {
    letter.is_alphabetic()
        // Combining marks and viramas of scripts whose letters are joined by them.
        || matches!(letter, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}' | '\u{200c}' | '\u{200d}')
            && !letter.is_numeric()
}

/// A constant of a program: `FIRST_NAME`, `firstName`, `ADMIN`.
pub(crate) fn is_constant(word: &str) -> bool {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let begins_small = letters.clone().next().is_some_and(char::is_lowercase);
    word.contains('_') || begins_small && letters.any(char::is_uppercase)
}

#[cfg(test)]
pub(crate) fn quoted(text: &str) -> Value<'_> {
    Value {
        text: text.as_bytes(),
        quoted: true,
        format: Format::Json,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, format: Format) -> Option<String> {
        let value = Value {
            text: text.as_bytes(),
            quoted: true,
            format,
        };
        Plain::of(&value).map(|plain| plain.text().to_owned())
    }

    #[test]
    fn escapes_of_each_format_are_undone() {
        for (text, format, expected) in [
            (r"Ren\u00e9e", Format::Json, "Renée"),
            (r"\ud83d\ude00 a", Format::Json, "😀 a"),
            (r"a\nb", Format::Json, "a b"),
            ("Jane+D%C3%B6e", Format::Form, "Jane Döe"),
            ("100%", Format::Form, "100%"),
            ("O&apos;Neil &#233;&#xe9; &amp;", Format::Xml, "O'Neil éé &"),
            ("Jane+Doe", Format::Json, "Jane+Doe"),
        ] {
            assert_eq!(read(text, format).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("%ff", Format::Form), None);
        assert_eq!(read(r"\ud83d", Format::Json), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_text_or_none(
            text in prop::collection::vec(any::<u8>(), 0..600),
            escapes in r"[\\u%&#x;0-9a-f+]{0,40}",
        ) {
            for format in [Format::Json, Format::Form, Format::Xml, Format::Text] {
                for text in [text.as_slice(), escapes.as_bytes()] {
                    let plain = Plain::of(&Value { text, quoted: false, format });
                    prop_assert!(plain.is_none_or(|plain| plain.length <= text.len()));
                }
            }
        }
    }
}
