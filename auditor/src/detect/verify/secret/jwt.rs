//! JSON Web Tokens: parts that decode, a header with `alg`, the state of `exp`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::catalogue::GDPR;

/// Longest header and longest part that are read, bytes.
const HEADER: usize = 4096;
const PART: usize = 64 * 1024;

#[derive(Deserialize)]
struct Header {
    /// Required, or the header is none.
    #[serde(rename = "alg")]
    _alg: serde::de::IgnoredAny,
    enc: Option<serde::de::IgnoredAny>,
}

/// Judges the token that begins at `eyJ`.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    if place.before(place.at).is_some_and(|b| is_base64url(&b)) {
        return None;
    }
    let (header_range, rest) = part(place.bytes, place.at, HEADER)?;
    let header = decode(&place.bytes[header_range.clone()])?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    let Header { enc, .. } = header;
    let mut ends = [rest; 4];
    let mut parts = 1;
    let mut payload = 0..0;
    let mut end = header_range.end;
    while parts < 5 && place.bytes.get(end) == Some(&b'.') {
        let length = run_length(&place.bytes[end + 1..], PART);
        if parts == 1 {
            payload = end + 1..end + 1 + length;
        }
        end += 1 + length;
        ends[parts - 1] = end;
        parts += 1;
    }
    let found = |end: usize, state| {
        Match::new(place.at..end, state).because(16.0, "its first part decodes to JSON with `alg`")
    };
    if parts == 5 && enc.is_some() {
        return Some(found(end, State::Encrypted).because(4.0, "is a five-part JWE"));
    }
    // A stripped or hidden signature opens nothing, but the claims are still there.
    if parts < 3 || payload.len() < 4 {
        return None;
    }
    let claims = decode(&place.bytes[payload]);
    let stripped =
        ends[1] == ends[0] + 1 && place.bytes.get(ends[1]).is_some_and(|b| matches!(b, b'*' | b'['));
    let state = match &claims {
        Some(claims) if is_sample(claims) => State::Test,
        _ if stripped => State::Masked,
        _ => State::Clear,
    };
    let mut found = found(ends[1], state);
    if let Some(claims) = claims {
        found = found.because(4.0, "its second part decodes");
        if let Some(reason) = expiry(&claims) {
            found = found.because(0.0, reason);
        }
        if memchr::memmem::find(&claims, b"\"email\"").is_some()
            || memchr::memmem::find(&claims, b"\"name\"").is_some()
        {
            found = found.because(0.0, "its claims name a person");
            found.extra_regulations = &[GDPR];
        }
    }
    if state == State::Test {
        found = found.because(0.0, "is a test value: the sample token of jwt.io or RFC 7519");
    }
    Some(found)
}

fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn run_length(bytes: &[u8], longest: usize) -> usize {
    bytes.iter().take(longest).take_while(|b| is_base64url(b)).count()
}

/// The part that begins at `at` and is followed by a dot.
fn part(bytes: &[u8], at: usize, longest: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let end = at + run_length(&bytes[at..], longest);
    (bytes.get(end) == Some(&b'.')).then_some((at..end, end))
}

fn decode(part: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(part).ok().map(Zeroizing::new)
}

fn expiry(claims: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<f64>,
    }
    let exp = serde_json::from_slice::<Claims>(claims).ok()?.exp;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(match exp {
        None => "it never expires",
        Some(exp) if exp < now => "it has expired",
        Some(_) => "it has not expired",
    })
}

fn is_sample(claims: &[u8]) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(claims, text).is_some();
    (has(b"\"1234567890\"") && has(b"\"John Doe\"") && has(b"1516239022"))
        || (has(b"\"iss\":\"joe\"") && has(b"1300819380"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    fn token(header: &str, claims: &str, rest: &str) -> String {
        format!(
            "{}.{}.{rest}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    fn found(text: &str) -> Option<Match> {
        verify(&Place {
            bytes: text.as_bytes(),
            at: 0,
            format: Format::Text,
        })
    }

    #[test]
    fn a_token_is_known_by_its_header() {
        let claims = r#"{"sub":"1","exp":1}"#;
        for (text, expected) in [
            (
                token(r#"{"alg":"HS256"}"#, claims, "c2lnbmF0dXJl"),
                Some(State::Clear),
            ),
            (token(r#"{"alg":"none"}"#, claims, ""), Some(State::Clear)),
            (token(r#"{"alg":"HS256"}"#, claims, "***"), Some(State::Masked)),
            (
                token(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "key", "aXY.dGV4dA.dGFn"),
                Some(State::Encrypted),
            ),
            (token(r#"{"typ":"JWT"}"#, claims, "c2lnbmF0dXJl"), None),
            (token(r#"{"alg""#, claims, "c2lnbmF0dXJl"), None),
            ("eyJhbGciOiJIUzI1NiJ9".into(), None),
        ] {
            assert_eq!(found(&text).map(|found| found.state), expected, "{text}");
        }
    }

    #[test]
    fn the_evidence_says_whether_it_expired() {
        for (claims, expected) in [
            (r#"{"exp":1}"#, "it has expired"),
            (r#"{"exp":99999999999}"#, "it has not expired"),
            (r#"{"sub":"1"}"#, "it never expires"),
        ] {
            let found = found(&token(r#"{"alg":"HS256"}"#, claims, "c2ln")).unwrap();
            assert!(
                found.evidence.iter().any(|line| line.reason == expected),
                "{claims}"
            );
        }
    }
}
