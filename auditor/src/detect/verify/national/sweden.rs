//! The Swedish personal identity number and coordination number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, luhn};
use crate::detect::verify::national::date;

/// YYMMDD or YYYYMMDD, serial and Luhn over the last ten digits.
pub(crate) fn personnummer(compact: &[u8]) -> Option<Proof> {
    let (century, number) = match compact.len() {
        12 => (Some(decimal(&compact[..2])?), &compact[2..]),
        10 => (None, compact),
        _ => return None,
    };
    let [year, month, day] = date::pairs(number)?;
    // Coordination numbers add 60 to the day.
    let day = if day > 60 { day - 60 } else { day };
    let (has_date, bits) = match century {
        Some(century) => (date::of_birth(century * 100 + year, month, day), 13.2),
        None => (date::of_any_century(year, month, day), 7.1),
    };
    // Serials begin with 001.
    (has_date && luhn(number) && &number[6..9] != b"000").then(|| {
        Proof::new(bits, "passes Luhn and holds a date of birth")
            .or_test((number == b"1212121212").then_some("Swedish Tax Agency, test identity numbers"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_holds_a_birthday_and_passes_luhn() {
        for (number, expected) in [
            ("8803200016", true),
            ("198803200016", true),
            ("8803200018", false),
            ("8813200016", false),
            ("158803200016", false),
            ("7010632391", true),
        ] {
            assert_eq!(personnummer(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(personnummer(b"191212121212").unwrap().test.is_some());
    }
}
