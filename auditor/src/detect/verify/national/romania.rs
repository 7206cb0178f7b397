//! The Romanian personal numeric code.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, weighted};
use crate::detect::verify::national::date;

/// CNP: sex and century, YYMMDD, county, serial, check digit modulo 11.
pub(crate) fn cnp(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 13] = compact.try_into().ok()?;
    let rest = weighted(number, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9])? % 11;
    let check = if rest == 10 { 1 } else { rest };
    let holds = number[12].is_ascii_digit() && u32::from(number[12] - b'0') == check;
    let [year, month, day] = date::pairs(&number[1..])?;
    let has_date = match number[0] {
        b'1' | b'2' => date::of_birth(1900 + year, month, day),
        b'5' | b'6' => date::of_birth(2000 + year, month, day),
        // Residents and other foreigners, of either century. 3 and 4 were born before 1900.
        b'7'..=b'9' => date::of_any_century(year, month, day),
        _ => false,
    };
    let has_county = matches!(decimal(&number[7..9])?, 1..=48 | 51 | 52 | 70 | 80..=83);
    (holds && has_date && has_county && &number[9..12] != b"000").then(|| {
        Proof::new(
            date::unless_a_time(number, 9.7),
            "passes mod 11 and holds a county and a date of birth",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_a_birthday_and_a_county() {
        for (number, expected) in [
            ("1630615123457", true),
            ("1630615123458", false),
            ("1631315123457", false),
            ("1630615993454", false),
            ("163061512345", false),
        ] {
            assert_eq!(cnp(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
