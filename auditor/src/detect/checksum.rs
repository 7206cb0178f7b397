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

/// Judges letters in upper case and digits, without separators.
pub(crate) type Validator = fn(&[u8]) -> bool;

/// Check digits that own detectors can name.
pub(crate) static BY_NAME: [(&str, Validator); 2] = [("luhn", luhn), ("iban_mod97", iban_mod97)];

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
}
