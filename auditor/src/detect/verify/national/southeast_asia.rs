//! Singapore, Malaysia, Thailand, Indonesia and the Philippines: identity numbers.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use super::date::{exists, is_short_date};
use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Singapore's NRIC and FIN: a series (S, T, F, G, and M since 2022), seven digits and a check
/// letter.
pub(crate) fn nric_singapore(value: &[u8]) -> Option<Proof> {
    let [series, number @ .., check] = value else {
        return None;
    };
    let d: [u32; 7] = digits(number)?;
    let (offset, letters) = match series {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return None,
    };
    let sum = offset + weighted_sum(d, &[2, 7, 6, 5, 4, 3, 2]);
    let published = (value == b"S1234567D").then_some("the usual worked example of the check letter");
    (letters[sum as usize % 11] == *check)
        .then_some(Proof::new(
            7.1,
            "has a series that is issued and passes its check letter",
        ))
        .map(|proof| proof.or_test(published))
}

/// Malaysia's NRIC: date of birth, place of birth, serial. There is no check digit.
pub(crate) fn nric_malaysia(value: &[u8]) -> Option<Proof> {
    let d: [u32; 12] = digits(value)?;
    let unused = matches!(10 * d[6] + d[7], 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97);
    (is_short_date(&d[..6]) && !unused).then_some(Proof::new(5.0, "holds a date and a place of birth"))
}

/// Thailand's identity number: a kind of person, 1 to 8, and a check digit mod 11.
pub(crate) fn pin_thailand(value: &[u8]) -> Option<Proof> {
    let d: [u32; 13] = digits(value)?;
    let check = (11 - weighted_sum(&d[..12], &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10;
    (matches!(d[0], 1..=8) && d[12] == check)
        .then_some(Proof::new(3.6, "begins with 1 to 8 and passes mod 11"))
}

/// Indonesia's NIK: province, regency, district, date of birth (40 more on the day for women),
/// serial. There is no check digit.
///
/// Provinces are the ministry's, with those split off up to 2022; regencies only by the range they
/// are numbered in.
pub(crate) fn nik(value: &[u8]) -> Option<Proof> {
    let d: [u32; 16] = digits(value)?;
    let pair = |at: usize| 10 * d[at] + d[at + 1];
    let province = matches!(
        pair(0),
        11..=19 | 21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=96
    );
    let place = matches!(pair(2), 1..=79) && pair(4) > 0;
    let day = if pair(6) > 40 { pair(6) - 40 } else { pair(6) };
    let born = exists(2000 + pair(10), pair(8), day);
    let serial = d[12..].iter().any(|digit| *digit != 0);
    (province && place && born && serial).then_some(Proof::new(5.5, "holds a province and a date"))
}

/// The Philippines' common reference number (UMID). The check digit's rule is not public.
pub(crate) fn umid(value: &[u8]) -> Option<Proof> {
    let d: [u32; 12] = digits(value)?;
    let varied = d.iter().any(|digit| *digit != d[0]);
    varied.then_some(Proof::new(0.0, "has as many digits as a common reference number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singapore_s_numbers_of_every_series_pass_their_letter() {
        for (value, expected) in [
            ("S1234567D", true),
            ("T1234567J", true),
            ("F1234567N", true),
            ("G1234567X", true),
            ("M1234567K", true),
            ("M1234567X", false),
            ("S1234567A", false),
            ("A1234567D", false),
            ("S123456D", false),
        ] {
            assert_eq!(nric_singapore(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn numbers_without_a_check_digit_hold_a_date_and_a_place() {
        for (value, expected) in [
            ("770305021234", true),
            ("771305021234", false),
            ("770305171234", false),
        ] {
            assert_eq!(nric_malaysia(value.as_bytes()).is_some(), expected, "{value}");
        }
        for (value, expected) in [
            ("3171011708450001", true),
            ("3171015708450001", true),
            ("9971011708450001", false),
            ("3171013002001234", false),
            ("3171010000001234", false),
        ] {
            assert_eq!(nik(value.as_bytes()).is_some(), expected, "{value}");
        }
        assert!(umid(b"003312345671").is_some() && umid(b"000000000000").is_none());
    }

    #[test]
    fn thai_numbers_pass_mod_11() {
        for (value, expected) in [
            ("1234545678781", true),
            ("3100600445635", true),
            ("1234545678789", false),
            ("9100600445635", false),
        ] {
            assert_eq!(pin_thailand(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
