//! Greek numbers: social security and tax.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{luhn, weighted};
use crate::detect::verify::national::date;

/// AMKA: DDMMYY, serial, Luhn.
pub(crate) fn amka(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let [day, month, year] = date::pairs(number)?;
    (luhn(number) && date::of_any_century(year, month, day))
        .then_some(Proof::new(8.0, "passes Luhn and holds a date of birth"))
}

/// AFM: powers of two, modulo 11; as a VAT number behind `EL`.
pub(crate) fn afm(compact: &[u8]) -> Option<Proof> {
    let (digits, bits) = match compact {
        [b'E', b'L', digits @ ..] | [b'G', b'R', digits @ ..] => (digits, 11.7),
        digits => (digits, 3.3),
    };
    let number: &[u8; 9] = digits.try_into().ok()?;
    let check = weighted(number, &[256, 128, 64, 32, 16, 8, 4, 2])? % 11 % 10;
    let holds = number[8].is_ascii_digit() && u32::from(number[8] - b'0') == check;
    (holds && number.iter().any(|digit| *digit != b'0')).then_some(Proof::new(bits, "passes mod 11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_social_security_number_holds_a_birthday_and_passes_luhn() {
        for (number, expected) in [
            ("01013099997", true),
            ("01013099999", false),
            ("01133099997", false),
            ("0101309999", false),
        ] {
            assert_eq!(amka(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_tax_number_passes_mod_11() {
        assert!(afm(b"094259216").is_some() && afm(b"EL094259216").is_some());
        assert!(afm(b"123456781").is_none() && afm(b"000000000").is_none());
    }
}
