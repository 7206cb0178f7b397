//! Access keys with a public prefix: AWS access key ids and GitHub tokens.

use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::checksum::{base62_6, crc32};
use crate::detect::mask;

/// `AKIA` and its siblings, sixteen base 32 characters.
pub(crate) fn verify_aws(place: &Place<'_>) -> Option<Match> {
    let rest = &place.bytes[place.at + 4..];
    if is_in_word(place) {
        return None;
    }
    if let Some(found) = masked(place, 4) {
        return Some(found);
    }
    let body = rest.get(..16)?;
    let is_base32 = |b: &u8| matches!(b, b'A'..=b'Z' | b'2'..=b'7');
    let ends = !rest
        .get(16)
        .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_'));
    // AWS's own documentation ends its examples so, and uses digits that base 32 lacks.
    let example = body.ends_with(b"EXAMPLE") && body.iter().all(u8::is_ascii_alphanumeric);
    if !ends || !(example || body.iter().all(is_base32)) || body.iter().all(|b| *b == body[0]) {
        return None;
    }
    let state = if example { State::Test } else { State::Clear };
    let found = Match::new(place.at..place.at + 20, state)
        .because(15.0, "has a prefix of AWS key ids and sixteen base 32 characters");
    Some(if example {
        found.because(0.0, "is a test value: AWS documentation")
    } else {
        found
    })
}

/// `ghp_` and its siblings, or `github_pat_`.
pub(crate) fn verify_github(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    if is_in_word(place) {
        return None;
    }
    let prefix = if text.starts_with(b"github_pat_") { 11 } else { 4 };
    if let Some(found) = masked(place, prefix) {
        return Some(found);
    }
    let length = text
        .iter()
        .take(256)
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count();
    let range = place.at..place.at + length;
    let body = &text[prefix..length];
    if body.len() > 3 && body.iter().all(|b| *b == body[0]) {
        return None;
    }
    if prefix == 11 {
        let shaped = body.len() == 82
            && body[22] == b'_'
            && !body[..22].contains(&b'_')
            && !body[23..].contains(&b'_');
        return shaped.then(|| {
            Match::new(range, State::Clear).because(14.0, "has the prefix and parts of a fine-grained token")
        });
    }
    if body.len() != 36 || body.contains(&b'_') {
        return None;
    }
    let found =
        Match::new(range, State::Clear).because(10.0, "has a prefix of GitHub tokens and their length");
    Some(if base62_6(crc32(&body[..30])) == body[30..] {
        found.because(20.0, "its last six characters are the CRC-32 of those before")
    } else {
        found.because(-6.0, "its last six characters are not the CRC-32 of those before")
    })
}

fn is_in_word(place: &Place<'_>) -> bool {
    place
        .before(place.at)
        .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_'))
}

/// The prefix, a mask run, at most four clear characters.
pub(super) fn masked(place: &Place<'_>, prefix: usize) -> Option<Match> {
    let start = place.at + prefix;
    // Keep a few clear characters before the run: they decide whether the mask leaves too much.
    let head = place.bytes[start..]
        .iter()
        .take(16)
        .take_while(|b| b.is_ascii_alphanumeric() && **b != b'x')
        .count();
    let (length, count) = mask::run_at(place.bytes, start + head).filter(|(_, count)| *count >= 3)?;
    if !matches!(
        place.bytes.get(start + head),
        Some(b'*' | b'x' | b'.' | 0xE2 | b'\\')
    ) {
        return None;
    }
    let end = start + head + length;
    let tail = place.bytes[end..]
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let keeps = head <= 4 && tail <= 4;
    let mut found = Match::new(
        place.at..end + tail,
        if keeps { State::Masked } else { State::Clear },
    )
    .because(
        9.0,
        format!("has the prefix of such a secret and {count} hidden characters"),
    );
    found.under_masked = !keeps;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    fn place(text: &str) -> Place<'_> {
        Place {
            bytes: text.as_bytes(),
            at: 0,
            format: Format::Text,
        }
    }

    fn with_checksum(prefix: &str, body: &str) -> String {
        let sum = base62_6(crc32(body.as_bytes()));
        format!("{prefix}{body}{}", std::str::from_utf8(&sum).unwrap())
    }

    #[test]
    fn an_aws_key_id_is_known_by_prefix_and_alphabet() {
        for (text, expected) in [
            ("AKIAQ3EGRIY7LZ4TMXQ2", Some(State::Clear)),
            ("ASIAQ3EGRIY7LZ4TMXQ2", Some(State::Clear)),
            ("AKIAIOSFODNN7EXAMPLE", Some(State::Test)),
            ("AKIA************MXQ2", Some(State::Masked)),
            ("AKIAQ3EGRIY7LZ4TMXQ2X", None),
            ("AKIAQ3EGRIY7LZ4TMXQ", None),
            ("AKIAq3egriy7lz4tmxq2", None),
        ] {
            assert_eq!(
                verify_aws(&place(text)).map(|found| found.state),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_github_token_carries_its_checksum() {
        let good = with_checksum("ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ");
        assert_eq!(good, "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");
        assert!(verify_github(&place(&good)).unwrap().bits() > 20.0);
        let bad = "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18";
        assert!(verify_github(&place(bad)).unwrap().bits() < 6.0);
        let fine = format!(
            "github_pat_{}_{}",
            "11ABCDEFG0abcdefghijkl",
            "a1".repeat(29) + "b"
        );
        assert!(verify_github(&place(&fine)).unwrap().bits() > 9.0);
        assert!(verify_github(&place("ghp_short")).is_none());
        let hidden = verify_github(&place("ghp_****************q17a")).unwrap();
        assert_eq!(hidden.state, State::Masked);
    }
}
