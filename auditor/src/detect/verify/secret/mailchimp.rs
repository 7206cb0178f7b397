//! Mailchimp API keys: thirty-two hexadecimal digits, a dash, and the data centre.
//!
//! Goes in: the place of a data centre (`us1` …). Comes out: the match of the key that ends there,
//! or nothing. Source: Mailchimp's documentation of its Marketing API.

use super::dummy;
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// Judges what stands before and behind `us` and a digit.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let dash = place.at.checked_sub(1)?;
    if place.bytes[dash] != b'-' {
        return None;
    }
    let digits = place.bytes[place.at + 2..]
        .iter()
        .take(3)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let end = place.at + 2 + digits;
    let joined = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !(1..=2).contains(&digits) || place.bytes.get(end).is_some_and(joined) {
        return None;
    }
    let start = dash.checked_sub(32)?;
    let hex = &place.bytes[start..dash];
    let shaped = hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && dummy::variety(hex) > 6;
    let ends = !place
        .before(start)
        .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (shaped && ends).then(|| {
        Match::new(start..end, State::Clear).because(15.0, "is a key and a data centre of Mailchimp")
    })
}
