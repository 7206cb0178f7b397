//! Polish numbers: PESEL of persons, NIP of taxpayers.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// PESEL: YYMMDD with the century in the month, serial, check digit modulo 10.
pub(crate) fn pesel(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let sum = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1])?;
    let [year, month, day] = date::pairs(number)?;
    let (century, month) = match month {
        1..=12 => (1900, month),
        21..=32 => (2000, month - 20),
        // 81 to 92 were born before 1900, the rest are centuries to come.
        _ => return None,
    };
    (sum.is_multiple_of(10) && date::of_birth(century + year, month, day))
        .then_some(Proof::new(7.5, "has its check digit and holds a date of birth"))
}

/// NIP: mod 11, where a remainder of 10 is never given; as a VAT number behind `PL`.
pub(crate) fn nip(compact: &[u8]) -> Option<Proof> {
    let (digits, bits) = match compact {
        [b'P', b'L', digits @ ..] => (digits, 12.8),
        digits => (digits, 3.4),
    };
    let number: &[u8; 10] = digits.try_into().ok()?;
    let rest = weighted(number, &[6, 5, 7, 2, 3, 4, 5, 6, 7])? % 11;
    let holds = number[9].is_ascii_digit() && u32::from(number[9] - b'0') == rest;
    (holds && number.iter().any(|digit| *digit != b'0')).then_some(Proof::new(bits, "passes mod 11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pesel_has_the_century_in_its_month() {
        for (number, expected) in [
            ("44051401359", true),
            ("02070803628", true),
            ("44051401358", false),
            ("44951401359", false),
            ("02381307589", false),
            ("4405140135", false),
        ] {
            assert_eq!(pesel(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_taxpayer_number_passes_mod_11() {
        assert!(nip(b"8567346215").is_some() && nip(b"PL8567346215").is_some());
        assert!(nip(b"8567346216").is_none() && nip(b"DE8567346215").is_none());
        assert!(nip(b"0000000000").is_none());
    }
}
