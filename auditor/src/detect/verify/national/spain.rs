//! Spanish numbers: identity card and foreigner number, social security.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, remainder};

const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// DNI (eight digits) or NIE (X, Y or Z and seven digits), and the letter that checks it.
pub(crate) fn dni(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 9] = compact.try_into().ok()?;
    let (mut counted, bits) = (*number, if number[0].is_ascii_digit() { 4.7 } else { 7.8 });
    if let letter @ b'X'..=b'Z' = number[0] {
        counted[0] = letter - b'X' + b'0';
    }
    let expected = LETTERS[remainder(&counted[..8], 23)? as usize];
    let is_example = number == b"99999999R";
    (number[8] == expected && &number[..8] != b"00000000").then(|| {
        Proof::new(bits, "has the check letter of mod 23")
            .or_test(is_example.then_some("Spanish police, specimen identity card"))
    })
}

/// Social security number: province, number, mod 97.
pub(crate) fn nuss(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 12] = compact.try_into().ok()?;
    let province = decimal(&number[..2])?;
    let serial = decimal(&number[2..10])?;
    let check = decimal(&number[10..])?;
    // A short serial counts without its first zero; not all who give numbers know it.
    let short = (serial < 10_000_000).then(|| (province * 10_000_000 + serial) % 97);
    let holds = serial > 0 && (short == Some(check) || remainder(&number[..10], 97)? == check);
    (holds && matches!(province, 1..=53 | 66))
        .then_some(Proof::new(7.4, "passes mod 97 and begins with a province"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_of_an_identity_number_checks_it() {
        for (number, expected) in [
            ("54362315K", true),
            ("54362315Z", false),
            ("X2482300W", true),
            ("X2482300A", false),
            ("Z8327649K", true),
            ("W8327649K", false),
            ("X248230W", false),
        ] {
            assert_eq!(dni(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(dni(b"99999999R").unwrap().test.is_some());
    }

    #[test]
    fn a_social_security_number_passes_mod_97() {
        assert!(nuss(b"281234567840").is_some());
        // 28 and 1234567 may make 281234567 or 2801234567.
        assert!(nuss(b"280123456742").is_some() && nuss(b"280123456785").is_some());
        assert!(nuss(b"281234567841").is_none() && nuss(b"991234567840").is_none());
    }
}
