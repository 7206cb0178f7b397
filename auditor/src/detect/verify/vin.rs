//! Vehicle identification numbers, ISO 3779.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use crate::detect::candidate::Proof;

/// What A to Z count in the check; 0 for the letters a number never has.
const LETTERS: [u32; 26] = [
    1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9,
];
const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/// Seventeen characters without I, O and Q, the last four digits. The check at the ninth place is
/// mandatory in North America (49 CFR 565.15) and China (GB 16735), and left out elsewhere.
pub(crate) fn vin(value: &[u8]) -> Option<Proof> {
    let value: &[u8; 17] = value.try_into().ok()?;
    let mut sum = 0;
    let mut letters = 0;
    for (byte, weight) in value.iter().zip(WEIGHTS) {
        sum += weight
            * match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                b'I' | b'O' | b'Q' => return None,
                b'A'..=b'Z' => {
                    letters += 1;
                    LETTERS[usize::from(byte - b'A')]
                }
                _ => return None,
            };
    }
    // Makers have letters in their code; digits alone are a time or a counter.
    if letters == 0 || !value[13..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let check = match sum % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    };
    let published = matches!(value, b"1M8GDM9AXKP042788" | b"1HGBH41JXMN109186")
        .then_some("the usual worked examples of the check digit");
    if value[8] == check {
        let proof = Proof::new(14.0, "has the characters of ISO 3779 and passes its check digit");
        Some(proof.or_test(published))
    } else if matches!(value[0], b'1'..=b'5' | b'L') {
        None
    } else {
        Some(Proof::new(9.2, "has the characters of ISO 3779"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicle_numbers_have_their_characters_and_in_america_a_check_digit() {
        for (value, expected) in [
            ("1M8GDM9AXKP042788", true),
            ("1HGBH41JXMN109186", true),
            ("WVWZZZ1JZXW000010", true),
            ("1M8GDM9A1KP042788", false),
            ("WVWZZZ1JZXW00001A", false),
            ("WVWZZZ1JZXO000010", false),
            ("20260101120000123", false),
            ("WVWZZZ1JZXW00001", false),
        ] {
            assert_eq!(vin(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
