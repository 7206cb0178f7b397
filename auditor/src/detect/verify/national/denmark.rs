//! The Danish civil registration number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// DDMMYY and four digits, the first of which tells the century. Since 2007 numbers are given that
/// do not pass mod 11, so it adds evidence and is not needed.
pub(crate) fn cpr(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 10] = compact.try_into().ok()?;
    let [day, month, year] = date::pairs(number)?;
    let sum = weighted(number, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1])?;
    let year = match (number[6], year) {
        (b'0'..=b'3', _) | (b'4' | b'9', 37..) => 1900 + year,
        (b'4' | b'9', _) | (_, ..=57) => 2000 + year,
        // 5 to 8 with 58 to 99: born before 1900.
        _ => return None,
    };
    if !date::of_birth(year, month, day) {
        return None;
    }
    Some(if sum.is_multiple_of(11) {
        Proof::new(8.5, "passes mod 11 and holds a date of birth")
    } else {
        Proof::new(5.1, "holds a date of birth")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_holds_a_birthday_and_may_pass_mod_11() {
        for (number, expected) in [
            ("2110620252", Some(8.5)),
            ("2110620253", Some(5.1)),
            ("2113620252", None),
            ("2110625629", None),
            ("211062025", None),
        ] {
            let bits = cpr(number.as_bytes()).map(|proof| proof.bits);
            assert_eq!(bits, expected, "{number}");
        }
    }
}
