//! The Icelandic identification number of persons.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// DDMMYY, two digits, a check digit modulo 11, and the century. Those of firms, whose day is 40
/// higher, are public and not taken.
pub(crate) fn kennitala(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 10] = compact.try_into().ok()?;
    let sum = weighted(number, &[3, 2, 7, 6, 5, 4, 3, 2, 1])?;
    let [day, month, year] = date::pairs(number)?;
    let century = match number[9] {
        b'9' => 1900,
        b'0' => 2000,
        _ => return None,
    };
    (sum.is_multiple_of(11) && date::of_birth(century + year, month, day)).then(|| {
        Proof::new(10.9, "passes mod 11 and holds a date of birth")
            .or_test((number == b"1201603389").then_some("Registers Iceland, example of a kennitala"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_passes_mod_11_and_ends_with_a_century() {
        for (number, expected) in [
            ("1201743399", true),
            ("1201743389", false),
            ("1201743391", false),
            ("1213743399", false),
            ("4504013150", false),
        ] {
            assert_eq!(kennitala(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(kennitala(b"1201603389").unwrap().test.is_some());
    }
}
