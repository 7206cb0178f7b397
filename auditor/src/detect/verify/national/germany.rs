//! German numbers: tax identification, pension insurance, identity card.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, mod_11_10};

/// Tax identification number: of the first ten digits exactly one comes two or three times.
pub(crate) fn steuer_id(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let mut counts = [0u8; 10];
    for digit in &number[..10] {
        *counts.get_mut(usize::from(digit.checked_sub(b'0')?))? += 1;
    }
    let mut repeated = counts.iter().filter(|count| **count > 1);
    let is_one = matches!((repeated.next(), repeated.next()), (Some(2 | 3), None));
    (number[0] != b'0' && is_one && mod_11_10(number))
        .then_some(Proof::new(8.2, "passes mod 11,10 and repeats just one digit"))
}

/// Insurance number of the pension scheme: area, date of birth, initial, serial, check digit.
pub(crate) fn rvnr(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 12] = compact.try_into().ok()?;
    let letter = number[8].is_ascii_uppercase().then(|| number[8] - b'A' + 1)?;
    // The letter counts as its place in the alphabet, in two digits.
    let digits: [u8; 12] = [
        number[0],
        number[1],
        number[2],
        number[3],
        number[4],
        number[5],
        number[6],
        number[7],
        b'0' + letter / 10,
        b'0' + letter % 10,
        number[9],
        number[10],
    ];
    let mut sum = 0;
    for (digit, weight) in digits.iter().zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]) {
        let product = decimal(&[*digit])? * weight;
        sum += product / 10 + product % 10;
    }
    let (area, day, month) = (
        decimal(&number[..2])?,
        decimal(&number[2..4])?,
        decimal(&number[4..6])?,
    );
    // A day that is not known is 00. Without a month, the day counts on once the serials are used up.
    let has_date = matches!((month, day), (1..=12, 0..=31) | (0, 0..=95));
    let holds = sum % 10 == decimal(&number[11..])?;
    ((2..=89).contains(&area) && has_date && holds && decimal(&number[6..8]).is_some()).then_some(Proof::new(
        7.9,
        "has its check digit, an area and a date of birth",
    ))
}

/// Serial number of an identity card since 2010, with its check digit or without.
pub(crate) fn personalausweis(compact: &[u8]) -> Option<Proof> {
    let (serial, check) = compact.split_first_chunk::<9>()?;
    // Neither vowels, which make words, nor letters that look like digits.
    let is_allowed = |byte: &u8| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte);
    let is_card =
        matches!(serial[0], b'L'..=b'N' | b'P' | b'R' | b'T' | b'V'..=b'Y') && serial.iter().all(is_allowed);
    let digits = serial.iter().filter(|byte| byte.is_ascii_digit()).count();
    // Without a check digit, letters alone are an abbreviation.
    if !is_card || digits == 0 && check.is_empty() {
        return None;
    }
    let test = [b"T22000129", b"L01X00T47"]
        .contains(&serial)
        .then_some("German Ministry of the Interior, specimen identity card");
    let proof = match check {
        [] => Proof::new(4.7, "has the letters of identity cards"),
        [digit] => {
            let sum: u32 = serial
                .iter()
                .zip([7, 3, 1].into_iter().cycle())
                .map(|(&byte, weight)| weight * value(byte))
                .sum();
            if sum % 10 != decimal(&[*digit])? {
                return None;
            }
            // One card in a thousand has one letter only; so have many numbers of other kinds.
            let bits = if digits == 8 { 4.4 } else { 8.0 };
            Proof::new(bits, "has the letters of identity cards and passes 7-3-1")
        }
        _ => return None,
    };
    Some(proof.or_test(test))
}

/// What a character of a machine-readable document is worth (ICAO 9303).
fn value(byte: u8) -> u32 {
    match byte {
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        digit => u32::from(digit.saturating_sub(b'0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tax_number_repeats_one_digit() {
        for (number, expected) in [
            ("36574261809", true),
            ("86095742719", true),
            ("65929970489", true),
            ("36574261890", false),
            ("36554266806", false),
            ("06574261809", false),
        ] {
            assert_eq!(steuer_id(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_pension_number_holds_a_birthday() {
        for (number, expected) in [
            ("15070649C103", true),
            ("65170839J003", true),
            ("15070649C104", false),
            ("15071349C103", false),
            ("150706490103", false),
        ] {
            assert_eq!(rvnr(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn an_identity_card_has_no_vowels_and_a_check_digit() {
        for (number, expected) in [
            ("L01X00T471", true),
            ("T220001293", true),
            ("T22000129", true),
            ("T220001294", false),
            ("TELEPHONE", false),
            ("PRTVWXYZC", false),
            ("A22000129", false),
        ] {
            assert_eq!(personalausweis(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(personalausweis(b"T220001293").unwrap().test.is_some());
    }
}
