//! Italian numbers: fiscal code and VAT number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, luhn};
use crate::detect::verify::national::date;

/// Where the fiscal code has digits, which may be written as letters to tell namesakes apart.
const DIGITS: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];
/// The letter of each month.
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";
/// The letters that stand for 0 to 9.
const AS_LETTERS: &[u8; 10] = b"LMNPQRSTUV";
/// What 0 to 9 and A to Z are worth at odd places.
const ODD_DIGITS: [u8; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
const ODD_LETTERS: [u8; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// Fiscal code of a person: name, date of birth, municipality, check letter.
pub(crate) fn codice_fiscale(compact: &[u8]) -> Option<Proof> {
    let code: &[u8; 16] = compact.try_into().ok()?;
    let mut plain = *code;
    for at in DIGITS {
        plain[at] = match code[at] {
            digit @ b'0'..=b'9' => digit,
            letter => b'0' + AS_LETTERS.iter().position(|known| *known == letter)? as u8,
        };
    }
    let has_letters = (0..16).all(|at| DIGITS.contains(&at) || code[at].is_ascii_uppercase());
    let month = MONTHS.iter().position(|known| *known == code[8])? as u32 + 1;
    let (year, day) = (decimal(&plain[6..8])?, decimal(&plain[9..11])?);
    // A woman's day is 40 higher.
    let day = if day > 40 { day - 40 } else { day };
    if !has_letters || !date::of_any_century(year, month, day) {
        return None;
    }
    let sum: u32 = code[..15]
        .iter()
        .enumerate()
        .map(|(at, &byte)| match (at % 2, byte) {
            (0, b'0'..=b'9') => ODD_DIGITS[usize::from(byte - b'0')],
            (0, _) => ODD_LETTERS[usize::from(byte - b'A')],
            (_, b'0'..=b'9') => byte - b'0',
            (_, _) => byte - b'A',
        })
        .map(u32::from)
        .sum();
    (u32::from(code[15] - b'A') == sum % 26)
        .then_some(Proof::new(12.4, "holds a date of birth and has its check letter"))
}

/// VAT number, also the fiscal code of firms: province of the office, Luhn; may stand behind `IT`.
pub(crate) fn partita_iva(compact: &[u8]) -> Option<Proof> {
    let (digits, bits) = match compact {
        [b'I', b'T', digits @ ..] => (digits, 15.9),
        digits => (digits, 6.5),
    };
    let number: &[u8; 11] = digits.try_into().ok()?;
    let office = decimal(&number[7..10])?;
    let has_office = matches!(office, 1..=100 | 120 | 121 | 888 | 999);
    (luhn(number) && has_office && &number[..7] != b"0000000")
        .then_some(Proof::new(bits, "passes Luhn and names an office"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fiscal_code_holds_a_birthday_and_its_check_letter() {
        for (code, expected) in [
            ("RSSMRA85T10A562S", true),
            ("RCCMNL83S18D969H", true),
            // The same with a digit written as a letter.
            ("RCCMNL83S18D96VL", false),
            ("RSSMRA85T10A562T", false),
            ("RSSMRA85F10A562S", false),
            ("RSSMRA85T32A562S", false),
            ("RSSMRA8AT10A562S", false),
        ] {
            assert_eq!(codice_fiscale(code.as_bytes()).is_some(), expected, "{code}");
        }
    }

    #[test]
    fn a_vat_number_names_its_office() {
        assert!(partita_iva(b"00743110157").is_some() && partita_iva(b"IT00743110157").is_some());
        assert!(partita_iva(b"00743110158").is_none() && partita_iva(b"00000000000").is_none());
    }
}
