//! Numbers of the Netherlands, Belgium and Luxembourg.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, luhn, remainder, verhoeff, weighted};
use crate::detect::verify::national::date;

/// Dutch citizen service number: the proof by eleven, its last digit counting minus one.
pub(crate) fn bsn(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 9] = compact.try_into().ok()?;
    // Minus one is ten, modulo 11.
    let sum = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2, 10])?;
    (sum.is_multiple_of(11) && number.iter().any(|digit| *digit != number[0]))
        .then_some(Proof::new(3.4, "passes the proof by eleven"))
}

/// Belgian national register number, also the one for people outside of the register (BIS).
pub(crate) fn nrn(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let [year, month, day] = date::pairs(number)?;
    // BIS numbers add 20, or 40 when the sex is known.
    let month = match month {
        20..=32 => month - 20,
        40..=52 => month - 40,
        _ => month,
    };
    let (body, check) = number.split_first_chunk::<9>()?;
    let check = decimal(check)?;
    let rest = remainder(body, 97)?;
    // Of people born since 2000 the number counts with a 2 before it.
    let in_2000s = (rest + 2_000_000_000 % 97) % 97;
    let century = match 97_u32.checked_sub(check)? {
        left if left == rest => 1900,
        left if left == in_2000s && year < 50 => 2000,
        _ => return None,
    };
    // What was not known when the number was given is 00; a day's next numbers take month 00 too.
    // Days that no month has are read as unknown by some; they are not taken.
    let has_date = match (month, day) {
        (0, 0..=31) | (1..=12, 0) => true,
        _ => date::exists(century + year, month, day),
    };
    (has_date && &body[6..] != b"000").then_some(Proof::new(9.1, "passes mod 97 and holds a date of birth"))
}

/// Luxembourg's national identification number: date of birth, serial, Luhn and Verhoeff.
pub(crate) fn lu_nin(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 13] = compact.try_into().ok()?;
    let (year, month, day) = (
        decimal(&number[..4])?,
        decimal(&number[4..6])?,
        decimal(&number[6..8])?,
    );
    let mut without_luhn = [0; 12];
    without_luhn[..11].copy_from_slice(&number[..11]);
    without_luhn[11] = number[12];
    (date::of_birth(year, month, day) && luhn(&number[..12]) && verhoeff(&without_luhn)).then_some(
        Proof::new(17.4, "holds a date of birth and passes Luhn and Verhoeff"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citizen_service_number_passes_the_proof_by_eleven() {
        for (number, expected) in [
            ("111222333", true),
            ("123456782", true),
            ("111252333", false),
            ("000000000", false),
            ("12345678", false),
        ] {
            assert_eq!(bsn(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_register_number_knows_its_century() {
        for (number, expected) in [
            ("85073003328", true),
            ("17073003384", true),
            ("98472899765", true),
            ("85073003329", false),
            ("85133003328", false),
            ("8507300332", false),
        ] {
            assert_eq!(nrn(number.as_bytes()).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_luxembourg_number_passes_both_checks() {
        // The European Commission's example, but of a year in which living people are born.
        for tail in 0..100_000 {
            let number = format!("19931201{tail:05}");
            let digits = number.as_bytes();
            let luhn = luhn(&digits[..12]);
            let verhoeff = verhoeff(&[&digits[..11], &digits[12..]].concat());
            assert_eq!(lu_nin(digits).is_some(), luhn && verhoeff, "{number}");
        }
        assert!(lu_nin(b"1893120105732").is_none());
        assert!(luhn(b"189312010573") && verhoeff(b"189312010572"));
    }
}
