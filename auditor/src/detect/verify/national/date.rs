//! Dates inside of national numbers.
//!
//! Goes in: year, month and day as numbers, or the digits that write them. Comes out: whether there
//! is such a day, and whether somebody who lives may be born on it. Never asks for the time.

use crate::detect::checksum::decimal;

/// Whether the Gregorian calendar has this day.
pub(crate) fn exists(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether a date that names its year by two digits exists in the 20th or the 21st century: `00`
/// may be 2000, a leap year. Six digits, as `YYMMDD`.
pub(crate) fn is_short_date(digits: &[u32]) -> bool {
    match *digits {
        [y1, y2, m1, m2, d1, d2] => exists(2000 + 10 * y1 + y2, 10 * m1 + m2, 10 * d1 + d2),
        _ => false,
    }
}

/// Whether it is a day of 1900 to 2049. Nobody is alive who was born before; a check that reads no
/// clock must stop somewhere.
pub(crate) fn of_birth(year: u32, month: u32, day: u32) -> bool {
    (1900..2050).contains(&year) && exists(year, month, day)
}

/// Whether it is a day of some century, when only two digits of the year are known.
pub(crate) fn of_any_century(year: u32, month: u32, day: u32) -> bool {
    // Of the centuries in question 2000 alone is a leap year.
    exists(2000 + year % 100, month, day)
}

/// What `bits` are worth for digits that are also a time since 1970, in seconds or milliseconds, of
/// 2017 to 2033: too few to say anything without a name. Messages are full of such times, and over
/// weeks all of them begin with what may be a date.
pub(crate) fn unless_a_time(digits: &[u8], bits: f32) -> f32 {
    let is_time = matches!(digits.len(), 10 | 13) && matches!(digits, [b'1', b'5'..=b'9', ..]);
    if is_time { bits.min(5.0) } else { bits }
}

/// The three two-digit numbers of six digits, as they stand.
pub(crate) fn pairs(digits: &[u8]) -> Option<[u32; 3]> {
    Some([
        decimal(digits.get(..2)?)?,
        decimal(digits.get(2..4)?)?,
        decimal(digits.get(4..6)?)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_date_may_be_of_either_century() {
        assert!(is_short_date(&[0, 0, 0, 2, 2, 9]));
        assert!(!is_short_date(&[0, 1, 0, 2, 2, 9]) && !is_short_date(&[1]));
    }

    #[test]
    fn only_days_of_the_calendar_exist() {
        for (year, month, day, expected) in [
            (2000, 2, 29, true),
            (1900, 2, 29, false),
            (2024, 2, 29, true),
            (2023, 2, 29, false),
            (1999, 12, 31, true),
            (1999, 4, 31, false),
            (1999, 0, 1, false),
            (1999, 13, 1, false),
            (1999, 1, 0, false),
        ] {
            assert_eq!(exists(year, month, day), expected, "{year}-{month}-{day}");
        }
        assert!(of_any_century(0, 2, 29) && !of_any_century(1, 2, 29));
        assert!(of_birth(1900, 1, 1) && !of_birth(1899, 12, 31) && !of_birth(2050, 1, 1));
    }

    #[test]
    fn what_may_be_a_time_of_today_says_little() {
        for (digits, expected) in [
            ("1767225600", 5.0),
            ("1767225600000", 5.0),
            ("2767225600", 8.0),
            ("17672256001", 8.0),
        ] {
            assert_eq!(unless_a_time(digits.as_bytes(), 8.0), expected, "{digits}");
        }
    }
}
