//! Keys without a mark of their own: hexadecimal digits or letters under a vendor's name.
//!
//! Goes in: the whole value of a field that a row names. Comes out: a proof when it has the
//! vendor's alphabet and length. The bits are those by which such characters differ from words.

use super::dummy;
use crate::detect::candidate::{Match, Place, Proof, Value};

/// Datadog: an API key of 32 or an application key of 40 hexadecimal digits.
pub(crate) fn check_datadog(value: &Value<'_>) -> Option<Proof> {
    hexadecimal(value.text, &[32, 40])
}

/// Twilio: an authentication token of 32 hexadecimal digits.
pub(crate) fn check_twilio(value: &Value<'_>) -> Option<Proof> {
    hexadecimal(value.text, &[32])
}

/// Mailgun: 32 hexadecimal digits, or those and twice eight more, joined by dashes.
pub(crate) fn check_mailgun(value: &Value<'_>) -> Option<Proof> {
    let mut parts = value.text.split(|b| *b == b'-');
    let first = parts.next()?;
    let rest = parts.try_fold(0, |count, part| {
        (part.len() == 8 && is_hexadecimal(part)).then_some(count + 1)
    })?;
    matches!(rest, 0 | 2).then(|| hexadecimal(first, &[32])).flatten()
}

/// New Relic: a licence key of forty characters that ends with `NRAL`, or of forty hexadecimal
/// digits.
pub(crate) fn check_newrelic(value: &Value<'_>) -> Option<Proof> {
    newrelic_licence(value.text).or_else(|| hexadecimal(value.text, &[40]))
}

/// New Relic: a word of forty characters that ends with `NRAL`.
pub(crate) fn verify_newrelic(place: &Place<'_>) -> Option<Match> {
    let range = place.at..place.at + 40;
    let is_inside = |b: &u8| matches!(b, b'-' | b'_' | b'+' | b'/');
    if place.before(place.at).as_ref().is_some_and(is_inside)
        || place.bytes.get(range.end).is_some_and(is_inside)
    {
        return None;
    }
    let proof = newrelic_licence(place.bytes.get(range.clone())?)?;
    Some(proof.into_match(range))
}

fn newrelic_licence(text: &[u8]) -> Option<Proof> {
    let (body, mark) = text.split_last_chunk::<4>()?;
    let is_licence = body.len() == 36
        && mark == b"NRAL"
        && body.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
        && !dummy::is_filler(body);
    is_licence.then(|| Proof::new(12.0, "has the mark and length of New Relic's licence keys"))
}

/// Vault before 1.10: `s.` and twenty-four letters and digits.
pub(crate) fn check_vault(value: &Value<'_>) -> Option<Proof> {
    let body = value.text.strip_prefix(b"s.")?;
    (body.len() == 24 && body.iter().all(u8::is_ascii_alphanumeric) && !dummy::is_filler(body))
        .then(|| Proof::new(8.0, "has the form of Vault's service tokens before 1.10"))
}

fn hexadecimal(text: &[u8], lengths: &[usize]) -> Option<Proof> {
    let drawn = lengths.contains(&text.len()) && is_hexadecimal(text) && dummy::variety(text) > 6;
    drawn.then(|| Proof::new(6.0, "has the alphabet and length of the vendor's keys"))
}

fn is_hexadecimal(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
