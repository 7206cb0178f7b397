//! Session cookies: who sends them is logged in (RFC 6265).
//!
//! Goes in: the place of a session's name and `=`, or the whole value of a cookie. Comes out: the
//! match of the value. Names that frameworks alone use say it anywhere; `session=` and its like
//! only in a Cookie or Set-Cookie line.

use super::{dummy, example, hidden, password};
use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};

/// Bytes before a cookie in which its header's name stands.
const BACK: usize = 1024;
const LONGEST: usize = 512;
/// Shortest session id: 64 bits in base 64 (OWASP session management).
const SHORTEST: usize = 11;

/// Names that only frameworks' sessions have.
const TELLING: [&[u8]; 8] = [
    b"PHPSESSID",
    b"JSESSIONID",
    b"connect.sid",
    b"ASP.NET_SessionId",
    b"ASPSESSIONID",
    b"laravel_session",
    b"_gitlab_session",
    b"ci_session",
];

/// Judges the value behind a name.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    let name = text.iter().take(32).position(|b| *b == b'=')?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if place.before(place.at).is_some_and(|b| is_name(b) && b != b'.') {
        return None;
    }
    let start = place.at + name + 1;
    let is_member = |b: &u8| {
        b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\\' | b'<' | b'>' | b'&' | b'\'')
    };
    let rest = &place.bytes[start..];
    let length = rest.iter().take(LONGEST).take_while(|b| is_member(b)).count();
    let value = &rest[..length];
    if length < 3 {
        return None;
    }
    let telling = TELLING
        .iter()
        .any(|known| known.len() <= name && text[..name].starts_with(known));
    if !telling && !is_in_cookie(place) {
        return None;
    }
    if let Some(mask) = hidden::Mask::at(place.bytes, start) {
        let end = mask.end.min(start + length).max(start + 1);
        let mut found = Match::new(start..end, mask.state())
            .because(10.0, "is hidden behind the name of a session cookie");
        found.under_masked = !mask.keeps();
        return Some(found);
    }
    let (bits, reason) = judge(value)?;
    let found = |state| Match::new(start..start + length, state).because(bits + 6.0, reason);
    Some(match example::of(value) {
        Some(source) => found(State::Test).because(0.0, example::reason(source)),
        None => found(State::Clear),
    })
}

/// Judges the whole value of a field that has the name of a framework's session.
pub(crate) fn check(value: &Value<'_>) -> Option<Proof> {
    let (bits, reason) = judge(value.text)?;
    Some(Proof::new(bits, reason).or_test(example::of(value.text)))
}

/// A value long enough, and drawn rather than written.
fn judge(value: &[u8]) -> Option<(f32, &'static str)> {
    let written = password::is_reference(value) || dummy::is_filler(value);
    let drawn =
        value.iter().any(u8::is_ascii_digit) || dummy::is_mixed(value) || dummy::entropy(value) >= 3.5;
    (value.len() >= SHORTEST && !written && drawn && !value.contains(&b' '))
        .then_some((4.0, "has the length of a session's id and no order"))
}

/// Whether the line up to the place is a Cookie or Set-Cookie header, and the name begins a cookie.
fn is_in_cookie(place: &Place<'_>) -> bool {
    let before = &place.bytes[place.at.saturating_sub(BACK)..place.at];
    if !before
        .iter()
        .rev()
        .find(|b| **b != b' ')
        .is_some_and(|b| matches!(b, b':' | b';' | b'"' | b'\''))
    {
        return false;
    }
    let line = &before[memchr::memrchr(b'\n', before).map_or(0, |at| at + 1)..];
    memchr::memmem::rfind(line, b"ookie").is_some()
}
