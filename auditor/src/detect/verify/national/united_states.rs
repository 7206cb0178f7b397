//! United States: taxpayer numbers, passports, driver licences.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, or a field's whole value.
//! Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::{Proof, Value};
use crate::detect::checksum::digits;

/// Individual taxpayer identification number: begins with 9, and only some groups are issued.
///
/// The groups 50 to 65 are in use since 2013 (IRS publication 4757); older lists begin at 70.
pub(crate) fn itin(value: &[u8]) -> Option<Proof> {
    let d: [u32; 9] = digits(value)?;
    let group = 10 * d[3] + d[4];
    let issued = matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
    (d[0] == 9 && issued).then_some(Proof::new(4.5, "begins with 9 and has a group that is issued"))
}

/// Employer identification number: the first two digits are a prefix that the IRS assigns.
pub(crate) fn ein(value: &[u8]) -> Option<Proof> {
    let d: [u32; 9] = digits(value)?;
    let unassigned = matches!(
        10 * d[0] + d[1],
        0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97
    );
    let serial = d[2..].iter().any(|digit| *digit != 0);
    (!unassigned && serial).then_some(Proof::new(0.25, "has a prefix that the IRS assigns"))
}

/// Passport book or card: nine digits, or a letter and eight digits. There is no check digit.
pub(crate) fn passport(value: &[u8]) -> Option<Proof> {
    let (&first, rest) = value.split_first()?;
    let d: [u32; 8] = digits(rest)?;
    let varied = d.iter().any(|digit| *digit != d[0]);
    match first {
        b'0'..=b'9' if varied => Some(Proof::new(0.0, "has as many digits as a passport book's number")),
        // Books of the next generation begin with A to Z, cards with C.
        b'A'..=b'Z' if varied => Some(Proof::new(0.0, "is a letter and eight digits")),
        _ => None,
    }
}

/// Driver licence: every state has its own form, so the field's name decides and this keeps out
/// what none of them writes: fewer than three digits, words, other signs.
pub(crate) fn driver_license(value: &Value<'_>) -> Option<Proof> {
    let is_word = |group: &[u8]| group.len() > 3 && group.iter().all(u8::is_ascii_alphabetic);
    if value.text.split(|byte| *byte == b' ').any(is_word) {
        return None;
    }
    let mut characters = 0;
    let mut numbers = 0;
    let mut varied = false;
    let first = *value.text.first()?;
    for &byte in value.text {
        match byte {
            b'0'..=b'9' => numbers += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => {}
            b'-' | b' ' => continue,
            _ => return None,
        }
        characters += 1;
        varied |= byte != first;
    }
    let fits = (5..=17).contains(&characters) && numbers >= 3 && varied;
    fits.then_some(Proof::new(
        1.0,
        "has the length and characters of a driver licence number",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    #[test]
    fn taxpayer_numbers_of_people_begin_with_nine_and_have_an_issued_group() {
        for (value, expected) in [
            ("912903456", true),
            ("900500000", true),
            ("999651234", true),
            ("912661234", false),
            ("912893456", false),
            ("912933456", false),
            ("812903456", false),
            ("91290345", false),
        ] {
            assert_eq!(itin(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn employer_numbers_have_an_assigned_prefix() {
        for (value, expected) in [
            ("911144442", true),
            ("042103594", true),
            ("071144442", false),
            ("001234567", false),
            ("910000000", false),
        ] {
            assert_eq!(ein(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn passports_are_nine_digits_or_a_letter_and_eight() {
        for (value, expected) in [
            ("340007237", true),
            ("A12345678", true),
            ("111111111", false),
            ("AB1234567", false),
            ("12345678", false),
        ] {
            assert_eq!(passport(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn driver_licences_are_short_runs_with_digits() {
        for (text, expected) in [
            ("D1234567", true),
            ("S530-4607-0123", true),
            ("WDLABCD456DG", true),
            ("00000000", false),
            ("valid", false),
            ("true", false),
            ("2026-01-01T00:00:00Z", false),
            ("expired in 2026", false),
        ] {
            let value = Value {
                text: text.as_bytes(),
                quoted: true,
                format: Format::Json,
            };
            assert_eq!(driver_license(&value).is_some(), expected, "{text}");
        }
    }
}
