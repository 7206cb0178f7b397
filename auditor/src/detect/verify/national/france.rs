//! French numbers: the NIR of social security and the tax number of persons.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, remainder};

/// NIR with its key: sex, year, month, department, commune, order, and mod 97 over all of it.
pub(crate) fn nir(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 15] = compact.try_into().ok()?;
    let (body, key) = number.split_first_chunk::<13>()?;
    // Corsica counts as 19 and 18.
    let mut counted = *body;
    match &body[5..7] {
        b"2A" => counted[5..7].copy_from_slice(b"19"),
        b"2B" => counted[5..7].copy_from_slice(b"18"),
        b"00" => return None,
        _ => {}
    }
    let sum = remainder(&counted, 97)? + decimal(key)?;
    let month = decimal(&body[3..5])?;
    if sum != 97 || &body[10..] == b"000" {
        return None;
    }
    // The bits are of fifteen digits; a letter of Corsica is rarer still.
    match (body[0], month) {
        (b'1' | b'2', 1..=12) => Some(Proof::new(11.9, "passes mod 97 and holds a sex and a month")),
        // 3, 4, 7 and 8 are given for a time; from 20 on the month is not known.
        (b'1'..=b'4' | b'7' | b'8', 1..=12 | 20..=42 | 50..=99) => {
            Some(Proof::new(7.5, "passes mod 97 and holds a sex"))
        }
        _ => None,
    }
}

/// Tax number (SPI): three check digits, modulo 511.
pub(crate) fn spi(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 13] = compact.try_into().ok()?;
    let (body, check) = number.split_first_chunk::<10>()?;
    let holds = remainder(body, 511)? == decimal(check)?;
    (holds && number[0] <= b'3' && body != b"0000000000")
        .then_some(Proof::new(11.2, "passes mod 511 and begins with 0 to 3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_nir_counts_corsica_as_a_number() {
        for (number, expected) in [
            ("295109912611193", true),
            ("253072C07300443", false),
            ("253072A07300443", true),
            ("253072B07300470", true),
            ("295109912611199", false),
            ("695109912611193", false),
            ("29510991261119", false),
        ] {
            assert_eq!(nir(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_tax_number_passes_mod_511() {
        assert!(spi(b"3023217600053").is_some() && spi(b"0701987765493").is_some());
        assert!(spi(b"3023217600054").is_none() && spi(b"070198776543").is_none());
        assert!(spi(b"0000000000000").is_none());
    }
}
