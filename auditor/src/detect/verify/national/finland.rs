//! The Finnish personal identity code.

use crate::detect::candidate::Proof;
use crate::detect::checksum::{decimal, remainder};
use crate::detect::verify::national::date;

/// DDMMYY, a sign of the century, serial, and a character that checks modulo 31. The signs `-` and
/// `+` are separators and not part of `compact`, letters are.
pub(crate) fn hetu(compact: &[u8]) -> Option<Proof> {
    let (birthday, rest) = compact.split_first_chunk::<6>()?;
    let (century, serial, check) = match rest {
        [a, b, c, check] => (None, [*a, *b, *c], *check),
        [sign, a, b, c, check] => (Some(*sign), [*a, *b, *c], *check),
        _ => return None,
    };
    let [day, month, year] = date::pairs(birthday)?;
    let (has_date, bits) = match century {
        None => (date::of_any_century(year, month, day), 9.9),
        Some(b'U'..=b'Y') => (date::of_birth(1900 + year, month, day), 11.6),
        Some(b'A'..=b'F') => (date::of_birth(2000 + year, month, day), 11.6),
        Some(_) => return None,
    };
    let [d1, d2, m1, m2, y1, y2] = *birthday;
    let [a, b, c] = serial;
    let counted = remainder(&[d1, d2, m1, m2, y1, y2, a, b, c], 31)?;
    let expected = b"0123456789ABCDEFHJKLMNPRSTUVWXY"[counted as usize];
    let is_example = compact == b"131052308T";
    // From 900 on they are given for a time; those are people too.
    (has_date && check == expected && decimal(&serial)? >= 2).then(|| {
        Proof::new(
            bits,
            "has the check character of mod 31 and holds a date of birth",
        )
        .or_test(is_example.then_some("Finnish Digital and Population Data Services Agency, example"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_a_birthday_and_its_check_character() {
        for (number, expected) in [
            ("131052308T", true),
            ("131052X308T", true),
            ("131052G308T", false),
            ("131052308U", false),
            ("131352308T", false),
            ("131052308", false),
        ] {
            assert_eq!(hetu(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(hetu(b"131052308T").unwrap().test.is_some());
    }
}
