//! The Austrian social insurance number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// Serial from 100, check digit, date of birth as DDMMYY.
pub(crate) fn svnr(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 10] = compact.try_into().ok()?;
    let sum = weighted(number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6])?;
    let [day, month, year] = date::pairs(&number[4..])?;
    // The months 13 to 15 are of days whose serials are used up.
    let has_date = match month {
        13..=15 => (1..=31).contains(&day),
        _ => date::of_any_century(year, month, day),
    };
    let holds = sum % 11 == u32::from(number[3] - b'0');
    (holds && has_date && number[0] != b'0').then(|| {
        Proof::new(
            date::unless_a_time(number, 8.0),
            "passes mod 11 and holds a date of birth",
        )
        .or_test((number == b"1237010180").then_some("Austrian social insurance, specimen e-card"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_passes_mod_11_and_holds_a_birthday() {
        for (number, expected) in [
            ("1237010180", true),
            ("2237010180", false),
            ("1237011380", false),
            ("0237010180", false),
            ("123701018", false),
        ] {
            assert_eq!(svnr(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(svnr(b"1237010180").unwrap().test.is_some());
    }
}
