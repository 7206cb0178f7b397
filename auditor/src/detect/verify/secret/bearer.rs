//! Bearer tokens that say nothing of themselves (RFC 6750).
//!
//! Goes in: a place behind which the scheme `Bearer` stands. Comes out: the token's match. JSON
//! Web Tokens and vendors' tokens are left to their own detectors.

use super::{dummy, example, hidden, token};
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

const SCHEME: usize = b"Bearer ".len();
/// Longest token that is looked at, bytes.
const LONGEST: usize = 2048;
/// Shortest token in an Authorization header, and elsewhere.
const IN_HEADER: usize = 8;
const IN_TEXT: usize = 20;

/// Judges what follows `Bearer `; the value begins behind the scheme.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    if place
        .before(place.at)
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return None;
    }
    let start = place.at + SCHEME;
    let text = &place.bytes[start..];
    let length = text.iter().take(LONGEST).take_while(|b| is_token68(**b)).count();
    let length = length - text[..length].iter().rev().take_while(|b| **b == b'.').count();
    let value = &text[..length];
    if value.starts_with(b"eyJ") || token::begins(value) {
        return None;
    }
    let in_header = is_in_header(place);
    if let Some(source) = example::of(value) {
        let found = Match::new(start..start + length, State::Test);
        return Some(
            found
                .because(9.0, "stands behind the scheme Bearer")
                .because(0.0, example::reason(source)),
        );
    }
    if let Some(mask) = hidden::Mask::at(place.bytes, start) {
        let mut found =
            Match::new(start..mask.end, mask.state()).because(9.0, "is hidden behind the scheme Bearer");
        found.under_masked = !mask.keeps();
        // Prose has dots behind the word, and `xxxx` in manuals.
        return (in_header || mask.keeps()).then_some(found);
    }
    if dummy::is_filler(value) {
        return None;
    }
    let digits = value.iter().any(u8::is_ascii_digit);
    if in_header && length >= IN_HEADER {
        // Everything in this place is a credential; a word may still be a manual's.
        let bits = if digits || length >= IN_TEXT { 12.0 } else { 7.0 };
        let found = Match::new(start..start + length, State::Clear);
        return Some(found.because(bits, "stands behind the scheme Bearer of an Authorization header"));
    }
    let drawn = length >= IN_TEXT && digits && dummy::entropy(value) >= 3.3;
    drawn.then(|| {
        Match::new(start..start + length, State::Clear)
            .because(9.0, "stands behind the scheme Bearer and has no order")
    })
}

fn is_in_header(place: &Place<'_>) -> bool {
    let before = &place.bytes[place.at.saturating_sub(24)..place.at];
    before
        .windows(b"authorization".len())
        .any(|word| word.eq_ignore_ascii_case(b"authorization"))
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':')
}
