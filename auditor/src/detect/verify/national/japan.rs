//! Japan: the individual number ("My Number").
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Individual number: eleven digits and a check digit mod 11.
pub(crate) fn my_number(value: &[u8]) -> Option<Proof> {
    let d: [u32; 12] = digits(value)?;
    let sum = weighted_sum(&d[..11], &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let varied = d.iter().any(|digit| *digit != d[0]);
    (varied && (11 - sum % 11) % 11 % 10 == d[11]).then_some(Proof::new(3.3, "passes the check digit mod 11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn individual_numbers_pass_mod_11() {
        for (value, expected) in [
            ("621498320257", true),
            ("621498320258", false),
            ("000000000000", false),
            ("62149832025X", false),
        ] {
            assert_eq!(my_number(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
