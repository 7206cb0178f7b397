//! Masked samples and normal forms of values.
//!
//! Goes in: a value, its detector and its state. Comes out: text that shows no more than the
//! convention of its kind allows, and the bytes a fingerprint is made of. A sample never shows a
//! hash, a token or a placeholder, only that it was one.

use zeroize::Zeroizing;

use super::State;
use super::catalogue::{Convention, DetectorInfo};
use super::mask;

/// Characters of a sample at most, hosts of e-mail addresses aside.
const LONGEST: usize = 40;

/// What may be shown of `value`.
pub(crate) fn of(row: &DetectorInfo, value: &[u8], state: State) -> String {
    match state {
        State::Hashed => return "[hashed]".into(),
        State::Tokenised => return "[tokenised]".into(),
        State::Encrypted => return "[encrypted]".into(),
        State::Clear | State::Masked | State::Test => {}
    }
    if state == State::Masked && !has_mask(value) {
        return "[masked]".into();
    }
    let marks = marks(value);
    match row.convention {
        Convention::Card if marks.len() >= 12 => keep(&marks, 6, 4),
        Convention::Card | Convention::Phone => keep(&marks, 0, 4),
        Convention::LastFour if marks.len() == 9 => {
            format!("***-**-{}", &keep(&marks, 0, 4)[5..])
        }
        Convention::LastFour => keep(&marks, 0, 4),
        Convention::Iban => {
            let country: String = value.iter().take(2).map(|b| letter(*b)).collect();
            let plain: Vec<char> = value
                .iter()
                .filter(|b| b.is_ascii_alphanumeric())
                .map(|b| char::from(*b))
                .collect();
            let tail: String = if plain.len() >= 8 {
                plain[plain.len() - 4..].iter().collect()
            } else {
                "****".into()
            };
            format!("{country}**************{tail}")
        }
        Convention::Email => email(value),
        Convention::Initials | Convention::Network | Convention::Hidden => "***".into(),
        Convention::Secret(prefix) => {
            let shown = &value[..prefix.min(value.len())];
            shown
                .iter()
                .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '*' })
                .chain("****".chars())
                .collect()
        }
    }
}

fn letter(byte: u8) -> char {
    if byte.is_ascii_alphabetic() {
        char::from(byte.to_ascii_uppercase())
    } else {
        '*'
    }
}

fn has_mask(value: &[u8]) -> bool {
    (0..value.len().min(mask::LONGEST)).any(|at| mask::run_at(value, at).is_some())
}

/// The digits of `value`, hidden characters as `*`; separators and words left out.
fn marks(value: &[u8]) -> Vec<char> {
    let mut marks = Vec::new();
    let mut at = 0;
    while at < value.len() && marks.len() < LONGEST {
        if value[at].is_ascii_digit() {
            marks.push(char::from(value[at]));
        } else if let Some((length, count)) = mask::run_at(value, at) {
            marks.extend(std::iter::repeat_n('*', count.min(LONGEST)));
            at += length - 1;
        }
        at += 1;
    }
    marks
}

/// The first `head` and last `tail` marks, stars between.
fn keep(marks: &[char], head: usize, tail: usize) -> String {
    let hidden = marks.len().saturating_sub(tail);
    marks
        .iter()
        .enumerate()
        .map(|(n, mark)| if n < head || n >= hidden { *mark } else { '*' })
        .collect()
}

fn email(value: &[u8]) -> String {
    let at = value.iter().position(|b| *b == b'@').map(|at| (at, at + 1));
    let at = at.or_else(|| memchr::memmem::find(value, b"%40").map(|at| (at, at + 3)));
    let Some((at, behind)) = at else {
        return "***".into();
    };
    let first = value
        .first()
        .filter(|b| b.is_ascii_alphanumeric() && at > 0)
        .map(|b| char::from(*b));
    let host = value[behind..]
        .iter()
        .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '*' });
    first.into_iter().chain("***@".chars()).chain(host).collect()
}

/// The bytes that stand for `value` in a fingerprint: digits only for numbers, lower case for
/// e-mail addresses, no spaces in account numbers, all else as it is.
pub(crate) fn normalise(row: &DetectorInfo, value: &[u8], state: State) -> Zeroizing<Vec<u8>> {
    let mut normal = Zeroizing::new(Vec::with_capacity(value.len()));
    let is_number = matches!(state, State::Clear | State::Test);
    match row.convention {
        Convention::Card | Convention::LastFour | Convention::Phone if is_number => {
            normal.extend(value.iter().filter(|b| b.is_ascii_digit()));
        }
        Convention::Iban if is_number => {
            normal.extend(
                value
                    .iter()
                    .filter(|b| b.is_ascii_alphanumeric())
                    .map(u8::to_ascii_uppercase),
            );
        }
        Convention::Email => normal.extend(value.iter().map(u8::to_ascii_lowercase)),
        _ => normal.extend_from_slice(value),
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::catalogue;

    #[test]
    fn a_sample_shows_what_its_convention_allows() {
        for (id, value, state, expected) in [
            (
                "payment_card",
                "5447911234560247",
                State::Clear,
                "544791******0247",
            ),
            (
                "payment_card",
                "5447-9112-3456-0247",
                State::Clear,
                "544791******0247",
            ),
            (
                "payment_card",
                "544791123456****",
                State::Clear,
                "544791**********",
            ),
            (
                "payment_card",
                "************0247",
                State::Masked,
                "************0247",
            ),
            ("payment_card", "Visa **** 0247", State::Masked, "****0247"),
            ("payment_card", "[REDACTED]", State::Masked, "[masked]"),
            ("payment_card", "tok_abcdef", State::Tokenised, "[tokenised]"),
            ("us_ssn", "536-22-1234", State::Clear, "***-**-1234"),
            ("us_ssn", "536221234", State::Clear, "***-**-1234"),
            ("phone_number", "+1 (415) 555-2671", State::Clear, "*******2671"),
            ("email_address", "jane.doe@corp.de", State::Clear, "j***@corp.de"),
            ("email_address", "***@corp.de", State::Masked, "***@corp.de"),
            (
                "iban",
                "DE89 3704 0044 0532 0130 00",
                State::Clear,
                "DE**************3000",
            ),
            (
                "aws_access_key_id",
                "AKIAQ3EGRIY7LZ4TMXQ2",
                State::Clear,
                "AKIA****",
            ),
            ("basic_auth", "c3ZjOlMzY3IzdA==", State::Clear, "****"),
        ] {
            let row = catalogue::find(id).unwrap();
            assert_eq!(of(row, value.as_bytes(), state), expected, "{value}");
        }
    }

    #[test]
    fn two_notations_of_a_value_have_one_normal_form() {
        for (id, one, other) in [
            ("payment_card", "5447911234560247", "5447 9112 3456 0247"),
            ("email_address", "Jane@Corp.de", "jane@corp.de"),
            ("iban", "de89370400440532013000", "DE89 3704 0044 0532 0130 00"),
            ("us_ssn", "536-22-1234", "536221234"),
        ] {
            let row = catalogue::find(id).unwrap();
            let normal = |value: &str| normalise(row, value.as_bytes(), State::Clear);
            assert_eq!(normal(one), normal(other), "{one}");
        }
    }
}
