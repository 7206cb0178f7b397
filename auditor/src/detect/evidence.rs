//! Evidence against a number: what else it is likely to be.
//!
//! Goes in: a value as it stands in the text, and what its name says. Comes out: reasons with
//! negative bits. Never allocates.

use super::key::Strength;

/// A name that speaks of an id, a time or an amount, over digits in one run: that is what ids look
/// like, and hardly anybody calls a person's number so.
const NAMED_ID: f32 = -10.0;
/// The same over digits in groups, which ids are seldom written in.
const NAMED_ID_GROUPED: f32 = -6.0;
/// A count of seconds or of parts of them since 1970 that falls into our time.
const EPOCH: f32 = -8.0;
/// A book or article number with its own check digit.
const ARTICLE: f32 = -6.0;

/// What speaks against `value`; `named` is the word of its field's name that does.
pub(super) fn against(
    value: &[u8],
    named: Option<&'static str>,
    strength: Option<Strength>,
) -> impl Iterator<Item = (f32, &'static str)> {
    let plain = value.iter().all(u8::is_ascii_digit);
    let named = named.map(|_| {
        let bits = if plain && strength.is_none() {
            NAMED_ID
        } else {
            NAMED_ID_GROUPED
        };
        (bits, "the field's name speaks of an id, a time or an amount")
    });
    // Nobody calls a time a national or a tax number: such a name outweighs what it looks like.
    let is_named = matches!(strength, Some(Strength::Family | Strength::Exact));
    let epoch = (plain && !is_named && is_epoch(value))
        .then_some((EPOCH, "is a time of our days, counted from 1970"));
    let article = (plain && is_article(value)).then_some((ARTICLE, "is a valid book or article number"));
    [named, epoch, article].into_iter().flatten()
}

/// Between 2001 and 2036 in seconds, milliseconds, microseconds or nanoseconds since 1970.
pub(super) fn is_epoch(digits: &[u8]) -> bool {
    let seconds = digits
        .iter()
        .take(10)
        .fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    matches!(digits.len(), 10 | 13 | 16 | 19) && (1_000_000_000..2_100_000_000).contains(&seconds)
}

/// ISBN-13 (prefixes 978 and 979) with its check digit, ISO 2108.
fn is_article(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| u32::from(digit - b'0') * if place % 2 == 0 { 1 } else { 3 })
        .sum();
    digits.len() == 13 && matches!(&digits[..3], b"978" | b"979") && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_articles_and_ids_speak_against_a_number() {
        for (value, named, expected) in [
            ("1700000000", None, EPOCH),
            ("1700000000123", None, EPOCH),
            ("1700000000123456789", None, EPOCH),
            ("0700000000", None, 0.0),
            ("9780306406157", None, ARTICLE),
            ("4111111111111111", None, 0.0),
            ("4111111111111111", Some("order"), NAMED_ID),
            ("4111 1111 1111 1111", Some("order"), NAMED_ID_GROUPED),
        ] {
            let bits: f32 = against(value.as_bytes(), named, None).map(|(bits, _)| bits).sum();
            assert_eq!(bits, expected, "{value}");
        }
    }
}
