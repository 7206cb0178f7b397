//! Seeds of one-time passwords: `otpauth://totp/…?secret=…`.
//!
//! Goes in: the place of such a URI. Comes out: the match of the whole URI; its state is that of
//! the seed. Source: the key URI format of Google Authenticator, RFC 4648 for base 32.

use super::{dummy, example, hidden};
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// Longest URI that is looked at, bytes.
const LONGEST: usize = 1024;

/// Judges the URI that begins at `otpauth://`.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..place.bytes.len().min(place.at + LONGEST)];
    let kind = text.strip_prefix(b"otpauth://")?;
    if !kind.starts_with(b"totp/") && !kind.starts_with(b"hotp/") {
        return None;
    }
    let name = [b"?secret=".as_slice(), b"&secret="]
        .iter()
        .filter_map(|name| memchr::memmem::find(text, name))
        .min()?;
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`');
    let end = text.iter().position(ends).unwrap_or(text.len());
    let start = name + b"?secret=".len();
    if start > end {
        return None;
    }
    let seed = text[start..end].split(|b| *b == b'&').next().unwrap_or_default();
    if let Some(mask) = hidden::Mask::at(place.bytes, place.at + start) {
        let end = mask.end.max(place.at + end);
        let mut found =
            Match::new(place.at..end, mask.state()).because(16.0, "is an otpauth URI with a hidden seed");
        found.under_masked = !mask.keeps();
        return Some(found);
    }
    let is_base32 = |b: &u8| matches!(b.to_ascii_uppercase(), b'A'..=b'Z' | b'2'..=b'7' | b'=' | b'%');
    if seed.len() < 8 || !seed.iter().all(is_base32) || dummy::is_filler(seed) {
        return None;
    }
    let source = example::of(seed);
    let state = if source.is_some() {
        State::Test
    } else {
        State::Clear
    };
    let found = Match::new(place.at..place.at + end, state).because(20.0, "is an otpauth URI with its seed");
    Some(match source {
        Some(source) => found.because(0.0, example::reason(source)),
        None => found,
    })
}
