//! Tokens that begin with a public prefix: one verifier for all vendors.
//!
//! Goes in: a place where a prefix of [`table::FORMS`] stands. Comes out: a match when the body
//! behind it has the alphabet, the length and the checksum that the vendor gives it, or a masked
//! one when the body is hidden. A new vendor is a line in the table and a row in the catalogue.

mod check;
mod table;

use table::Form;

use super::{dummy, example, hidden};
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// What a masked token with a telling prefix is worth, bits.
const HIDDEN: f32 = 16.0;
/// The most that a token is worth, bits: past this nothing in the text can speak against it.
const MOST: f32 = 20.0;

/// Judges the token whose prefix, the longest in the table, stands at the place.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    table::forms_at(&place.bytes[place.at..])
        .max_by_key(|form| form.prefix.len())
        .and_then(|form| judge(place, form))
}

/// Judges OpenAI's keys of before 2024: `sk-` alone begins other vendors' keys too.
pub(crate) fn verify_openai_legacy(place: &Place<'_>) -> Option<Match> {
    judge(place, &table::OPENAI_LEGACY)
}

/// Whether `text` begins with a token of the table or a hidden one.
pub(super) fn begins(text: &[u8]) -> bool {
    table::forms_at(text).any(|form| !form.weak && text.len() >= form.prefix.len() + form.body.0)
}

/// The form of a prefix.
#[cfg(test)]
pub(super) fn form(prefix: &str) -> Option<&'static Form> {
    table::forms_at(prefix.as_bytes()).find(|form| form.prefix == prefix)
}

fn judge(place: &Place<'_>, form: &Form) -> Option<Match> {
    if is_in_word(place) {
        return None;
    }
    let text = &place.bytes[place.at..];
    let body = body(&text[form.prefix.len()..], form);
    if let Some(found) = body.and_then(|body| clear(place, form, body)) {
        return Some(found);
    }
    if form.weak {
        return None;
    }
    hidden::find(place, form.prefix.len(), HIDDEN)
}

/// The characters behind the prefix, when there are as many as the form says and no more.
fn body<'a>(rest: &'a [u8], form: &Form) -> Option<&'a [u8]> {
    let (least, most) = form.body;
    let is_member = form.alphabet.test();
    let length = rest.iter().take(most + 1).take_while(|b| is_member(**b)).count();
    // A full stop ends a sentence, not a token.
    let length = length - rest[..length].iter().rev().take_while(|b| **b == b'.').count();
    let joined = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_');
    let ends = !rest.get(length).is_some_and(joined);
    (ends && (least..=most).contains(&length)).then(|| &rest[..length])
}

fn clear(place: &Place<'_>, form: &Form, body: &[u8]) -> Option<Match> {
    let range = place.at..place.at + form.prefix.len() + body.len();
    if let Some(source) = example::of(&place.bytes[range.clone()]) {
        return Some(
            Match::new(range, State::Test)
                .because(form.bits, form.reason)
                .because(0.0, example::reason(source)),
        );
    }
    let finding = (form.check)(body)?;
    let test = finding.test.or(form.test);
    // An example that its body tells may be as regular as it likes.
    if finding.test.is_none() && dummy::is_filler(body) {
        return None;
    }
    let state = if test.is_some() { State::Test } else { State::Clear };
    let mut found = Match::new(range, state).because(form.bits, form.reason);
    if let Some((bits, reason)) = finding.because {
        found = found.because(bits.min(MOST - form.bits), reason);
    }
    Some(match test {
        Some(source) => found.because(0.0, example::reason(source)),
        None => found,
    })
}

fn is_in_word(place: &Place<'_>) -> bool {
    place
        .before(place.at)
        .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_'))
}
