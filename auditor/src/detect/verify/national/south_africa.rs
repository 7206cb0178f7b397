//! South Africa: the identity number.
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use super::date::is_short_date;
use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, luhn};

/// Identity number: date of birth, serial, status and a check digit (Luhn).
///
/// The status is 0 for citizens, 1 for permanent residents and 2 for refugees.
pub(crate) fn id(value: &[u8]) -> Option<Proof> {
    let d: [u32; 13] = digits(value)?;
    let published = matches!(value, b"8001015009087" | b"8605065397083")
        .then_some("the usual worked examples of the check digit");
    (is_short_date(&d[..6]) && d[10] <= 2 && luhn(value))
        .then_some(Proof::new(9.8, "holds a date and a status and passes Luhn"))
        .map(|proof| proof.or_test(published))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_hold_a_date_a_status_and_pass_luhn() {
        for (value, expected) in [
            ("7503305044089", true),
            ("8001015009087", true),
            ("8503305044089", false),
            ("7513305044089", false),
            ("1700000000000", false),
        ] {
            assert_eq!(id(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
