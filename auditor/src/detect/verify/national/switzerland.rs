//! The Swiss old-age insurance number (AHV, AVS).

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// 756, nine digits, and the check digit of EAN-13.
pub(crate) fn ahv(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 13] = compact.try_into().ok()?;
    let sum = weighted(number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1])?;
    let test = [b"7569217076985", b"7561234567897"]
        .contains(&number)
        .then_some("Swiss social insurance, example of an AHV number");
    (number.starts_with(b"756") && sum.is_multiple_of(10))
        .then_some(Proof::new(13.3, "begins with 756 and passes EAN-13").or_test(test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_begins_with_756_and_passes_ean_13() {
        assert!(ahv(b"7569217076985").unwrap().test.is_some());
        assert!(ahv(b"7569217076986").is_none());
        assert!(ahv(b"7579217076984").is_none());
        assert!(ahv(b"756921707698").is_none());
    }
}
