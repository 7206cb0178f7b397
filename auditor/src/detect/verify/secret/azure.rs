//! Azure: storage and bus keys, shared access signatures, client secrets.
//!
//! Goes in: a place where a parameter's name stands, or a named value. Comes out: the match of the
//! parameter's value. Sources: Microsoft's documentation of storage connection strings, of service
//! SAS, and of application secrets.

use super::{dummy, example, hidden};
use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};

/// Bytes around a signature in which its parameters stand.
const AROUND: usize = 400;

/// Judges `AccountKey=` (64 bytes in base 64) and `SharedAccessKey=` (32 bytes in base 64).
pub(crate) fn verify_key(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    let (name, length) = match text {
        [b'A', ..] => (b"AccountKey=".len(), 88),
        _ => (b"SharedAccessKey=".len(), 44),
    };
    let start = place.at + name;
    let body = text[name..]
        .iter()
        .take(length + 1)
        .take_while(|b| is_base64(**b))
        .count();
    let value = &text[name..name + body];
    if body != length || !value.ends_with(b"=") {
        return hidden_value(place, start);
    }
    let range = start..start + body;
    if let Some(source) = example::of(value) {
        return Some(
            Match::new(range, State::Test)
                .because(16.0, "is a key behind the name of Azure's keys")
                .because(0.0, example::reason(source)),
        );
    }
    (!dummy::is_filler(value)).then(|| {
        Match::new(range, State::Clear)
            .because(18.0, "is a key behind the name of Azure's keys, of their length")
    })
}

/// Judges `sig=`: 32 bytes in base 64, percent-encoded, beside the other parameters of a shared
/// access signature: two of `sv`, `se`, `sp`, `sr`, `si`, `skn`.
pub(crate) fn verify_signature(place: &Place<'_>) -> Option<Match> {
    if !place
        .before(place.at)
        .is_none_or(|b| matches!(b, b'?' | b'&' | b' ' | b'"' | b';' | b'%'))
    {
        return None;
    }
    let name = place.bytes[place.at..].iter().position(|b| *b == b'=')?;
    let start = place.at + name + 1;
    let rest = &place.bytes[start..];
    let (mut length, mut count) = (0, 0);
    while count <= 44 {
        match &rest[length..] {
            [b'%', b'2', b'B' | b'b' | b'F' | b'f', ..] | [b'%', b'3', b'D' | b'd', ..] => length += 3,
            [byte, ..] if is_base64(*byte) => length += 1,
            _ => break,
        }
        count += 1;
    }
    let is_signed = || {
        let from = place.at.saturating_sub(AROUND);
        let around = &place.bytes[from..place.bytes.len().min(start + AROUND)];
        [b"se=".as_slice(), b"sv=", b"skn=", b"sp=", b"sr=", b"si="]
            .iter()
            .filter(|name| memchr::memmem::find(around, name).is_some())
            .count()
            >= 2
    };
    if count == 44 && is_signed() {
        let found = Match::new(start..start + length, State::Clear);
        return Some(found.because(
            16.0,
            "is the signature of a shared access signature, beside its parameters",
        ));
    }
    (count < 44 && is_signed())
        .then(|| hidden_value(place, start))
        .flatten()
}

fn hidden_value(place: &Place<'_>, start: usize) -> Option<Match> {
    let mask = hidden::Mask::at(place.bytes, start)?;
    let mut found =
        Match::new(start..mask.end, mask.state()).because(14.0, "is hidden behind the name of Azure's keys");
    found.under_masked = !mask.keeps();
    Some(found)
}

/// Judges a client secret that begins with the word at the place.
pub(crate) fn verify_client_secret(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    // Most words end here.
    if text
        .get(3..6)
        .is_none_or(|mark| !mark[0].is_ascii_digit() || mark[1..] != *b"Q~")
    {
        return None;
    }
    let length = text
        .iter()
        .take(41)
        .take_while(|b| is_of_client_secret(b))
        .count();
    // The full stop of a sentence.
    let secret = text[..length].strip_suffix(b".").unwrap_or(&text[..length]);
    let is_inside = place.before(place.at).is_some_and(|b| is_of_client_secret(&b));
    let proof = client_secret(secret).filter(|_| !is_inside)?;
    Some(proof.into_match(place.at..place.at + secret.len()))
}

/// Judges the whole value of a field as a client secret.
pub(crate) fn check_client_secret(value: &Value<'_>) -> Option<Proof> {
    client_secret(value.text)
}

/// A client secret of the Microsoft identity platform: three characters, a digit, `Q~` and 31 to 34
/// characters.
fn client_secret(text: &[u8]) -> Option<Proof> {
    let (head, rest) = text.split_at_checked(6)?;
    let shaped = head[3].is_ascii_digit()
        && head.ends_with(b"Q~")
        && head[..3].iter().all(is_of_client_secret)
        && (31..=34).contains(&rest.len())
        && rest.iter().all(is_of_client_secret);
    (shaped && !dummy::is_filler(rest))
        .then(|| Proof::new(12.0, "has the mark and length of Microsoft's client secrets"))
}

fn is_of_client_secret(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'~' | b'.' | b'-')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
