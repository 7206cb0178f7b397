//! Identities of phones and their cards: IMEI, IMSI, ICCID and advertising ids.
//!
//! Goes in: the characters of a value. Comes out: what its structure proves. 3GPP TS 23.003,
//! ITU-T E.118 and E.212.

use crate::detect::candidate::{Proof, Value};
use crate::detect::checksum::luhn;

/// Judges 15 digits as an IMEI, or 16 as one with a software version, which has no check digit.
pub(crate) fn imei(digits: &[u8]) -> Option<Proof> {
    if !digits.iter().all(u8::is_ascii_digit) || is_one_digit(digits) {
        return None;
    }
    let test = digits
        .starts_with(b"00")
        .then_some("type allocation codes 00 of test devices, GSMA TS.06");
    match digits.len() {
        // The reporting bodies that allocate types, by the first two digits: a third of them.
        15 if luhn(digits) && is_reporting(digits) => {
            Some(Proof::new(4.5, "passes Luhn and begins with a body that allocates types").or_test(test))
        }
        16 if is_reporting(digits) => {
            Some(Proof::new(1.5, "begins with a body that allocates types").or_test(test))
        }
        _ => None,
    }
}

/// Reporting body identifiers, GSMA TS.06: those that allocate or have allocated.
fn is_reporting(digits: &[u8]) -> bool {
    let body = (digits[0] - b'0') * 10 + digits[1] - b'0';
    matches!(
        body,
        0 | 1 | 10 | 30 | 33 | 35 | 44 | 45 | 49..=54 | 86 | 91 | 98 | 99
    )
}

/// Judges 14 or 15 digits as an IMSI: a mobile country code of ITU-T E.212 in front.
pub(crate) fn imsi(digits: &[u8]) -> Option<Proof> {
    if !matches!(digits.len(), 14 | 15)
        || !digits.iter().all(u8::is_ascii_digit)
        || is_one_digit(&digits[3..])
    {
        return None;
    }
    if digits.starts_with(b"001") || digits.starts_with(b"999") {
        let source = "the mobile country codes 001 and 999, ITU-T E.212";
        return Some(Proof::new(1.0, "is of a test or private network").or_test(Some(source)));
    }
    let code = digits[..3]
        .iter()
        .fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let assigned =
        matches!(code, 202..=297 | 302..=376 | 400..=474 | 502..=555 | 602..=659 | 702..=750 | 901);
    assigned.then_some(Proof::new(1.3, "begins with a mobile country code"))
}

/// Judges 19 or 20 digits as the number of a SIM card: 89, a country code, Luhn.
pub(crate) fn iccid(digits: &[u8]) -> Option<Proof> {
    let fits = matches!(digits.len(), 19 | 20) && digits.starts_with(b"89") && luhn(digits);
    (fits && !is_one_digit(&digits[2..])).then_some(Proof::new(9.9, "begins with 89 and passes Luhn"))
}

fn is_one_digit(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == digits[0])
}

/// Judges a whole value as an advertising id: a UUID that is not the one of people who opted out,
/// or the sixteen hexadecimal digits of an Android id.
pub(crate) fn advertising(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let dashes = [8, 13, 18, 23];
    let hex = |(at, byte): (usize, &u8)| byte.is_ascii_hexdigit() || dashes.contains(&at) && *byte == b'-';
    let digits = || text.iter().filter(|b| b.is_ascii_alphanumeric());
    let first = text.first()?;
    let varied = digits().any(|b| b != first);
    match text.len() {
        36 if varied && text.iter().enumerate().all(hex) && dashes.iter().all(|at| text[*at] == b'-') => {
            Some(Proof::new(3.0, "is a UUID"))
        }
        32 if varied && text.iter().all(u8::is_ascii_hexdigit) => {
            Some(Proof::new(2.0, "is a UUID without dashes"))
        }
        16 if varied && text.iter().all(u8::is_ascii_hexdigit) => {
            Some(Proof::new(2.0, "is sixteen hexadecimal digits"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn numbers_of_devices_pass_their_checks() {
        type Check = fn(&[u8]) -> Option<Proof>;
        for (check, digits, expected) in [
            (imei as Check, "490154203237518", Some(false)),
            (imei, "356938035643809", Some(false)),
            (imei, "3569380356438001", Some(false)),
            (imei, "001010000000009", None),
            (imei, "001015000000009", None),
            (imei, "490154203237517", None),
            (imei, "770154203237510", None),
            (imei, "000000000000000", None),
            (imsi, "310150123456789", Some(false)),
            (imsi, "26201123456789", Some(false)),
            (imsi, "001010123456789", Some(true)),
            (imsi, "199150123456789", None),
            (imsi, "3101501234567890", None),
            (iccid, "8944500102198304826", Some(false)),
            (iccid, "8944500102198304825", None),
            (iccid, "7944500102198304826", None),
        ] {
            let found = check(digits.as_bytes()).map(|proof| proof.test.is_some());
            assert_eq!(found, expected, "{digits}");
        }
    }

    #[test]
    fn advertising_ids_are_uuids_of_people_who_did_not_opt_out() {
        for (text, expected) in [
            ("EA7583CD-A667-48BC-B806-42ECB2B48606", true),
            ("cdda802e-fb9c-47ad-9866-0794d394c912", true),
            ("9774d56d682e549c", true),
            ("00000000-0000-0000-0000-000000000000", false),
            ("EA7583CD-A667-48BC-B806", false),
            ("0000000000000000", false),
            ("unknown", false),
            ("-", false),
        ] {
            assert_eq!(advertising(&quoted(text)).is_some(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_device_or_not(text in prop::collection::vec(any::<u8>(), 1..40), digits in "[0-9a-f-]{1,40}") {
            for text in [text.as_slice(), digits.as_bytes()] {
                let _ = (imei(text), imsi(text), iccid(text));
                let _ = advertising(&Value { text, ..quoted("") });
            }
        }
    }
}
