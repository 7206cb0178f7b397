//! India: Aadhaar, the income tax PAN, the goods and services tax number.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use crate::detect::candidate::{Proof, Value};
use crate::detect::checksum::{luhn36, verhoeff};

/// Numbers that UIDAI publishes for trials of its authentication service.
const AADHAAR_TESTS: [&[u8]; 5] = [
    b"999941057058",
    b"999971658847",
    b"999933119405",
    b"999955183433",
    b"999990501894",
];

/// Aadhaar: twelve digits, the first 2 to 9, the last a Verhoeff check; never a palindrome.
pub(crate) fn aadhaar(value: &[u8]) -> Option<Proof> {
    let issued = value.len() == 12 && matches!(value[0], b'2'..=b'9') && !value.iter().eq(value.iter().rev());
    let published = AADHAAR_TESTS.contains(&value).then_some("UIDAI's test numbers");
    (issued && verhoeff(value))
        .then_some(Proof::new(3.6, "begins with 2 to 9 and passes Verhoeff"))
        .map(|proof| proof.or_test(published))
}

/// Permanent account number: the fourth letter tells what the holder is; the check letter's rule
/// is secret.
pub(crate) fn pan(value: &[u8]) -> Option<Proof> {
    let published = (value == b"AAAPL1234C" || value == b"ABCPE1234F").then_some("the usual samples");
    is_pan(value)
        .then_some(Proof::new(1.2, "tells a kind of holder in the fourth letter"))
        .map(|proof| proof.or_test(published))
}

/// The same as the whole value of a field that is named for it, where any ten letters and digits
/// might stand.
pub(crate) fn named_pan(value: &Value<'_>) -> Option<Proof> {
    let text: &[u8; 10] = value.text.try_into().ok()?;
    pan(&text.to_ascii_uppercase()).map(|proof| Proof {
        bits: 11.0,
        reason: "has the letters and digits of an account number, and a kind of holder",
        ..proof
    })
}

fn is_pan(value: &[u8]) -> bool {
    let [a, b, c, kind, name, serial @ .., last] = value else {
        return false;
    };
    let letters = [a, b, c, name, last].iter().all(|byte| byte.is_ascii_uppercase());
    let digits = serial.len() == 4 && serial.iter().all(u8::is_ascii_digit);
    letters && digits && serial != b"0000" && b"ABCFGHJKLPT".contains(kind)
}

/// Goods and services tax number: a state, a PAN, a count, `Z` and a base 36 Luhn check.
///
/// The states go up to 38 (Ladakh, since 2019); 97 is other territory.
pub(crate) fn gstin(value: &[u8]) -> Option<Proof> {
    let [s1 @ b'0'..=b'9', s2 @ b'0'..=b'9', pan @ .., count, b'Z', _] = value else {
        return None;
    };
    let state = 10 * (s1 - b'0') + (s2 - b'0');
    let fits = matches!(state, 1..=38 | 97) && is_pan(pan) && *count != b'0';
    let published = (value == b"27AAPFU0939F1ZV").then_some("the usual worked example of the check");
    (fits && luhn36(value))
        .then_some(Proof::new(
            12.9,
            "holds a state and a PAN and passes its check character",
        ))
        .map(|proof| proof.or_test(published))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aadhaar_numbers_pass_verhoeff() {
        for (value, expected) in [
            ("234123412346", true),
            ("234123412347", false),
            ("123412341234", false),
            ("222222222222", false),
            ("23412341234A", false),
        ] {
            assert_eq!(aadhaar(value.as_bytes()).is_some(), expected, "{value}");
        }
        for value in AADHAAR_TESTS {
            assert!(aadhaar(value).is_some_and(|proof| proof.test.is_some()));
        }
    }

    #[test]
    fn account_numbers_tell_the_kind_of_holder() {
        for (value, expected) in [
            ("ACUPA7085R", true),
            ("AAPPV8261K", true),
            ("ABMXA3211G", false),
            ("ACUPA0000R", false),
            ("ABMPA32111", false),
            ("ACUPA7085RR", false),
        ] {
            assert_eq!(pan(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn tax_numbers_hold_a_state_an_account_number_and_a_check() {
        for (value, expected) in [
            ("27AAPFU0939F1ZV", true),
            ("27AAPFU0939F1ZO", false),
            ("39AAPFU0939F1ZV", false),
            ("27AAPFU0939F1AA", false),
            ("27AAPFU0939F1Z", false),
        ] {
            assert_eq!(gstin(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
