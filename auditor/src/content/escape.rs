//! Undoes escapes that hide a value from the scanner: `%40` in forms, paths, queries and headers
//! (cookies, referrers), `\u0040` and `\/` in JSON.
//!
//! Goes in: bytes of a window. Comes out: the decoded bytes and which source byte each run of
//! them came from; `None`, without a copy, when there is nothing to undo. Escapes that stand for
//! a character with a meaning in the format are left, so fields are found as before.

use memchr::memmem;

use crate::protocol::operation::percent;
use crate::secret::Secret;

use super::Format;

/// Decoded bytes with the start of every run that moved: (decoded, source), ascending.
pub(super) struct Decoded {
    pub(super) bytes: Secret,
    pub(super) runs: Vec<(usize, usize)>,
}

impl Decoded {
    /// Where a source byte went.
    pub(super) fn position_of(&self, source: usize) -> usize {
        let index = self.runs.partition_point(|(_, from)| *from <= source);
        let (to, from) = index.checked_sub(1).map_or((0, 0), |index| self.runs[index]);
        (to + source - from).min(self.runs.get(index).map_or(self.bytes.len(), |(to, _)| *to))
    }
}

/// Whether [`undo`] would change anything.
pub(super) fn has_escapes(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Form => memchr::memchr2(b'%', b'+', bytes).is_some(),
        Format::Path | Format::Headers => memchr::memchr(b'%', bytes).is_some(),
        Format::Json => memchr::memchr(b'\\', bytes).is_some_and(|at| {
            memmem::find(&bytes[at..], b"\\u").is_some() || memmem::find(&bytes[at..], b"\\/").is_some()
        }),
        _ => false,
    }
}

/// Bytes at the end that begin an escape or a character of which the rest is missing.
pub(super) fn unfinished(format: Format, bytes: &[u8]) -> usize {
    let near = &bytes[bytes.len().saturating_sub(5)..];
    let escape = match format {
        Format::Form | Format::Path | Format::Headers => {
            let once = near.iter().rev().take(2).position(|b| *b == b'%');
            // `%25`, `%254`: they may go on as an escape of an escape.
            let twice = [3, 4].into_iter().find(|length| {
                let start = near.len().checked_sub(*length);
                start.is_some_and(|start| near[start..].starts_with(b"%25"))
            });
            twice.map(|length| length - 1).or(once)
        }
        Format::Json => near.iter().rev().position(|b| *b == b'\\').filter(|behind| {
            let backslashes = bytes[..bytes.len() - behind]
                .iter()
                .rev()
                .take(SHOWN)
                .take_while(|b| **b == b'\\')
                .count();
            // Behind another one it is no beginning; `\n` is whole, `\u00` is not.
            backslashes % 2 == 1 && (*behind == 0 || bytes[bytes.len() - behind] == b'u')
        }),
        _ => None,
    };
    let character = near.utf8_chunks().last().map_or(0, |chunk| {
        let rest = chunk.invalid();
        match str::from_utf8(rest) {
            Err(error) if error.error_len().is_none() => rest.len(),
            _ => 0,
        }
    });
    escape.map_or(character, |behind| behind + 1)
}

/// Backslashes in a row that are counted.
const SHOWN: usize = 64;

/// The bytes without escapes.
pub(super) fn undo(format: Format, bytes: &[u8]) -> Option<Decoded> {
    if !has_escapes(format, bytes) {
        return None;
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let next = match format {
            Format::Json => memchr::memchr(b'\\', &bytes[at..]),
            Format::Form => memchr::memchr2(b'%', b'+', &bytes[at..]),
            _ => memchr::memchr(b'%', &bytes[at..]),
        };
        let plain = next.unwrap_or(bytes.len() - at);
        decoded.extend_from_slice(&bytes[at..at + plain]);
        at += plain;
        if at == bytes.len() {
            break;
        }
        let rest = &bytes[at..];
        let taken = match format {
            Format::Json => json(rest, &mut decoded),
            _ => percent_or_plus(format, rest, &mut decoded),
        };
        at += taken.source;
        if taken.moved {
            runs.push((decoded.len(), at));
        }
    }
    Some(Decoded {
        bytes: Secret::new(decoded),
        runs,
    })
}

/// How many source bytes an escape takes, and whether what follows it moves.
struct Taken {
    source: usize,
    moved: bool,
}

fn percent_or_plus(format: Format, rest: &[u8], decoded: &mut Vec<u8>) -> Taken {
    let keep = |byte: u8| match format {
        Format::Path => byte == b'/',
        // A line end would begin another header.
        Format::Headers => byte < b' ' || byte == 0x7f,
        _ => byte == b'&',
    };
    // The tracks of cards begin with `%B4`, and headers need not escape anything: no character begins
    // with the second byte of one.
    let is_stray = |byte: u8, decoded: &[u8]| {
        format == Format::Headers && matches!(byte, 0x80..0xc0) && decoded.last().is_none_or(u8::is_ascii)
    };
    if let Some(byte) = percent_twice(rest)
        && !keep(byte)
        && !is_stray(byte, decoded)
    {
        decoded.push(byte);
        return Taken {
            source: 5,
            moved: true,
        };
    }
    match percent(rest) {
        Some(byte) if !keep(byte) && !is_stray(byte, decoded) => {
            decoded.push(byte);
            Taken {
                source: 3,
                moved: true,
            }
        }
        _ => {
            decoded.push(if rest[0] == b'+' && format == Format::Form {
                b' '
            } else {
                rest[0]
            });
            Taken {
                source: 1,
                moved: false,
            }
        }
    }
}

/// An escape whose own sign is escaped, `%2540`: no value is meant to have it, and `%40` would hide one.
fn percent_twice(rest: &[u8]) -> Option<u8> {
    let [b'%', b'2', b'5', high, low, ..] = rest else {
        return None;
    };
    // Only of what is ASCII: the track of a card begins with `%B4`, and is sent as `%25B4`.
    percent(&[b'%', *high, *low]).filter(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'='))
}

/// RFC 8259 §7.
fn json(rest: &[u8], decoded: &mut Vec<u8>) -> Taken {
    if rest.get(1) == Some(&b'/') {
        decoded.push(b'/');
        return Taken {
            source: 2,
            moved: true,
        };
    }
    if let Some((character, source)) = unicode(rest)
        && character >= ' '
        && !matches!(character, '"' | '\\')
    {
        decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return Taken { source, moved: true };
    }
    let source = rest.len().min(2);
    decoded.extend_from_slice(&rest[..source]);
    Taken { source, moved: false }
}

/// `\uXXXX`, or a surrogate pair of them.
fn unicode(rest: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let hex = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
        hex.iter()
            .try_fold(0, |unit, b| Some(unit << 4 | char::from(*b).to_digit(16)?))
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second))?;
    let code = 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
    Some((char::from_u32(code)?, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format, source: &str) -> Option<String> {
        undo(format, source.as_bytes()).map(|d| String::from_utf8_lossy(d.bytes.expose()).into_owned())
    }

    #[test]
    fn escapes_are_undone_but_not_those_with_a_meaning() {
        for (format, source, expected) in [
            (
                Format::Form,
                "a=b%40c.de&n=4111+1111",
                Some("a=b@c.de&n=4111 1111"),
            ),
            (Format::Form, "a=1%262&b=%zz%4", Some("a=1%262&b=%zz%4")),
            (
                Format::Form,
                "a=b%2540c.de%252526&n=50%25+1%2526&t=%25B4111",
                Some("a=b@c.de%2526&n=50% 1%26&t=%B4111"),
            ),
            (Format::Form, "a=b", None),
            (Format::Path, "/a%40b%2Fc+d", Some("/a@b%2Fc+d")),
            (
                Format::Headers,
                "Cookie: a=b%40c.de+d%3Be%0d%0Af%26\r\n",
                Some("Cookie: a=b@c.de+d;e%0d%0Af&\r\n"),
            ),
            (Format::Headers, "T: %B4111%C3%BCx", Some("T: %B4111üx")),
            (
                Format::Json,
                r#"{"a":"b\u0040c","d":"e\/f\\u0040\u0022\n"}"#,
                Some(r#"{"a":"b@c","d":"e/f\\u0040\u0022\n"}"#),
            ),
            (
                Format::Json,
                r#"["\ud83d\ude00\ud83dx\u00"]"#,
                Some("[\"😀\\ud83dx\\u00\"]"),
            ),
            (Format::Json, r#"{"a":"\"b\n"}"#, None),
            (Format::Text, r"a\u0040%40", None),
        ] {
            assert_eq!(text(format, source).as_deref(), expected, "{source}");
        }
    }
}
