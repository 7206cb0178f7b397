//! Where strings of JSON begin and end, also of JSON in a string of JSON.
//!
//! Goes in: bytes and a place. Comes out: the level of a quote, the end of a string, names. It remembers nothing
//! and looks a bounded distance ahead, but for the end of a string.

use crate::content::cursor::{MAX_SIBLINGS, REACH, text_of};

/// Bytes at the beginning of a string by which it is told whether it holds JSON.
const LOOK: usize = 64;

/// How many strings hold each other where a quote with so many backslashes in front of it stands: an outer
/// string doubles those of an inner one and adds one, so there are 1, 3, 7 of them.
pub(super) fn level_of(slashes: u32) -> usize {
    slashes.saturating_add(1).trailing_zeros() as usize
}

/// Whether a string at `level`, whose content begins with `text`, holds an object or an array of such, of
/// arrays or of strings.
pub(super) fn holds_json(text: &[u8], level: usize) -> bool {
    let text = &text[..text.len().min(LOOK)];
    let Some(is_object) = text.first().and_then(|first| match first {
        b'{' => Some(true),
        b'[' => Some(false),
        _ => None,
    }) else {
        return false;
    };
    let mut slashes = 0;
    for byte in &text[1..] {
        match byte {
            b'\\' => slashes += 1,
            b'"' => return level_of(slashes) == level + 1,
            b'n' | b't' | b'r' if slashes > 0 => slashes = 0,
            b' ' => {}
            b'{' | b'[' => return !is_object,
            _ => return false,
        }
    }
    false
}

/// The end of the content of a string at `level`, at or after `from`, a place outside any escape.
pub(super) fn text_end(bytes: &[u8], from: usize, level: usize) -> usize {
    let mut at = from;
    while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', bytes.get(at..).unwrap_or_default()) {
        at += found;
        let rest = &bytes[at..];
        let slashes = rest.iter().take_while(|b| **b == b'\\').count();
        match rest.get(slashes) {
            Some(b'"') => {
                let own = level_of(u32::try_from(slashes).unwrap_or(u32::MAX));
                if own <= level {
                    return at + slashes - ((1 << own) - 1).min(slashes);
                }
            }
            Some(b'\n') | None => return at + slashes,
            Some(_) => {}
        }
        at += slashes + 1;
    }
    bytes.len()
}

/// Keys that follow in the object `inner` levels out, within reach, in the same string.
pub(super) fn names_behind(bytes: &[u8], from: usize, mut inner: usize, level: usize) -> Vec<String> {
    let end = bytes.len().min(from.saturating_add(REACH));
    let quote = (1 << level) - 1;
    let mut names = Vec::new();
    let (mut at, mut slashes) = (from, 0);
    while at < end && names.len() <= MAX_SIBLINGS {
        let before = std::mem::take(&mut slashes);
        match bytes[at] {
            b'\\' => slashes = before + 1,
            b'{' | b'[' => inner += 1,
            b'}' | b']' if inner == 0 => break,
            b'}' | b']' => inner -= 1,
            b'"' if level_of(before) < level => break,
            b'"' if level_of(before) == level => {
                let close = text_end(&bytes[..end], at + 1, level);
                let colon = bytes[close.min(end)..end]
                    .iter()
                    .skip(quote + 1)
                    .find(|b| !b.is_ascii_whitespace());
                if inner == 0 && colon == Some(&b':') {
                    names.push(text_of(bytes, at + 1..close));
                }
                at = close + quote;
            }
            _ => {}
        }
        at += 1;
    }
    names
}
