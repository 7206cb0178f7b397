//! Numbers of Estonia, Latvia and Lithuania.

use crate::detect::candidate::Proof;
use crate::detect::checksum::weighted;
use crate::detect::verify::national::date;

/// Estonian personal identification code.
pub(crate) fn isikukood(compact: &[u8]) -> Option<Proof> {
    let test = [
        b"38001085718".as_slice(),
        b"60001019906",
        b"60001017869",
        b"30303039914",
    ]
    .contains(&compact)
    .then_some("SK ID Solutions, test accounts");
    Some(century_and_date(compact)?.or_test(test))
}

/// Lithuanian personal code. Those that begin with 9 hold no date and pass for anything; they are
/// not taken.
pub(crate) fn asmens_kodas(compact: &[u8]) -> Option<Proof> {
    century_and_date(compact)
}

/// Sex and century in one digit, YYMMDD, serial, a check digit in up to two rounds of mod 11.
fn century_and_date(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let [year, month, day] = date::pairs(&number[1..])?;
    let century = match number[0] {
        b'3' | b'4' => 1900,
        b'5' | b'6' => 2000,
        // 1 and 2 were born before 1900.
        _ => return None,
    };
    let first = weighted(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1])? % 11;
    let check = match first {
        10 => weighted(number, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3])? % 11 % 10,
        first => first,
    };
    let holds = number[10].is_ascii_digit() && u32::from(number[10] - b'0') == check;
    (holds && date::of_birth(century + year, month, day))
        .then_some(Proof::new(9.8, "passes mod 11 and holds a date of birth"))
}

/// Latvian personal code: DDMMYY, century, serial, check digit; since 2017 without a date.
pub(crate) fn personas_kods(compact: &[u8]) -> Option<Proof> {
    let number: &[u8; 11] = compact.try_into().ok()?;
    let [day, month, year] = date::pairs(number)?;
    let sum = weighted(number, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])?;
    let last = number[10]
        .is_ascii_digit()
        .then(|| u32::from(number[10] - b'0'))?;
    let holds = (1 + sum) % 11 % 10 == last;
    // Whether these have a check digit at all is not published. Belgium's telephone numbers begin so
    // too: what chance would say is not what it is worth.
    if day == 32 {
        return Some(if holds {
            Proof::new(
                5.0,
                "begins with 32, as those given since 2017, and passes mod 11",
            )
        } else {
            Proof::new(2.0, "begins with 32, as those given since 2017")
        });
    }
    let century = match number[6] {
        b'1' => 1900,
        b'2' => 2000,
        // 0 was born before 1900.
        _ => return None,
    };
    (holds && date::of_birth(century + year, month, day))
        .then_some(Proof::new(10.8, "passes mod 11 and holds a date of birth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estonian_and_lithuanian_codes_hold_a_birthday() {
        for (number, expected) in [
            ("36805280109", true),
            ("33309240064", true),
            ("36805280108", false),
            ("36813280109", false),
            ("96805280109", false),
            ("3680528010", false),
        ] {
            assert_eq!(isikukood(number.as_bytes()).is_some(), expected, "{number}");
            assert_eq!(asmens_kodas(number.as_bytes()).is_some(), expected, "{number}");
        }
        assert!(isikukood(b"60001019906").unwrap().test.is_some());
    }

    #[test]
    fn latvian_codes_hold_a_birthday_or_begin_with_32() {
        for (number, expected) in [
            ("16117519997", Some(10.8)),
            ("16117519998", None),
            ("16137519997", None),
            ("32795461234", Some(2.0)),
            ("33795461234", None),
        ] {
            let bits = personas_kods(number.as_bytes()).map(|proof| proof.bits);
            assert_eq!(bits, expected, "{number}");
        }
    }
}
