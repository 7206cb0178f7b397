//! Bytes of items as they are: text for a JSON string, and numbers.
//!
//! Goes in: the bytes of a string, or the head of an item. Comes out: text without what ends a string, or a number.

use super::{LOOK, Show};

/// Shows text as it stands in a JSON string. Control characters that no text has become blanks.
pub(super) fn escaped(text: &[u8], source: u64, show: &mut Show<'_>) {
    let needs = |b: &u8| *b < b' ' || matches!(b, b'"' | b'\\' | 0x7f);
    let mut at = 0;
    while at < text.len() {
        let plain = text[at..].iter().position(needs).unwrap_or(text.len() - at);
        if plain > 0 {
            show(&text[at..at + plain], source + at as u64);
            at += plain;
            continue;
        }
        let escape: &[u8] = match text[at] {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b" ",
        };
        show(escape, source + at as u64);
        at += 1;
    }
}

/// UTF-8, but for a cut at the end, without control characters.
pub(super) fn is_readable(bytes: &[u8]) -> bool {
    let valid = match str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && bytes.len() == LOOK,
    };
    valid
        && !bytes
            .iter()
            .any(|b| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'))
}

/// A number of `N` bytes behind the first one, and the length of both.
pub(super) fn big_endian<const N: usize>(bytes: &[u8]) -> Option<(u64, usize)> {
    let number: &[u8; N] = bytes.get(1..)?.first_chunk()?;
    let number = number
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((number, 1 + N))
}
