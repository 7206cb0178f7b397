//! US social security numbers: the parts that are never issued, and the 3-2-4 grouping.

use crate::detect::candidate::{Digits, Joint, Match};
use crate::detect::{State, test_values};

/// Judges nine digits.
pub(crate) fn verify(number: &Digits<'_>) -> Option<Match> {
    let digits = number.digits;
    let test = test_values::ssn(digits);
    if !is_issued(digits) && test.is_none() {
        return None;
    }
    let grouping = match (number.joint, number.groups) {
        (Joint::Uniform(b'-'), [3, 2, 4]) => Some((6.0, "is written 3-2-4 with dashes")),
        (Joint::Uniform(_), [3, 2, 4]) => Some((4.0, "is written 3-2-4")),
        (Joint::None, _) => None,
        _ => return None,
    };
    if number.is_inside_more() || number.is_in_uuid() {
        return None;
    }
    if grouping.is_none() && !number.may_be_named() {
        return None;
    }
    let state = if test.is_some() { State::Test } else { State::Clear };
    let mut found = Match::new(number.range.clone(), state)
        .because(0.2, "area, group and serial are ones that are issued");
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

fn is_issued(digits: &[u8]) -> bool {
    digits.len() == 9
        && !digits.starts_with(b"000")
        && !digits.starts_with(b"666")
        && digits[0] != b'9'
        && &digits[3..5] != b"00"
        && &digits[5..] != b"0000"
        && digits.iter().any(|d| *d != digits[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_never_issued_are_not_social_security_numbers() {
        for (digits, expected) in [
            ("536221234", true),
            ("000221234", false),
            ("666221234", false),
            ("936221234", false),
            ("536001234", false),
            ("536220000", false),
            ("111111111", false),
        ] {
            assert_eq!(is_issued(digits.as_bytes()), expected, "{digits}");
        }
    }
}
