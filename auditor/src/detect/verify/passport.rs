//! Passport numbers of any state.
//!
//! Goes in: the whole value of a field whose name speaks of one. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::{Proof, Value};

/// Six to nine letters and digits (ICAO Doc 9303 part 4 has room for nine), at least four digits,
/// spaces aside. Numbers carry no check digit outside of the machine readable zone.
pub(crate) fn number(value: &Value<'_>) -> Option<Proof> {
    let mut characters = 0;
    let mut digits = 0;
    let mut varied = false;
    let first = *value.text.first()?;
    for &byte in value.text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' | b'a'..=b'z' => {}
            b' ' => continue,
            _ => return None,
        }
        characters += 1;
        varied |= byte != first;
    }
    let fits =
        (6..=9).contains(&characters) && varied && (digits >= 4 || digits >= 1 && is_german(value.text));
    // A run of digits that may be a counter says less than letters in front of one.
    let bits = if characters == digits { 0.5 } else { 1.5 };
    fits.then_some(Proof::new(
        bits,
        "has the length and characters of a passport number",
    ))
}

/// Germany's, since 2007: nine characters of an alphabet without vowels and without letters that look
/// like digits, the first of them a letter of the passport authorities.
fn is_german(text: &[u8]) -> bool {
    text.len() == 9
        && b"CFGHJK".contains(&text[0])
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    #[test]
    fn passport_numbers_are_short_and_mostly_digits() {
        for (text, expected) in [
            ("C01X00T47", true),
            ("925665416", true),
            ("YA1234567", true),
            ("45 08 123456", false),
            ("GF 123456", true),
            ("E12345678", true),
            ("valid", false),
            ("expired", false),
            ("111111111", false),
            ("2026-01-01", false),
            ("12345", false),
            ("true", false),
        ] {
            let value = Value {
                text: text.as_bytes(),
                quoted: true,
                format: Format::Json,
            };
            assert_eq!(number(&value).is_some(), expected, "{text}");
        }
    }
}
