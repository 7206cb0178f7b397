//! Telephone numbers: E.164 country codes with the lengths their plans allow, and the North
//! American plan. Never without a name, a word or a plus sign.

use crate::detect::candidate::{Digits, Joint, Match};
use crate::detect::{State, test_values};

/// Judges 7 to 15 digits.
pub(crate) fn verify(number: &Digits<'_>) -> Option<Match> {
    let digits = number.digits;
    let plus = has_plus(number);
    if number.is_inside_more()
        || number.goes_on
        || digits.iter().all(|d| *d == digits[0])
        || is_date_or_address(number)
    {
        return None;
    }
    // No plan assigns national numbers of these lengths that begin so.
    if number.joint == Joint::None && !plus && is_epoch(digits) {
        return None;
    }
    // Its plan is the dearest question.
    if number.is_in_uuid() || !(plus || number.may_be_named()) {
        return None;
    }
    let plan = Plan::of(digits, plus)?;
    let fictional = matches!(plan, Plan::International { code: "1" } | Plan::NorthAmerican)
        && test_values::is_fictional_nanp(digits);
    let state = if fictional { State::Test } else { State::Clear };
    let mut found = Match::new(start(number)..number.range.end, state);
    found = match plan {
        Plan::International { code } if plus => found.because(
            4.0,
            format!("has a plus sign, the country code {code} and a length of its plan"),
        ),
        Plan::International { code } => found.because(1.0, format!("begins with the country code {code}")),
        Plan::NorthAmerican => found.because(0.9, "fits the North American plan"),
        Plan::National => found.because(0.5, "has a length and beginning of national numbers"),
    };
    if !matches!(number.joint, Joint::None) {
        found = found.because(2.0, "is grouped as telephone numbers are");
    }
    if fictional {
        found = found.because(0.0, "is a test value: 555-0100 to 555-0199 belong to nobody");
    }
    Some(found)
}

/// Which plan a number fits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    International { code: &'static str },
    NorthAmerican,
    National,
}

impl Plan {
    fn of(digits: &[u8], plus: bool) -> Option<Self> {
        if plus {
            return international(digits);
        }
        if let Some(rest) = digits.strip_prefix(b"00") {
            return international(rest);
        }
        let national = match digits {
            [b'1', rest @ ..] if rest.len() == 10 => rest,
            _ => digits,
        };
        if is_north_american(national) {
            return Some(Self::NorthAmerican);
        }
        match digits {
            [b'0', b'1'..=b'9', ..] if (8..=12).contains(&digits.len()) => Some(Self::National),
            [b'0', ..] => None,
            _ if digits.len() >= 11 => international(digits),
            _ if digits.len() == 7 && digits[0] == b'1' => None,
            _ => Some(Self::National),
        }
    }
}

/// NPA-NXX-XXXX: neither part begins with 0 or 1, neither is N11.
fn is_north_american(national: &[u8]) -> bool {
    let opens = |part: &[u8]| matches!(part[0], b'2'..=b'9') && part[1..3] != *b"11";
    national.len() == 10 && opens(&national[..3]) && opens(&national[3..6])
}

fn international(digits: &[u8]) -> Option<Plan> {
    let (code, shortest, longest) = COUNTRY_CODES
        .iter()
        .copied()
        .filter(|(code, ..)| digits.starts_with(code.as_bytes()))
        .max_by_key(|(code, ..)| code.len())?;
    let national = &digits[code.len()..];
    let fits = (shortest..=longest).contains(&national.len()) && (code != "1" || is_north_american(national));
    fits.then_some(Plan::International { code })
}

fn has_plus(number: &Digits<'_>) -> bool {
    let before = &number.bytes[..number.range.start];
    before.ends_with(b"+") || before.ends_with(b"%2B") || before.ends_with(b"%2b") || before.ends_with(b"+(")
}

/// The plus sign and an opening parenthesis belong to the number.
fn start(number: &Digits<'_>) -> usize {
    let start = number.range.start;
    match &number.bytes[..start] {
        [.., b'+', b'('] => start - 2,
        [.., b'+' | b'('] => start - 1,
        _ => start,
    }
}

fn is_date_or_address(number: &Digits<'_>) -> bool {
    matches!(number.groups, [4, 2, 2] | [2, 2, 4] | [4, 2, 2, ..])
        || (number.joint == Joint::Uniform(b'.')
            && number.groups.len() == 4
            && number.groups.iter().all(|n| *n <= 3))
}

/// Between 2001 and 2033 in seconds, milliseconds, microseconds or nanoseconds.
fn is_epoch(digits: &[u8]) -> bool {
    matches!(digits.len(), 10 | 13 | 16 | 19)
        && digits
            .iter()
            .take(10)
            .fold(0u64, |sum, d| sum * 10 + u64::from(d - b'0'))
            < 2_000_000_000
        && digits[0] == b'1'
}

/// E.164 country codes with the shortest and longest national number their plans assign
/// (ITU-T E.164 annex of 2016-12 and the national plans as of 2025-01).
static COUNTRY_CODES: [(&str, usize, usize); 122] = [
    ("1", 10, 10),
    ("7", 10, 10),
    ("20", 8, 10),
    ("27", 9, 9),
    ("30", 10, 10),
    ("31", 9, 9),
    ("32", 8, 9),
    ("33", 9, 9),
    ("34", 9, 9),
    ("36", 8, 9),
    ("39", 6, 11),
    ("40", 9, 9),
    ("41", 9, 9),
    ("43", 7, 13),
    ("44", 9, 10),
    ("45", 8, 8),
    ("46", 7, 10),
    ("47", 8, 8),
    ("48", 9, 9),
    ("49", 6, 13),
    ("51", 8, 9),
    ("52", 10, 10),
    ("53", 8, 8),
    ("54", 10, 11),
    ("55", 10, 11),
    ("56", 9, 9),
    ("57", 10, 10),
    ("58", 10, 10),
    ("60", 8, 10),
    ("61", 9, 9),
    ("62", 8, 12),
    ("63", 8, 10),
    ("64", 8, 10),
    ("65", 8, 8),
    ("66", 8, 9),
    ("81", 9, 10),
    ("82", 8, 10),
    ("84", 9, 10),
    ("86", 10, 11),
    ("90", 10, 10),
    ("91", 10, 10),
    ("92", 9, 10),
    ("93", 9, 9),
    ("94", 9, 9),
    ("95", 7, 10),
    ("98", 10, 10),
    ("211", 9, 9),
    ("212", 9, 9),
    ("213", 8, 9),
    ("216", 8, 8),
    ("218", 8, 9),
    ("220", 7, 7),
    ("221", 9, 9),
    ("225", 10, 10),
    ("227", 8, 8),
    ("228", 8, 8),
    ("229", 8, 10),
    ("230", 7, 8),
    ("231", 7, 9),
    ("233", 9, 9),
    ("234", 8, 10),
    ("237", 9, 9),
    ("243", 9, 9),
    ("244", 9, 9),
    ("249", 9, 9),
    ("250", 9, 9),
    ("251", 9, 9),
    ("254", 9, 10),
    ("255", 9, 9),
    ("256", 9, 9),
    ("258", 8, 9),
    ("260", 9, 9),
    ("263", 9, 9),
    ("264", 8, 9),
    ("267", 7, 8),
    ("351", 9, 9),
    ("352", 6, 11),
    ("353", 7, 9),
    ("354", 7, 9),
    ("355", 8, 9),
    ("356", 8, 8),
    ("357", 8, 8),
    ("358", 6, 11),
    ("359", 8, 9),
    ("370", 8, 8),
    ("371", 8, 8),
    ("372", 7, 8),
    ("373", 8, 8),
    ("374", 8, 8),
    ("375", 9, 9),
    ("376", 6, 9),
    ("377", 8, 9),
    ("380", 9, 9),
    ("381", 8, 9),
    ("382", 8, 8),
    ("383", 8, 8),
    ("385", 8, 9),
    ("386", 8, 8),
    ("387", 8, 8),
    ("389", 8, 8),
    ("420", 9, 9),
    ("421", 9, 9),
    ("423", 7, 9),
    ("502", 8, 8),
    ("503", 8, 8),
    ("504", 8, 8),
    ("505", 8, 8),
    ("506", 8, 8),
    ("507", 7, 8),
    ("591", 8, 8),
    ("593", 8, 9),
    ("595", 9, 9),
    ("598", 8, 8),
    ("852", 8, 8),
    ("853", 8, 8),
    ("855", 8, 9),
    ("880", 10, 10),
    ("886", 8, 9),
    ("961", 7, 8),
    ("966", 9, 9),
    ("971", 8, 9),
    ("972", 8, 9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_found_by_country_code_and_length() {
        for (digits, plus, expected) in [
            ("14155552671", true, Some(Plan::International { code: "1" })),
            ("11155552671", true, None),
            ("442079460958", true, Some(Plan::International { code: "44" })),
            ("4420794", true, None),
            ("4915112345678", true, Some(Plan::International { code: "49" })),
            ("00442079460958", false, Some(Plan::International { code: "44" })),
            ("4155552671", false, Some(Plan::NorthAmerican)),
            ("02079460958", false, Some(Plan::National)),
            ("0000000001", false, None),
            ("999999999999999", false, None),
        ] {
            assert_eq!(Plan::of(digits.as_bytes(), plus), expected, "{digits}");
        }
    }

    #[test]
    fn times_are_known_by_their_range() {
        for (digits, expected) in [
            ("1700000000", true),
            ("1700000000000", true),
            ("1700000000000000000", true),
            ("4155552671", false),
        ] {
            assert_eq!(is_epoch(digits.as_bytes()), expected, "{digits}");
        }
    }
}
