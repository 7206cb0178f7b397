//! The Bulgarian uniform civil number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// EGN: YYMMDD with the century in the month, serial, check digit modulo 11.
pub(crate) fn egn(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 10] = compact.try_into().ok()?;
    let check = weighted(number, &[2, 4, 8, 5, 10, 9, 7, 3, 6])? % 11 % 10;
    let holds = number[9].is_ascii_digit() && u32::from(number[9] - b'0') == check;
    let [year, month, day] = date::pairs(number)?;
    let (century, month) = match month {
        1..=12 => (1900, month),
        41..=52 => (2000, month - 40),
        // 21 to 32 were born before 1900.
        _ => return None,
    };
    (holds && date::of_birth(century + year, month, day)).then(|| {
        Proof::new(
            date::unless_a_time(number, 7.5),
            "passes mod 11 and holds a date of birth",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_century_in_its_month() {
        for (number, expected) in [
            ("7523169263", false),
            ("7501020018", true),
            ("7501020019", false),
            ("8032056031", false),
            ("750102001", false),
        ] {
            assert_eq!(egn(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
