//! The Croatian personal identification number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::mod_11_10;

/// OIB: eleven digits that pass ISO 7064 mod 11,10; as a VAT number behind `HR`.
pub(crate) fn oib(compact: &[u8]) -> Option<Proof> {
    let (digits, bits) = match compact {
        [b'H', b'R', digits @ ..] => (digits, 12.7),
        digits => (digits, 3.3),
    };
    let is_varied = digits.iter().any(|digit| Some(digit) != digits.first());
    (digits.len() == 11 && is_varied && mod_11_10(digits)).then_some(Proof::new(bits, "passes mod 11,10"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_passes_mod_11_10() {
        assert!(oib(b"33392005961").is_some() && oib(b"HR33392005961").is_some());
        assert!(oib(b"33392005962").is_none() && oib(b"3339200596").is_none());
    }
}
