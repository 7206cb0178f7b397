//! Private keys in PEM, OpenSSH and PGP armour.

use crate::detect::State;
use crate::detect::candidate::{Match, Place};

const DASHES: usize = b"-----".len();
const BEGIN: usize = b"-----BEGIN ".len();
/// Longest label and longest key that are looked at, bytes.
const LABEL: usize = 48;
const LONGEST: usize = 16 * 1024;

/// Judges the block that begins with five dashes before `BEGIN `.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let start = place.at.checked_sub(DASHES)?;
    let text = &place.bytes[start..];
    if !text.starts_with(b"-----") {
        return None;
    }
    let label_end = text
        .iter()
        .take(BEGIN + LABEL)
        .skip(BEGIN)
        .position(|b| *b == b'-')?
        + BEGIN;
    let label = &text[BEGIN..label_end];
    let rest = text[label_end..].strip_prefix(b"-----")?;
    if !label.windows(11).any(|words| words == b"PRIVATE KEY") {
        return None;
    }
    let rest = &rest[..rest.len().min(LONGEST)];
    let dashes = memchr::memmem::find(rest, b"-----");
    let ended = dashes.filter(|at| rest[*at..].starts_with(b"-----END "));
    // Without its end (cut off, or not a key at all) its first line stands for it.
    let body = &rest[..ended.unwrap_or_else(|| armour_length(rest))];
    let end = label_end + 5 + body.len() + ended.map_or(0, |at| closing(&rest[at..]));
    let encrypted = label.starts_with(b"ENCRYPTED") || memchr::memmem::find(body, b"ENCRYPTED").is_some();
    let state = match (longest_run(body), is_hidden(body)) {
        (run, _) if run >= 16 && encrypted => State::Encrypted,
        (run, _) if run >= 16 => State::Clear,
        (_, true) => State::Masked,
        _ => return None,
    };
    let why = if encrypted {
        "its text says it is encrypted"
    } else {
        "its label says PRIVATE KEY"
    };
    Some(
        Match::new(start..start + end, state)
            .because(12.0, "is an armoured block")
            .because(8.0, why),
    )
}

/// Length of `-----END …-----`.
fn closing(text: &[u8]) -> usize {
    let label = &text[..text.len().min(9 + LABEL)];
    memchr::memmem::find(label.get(9..).unwrap_or_default(), b"-----")
        .map_or(label.len().min(9), |at| 9 + at + 5)
}

/// Bytes up to the end of the first line of base 64; line ends may be written `\n`. More of an
/// unfinished block could be another value.
fn armour_length(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match text.get(at..) {
            Some([b'\\', b'n' | b'r', ..]) => at += 2,
            Some([b'\n' | b'\r', ..]) => at += 1,
            _ => break,
        }
    }
    let inside = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    at + text[at..].iter().take_while(inside).count()
}

/// Longest run of base 64 characters.
fn longest_run(body: &[u8]) -> usize {
    body.split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')))
        .filter(|run| run.iter().any(|b| *b != run[0]) && !run.iter().all(|b| matches!(b, b'x' | b'X')))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

fn is_hidden(body: &[u8]) -> bool {
    let body = &body[..body.len().min(128)];
    let inner = body.trim_ascii();
    let inner = inner.strip_prefix(b"\\n").unwrap_or(inner);
    let inner = inner.strip_suffix(b"\\n").unwrap_or(inner);
    crate::detect::state::of(inner).is_some_and(|found| found.state == State::Masked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    #[test]
    fn a_block_is_judged_by_its_label_and_body() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj";
        for (text, expected) in [
            (
                format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"),
                Some(State::Clear),
            ),
            (
                format!("-----BEGIN RSA PRIVATE KEY-----\\n{body}\\n-----END RSA PRIVATE KEY-----"),
                Some(State::Clear),
            ),
            (
                format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}"),
                Some(State::Clear),
            ),
            (
                format!(
                    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{body}\n-----END PGP PRIVATE KEY BLOCK-----"
                ),
                Some(State::Clear),
            ),
            (
                format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----"),
                Some(State::Encrypted),
            ),
            (
                "-----BEGIN PRIVATE KEY-----\n[REDACTED]\n-----END PRIVATE KEY-----".into(),
                Some(State::Masked),
            ),
            (
                format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"),
                None,
            ),
            ("-----BEGIN PRIVATE KEY-----".into(), None),
        ] {
            let found = verify(&Place {
                bytes: text.as_bytes(),
                at: DASHES,
                format: Format::Text,
            });
            assert_eq!(found.as_ref().map(|found| found.state), expected, "{text}");
            if let Some(found) = found {
                assert_eq!(found.range.end, text.len(), "{text}");
            }
        }
    }
}
