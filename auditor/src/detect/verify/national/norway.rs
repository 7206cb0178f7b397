//! The Norwegian identity number and D-number.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, weighted};
use crate::detect::verify::national::date;

/// DDMMYY, three digits that tell the century, two check digits modulo 11.
pub(crate) fn fodselsnummer(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let first = weighted(number, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1])?;
    let second = weighted(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1])?;
    if !first.is_multiple_of(11) || !second.is_multiple_of(11) {
        return None;
    }
    let [day, month, year] = date::pairs(number)?;
    // D-numbers, of people who are not residents, add 40 to the day.
    let day = if day > 40 { day - 40 } else { day };
    // Health services' own numbers add 40 to the month, people who are made up for tests 80.
    let (month, test) = match month {
        81..=92 => (
            month - 80,
            Some("Norwegian Tax Administration, synthetic test people"),
        ),
        41..=52 => (month - 40, None),
        _ => (month, None),
    };
    let year = match (decimal(&number[6..9])?, year) {
        (0..=499, _) => 1900 + year,
        (500..=999, 0..=39) => 2000 + year,
        (900..=999, _) => 1900 + year,
        // 500 to 749 with 54 to 99: born before 1900.
        _ => return None,
    };
    date::of_birth(year, month, day)
        .then_some(Proof::new(9.5, "passes two checks mod 11 and holds a date of birth").or_test(test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_holds_a_birthday_and_two_check_digits() {
        for (number, expected) in [
            ("15108695088", true),
            ("15108695077", false),
            ("01010750160", true),
            ("07059656790", false),
            ("1510869508", false),
        ] {
            assert_eq!(fodselsnummer(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn people_who_are_made_up_are_test_values() {
        let numbers = (0..100_000).map(|tail| format!("109086{tail:05}"));
        let found: Vec<_> = numbers
            .filter_map(|number| fodselsnummer(number.as_bytes()))
            .collect();
        assert!(!found.is_empty() && found.iter().all(|proof| proof.test.is_some()));
    }
}
