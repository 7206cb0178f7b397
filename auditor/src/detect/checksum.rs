//! Check digits and checksums that verifiers rely on.
//!
//! Goes in: ASCII digits or letters that already have the right shape. Comes out: whether the
//! checksum holds. Never allocates, never panics on other bytes (they fail the check).

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

/// CRC-32 (ISO-HDLC: reflected polynomial 0xEDB88320, as zip and GitHub's tokens use it).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
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

/// Sum of `digits`, each times its weight; `None` for anything but digits, or fewer than weights.
/// Digits behind the last weight do not count.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> Option<u32> {
    let digits = digits.get(..weights.len())?;
    digits.iter().zip(weights).try_fold(0u32, |sum, (&byte, weight)| {
        byte.is_ascii_digit()
            .then(|| sum + u32::from(byte - b'0') * weight)
    })
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

/// Verhoeff's dihedral check (Error Detecting Decimal Codes, 1969): the check digit is the last.
/// False for anything but digits and for an empty slice.
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    /// What becomes of a digit one place further to the left.
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut sum = 0u8;
    for (place, &byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let moved = (0..place % 8).fold(byte - b'0', |digit, _| PERMUTATION[usize::from(digit)]);
        // The group of the pentagon: 0 to 4 turn it, 5 to 9 turn it over.
        sum = match (sum < 5, moved < 5) {
            (true, true) => (sum + moved) % 5,
            (true, false) => 5 + (sum + moved) % 5,
            (false, true) => 5 + (sum + 5 - moved) % 5,
            (false, false) => (sum + 5 - moved) % 5,
        };
    }
    !digits.is_empty() && sum == 0
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

    #[test]
    fn verhoeff_accepts_known_numbers_and_rejects_swapped_digits() {
        assert!(verhoeff(b"2363"));
        assert!(verhoeff(b"123451"));
        assert!(!verhoeff(b"2633"));
        assert!(!verhoeff(b"") && !verhoeff(b"236x"));
    }
}
