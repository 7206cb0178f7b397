//! Australia and New Zealand: tax file numbers, business numbers, IRD numbers.
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Australian tax file number: nine digits, or eight of the older ones; weights mod 11.
///
/// The older numbers have weights of their own, not the first eight of the newer.
pub(crate) fn tfn(value: &[u8]) -> Option<Proof> {
    let sum = match value.len() {
        9 => weighted_sum(digits::<9>(value)?, &[1, 4, 3, 7, 5, 8, 6, 9, 10]),
        8 => weighted_sum(digits::<8>(value)?, &[10, 7, 8, 4, 6, 3, 5, 1]),
        _ => return None,
    };
    let varied = value.iter().any(|byte| *byte != value[0]);
    let published = (value == b"123456782").then_some("the usual worked example of the check digit");
    (sum.is_multiple_of(11) && varied)
        .then_some(Proof::new(3.5, "passes the weights mod 11"))
        .map(|proof| proof.or_test(published))
}

/// Australian business number: nine digits behind two check digits mod 89.
pub(crate) fn abn(value: &[u8]) -> Option<Proof> {
    let d: [u32; 11] = digits(value)?;
    let sum = weighted_sum(&d[2..], &[3, 5, 7, 9, 11, 13, 15, 17, 19]);
    let expected = 11 + (89 * 15 - 1 - sum) % 89;
    (10 * d[0] + d[1] == expected).then_some(Proof::new(6.6, "passes both check digits mod 89"))
}

/// New Zealand's IRD number: eight or nine digits between 10 and 150 million, the last a check
/// digit mod 11 that falls back to a second set of weights.
pub(crate) fn ird(value: &[u8]) -> Option<Proof> {
    let d: [u32; 9] = match value.len() {
        9 => digits(value)?,
        8 => {
            let d: [u32; 8] = digits(value)?;
            let mut padded = [0; 9];
            padded[1..].copy_from_slice(&d);
            padded
        }
        _ => return None,
    };
    let number = d.iter().fold(0, |number, digit| number * 10 + digit);
    if !(10_000_001..150_000_000).contains(&number) {
        return None;
    }
    let check = |weights: &[u32; 8]| (11 - weighted_sum(&d[..8], weights) % 11) % 11;
    let expected = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
        digit => digit,
    };
    let bits = if value.len() == 9 { 6.2 } else { 3.5 };
    let examples: [&[u8]; 4] = [b"49091850", b"35901981", b"49098576", b"136410132"];
    let published = examples
        .contains(&value)
        .then_some("Inland Revenue's worked examples");
    (d[8] == expected)
        .then_some(Proof::new(
            bits,
            "is in the range that is issued and passes mod 11",
        ))
        .map(|proof| proof.or_test(published))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_file_numbers_of_both_lengths_pass_their_own_weights() {
        for (value, expected) in [
            ("123456782", true),
            ("876543210", true),
            ("459599230", true),
            ("123456783", false),
            ("999999999", false),
            ("37118629", true),
            ("37118628", false),
        ] {
            assert_eq!(tfn(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn business_numbers_pass_mod_89() {
        for (value, expected) in [
            ("83914571673", true),
            ("51824753556", true),
            ("51824753557", false),
            ("99999999999", false),
        ] {
            assert_eq!(abn(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn ird_numbers_are_in_range_and_pass_mod_11() {
        for (value, expected) in [
            ("49091850", true),
            ("35901981", true),
            ("49098576", true),
            ("136410132", true),
            ("136410133", false),
            ("09125568", false),
            ("200000000", false),
        ] {
            assert_eq!(ird(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
