//! The Hungarian social insurance number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// TAJ: nine digits, weights 3 and 7, modulo 10.
pub(crate) fn taj(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 9] = compact.try_into().ok()?;
    // Minus one is nine, modulo 10.
    let sum = weighted(number, &[3, 7, 3, 7, 3, 7, 3, 7, 9])?;
    (sum.is_multiple_of(10) && number.iter().any(|digit| *digit != b'0'))
        .then_some(Proof::new(3.3, "has its check digit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_digit_checks_the_others() {
        assert!(taj(b"111111110").is_some() && taj(b"123456788").is_some());
        assert!(taj(b"123456789").is_none() && taj(b"000000000").is_none());
    }
}
