//! Argentina, Chile and Colombia: numbers that tax offices and registers share.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, weighted_sum};

/// Argentina's CUIT and CUIL: a kind of holder, a document number and a check digit mod 11.
///
/// 25 and 26 are given to people whose number under 20 or 27 would collide.
pub(crate) fn cuit(value: &[u8]) -> Option<Proof> {
    let d: [u32; 11] = digits(value)?;
    let kind = matches!(10 * d[0] + d[1], 20 | 23..=27 | 30 | 33 | 34 | 50 | 51 | 55);
    let check = match 11 - weighted_sum(&d[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        digit => digit,
    };
    (kind && check == d[10]).then_some(Proof::new(
        6.4,
        "has a kind of holder that is issued and passes mod 11",
    ))
}

/// Chile's RUT and RUN: seven or eight digits and a check sign mod 11, `K` for ten.
pub(crate) fn rut(value: &[u8]) -> Option<Proof> {
    let (&check, body) = value.split_last()?;
    if !matches!(body.len(), 7 | 8) || !body.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut sum = 0;
    for (place, byte) in body.iter().rev().enumerate() {
        sum += u32::from(byte - b'0') * (2 + place as u32 % 6);
    }
    let expected = match (11 - sum % 11) % 11 {
        10 => b'K',
        digit => b'0' + digit as u8,
    };
    if check != expected || sum == 0 {
        return None;
    }
    let bits = if check == b'K' { 8.1 } else { 3.4 };
    let repeated = value.iter().all(|byte| *byte == value[0]);
    Some(
        Proof::new(bits, "passes the check sign mod 11")
            .or_test(repeated.then_some("one digit repeated, as testers type it")),
    )
}

/// Colombia's NIT: seven to ten digits and a check digit, primes as weights, mod 11.
///
/// Longer numbers, which the sum allows, are not in use.
pub(crate) fn nit(value: &[u8]) -> Option<Proof> {
    let (check, body) = value.split_last()?;
    if !(7..=10).contains(&body.len()) || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    const PRIMES: [u32; 10] = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43];
    let mut sum = 0;
    for (byte, prime) in body.iter().rev().zip(PRIMES) {
        sum += u32::from(byte - b'0') * prime;
    }
    let expected = match sum % 11 {
        rest @ (0 | 1) => rest,
        rest => 11 - rest,
    };
    (sum > 0 && u32::from(check - b'0') == expected)
        .then_some(Proof::new(3.3, "passes the check digit mod 11"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argentine_numbers_have_a_kind_and_a_check_digit() {
        for (value, expected) in [
            ("20055361682", true),
            ("20267565393", true),
            ("20267565392", false),
            ("21267565393", false),
            ("2026756A393", false),
        ] {
            assert_eq!(cuit(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn chilean_numbers_end_with_a_digit_or_k() {
        for (value, expected) in [
            ("760864285", true),
            ("125319092", true),
            ("76086428A", false),
            ("125319093", false),
            ("00000000", false),
        ] {
            assert_eq!(rut(value.as_bytes()).is_some(), expected, "{value}");
        }
        assert!(rut(b"111111111").is_some_and(|proof| proof.test.is_some()));
    }

    #[test]
    fn colombian_numbers_pass_their_check_digit() {
        for (value, expected) in [
            ("2131234321", true),
            ("2131234325", false),
            ("8001972684", true),
            ("000000000", false),
        ] {
            assert_eq!(nit(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
