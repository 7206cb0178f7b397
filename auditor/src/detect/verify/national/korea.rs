//! South Korea: the resident registration number.
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use super::date::exists;
use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Numbers are random behind the date and the sex since October of it.
const FIRST_YEAR_WITHOUT_CHECK: u32 = 2020;

/// Resident and foreigner registration number: date of birth, a digit for century, sex and
/// nationality, and until October 2020 a place and a check digit mod 11.
///
/// Since then the last six digits are random, for newborns as for anybody who gets a new number,
/// so a failed check does not disprove one; but of those born before few have such a number, and a
/// number that fails and has their dates is worth no more than that. Digits 9 and 0, for births
/// before 1900, are not looked for.
pub(crate) fn rrn(value: &[u8]) -> Option<Proof> {
    let d: [u32; 13] = digits(value)?;
    let century = match d[6] {
        1 | 2 | 5 | 6 => 1900,
        3 | 4 | 7 | 8 => 2000,
        _ => return None,
    };
    let year = century + 10 * d[0] + d[1];
    if !exists(year, 10 * d[2] + d[3], 10 * d[4] + d[5]) {
        return None;
    }
    let check = (11 - weighted_sum(&d[..12], &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    // A foreigner's check digit is two more.
    let is_foreign = d[6] >= 5;
    let passes = d[12] == check || is_foreign && d[12] == (check + 2) % 10;
    Some(if passes && 10 * d[7] + d[8] <= 96 {
        let bits = if is_foreign { 7.5 } else { 8.4 };
        Proof::new(bits, "holds a date and a sex and passes mod 11")
    } else if year >= FIRST_YEAR_WITHOUT_CHECK {
        Proof::new(5.1, "holds a date and a sex, as numbers without a check digit do")
    } else {
        Proof::new(
            1.5,
            "holds a date and a sex, and fails mod 11, as numbers given anew do",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_hold_a_date_and_are_worth_more_with_a_check_digit() {
        for (value, bits) in [
            ("9710139019902", None),
            ("9710131019902", Some(1.5)),
            ("8701011012341", Some(1.5)),
            ("2101013012341", Some(5.1)),
            ("9713131019902", None),
            ("0001013000003", Some(8.4)),
            ("971013901990", None),
        ] {
            let found = rrn(value.as_bytes()).map(|proof| proof.bits);
            assert_eq!(found.is_some(), bits.is_some(), "{value}");
        }
    }

    #[test]
    fn every_date_has_one_check_digit_for_citizens_and_two_for_foreigners() {
        for (body, expected) in [("900101123456", 1), ("900101523456", 2)] {
            let passing = (0..10)
                .filter_map(|check| rrn(format!("{body}{check}").as_bytes()))
                .filter(|proof| proof.bits > 7.0);
            assert_eq!(passing.count(), expected, "{body}");
        }
    }
}
