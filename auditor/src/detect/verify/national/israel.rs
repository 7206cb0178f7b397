//! Israel: the identity number.
//!
//! Goes in: the digits of a value in one of its row's forms. Comes out: a [`Proof`], or nothing.

use crate::detect::candidate::Proof;
use crate::detect::checksum::luhn;

/// Identity number (mispar zehut): nine digits that pass Luhn; the zeros in front are often lost.
pub(crate) fn id(value: &[u8]) -> Option<Proof> {
    let fits = matches!(value.len(), 8 | 9) && value.iter().any(|byte| *byte != b'0');
    (fits && luhn(value)).then_some(Proof::new(3.3, "passes the check digit (Luhn)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_pass_luhn() {
        for (value, expected) in [
            ("039337423", true),
            ("39337423", true),
            ("039337422", false),
            ("000000000", false),
            ("0393374", false),
        ] {
            assert_eq!(id(value.as_bytes()).is_some(), expected, "{value}");
        }
    }
}
