//! The Irish personal public service number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// Seven digits, a check letter and, on some, a second letter.
pub(crate) fn pps(compact: &[u8]) -> Option<Proof> {
    let (digits, rest) = compact.split_at_checked(7)?;
    let (check, second) = match rest {
        [check] => (*check, None),
        [check, second] => (*check, Some(*second)),
        _ => return None,
    };
    let extra = match second {
        // W, T and X were given to spouses and do not count.
        None | Some(b'W' | b'T' | b'X') => 0,
        Some(letter @ (b'A' | b'B' | b'H')) => u32::from(letter - b'A' + 1),
        Some(_) => return None,
    };
    let sum = weighted(digits, &[8, 7, 6, 5, 4, 3, 2])? + 9 * extra;
    let expected = b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize];
    let bits = if second.is_some() { 6.8 } else { 4.7 };
    (check == expected && digits != b"0000000").then_some(Proof::new(bits, "passes mod 23"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_letter_counts_the_second_letter_where_it_is_one_of_the_new_ones() {
        for (number, expected) in [
            ("1234567T", true),
            ("1234567TW", true),
            ("1234567FA", true),
            ("1234567TA", false),
            ("1234567TZ", false),
            ("1234567A", false),
            ("123456T", false),
        ] {
            assert_eq!(pps(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
