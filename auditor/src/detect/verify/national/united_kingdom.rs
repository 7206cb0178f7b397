//! Numbers of the United Kingdom: national insurance, taxpayer reference, driver number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// National insurance number: `AA999999A`.
pub(crate) fn nino(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 9] = compact.try_into().ok()?;
    let [first, second, digits @ .., suffix] = number;
    if !digits.iter().all(u8::is_ascii_digit) || !(b'A'..=b'D').contains(suffix) {
        return None;
    }
    let is_example = digits == b"123456" && (*first, *second) == (b'Q', b'Q');
    let is_given = first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(first)
        && !b"DFIOQUV".contains(second)
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[*first, *second]);
    (is_given || is_example).then(|| {
        Proof::new(3.5, "has a prefix and a suffix that are given")
            .or_test(is_example.then_some("GOV.UK, example of a national insurance number"))
    })
}

/// Unique taxpayer reference: the first of ten digits checks the others.
pub(crate) fn utr(compact: &[u8]) -> Option<Proof> {
    let digits = match compact {
        [digits @ .., b'K'] => digits,
        digits => digits,
    };
    let number: &[u8; 10] = digits.try_into().ok()?;
    let sum = weighted(&number[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2])?;
    let expected = b"21987654321"[(sum % 11) as usize];
    let is_varied = number[1..].iter().any(|digit| *digit != b'0');
    (number[0] == expected && is_varied).then_some(Proof::new(3.3, "passes mod 11"))
}

/// Driver number: five letters of the surname, date of birth, initials, and three characters that
/// tell namesakes apart. The two last check the number by rules that are not published.
pub(crate) fn driving_licence(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 16] = compact.first_chunk()?;
    if !compact[16..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let surname = &number[..5];
    let letters = surname.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let is_name = letters > 0 && surname[letters..].iter().all(|b| *b == b'9');
    // A woman's month is 50 higher; the digits of the year stand on both sides of the date.
    let month = weighted(&number[6..8], &[10, 1])?;
    let day = weighted(&number[8..10], &[10, 1])?;
    let year = number[5].is_ascii_digit() && number[10].is_ascii_digit();
    let has_date = matches!(month, 1..=12 | 51..=62) && (1..=31).contains(&day) && year;
    let initials = &number[11..13];
    let has_initials =
        initials == b"99" || initials[0].is_ascii_uppercase() && matches!(initials[1], b'A'..=b'Z' | b'9');
    let rest = &number[13..];
    let has_rest = rest[0].is_ascii_alphanumeric() && rest[1..].iter().all(u8::is_ascii_uppercase);
    let is_example = number == b"MORGA657054SM9IJ";
    (is_name && has_date && has_initials && has_rest).then(|| {
        Proof::new(6.9, "holds a name, a date of birth and initials")
            .or_test(is_example.then_some("DVLA, specimen licence"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_national_insurance_number_has_a_prefix_that_is_given() {
        for (number, expected) in [
            ("AB123456C", true),
            ("AB123456E", false),
            ("DB123456C", false),
            ("AO123456C", false),
            ("GB123456C", false),
            ("ZZ123456C", false),
            ("QQ654321C", false),
            ("AB12345C", false),
        ] {
            assert_eq!(nino(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(nino(b"QQ123456C").unwrap().test.is_some());
    }

    #[test]
    fn a_taxpayer_reference_begins_with_its_check_digit() {
        assert!(utr(b"1955839661").is_some() && utr(b"1955839661K").is_some());
        assert!(utr(b"2955839661").is_none() && utr(b"195583966").is_none());
    }

    #[test]
    fn a_driver_number_holds_a_birthday() {
        for (number, expected) in [
            ("MORGA657054SM9IJ", true),
            ("MORGA657054SM9IJ35", true),
            ("FOX99602125A99AB", true),
            ("MORGA667054SM9IJ", false),
            ("MORGA657324SM9IJ", false),
            ("MO9GA657054SM9IJ", false),
            ("MORGA65705AS99IJ", false),
        ] {
            assert_eq!(driving_licence(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(driving_licence(b"MORGA657054SM9IJ").unwrap().test.is_some());
    }
}
