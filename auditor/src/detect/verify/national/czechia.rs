//! The birth number of Czechia and Slovakia.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, remainder};
use crate::detect::verify::national::date;

/// Ten digits, or nine until 1953, written with their slash: all months that there are.
pub(crate) fn rodne_cislo(compact: &[u8]) -> Option<Proof> {
    match compact.len() {
        9 => until_1953(compact),
        10 => since_1954(compact, true),
        _ => None,
    }
}

/// Ten digits in one run. The months 21 to 32 and 71 to 82, which few people have, are not taken:
/// times in seconds look like them.
pub(crate) fn rodne_cislo_bare(compact: &[u8]) -> Option<Proof> {
    since_1954(compact, false)
}

fn until_1953(compact: &[u8]) -> Option<Proof> {
    let [year, month, day] = date::pairs(compact)?;
    let month = if month > 50 { month - 50 } else { month };
    let has_serial = decimal(compact.get(6..9)?)? > 0;
    (year <= 53 && has_serial && date::of_birth(1900 + year, month, day))
        .then_some(Proof::new(4.6, "holds a date of birth"))
}

fn since_1954(compact: &[u8], every_month: bool) -> Option<Proof> {
    let number: &[u8; 10] = compact.try_into().ok()?;
    let [year, month, day] = date::pairs(number)?;
    let year = if year >= 54 { 1900 + year } else { 2000 + year };
    // A woman's month is 50 higher; 20 more since 2004, when a day's serials are used up.
    let (month, is_overflow) = match month {
        1..=12 => (month, false),
        51..=62 => (month - 50, false),
        21..=32 => (month - 20, true),
        71..=82 => (month - 70, true),
        _ => return None,
    };
    if is_overflow && !(every_month && year >= 2004) {
        return None;
    }
    let rest = remainder(&number[..9], 11)?;
    let check = decimal(&number[9..])?;
    // Until 1985 a remainder of ten was written as 0; since then such serials are left out.
    let holds = rest == check || rest == 10 && check == 0 && year <= 1985;
    let bits = if every_month { 6.7 } else { 7.2 };
    (holds && date::of_birth(year, month, day))
        .then_some(Proof::new(bits, "passes mod 11 and holds a date of birth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_number_passes_mod_11_since_1954() {
        for (number, slash, bare) in [
            ("7103192745", true, true),
            ("7103192746", false, false),
            ("9115112745", false, false),
            ("345611123", true, false),
            ("805611123", false, false),
            ("1771238763", false, false),
        ] {
            assert_eq!(rodne_cislo(number.as_bytes()).is_some(), slash, "{number}");
            assert_eq!(rodne_cislo_bare(number.as_bytes()).is_some(), bare, "{number}");
        }
    }
}
