//! Check digits and checksums that verifiers rely on.
//!
//! Goes in: ASCII digits or letters that already have the right shape. Comes out: whether the
//! checksum holds. Never allocates, never panics on other bytes (they fail the check).

use std::borrow::Borrow;

/// Luhn, ISO/IEC 7812-1 annex B. False for anything but digits and for an empty slice.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0u32;
    for (place, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0');
        sum += match (place % 2, digit) {
            (0, d) => d,
            (_, d) if d < 5 => d * 2,
            (_, d) => d * 2 - 9,
        };
    }
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// ISO 7064 mod 97-10 as IBANs use it (ISO 13616): the first four characters count last, letters
/// count as 10 to 35, the remainder is 1. Letters of either case.
pub(crate) fn iban_mod97(iban: &[u8]) -> bool {
    if iban.len() < 5 {
        return false;
    }
    let (head, body) = iban.split_at(4);
    let mut rest = 0u32;
    for &byte in body.iter().chain(head) {
        rest = match byte {
            b'0'..=b'9' => rest * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => rest * 100 + u32::from(byte - b'A') + 10,
            b'a'..=b'z' => rest * 100 + u32::from(byte - b'a') + 10,
            _ => return false,
        } % 97;
    }
    rest == 1
}

/// The values of ASCII digits, none of them anything else, exactly `N` of them.
pub(crate) fn digits<const N: usize>(text: &[u8]) -> Option<[u32; N]> {
    let text: &[u8; N] = text.try_into().ok()?;
    text.iter()
        .all(u8::is_ascii_digit)
        .then(|| text.map(|byte| u32::from(byte - b'0')))
}

/// The sum of values, each times the weight at its place; what has no partner counts nothing.
pub(crate) fn weighted_sum(values: impl IntoIterator<Item = impl Borrow<u32>>, weights: &[u32]) -> u32 {
    let places = values.into_iter().zip(weights);
    places.fold(0, |sum, (value, weight)| {
        let value: &u32 = value.borrow();
        sum + value * weight
    })
}

/// The value of a character in base 36: `0` to `9`, then `A` as 10 to `Z` as 35.
pub(crate) fn base36(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 10),
        _ => None,
    }
}

/// Luhn over base 36, check character last: weights 1 and 2 from the right, the two base 36 digits
/// of a product added up.
pub(crate) fn luhn36(text: &[u8]) -> bool {
    let mut sum = 0u32;
    for (place, &byte) in text.iter().rev().enumerate() {
        let Some(value) = base36(byte) else {
            return false;
        };
        let product = value * if place % 2 == 0 { 1 } else { 2 };
        sum = (sum + product / 36 + product % 36) % 36;
    }
    !text.is_empty() && sum == 0
}

/// ISO 7064 mod 11-2, check character last: digits, and `X` for ten at the end.
pub(crate) fn mod_11_2(text: &[u8]) -> bool {
    let Some((&last, body)) = text.split_last() else {
        return false;
    };
    let check = match last {
        b'X' => 10,
        b'0'..=b'9' => u32::from(last - b'0'),
        _ => return false,
    };
    let mut rest = 0u32;
    for &byte in body {
        if !byte.is_ascii_digit() {
            return false;
        }
        rest = (rest + u32::from(byte - b'0')) * 2 % 11;
    }
    !body.is_empty() && (rest + check) % 11 == 1
}

/// Verhoeff's check over the dihedral group of order ten, check digit last.
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    // Where 0 to 9 go; a digit is moved as often as it stands places from the right, mod 8.
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut check = 0u8;
    for (place, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let moved = (0..place % 8).fold(byte - b'0', |digit, _| PERMUTED[usize::from(digit)]);
        check = dihedral(check, moved);
    }
    !digits.is_empty() && check == 0
}

/// The product of two elements of the dihedral group of order ten: 0 to 4 turn, 5 to 9 mirror.
fn dihedral(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// CRC-32 (ISO-HDLC: reflected polynomial 0xEDB88320, as zip and GitHub's tokens use it).
pub(crate) fn crc32<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    !bytes.into_iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// `value` in base 62 (`0-9A-Za-z`), six characters, padded with `0` on the left.
pub(crate) fn base62_6(mut value: u32) -> [u8; 6] {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [b'0'; 6];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    out
}

/// Judges letters in upper case and digits, without separators.
pub(crate) type Validator = fn(&[u8]) -> bool;

/// Check digits that own detectors can name.
pub(crate) static BY_NAME: [(&str, Validator); 7] = [
    ("luhn", luhn),
    ("luhn_mod36", luhn36),
    ("verhoeff", verhoeff),
    ("iban_mod97", iban_mod97),
    ("iso7064_mod97_10", |text| mod_97(text) == Some(1)),
    ("iso7064_mod11_2", mod_11_2),
    ("iso7064_mod11_10", mod_11_10),
];

/// The remainder by 97 of letters and digits read as one number, letters as 10 to 35 (ISO 7064).
fn mod_97(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |rest, &byte| {
        let value = base36(byte)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    })
}

/// Sum of `digits`, each times its weight; `None` for anything but digits, or fewer than weights.
/// Digits behind the last weight do not count.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> Option<u32> {
    let digits = digits.get(..weights.len())?;
    let values = digits.iter().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    digits
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| weighted_sum(values, weights))
}

/// The number that `digits` write, modulo `modulus` (at most 2^28), however long; `None` for
/// anything but digits.
pub(crate) fn remainder(digits: &[u8], modulus: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |rest, &byte| {
        byte.is_ascii_digit()
            .then(|| (rest * 10 + u32::from(byte - b'0')) % modulus)
    })
}

/// The number that at most nine digits write; `None` for anything else.
pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0u32, |number, &byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

/// ISO/IEC 7064 MOD 11,10: one check digit behind digits. False for anything but digits.
pub(crate) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, body)) = digits.split_last() else {
        return false;
    };
    let product = body.iter().try_fold(10u32, |product, &byte| {
        let sum = (product + u32::from(byte.checked_sub(b'0').filter(|d| *d < 10)?)) % 10;
        Some(if sum == 0 { 10 } else { sum } * 2 % 11)
    });
    check.is_ascii_digit() && product.is_some_and(|p| (p + u32::from(check - b'0')) % 10 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luhn_accepts_the_standard_example_and_rejects_a_changed_digit() {
        assert!(luhn(b"79927398713"));
        for last in b"012456789" {
            assert!(!luhn(&[b"7992739871".as_slice(), &[*last]].concat()));
        }
        assert!(!luhn(b""));
        assert!(!luhn(b"7992739871x"));
    }

    #[test]
    fn mod_97_accepts_published_ibans_and_rejects_swapped_digits() {
        for iban in [
            "GB29NWBK60161331926819",
            "DE89370400440532013000",
            "NO9386011117947",
        ] {
            assert!(iban_mod97(iban.as_bytes()), "{iban}");
        }
        assert!(!iban_mod97(b"DE89370400440532013003"));
        assert!(!iban_mod97(b"DE98370400440532013000"));
        assert!(!iban_mod97(b"DE8"));
    }

    #[test]
    fn verhoeff_accepts_its_published_example_and_no_other_check_digit() {
        assert!(verhoeff(b"2363"));
        for last in b"012456789" {
            assert!(!verhoeff(&[b'2', b'3', b'6', *last]));
        }
        assert!(!verhoeff(b"") && !verhoeff(b"23x3"));
    }

    #[test]
    fn mod_11_2_accepts_the_examples_of_the_standards_that_use_it() {
        assert!(mod_11_2(b"11010519491231002X"));
        assert!(mod_11_2(b"440524188001010014"));
        assert!(!mod_11_2(b"110105194912310021") && !mod_11_2(b"X") && !mod_11_2(b""));
    }

    #[test]
    fn luhn_in_base_36_accepts_a_published_number_and_rejects_swapped_characters() {
        assert!(luhn36(b"27AAPFU0939F1ZV"));
        assert!(!luhn36(b"27AAPFU0939F1VZ") && !luhn36(b"72AAPFU0939F1ZV") && !luhn36(b""));
    }

    #[test]
    fn crc32_gives_the_check_value_of_its_definition() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(&base62_6(61), b"00000z");
        assert_eq!(&base62_6(u32::MAX), b"4gfFC3");
    }

    #[test]
    fn weights_and_remainders_are_of_digits_alone() {
        assert_eq!(weighted(b"1234", &[3, 2, 1]), Some(10));
        assert_eq!(weighted(b"12", &[3, 2, 1]), None);
        assert_eq!(weighted(b"1x3", &[3, 2, 1]), None);
        assert_eq!(remainder(b"12345678901234567890", 97), Some(3));
        assert_eq!(remainder(b"12a", 97), None);
        assert_eq!(decimal(b"007"), Some(7));
        assert_eq!(decimal(b"0123456789"), None);
    }

    #[test]
    fn mod_11_10_accepts_the_standard_example_and_rejects_a_changed_digit() {
        assert!(mod_11_10(b"07945"));
        for last in b"012346789" {
            assert!(!mod_11_10(&[b"0794".as_slice(), &[*last]].concat()));
        }
        assert!(!mod_11_10(b"") && !mod_11_10(b"0794x"));
    }
}
