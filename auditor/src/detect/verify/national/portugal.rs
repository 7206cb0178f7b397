//! The Portuguese taxpayer number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;

/// NIF: a first digit that says whose it is, mod 11; as a VAT number behind `PT`.
pub(crate) fn nif(compact: &[u8]) -> Option<Proof> {
    let (digits, bits) = match compact {
        [b'P', b'T', digits @ ..] => (digits, 13.2),
        digits => (digits, 3.7),
    };
    let number: &[u8; 9] = digits.try_into().ok()?;
    let sum = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2])?;
    // A remainder of 0 or 1 gives 0.
    let expected = b'0' + (11 - sum % 11) as u8 % 11 % 10;
    let kind = match number[0] {
        b'1'..=b'3' | b'5' | b'6' | b'8' => true,
        b'4' => number[1] == b'5',
        b'7' => matches!(number[1], b'0'..=b'2' | b'4' | b'5' | b'7'..=b'9'),
        b'9' => matches!(number[1], b'0' | b'1' | b'8' | b'9'),
        _ => false,
    };
    (number[8] == expected && kind).then_some(Proof::new(bits, "passes mod 11 and begins with a kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taxpayer_number_begins_with_a_kind_and_passes_mod_11() {
        for (number, expected) in [
            ("501964843", true),
            ("PT501964843", true),
            ("501964842", false),
            ("ES501964843", false),
            ("001964840", false),
            ("50196484", false),
        ] {
            assert_eq!(nif(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
