//! Taiwan: identity numbers of nationals and of residents.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// What each letter from A counts: the order in which places got their letter.
const LETTERS: [u32; 26] = [
    10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33,
];

/// A letter, a sex (1, 2; 8, 9 for residents since 2021; A to D for residents before) and a check
/// digit mod 10.
pub(crate) fn id(value: &[u8]) -> Option<Proof> {
    let [place, sex, ..] = *value else {
        return None;
    };
    let place = letter(place)?;
    let rest: [u32; 8] = digits(value.get(2..)?)?;
    let (second, bits) = match sex {
        b'1' | b'2' | b'8' | b'9' => (u32::from(sex - b'0'), 4.6),
        b'A'..=b'D' => (letter(sex)? % 10, 6.0),
        _ => return None,
    };
    let sum = place / 10 + place % 10 * 9 + second * 8 + weighted_sum(rest, &[7, 6, 5, 4, 3, 2, 1, 1]);
    let published = (value == b"A123456789").then_some("the usual worked example of the check digit");
    sum.is_multiple_of(10)
        .then_some(Proof::new(
            bits,
            "tells a place and a sex and passes its check digit",
        ))
        .map(|proof| proof.or_test(published))
}

fn letter(byte: u8) -> Option<u32> {
    LETTERS.get(usize::from(byte.checked_sub(b'A')?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_nationals_and_residents_pass_their_check_digit() {
        for (value, expected) in [
            ("A123456789", true),
            ("A123456788", false),
            ("A323456789", false),
            ("A800000014", true),
            ("AC01234567", true),
            ("AE01234567", false),
            ("1123456789", false),
            ("A12345678", false),
        ] {
            assert_eq!(id(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
