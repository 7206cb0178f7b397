//! China: the resident identity number.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use super::date::exists;
use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, mod_11_2};

/// Citizen identification number: region, date of birth, serial, ISO 7064 mod 11-2.
///
/// Of the region only the province is looked at: counties come, go and are renamed, and people
/// keep their number.
pub(crate) fn resident_id(value: &[u8]) -> Option<Proof> {
    let d: [u32; 17] = digits(value.get(..17)?)?;
    let province = matches!(
        10 * d[0] + d[1],
        // The last three: Hong Kong, Macau and Taiwan residents' permits.
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83
    );
    let year = d[6..10].iter().fold(0, |year, digit| year * 10 + digit);
    let born = (1880..=2099).contains(&year) && exists(year, 10 * d[10] + d[11], 10 * d[12] + d[13]);
    if value.len() != 18 || !province || !born || !mod_11_2(value) {
        return None;
    }
    let bits = if value[17] == b'X' { 19.5 } else { 15.0 };
    let published =
        matches!(value, b"11010519491231002X" | b"440524188001010014").then_some("the examples of GB 11643");
    Some(Proof::new(bits, "holds a province and a date and passes mod 11-2").or_test(published))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_numbers_hold_a_province_and_a_date_and_pass_mod_11_2() {
        for (value, expected) in [
            ("360426199101010071", true),
            ("11010519491231002X", true),
            ("440524188001010014", true),
            ("360426199101010072", false),
            ("110105194912310021", false),
            ("990426199101010071", false),
            ("36042619910101007", false),
        ] {
            assert_eq!(resident_id(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
