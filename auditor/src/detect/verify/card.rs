//! Payment card numbers: Luhn, an issuer prefix that fits the length, a grouping people use.

use crate::detect::State;
use crate::detect::candidate::{Digits, Joint, Match};
use crate::detect::checksum::luhn;
use crate::detect::test_values;

/// Judges 12 to 19 digits.
pub(crate) fn verify(number: &Digits<'_>) -> Option<Match> {
    let digits = number.digits;
    let scheme = scheme(digits)?;
    if !luhn(digits) || number.is_inside_more() || number.is_in_series() || number.is_in_uuid() {
        return None;
    }
    let grouping = grouping(number)?;
    let test = test_values::card(digits);
    let state = if test.is_some() { State::Test } else { State::Clear };
    let mut found = Match::new(number.range.clone(), state)
        .because(3.3, "passes Luhn, as one number in ten does")
        .because(
            prefix_bits(digits.len()),
            format!("begins like a {scheme} card of {} digits", digits.len()),
        );
    if let Some((bits, reason)) = grouping {
        found = found.because(bits, reason);
    }
    if number.is_joined_to_word() {
        found = found.because(-3.0, "is the tail of a longer identifier");
    }
    if let Some(source) = test {
        found = found.because(0.0, format!("is a test value: {source}"));
    }
    Some(found)
}

/// −log2 of the share of all numbers of this length that begin like some scheme's.
fn prefix_bits(length: usize) -> f32 {
    match length {
        12 => 2.4,
        13 | 16 => 2.1,
        14 | 15 => 2.2,
        _ => 1.8,
    }
}

/// Evidence of the grouping; `None` for groups no card is written in.
fn grouping(number: &Digits<'_>) -> Option<Option<(f32, &'static str)>> {
    match (number.joint, number.groups) {
        (Joint::None, _) => Some(None),
        (Joint::Uniform(_), [4, 4, 4, 4]) => Some(Some((4.0, "is written in four groups of four"))),
        (Joint::Uniform(_), [4, 6, 4 | 5] | [4, 4, 4, 4, 1..=3] | [4, 4, 4, 1..=3] | [6, 13] | [8, 8]) => {
            Some(Some((3.0, "is written in groups that card schemes use")))
        }
        (Joint::Uniform(_), [4, _, _, ..]) if number.groups.iter().all(|n| (3..=7).contains(n)) => {
            Some(Some((0.5, "is written in groups")))
        }
        _ => None,
    }
}

/// The scheme whose issuer range and lengths fit; ranges of ISO/IEC 7812 as the schemes publish
/// them. All-equal digits fit none.
pub(crate) fn scheme(digits: &[u8]) -> Option<&'static str> {
    if digits.len() < 12 || digits.iter().all(|d| *d == digits[0]) {
        return None;
    }
    let head = |n: usize| {
        digits[..n]
            .iter()
            .fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0'))
    };
    let (two, three, four, six) = (head(2), head(3), head(4), head(6));
    let is = |lengths: &[usize]| lengths.contains(&digits.len());
    if let Some(scheme) = national(six, digits.len()) {
        return Some(scheme);
    }
    Some(match (two, three, four) {
        (40..=49, ..) if is(&[13, 16, 19]) => "Visa",
        (51..=55, ..) | (_, _, 2221..=2720) if is(&[16]) => "Mastercard",
        (34 | 37, ..) if is(&[15]) => "American Express",
        (_, 300..=305 | 309, _) | (36 | 38 | 39, ..) if is(&[14, 16, 17, 18, 19]) => "Diners Club",
        (_, _, 3528..=3589) if is(&[16, 17, 18, 19]) => "JCB",
        (_, _, 2131 | 1800) if is(&[15]) => "JCB",
        (_, _, 2200..=2204) if is(&[16, 17, 18, 19]) => "Mir",
        (_, _, 2205) if is(&[16]) => "Borica",
        (_, _, 8600) if is(&[16]) => "UzCard",
        (_, _, 9860) if is(&[16]) => "Humo",
        (_, _, 9112) if is(&[16]) => "Belkart",
        (_, _, 9704) if is(&[16, 19]) => "Napas",
        (_, _, 9792) if is(&[16]) => "Troy",
        (_, _, 5019) if is(&[16]) => "Dankort",
        (_, _, 6011) | (65, ..) | (_, 644..=649, _) if is(&[16, 17, 18, 19]) => "Discover",
        (81 | 82, ..) | (_, 508, _) if is(&[16]) => "RuPay",
        (62, ..) | (81, ..) if is(&[16, 17, 18, 19]) => "UnionPay",
        (50 | 56..=58 | 60..=69, ..) => "Maestro",
        _ => return None,
    })
}

/// Schemes of one country whose ranges lie inside of those of larger ones, by the first six digits.
fn national(six: u32, length: usize) -> Option<&'static str> {
    match (six, length) {
        (506_099..=506_198 | 507_865..=507_964 | 650_002..=650_027, 16 | 18 | 19) => Some("Verve"),
        (
            384_100 | 384_140 | 384_160 | 606_282 | 637_095 | 637_568 | 637_599 | 637_609 | 637_612,
            16 | 19,
        ) => Some("Hipercard"),
        (401_178..=401_179 | 431_274 | 438_935 | 451_416 | 457_393 | 457_631..=457_632, 16)
        | (504_175 | 506_699..=506_778 | 509_000..=509_999 | 627_780 | 636_297 | 636_368, 16)
        | (650_031..=650_033 | 650_035..=650_051 | 650_405..=650_439 | 650_485..=650_538, 16)
        | (650_541..=650_598 | 650_700..=650_718 | 650_720..=650_727 | 650_901..=650_978, 16)
        | (651_652..=651_679 | 655_000..=655_019 | 655_021..=655_058, 16) => Some("Elo"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_belongs_to_a_scheme_at_its_lengths_only() {
        for (digits, expected) in [
            ("4111111111111111", Some("Visa")),
            ("4222222222222", Some("Visa")),
            ("41111111111111", None),
            ("5555555555554444", Some("Mastercard")),
            ("2221000000000009", Some("Mastercard")),
            ("2720990000000007", Some("Mastercard")),
            ("2721000000000004", None),
            ("378282246310005", Some("American Express")),
            ("6011111111111117", Some("Discover")),
            ("30569309025904", Some("Diners Club")),
            ("3530111333300000", Some("JCB")),
            ("6200000000000005", Some("UnionPay")),
            ("6759649826438453", Some("Maestro")),
            ("2200000000000004", Some("Mir")),
            ("9792000000000001", Some("Troy")),
            ("8600000000000000", Some("UzCard")),
            ("9704000000000000", Some("Napas")),
            ("5060990000000000", Some("Verve")),
            ("4011780000000000", Some("Elo")),
            ("6062820000000000", Some("Hipercard")),
            ("50000000000", None),
            ("1234567890123452", None),
            ("0000000000000000", None),
        ] {
            assert_eq!(scheme(digits.as_bytes()), expected, "{digits}");
        }
    }
}
