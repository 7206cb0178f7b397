//! The citizen number of Slovenia, Serbia, Bosnia, Montenegro and North Macedonia.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, weighted};
use crate::detect::verify::national::date;

/// EMŠO, JMBG, EMBG: DDMMYYY, region, serial, check digit modulo 11.
pub(crate) fn emso(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 13] = compact.try_into().ok()?;
    let sum = weighted(number, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])?;
    // A remainder of 0 gives 0; one of 1 is never given by some countries, and is 0 with others.
    let check = (11 - sum % 11) % 11 % 10;
    let holds = number[12].is_ascii_digit() && u32::from(number[12] - b'0') == check;
    let year = decimal(&number[4..7])?;
    let year = if year >= 800 { 1000 + year } else { 2000 + year };
    let (day, month) = (decimal(&number[..2])?, decimal(&number[2..4])?);
    (holds && date::of_birth(year, month, day)).then(|| {
        Proof::new(
            date::unless_a_time(number, 10.8),
            "passes mod 11 and holds a date of birth",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_holds_a_birthday_of_seven_digits() {
        for (number, expected) in [
            ("0101006500006", true),
            ("0710003730015", true),
            ("0101006500007", false),
            ("0113006500006", false),
            ("0101506500006", false),
            ("010100650000", false),
        ] {
            assert_eq!(emso(number.as_bytes()).is_some(), expected, "{number}");
        }
    }
}
