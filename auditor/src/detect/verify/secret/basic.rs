//! HTTP Basic credentials.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::{mask, state};

const SCHEME: usize = b"Basic ".len();
/// Longest base 64 that is read, bytes.
const LONGEST: usize = 400;

/// Judges what follows `Basic `; the value begins behind the scheme.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    if place.before(place.at).is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let start = place.at + SCHEME;
    let text = &place.bytes[start..];
    if mask::run_at(text, 0).is_some_and(|(_, count)| count >= 3) {
        let end = start
            + text
                .iter()
                .take(64)
                .take_while(|b| !b.is_ascii_whitespace() && **b != b'"')
                .count();
        return Some(Match::new(start..end, State::Masked).because(6.0, "is hidden behind the scheme Basic"));
    }
    let length = text
        .iter()
        .take(LONGEST)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        .count();
    let token = &text[..length];
    let padded = length >= 4 && length % 4 == 0;
    let decoded = match padded {
        true => STANDARD.decode(token).ok(),
        // Some clients leave the padding away; then only a header makes it credible.
        false if token.len() > 8 && in_header(place) => STANDARD_NO_PAD.decode(token).ok(),
        false => None,
    };
    let decoded = Zeroizing::new(decoded?);
    let colon = decoded.iter().position(|b| *b == b':')?;
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    let readable = std::str::from_utf8(&decoded).is_ok_and(|text| !text.chars().any(char::is_control));
    if !readable || (password.is_empty() && user.len() < 16) {
        return None;
    }
    let test = matches!(
        &decoded[..],
        b"Aladdin:open sesame" | b"user:password" | b"username:password"
    );
    let state = match state::of(password) {
        Some(found) if found.state == State::Masked => State::Masked,
        _ if test => State::Test,
        _ => State::Clear,
    };
    let found = Match::new(start..start + length, state)
        .because(10.0, "decodes to a readable user name, a colon and a password");
    Some(if test {
        found.because(0.0, "is a test value: RFC 7617 and manuals")
    } else {
        found
    })
}

fn in_header(place: &Place<'_>) -> bool {
    let before = place.bytes[place.at.saturating_sub(20)..place.at].to_ascii_lowercase();
    memchr::memmem::find(&before, b"authorization").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    #[test]
    fn credentials_are_known_by_what_they_decode_to() {
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        for (text, expected) in [
            (basic("svc:S3cr3t-pass"), Some(State::Clear)),
            (basic("sk_live_0123456789abcdef:"), Some(State::Clear)),
            (basic("Aladdin:open sesame"), Some(State::Test)),
            (basic("svc:********"), Some(State::Masked)),
            ("Basic ********".into(), Some(State::Masked)),
            (basic("no colon here"), None),
            ("Basic knowledge of it".into(), None),
            ("Basic ".into(), None),
        ] {
            let found = verify(&Place {
                bytes: text.as_bytes(),
                at: 0,
                format: Format::Headers,
            });
            assert_eq!(found.map(|found| found.state), expected, "{text}");
        }
    }
}
