//! AWS secret access keys: forty base 64 characters, under their name or beside a key id.
//!
//! Goes in: the place of an access key id, or the whole value of a named field. Comes out: the
//! secret's match. Nothing marks such a key but its length, so its characters have to look drawn.

use super::{dummy, example};
use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};

const KEY_ID: usize = 20;
const LENGTH: usize = 40;
/// Lines (or fields) between a key id and its secret.
const LINES: usize = 5;
/// Bytes between them.
const FAR: usize = 400;
/// Forty characters drawn from 64 have 4.7 bits each on average; words and paths have less.
const ENTROPY: f32 = 4.2;

/// Judges the whole value of a field.
pub(crate) fn check(value: &Value<'_>) -> Option<Proof> {
    let state = of(value.text)?;
    let source = (state == State::Test).then_some("AWS documentation");
    Some(Proof::new(6.0, "is forty base 64 characters without order").or_test(source))
}

/// Looks for the secret of the access key id at the place: ahead, then back.
pub(crate) fn verify_paired(place: &Place<'_>) -> Option<Match> {
    let id = place.bytes.get(place.at..place.at + KEY_ID)?;
    let is_id = id.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !is_id || place.before(place.at).is_some_and(is_member) {
        return None;
    }
    let end = place.at + KEY_ID;
    let ahead = &place.bytes[end..place.bytes.len().min(end + FAR)];
    let ahead = &ahead[..within_lines(ahead.iter())];
    let from = place.at.saturating_sub(FAR);
    let back = &place.bytes[from..place.at];
    let back_length = within_lines(back.iter().rev());
    let back_start = place.at - back_length;
    let (start, state) = find(ahead)
        .map(|(at, state)| (end + at, state))
        .or_else(|| find(&place.bytes[back_start..place.at]).map(|(at, state)| (back_start + at, state)))?;
    let found = Match::new(start..start + LENGTH, state)
        .because(14.0, "is forty base 64 characters beside an access key id");
    Some(match state {
        State::Test => found.because(0.0, example::reason("AWS documentation")),
        _ => found,
    })
}

/// Bytes up to the sixth line end or comma.
fn within_lines<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    let mut lines = 0;
    bytes
        .take_while(|b| {
            lines += usize::from(matches!(b, b'\n' | b','));
            lines <= LINES
        })
        .count()
}

/// The first run of just forty base 64 characters that looks like a secret.
fn find(text: &[u8]) -> Option<(usize, State)> {
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|b| is_member(**b)).count();
        if length == LENGTH
            && let Some(state) = of(&text[at..at + LENGTH])
        {
            return Some((at, state));
        }
        at += length + 1;
    }
    None
}

fn of(text: &[u8]) -> Option<State> {
    if text.len() != LENGTH || !text.iter().all(|b| is_member(*b)) {
        return None;
    }
    if example::of(text).is_some() || memchr::memmem::find(text, b"EXAMPLE").is_some() {
        return Some(State::Test);
    }
    (dummy::is_mixed(text) && dummy::entropy(text) >= ENTROPY && !dummy::says_filler(text))
        .then_some(State::Clear)
}

fn is_member(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}
