//! The Turkish identification number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// Eleven digits, the last two of which check the others, and no zero first.
pub(crate) fn tckn(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    // Seven times the odd places less the even ones; minus one is nine, modulo 10.
    let tenth = weighted(number, &[7, 9, 7, 9, 7, 9, 7, 9, 7])? % 10;
    let eleventh = weighted(number, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1])? % 10;
    let digit = |at: usize| u32::from(number[at]) == u32::from(b'0') + [tenth, eleventh][at - 9];
    (number[0] != b'0' && digit(9) && digit(10)).then_some(Proof::new(6.8, "has both check digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_two_check_digits() {
        for (number, expected) in [
            ("17291716060", true),
            ("10000000146", true),
            ("17291716050", false),
            ("17291716092", false),
            ("07291716092", false),
            ("1729171606", false),
        ] {
            assert_eq!(tckn(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
