//! Brazil: CPF of people, CNPJ of firms.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Weights of a CNPJ's second check digit; the first has all but the first of them.
const CNPJ: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
const CPF: [u32; 10] = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];

/// Published worked examples of the check digits.
const EXAMPLES: [&[u8]; 6] = [
    b"11144477735",
    b"12345678909",
    b"52998224725",
    b"11222333000181",
    b"11444777000161",
    b"12ABC34501DE35",
];

/// CPF: nine digits and two check digits mod 11.
///
/// Eleven times the same digit passes the sum, but the revenue service never issues it.
pub(crate) fn cpf(value: &[u8]) -> Option<Proof> {
    let d: [u32; 11] = digits(value)?;
    let passes =
        check(weighted_sum(&d[..9], &CPF[1..])) == d[9] && check(weighted_sum(&d[..10], &CPF)) == d[10];
    let varied = d.iter().any(|digit| *digit != d[0]);
    (passes && varied)
        .then_some(Proof::new(6.6, "passes both check digits mod 11"))
        .map(|proof| proof.or_test(example(value)))
}

/// CNPJ: twelve digits, or letters and digits from July 2026, and two check digits mod 11. A
/// character counts as its ASCII code less 48.
pub(crate) fn cnpj(value: &[u8]) -> Option<Proof> {
    if value.len() != 14 {
        return None;
    }
    let mut v = [0u32; 14];
    for (at, byte) in value.iter().enumerate() {
        let may_stand = byte.is_ascii_digit() || at < 12 && byte.is_ascii_uppercase();
        if !may_stand {
            return None;
        }
        v[at] = u32::from(byte - b'0');
    }
    let passes =
        check(weighted_sum(&v[..12], &CNPJ[1..])) == v[12] && check(weighted_sum(&v[..13], &CNPJ)) == v[13];
    let root = v[..12].iter().any(|digit| *digit != v[0]);
    if !passes || !root {
        return None;
    }
    let proof = if value.iter().all(u8::is_ascii_digit) {
        Proof::new(6.6, "passes both check digits mod 11")
    } else {
        // 6.6 bits too, but tokens in capitals are common and such numbers are still few: a clue
        // must stand beside it.
        Proof::new(
            5.5,
            "passes both check digits mod 11 in the alphanumeric form of 2026",
        )
    };
    Some(proof.or_test(example(value)))
}

fn check(sum: u32) -> u32 {
    (11 - sum % 11) % 11 % 10
}

fn example(value: &[u8]) -> Option<&'static str> {
    EXAMPLES
        .contains(&value)
        .then_some("a worked example of the check digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_numbers_pass_two_check_digits() {
        for (value, expected) in [
            ("39053344705", true),
            ("11144477735", true),
            ("52998224725", true),
            ("52998224752", false),
            ("39053344704", false),
            ("11111111111", false),
            ("00000000000", false),
        ] {
            assert_eq!(cpf(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn firms_numbers_may_hold_letters() {
        for (value, expected) in [
            ("16727230000197", true),
            ("12ABC34501DE35", true),
            ("12ABC34501DE36", false),
            ("12ABC34501DEA5", false),
            ("16727230000198", false),
            ("00000000000000", false),
        ] {
            assert_eq!(cnpj(value.as_bytes()).is_some(), expected, "{value}");
        }
        assert!(cnpj(b"12ABC34501DE35").is_some_and(|proof| proof.test.is_some()));
    }
}
