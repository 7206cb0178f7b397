//! Telephone numbers: E.164 country codes with the lengths and beginnings their plans allow, and
//! national numbers. Never without a name, a word or a plus sign.

mod plans;

use crate::detect::candidate::{Digits, Joint, Match};
use crate::detect::{State, test_values};
use plans::PLANS;

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
            format!("has a plus sign, the country code {code} and a number of its plan"),
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
            // The trunk prefix of Russia and Kazakhstan.
            [b'8', b'3' | b'4' | b'7'..=b'9', ..] if digits.len() == 11 => Some(Self::National),
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

/// The plan of a number that begins with its country code.
fn international(digits: &[u8]) -> Option<Plan> {
    // No code begins with another one.
    let (code, lengths, begins) = (1..=3.min(digits.len())).find_map(|length| {
        let code = &digits[..length];
        let row = PLANS.binary_search_by(|(known, ..)| known.as_bytes().cmp(code));
        row.ok().map(|row| PLANS[row])
    })?;
    let fits = |national: &[u8]| {
        lengths
            .iter()
            .any(|length| usize::from(*length) == national.len())
            && begins.as_bytes().contains(&national[0])
            && (code != "1" || is_north_american(national))
    };
    // `+44 (0)20 7946 0958`: the trunk prefix is written, but not dialled.
    let national = &digits[code.len()..];
    let without_trunk = national.strip_prefix(b"0").unwrap_or(national);
    (fits(national) || fits(without_trunk)).then_some(Plan::International { code })
}

/// The digits that stand for a number in a fingerprint: `0049…` and `+49…` are one number, and so
/// are `4155552671` and `+14155552671`.
pub(crate) fn normal(digits: &[u8], plus: bool) -> (&'static [u8], &[u8]) {
    match digits {
        _ if plus => (b"", digits),
        [b'0', b'0', rest @ ..] if international(rest).is_some() => (b"", rest),
        _ if is_north_american(digits) => (b"1", digits),
        _ => (b"", digits),
    }
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
            ("4402079460958", true, Some(Plan::International { code: "44" })),
            ("441079460958", true, Some(Plan::International { code: "44" })),
            ("440079460958", true, None),
            ("33612345678", true, Some(Plan::International { code: "33" })),
            ("3361234567", true, None),
            ("22890112345", true, Some(Plan::International { code: "228" })),
            ("22880112345", true, None),
            ("96891234567", true, Some(Plan::International { code: "968" })),
            ("21012345678", true, None),
            ("89161234567", false, Some(Plan::National)),
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

    #[test]
    fn plans_are_in_order_and_no_code_begins_with_another() {
        assert!(PLANS.is_sorted_by_key(|(code, ..)| *code));
        for (code, lengths, begins) in PLANS {
            assert!(!begins.is_empty() && lengths.iter().all(|n| usize::from(*n) + code.len() <= 20));
            let others = PLANS.iter().filter(|(other, ..)| *other != code);
            assert!(
                others.into_iter().all(|(other, ..)| !other.starts_with(code)),
                "{code}"
            );
        }
    }

    #[test]
    fn two_notations_of_a_number_have_one_normal_form() {
        for (one, other) in [
            (("4930123456", true), ("004930123456", false)),
            (("14155552671", true), ("4155552671", false)),
        ] {
            let whole = |(digits, plus): (&str, bool)| {
                let (code, rest) = normal(digits.as_bytes(), plus);
                [code, rest].concat()
            };
            assert_eq!(whole(one), whole(other));
        }
    }
}
