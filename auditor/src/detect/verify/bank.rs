//! Bank codes and accounts outside of IBANs: BIC, ABA routing numbers, sort codes, account numbers.
//!
//! Goes in: the characters of a value. Comes out: what its structure proves. ISO 9362, ANSI X9, and
//! the national check digits of accounts where a country has published them.

use crate::detect::candidate::{Proof, Value};
use crate::detect::checksum::weighted;

/// Judges a business identifier code (ISO 9362): party, country, suffix, branch.
pub(crate) fn bic(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    if !matches!(text.len(), 8 | 11) {
        return None;
    }
    let [party @ .., _, _] = &text[..6] else {
        return None;
    };
    let same_case = |check: fn(&u8) -> bool| text.iter().all(|b| check(b) || b.is_ascii_digit());
    let cased = same_case(u8::is_ascii_uppercase) || same_case(u8::is_ascii_lowercase);
    let country = [text[4].to_ascii_uppercase(), text[5].to_ascii_uppercase()];
    // ISO allows digits in the party, but none has been assigned.
    if !cased || !party.iter().all(u8::is_ascii_alphabetic) || !is_country(country) {
        return None;
    }
    // Any letters and digits are a location since the edition of 2014; before, none began with 0 or 1.
    let test = (text[7] == b'0').then_some("ISO 9362: a zero at the eighth place is for tests");
    Some(Proof::new(3.0, "has the structure of a BIC and a country").or_test(test))
}

/// Judges nine digits as an ABA routing number: Federal Reserve prefix and 3-7-1 checksum.
pub(crate) fn aba(digits: &[u8]) -> Option<Proof> {
    if digits.len() != 9 || !digits.iter().all(u8::is_ascii_digit) || digits[..8] == *b"00000000" {
        return None;
    }
    let prefix = (digits[0] - b'0') * 10 + digits[1] - b'0';
    let sum = weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1])?;
    let fits = matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80) && sum.is_multiple_of(10);
    fits.then_some(Proof::new(
        4.7,
        "passes the 3-7-1 check of routing numbers and has a Federal Reserve prefix",
    ))
}

/// Judges six digits as a sort code.
pub(crate) fn sort_code(digits: &[u8]) -> Option<Proof> {
    let fits = digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && digits[1..].iter().any(|digit| *digit != digits[0])
        // Codes of British and Irish banks begin with 01 to 99.
        && !digits.starts_with(b"00");
    fits.then_some(Proof::new(0.5, "is six digits, as sort codes are"))
}

/// Judges the value of a field that is named like a sort code: `12-34-56`, `12 34 56`, `123456`.
pub(crate) fn sort_code_value(value: &Value<'_>) -> Option<Proof> {
    let mut digits = [0u8; 6];
    match *value.text {
        [a, b, first, c, d, second, e, f] if first == second && matches!(first, b'-' | b' ') => {
            digits = [a, b, c, d, e, f];
        }
        ref six if six.len() == 6 => digits.copy_from_slice(six),
        _ => return None,
    }
    sort_code(&digits)
}

/// Judges the value of a field that is named like a bank account: 4 to 23 digits, some of them
/// letters in France, with check digits where the length has some.
pub(crate) fn account(value: &Value<'_>) -> Option<Proof> {
    let mut compact = [0u8; 24];
    let mut length = 0;
    for &byte in value.text {
        match byte {
            b' ' | b'-' | b'.' | b'/' => {}
            _ if byte.is_ascii_alphanumeric() => {
                *compact.get_mut(length)? = byte.to_ascii_uppercase();
                length += 1;
            }
            _ => return None,
        }
    }
    let text = &compact[..length];
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if length < 4 || digits + 11 < length || digits < 4 || text.iter().all(|b| *b == text[0]) {
        return None;
    }
    if digits == length {
        let proof = match length {
            12 if is_belgian(text) => Some(Proof::new(6.6, "passes the mod 97 check of Belgian accounts")),
            18 if is_clabe(text) => Some(Proof::new(3.3, "passes the check of Mexican CLABE numbers")),
            20 if is_spanish(text) => Some(Proof::new(6.6, "passes both checks of Spanish accounts")),
            _ => None,
        };
        if proof.is_some() {
            return proof;
        }
    }
    if length == 23 && is_french(text) {
        return Some(Proof::new(
            6.6,
            "passes the mod 97 check of French accounts (RIB)",
        ));
    }
    match length {
        6..=20 if digits == length => Some(Proof::new(1.5, "has as many digits as account numbers have")),
        4..=20 if digits == length => Some(Proof::new(0.5, "is a short number")),
        8..=20 => Some(Proof::new(0.5, "is letters and digits")),
        _ => None,
    }
}

/// Ten digits modulo 97, 97 for none, then that remainder.
fn is_belgian(digits: &[u8]) -> bool {
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    };
    let rest = number(&digits[..10]) % 97;
    number(&digits[10..]) == if rest == 0 { 97 } else { rest }
}

/// Clave Bancaria Estandarizada: the last digit completes the sum of the others to ten.
fn is_clabe(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 18] = [3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1];
    weighted(digits, &WEIGHTS).is_some_and(|sum| sum.is_multiple_of(10))
}

/// Código Cuenta Cliente: weights 1, 2, 4, 8, 5, 10, 9, 7, 3, 6 modulo 11, twice.
fn is_spanish(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 10] = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
    let completes = |number: &[u8], weights: &[u32], digit: u8| {
        weighted(number, weights).is_some_and(|sum| {
            let check = match 11 - sum % 11 {
                11 => 0,
                10 => 1,
                check => check,
            };
            check == u32::from(digit - b'0')
        })
    };
    completes(&digits[..8], &WEIGHTS[2..], digits[8]) && completes(&digits[10..], &WEIGHTS, digits[9])
}

/// Relevé d'identité bancaire: bank 5, branch 5, account 11 (letters count as digits), key 2.
fn is_french(text: &[u8]) -> bool {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'I' => byte - b'A' + 1,
        b'J'..=b'R' => byte - b'J' + 1,
        _ => byte - b'S' + 2,
    };
    let plain = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    plain(&text[..10])
        && plain(&text[21..])
        && text
            .iter()
            .fold(0u32, |rest, b| (rest * 10 + u32::from(digit(*b))) % 97)
            == 0
}

/// ISO 3166-1 alpha-2 as of 2025, and XK that ISO 9362 uses for Kosovo; a string of pairs.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQ\
GRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMD\
MEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORS\
RURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVN\
VUWFWSXKYEYTZAZMZW";

fn is_country(code: [u8; 2]) -> bool {
    COUNTRIES.chunks_exact(2).any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn bics_have_a_country_and_one_case() {
        assert_eq!(COUNTRIES.len(), 2 * 250);
        for (text, expected, test) in [
            ("DEUTDEFF", true, false),
            ("DEUTDEFF500", true, false),
            ("nedszajjxxx", true, false),
            ("BOFAUS3N", true, false),
            ("DEUTDEF0", true, true),
            ("DEUTXXFF", false, false),
            ("PASSWORD", false, false),
            ("Deutdeff", false, false),
            ("DEUTDEF", false, false),
            ("D3UTDEFF", false, false),
            ("DEUTDE0F", true, false),
            ("ABCDEFGH", false, false),
        ] {
            let proof = bic(&quoted(text));
            assert_eq!(proof.is_some(), expected, "{text}");
            assert_eq!(proof.is_some_and(|proof| proof.test.is_some()), test, "{text}");
        }
    }

    #[test]
    fn routing_numbers_pass_their_check() {
        for (text, expected) in [
            ("021000021", true),
            ("011401533", true),
            ("091000019", true),
            ("322271627", true),
            ("021000022", false),
            ("500000000", false),
            ("000000000", false),
            ("123456789", false),
        ] {
            assert_eq!(aba(text.as_bytes()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn accounts_are_known_by_check_or_length() {
        for (text, bits) in [
            ("539-0075470-34", Some(6.6)),
            ("032180000118359719", Some(3.3)),
            ("12345-67890-06", Some(1.5)),
            ("2100 0418 45 0200051332", Some(6.6)),
            ("20041 01005 0500013M026 06", Some(6.6)),
            ("12345678", Some(1.5)),
            ("1234", Some(0.5)),
            ("00000000", None),
            ("active", None),
            ("12", None),
            ("****1234", None),
            ("1234567890123456789012345", None),
            ("checking-1", None),
        ] {
            assert_eq!(account(&quoted(text)).map(|proof| proof.bits), bits, "{text}");
        }
    }

    #[test]
    fn sort_codes_are_six_digits() {
        for (text, expected) in [
            ("12-34-56", true),
            ("12 34 56", true),
            ("123456", true),
            ("12-34 56", false),
            ("000000", false),
            ("1234567", false),
            ("ab-cd-ef", false),
        ] {
            assert_eq!(sort_code_value(&quoted(text)).is_some(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_bank_code_or_not(text in "\\PC{0,30}", close in "[0-9A-Z -]{0,26}", digits in "[0-9]{0,24}") {
            for text in [text, close, digits] {
                let value = quoted(&text);
                let _ = (bic(&value), aba(text.as_bytes()), sort_code_value(&value), account(&value));
            }
        }
    }
}
