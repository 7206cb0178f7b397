//! Canada: the social insurance number.
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::luhn;

/// Social insurance number: Luhn; no person's begins with 0, and 8 is for businesses.
pub(crate) fn sin(value: &[u8]) -> Option<Proof> {
    if value.len() != 9 || !luhn(value) {
        return None;
    }
    let proof = Proof::new(3.6, "passes Luhn and begins with a digit that is issued");
    match value {
        b"046454286" => Some(proof.or_test(Some("the usual example of an unissued number"))),
        [b'0' | b'8', ..] => None,
        _ => Some(proof),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insurance_numbers_pass_luhn_and_begin_as_issued() {
        for (value, expected) in [
            ("123456782", true),
            ("046454286", true),
            ("046454294", false),
            ("823456785", false),
            ("999999999", false),
            ("12345678Z", false),
        ] {
            assert_eq!(sin(value.as_bytes()).is_some(), expected, "{value}");
        }
        assert!(sin(b"046454286").is_some_and(|proof| proof.test.is_some()));
        assert!(sin(b"123456782").is_some_and(|proof| proof.test.is_none()));
    }
}
