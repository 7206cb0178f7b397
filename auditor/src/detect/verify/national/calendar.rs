//! Dates inside of numbers.
//!
//! Goes in: a year, month and day as numbers. Comes out: whether the Gregorian calendar has the day.

/// Whether the day exists.
pub(crate) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether a date that names its year by two digits exists in the 20th or the 21st century: `00`
/// may be 2000, a leap year. Six digits, as `YYMMDD`.
pub(crate) fn is_short_date(digits: &[u32]) -> bool {
    match *digits {
        [y1, y2, m1, m2, d1, d2] => is_date(2000 + 10 * y1 + y2, 10 * m1 + m2, 10 * d1 + d2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for (year, month, day, expected) in [
            (2000, 2, 29, true),
            (1900, 2, 29, false),
            (2024, 2, 29, true),
            (2023, 2, 29, false),
            (2023, 4, 31, false),
            (2023, 12, 31, true),
            (2023, 13, 1, false),
            (2023, 0, 1, false),
            (2023, 1, 0, false),
        ] {
            assert_eq!(is_date(year, month, day), expected, "{year}-{month}-{day}");
        }
        assert!(is_short_date(&[0, 0, 0, 2, 2, 9]));
        assert!(!is_short_date(&[0, 1, 0, 2, 2, 9]) && !is_short_date(&[1]));
    }
}
