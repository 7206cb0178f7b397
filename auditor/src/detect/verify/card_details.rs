//! What stands beside a card number: security code, expiry date and PIN.
//!
//! Goes in: the whole value of a field that is named so. Comes out: whether it may be one. These
//! are too short to prove anything: a card beside them must.

use crate::detect::candidate::{Proof, Value};
use crate::detect::verify::birth::Day;
use crate::detect::verify::text::Plain;

/// Judges a card security code: three digits, four for American Express.
pub(crate) fn security_code(value: &Value<'_>) -> Option<Proof> {
    let digits = matches!(value.text.len(), 3 | 4) && value.text.iter().all(u8::is_ascii_digit);
    digits.then_some(Proof::new(1.0, "is three or four digits"))
}

/// Judges a personal identification number: 4 to 12 digits (ISO 9564-1), or a PIN block.
pub(crate) fn pin(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    match text.len() {
        4..=12 if text.iter().all(u8::is_ascii_digit) => Some(Proof::new(1.0, "is 4 to 12 digits")),
        _ => None,
    }
}

/// Judges an expiry date: month and year, within ten years before and twenty-five after this one.
pub(crate) fn expiry(value: &Value<'_>) -> Option<Proof> {
    let plain = Plain::of(value)?;
    let mut numbers = [(0u32, 0usize); 3];
    let mut count = 0;
    for part in plain
        .text()
        .split(['/', '-', '.', ' '])
        .filter(|part| !part.is_empty())
    {
        let slot = numbers.get_mut(count)?;
        *slot = (
            part.parse()
                .ok()
                .filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?,
            part.len(),
        );
        count += 1;
    }
    let is_pair = |month: u32, year: u32| (1..=12).contains(&month) && is_near(year);
    let (fits, written_as_date) = match numbers[..count] {
        [(month, 1 | 2), (year, 2 | 4)] => (is_pair(month, year), true),
        [(year, 4), (month, 1 | 2)] => (is_pair(month, year), true),
        [(year, 4), (month, 2), (1..=31, 2)] => (is_pair(month, year), true),
        [(whole, 4)] => (
            is_pair(whole / 100, whole % 100) || is_pair(whole % 100, whole / 100),
            false,
        ),
        [(whole, 6)] => (
            is_pair(whole / 10_000, whole % 10_000) || is_pair(whole % 100, whole / 100),
            false,
        ),
        _ => return None,
    };
    fits.then_some(if written_as_date {
        Proof::new(2.5, "is a month and a year")
    } else {
        Proof::new(1.5, "may be a month and a year")
    })
}

fn is_near(year: u32) -> bool {
    let now = u32::from(Day::today().year);
    let year = if year < 100 { 2000 + year } else { year };
    (now - 10..=now + 25).contains(&year)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn months_and_years_are_read_in_the_notations_of_cards() {
        for (text, expected) in [
            ("12/28", true),
            ("1/28", true),
            ("12/2028", true),
            ("12-28", true),
            ("2028-12", true),
            ("1228", true),
            ("2812", true),
            ("122028", true),
            ("202812", true),
            ("2028-12-31", true),
            (r"12\/28", true),
            ("13/28", false),
            ("00/28", false),
            ("12/1928", false),
            ("12/2099", false),
            ("9999", false),
            ("3600", false),
            ("never", false),
            ("", false),
            ("1/2/3/4", false),
            ("+1/28", false),
        ] {
            assert_eq!(expiry(&quoted(text)).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn codes_are_digits_of_their_length() {
        for (text, code, is_pin) in [
            ("123", true, false),
            ("1234", true, true),
            ("12345", false, true),
            ("***", false, false),
            ("12", false, false),
            ("12a", false, false),
            ("1234567890123", false, false),
        ] {
            assert_eq!(security_code(&quoted(text)).is_some(), code, "{text}");
            assert_eq!(pin(&quoted(text)).is_some(), is_pin, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_detail_or_not(text in "\\PC{0,20}", close in "[0-9/. -]{0,12}") {
            for text in [text, close] {
                let value = quoted(&text);
                let _ = (security_code(&value), pin(&value), expiry(&value));
            }
        }
    }
}
