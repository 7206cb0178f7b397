//! Hong Kong: the identity card number.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case; brackets
//! are gone. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{base36, digits, weighted_sum};

/// One or two letters, six digits and a check digit mod 11, `A` for ten.
pub(crate) fn id(value: &[u8]) -> Option<Proof> {
    let (&check, body) = value.split_last()?;
    let (letters, number) = body.split_at_checked(body.len().checked_sub(6)?)?;
    let d: [u32; 6] = digits(number)?;
    // A missing first letter counts as a space, which is 36.
    let (first, second) = match *letters {
        [b @ b'A'..=b'Z'] => (36, base36(b)?),
        [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => (base36(a)?, base36(b)?),
        _ => return None,
    };
    let (last, bits) = match check {
        b'0'..=b'9' => (u32::from(check - b'0'), 3.5),
        b'A' => (10, 8.2),
        _ => return None,
    };
    let sum = first * 9 + second * 8 + weighted_sum(d, &[7, 6, 5, 4, 3, 2]) + last;
    sum.is_multiple_of(11)
        .then_some(Proof::new(bits, "passes the check digit mod 11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_pass_mod_11_with_one_letter_or_two() {
        for (value, expected) in [
            ("A1234563", true),
            ("G123456A", true),
            ("AB9876543", true),
            ("A1234564", false),
            ("G123456B", false),
            ("11234563", false),
            ("ABC1234563", false),
        ] {
            assert_eq!(id(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
