//! User and password in a URL: `scheme://user:password@host` (RFC 3986, section 3.2.1).
//!
//! Goes in: the place of an at sign. Comes out: the match of `user:password`, its state that of the
//! password; or nothing. Looks back to the nearest character no such part holds, and so never twice
//! over the same bytes.

use super::{example, password};
use crate::detect::candidate::{Match, Place};
use crate::detect::catalogue::Convention;
use crate::detect::{State, mask, state};

/// Longest user and password, bytes.
pub(super) const LONGEST: usize = 300;

/// Judges what stands before the at sign.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let (start, scheme) = user_info(place)?;
    if !scheme.ends_with(b"://") && !scheme.ends_with(b":\\/\\/") {
        return None;
    }
    let name = scheme[..scheme.len() - if scheme.ends_with(b"/\\/") { 5 } else { 3 }].last()?;
    let host = place.bytes.get(behind_at(place))?;
    let is_host =
        host.is_ascii_alphanumeric() || matches!(host, b'[' | b'$' | b'{' | b'<' | b'_' | b'%' | b'*');
    if !name.is_ascii_alphanumeric() || !is_host {
        return None;
    }
    judge(
        place,
        start,
        16.0,
        "stands between a scheme and a host as user and password",
    )
}

/// The state of `user:password` between `start` and the at sign.
pub(super) fn judge(place: &Place<'_>, start: usize, bits: f32, reason: &'static str) -> Option<Match> {
    let text = &place.bytes[start..place.at];
    let colon = text.iter().position(|b| *b == b':')?;
    let (user, password) = (&text[..colon], &text[colon + 1..]);
    if password.is_empty() {
        return None;
    }
    let found = |state| Match::new(start..place.at, state).because(bits, reason);
    if let Some(protected) = state::of(password) {
        let (state, leaves_too_much) = protected.judge(Convention::Secret(0));
        // Passwords hold `xx` by chance.
        if !leaves_too_much {
            return Some(found(state)).filter(|_| state != State::Tokenised);
        }
        if (0..password.len()).any(|at| mask::sure_at(password, at).is_some()) {
            let mut found = found(State::Clear);
            found.under_masked = true;
            return Some(found);
        }
    }
    if is_hidden(password) {
        return Some(found(State::Masked));
    }
    if password::is_reference(password) {
        return None;
    }
    let manual = |word: &[u8], words: &[&[u8]]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    // Manuals write the words for the parts; nobody's host is called `host` either.
    let stands_for_itself = manual(
        password,
        &[
            b"password",
            b"pass",
            b"passwd",
            b"pwd",
            b"pw",
            b"secret",
            b"token",
        ],
    );
    if stands_for_itself
        && (user.is_empty() || manual(user, &[b"user", b"username", b"login", b"usr", b"name"]))
    {
        return Some(
            found(State::Test).because(0.0, example::reason("the words that manuals write for the parts")),
        );
    }
    if super::dummy::says_filler(password) || password.iter().all(|b| *b == password[0]) {
        return None;
    }
    Some(found(State::Clear))
}

/// All of it is mask characters: `xxxxx` of Go's redacted URLs, `***`.
fn is_hidden(password: &[u8]) -> bool {
    mask::run_at(password, 0).is_some_and(|(length, count)| length == password.len() && count >= 3)
}

/// Where the part before the at sign begins, and what stands before it.
pub(super) fn user_info<'a>(place: &Place<'a>) -> Option<(usize, &'a [u8])> {
    let from = place.at.saturating_sub(LONGEST);
    let ends = |b: &u8| {
        b.is_ascii_whitespace() || matches!(b, b'/' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'`' | b',')
    };
    let start = from + place.bytes[from..place.at].iter().rposition(ends)? + 1;
    (start < place.at).then(|| (start, &place.bytes[start.saturating_sub(12)..start]))
}

/// Behind the at sign or its escape.
pub(super) fn behind_at(place: &Place<'_>) -> usize {
    place.at + if place.bytes[place.at] == b'%' { 3 } else { 1 }
}
