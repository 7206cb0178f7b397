//! Dates of birth: a day between 1900 and today, in the notations people and programs use.
//!
//! Goes in: the whole value of a field that is named like a date of birth. Comes out: the day, or
//! nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::detect::candidate::{Proof, Value};
use crate::detect::verify::text::Plain;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

impl Day {
    fn of(year: u32, month: u32, day: u32) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        ((1000..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        })
    }

    /// Days since 1970-01-01 as a day (civil-from-days for the proleptic calendar).
    fn of_epoch_day(days: i64) -> Option<Self> {
        let shifted = days.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::of(u32::try_from(year).ok()?, month as u32, day as u32)
    }

    /// Today in UTC; before 1970 by the clock, the first day of that year.
    pub(crate) fn today() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self::of_epoch_day((seconds / 86_400) as i64).unwrap_or(Self {
            year: 1970,
            month: 1,
            day: 1,
        })
    }

    /// `1980-03-12`.
    pub(crate) fn iso(self) -> [u8; 10] {
        let (year, month, day) = (u32::from(self.year), u32::from(self.month), u32::from(self.day));
        let digit = |number: u32, unit: u32| b'0' + (number / unit % 10) as u8;
        [
            digit(year, 1000),
            digit(year, 100),
            digit(year, 10),
            digit(year, 1),
            b'-',
            digit(month, 10),
            digit(month, 1),
            b'-',
            digit(day, 10),
            digit(day, 1),
        ]
    }
}

/// Judges a value as a date of birth.
pub(crate) fn date(value: &Value<'_>) -> Option<Proof> {
    let plain = Plain::of(value)?;
    let text = plain.text();
    let is_past = |day: &Day| day.year >= 1900 && *day <= Day::today();
    if day(text).filter(is_past).is_some() {
        return Some(Proof::new(2.5, "is a day between 1900 and today"));
    }
    if short(text) {
        return Some(Proof::new(1.0, "is a day with a year of two digits"));
    }
    if epoch(text).filter(is_past).is_some() {
        return Some(Proof::new(
            0.5,
            "may be a day between 1900 and today, in seconds or milliseconds",
        ));
    }
    None
}

/// The day that the whole of `text` writes with four digits for the year, a time behind it or not.
pub(crate) fn day(text: &str) -> Option<Day> {
    if text.len() > 40 || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let text = without_time(text);
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        let number: u32 = text.parse().ok()?;
        return Day::of(number / 10_000, number / 100 % 100, number % 100);
    }
    let mut numbers = [(0u32, 0usize); 3];
    let (mut count, mut month) = (0, None);
    for part in text
        .split(|c: char| {
            matches!(
                c,
                '-' | '/' | '.' | ' ' | ',' | '年' | '月' | '日' | '년' | '월' | '일'
            )
        })
        .filter(|part| !part.is_empty())
    {
        let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == 'º' || c == 'ª');
        if let Ok(number) = digits.parse::<u32>() {
            let ordinal = &part[digits.len()..];
            if count == 3 || digits.len() > 4 || ordinal.chars().count() > 2 {
                return None;
            }
            numbers[count] = (number, digits.len());
            count += 1;
        } else if let Some(named) = month_named(part) {
            if month.replace(named).is_some() {
                return None;
            }
        } else if !matches!(part, "de" | "del" | "of" | "the" | "do") {
            return None;
        }
    }
    match (month, &numbers[..count]) {
        (Some(month), &[(year, 4), (day, 1 | 2)] | &[(day, 1 | 2), (year, 4)]) => Day::of(year, month, day),
        (None, &[(year, 4), (month, 1 | 2), (day, 1 | 2)]) => Day::of(year, month, day),
        // Europe writes the day first, the United States the month.
        (None, &[(first, 1 | 2), (second, 1 | 2), (year, 4)]) => {
            Day::of(year, second, first).or_else(|| Day::of(year, first, second))
        }
        _ => None,
    }
}

/// `12.03.80`.
fn short(text: &str) -> bool {
    let mut parts = [0u32; 3];
    let mut count = 0;
    for part in text.split(['-', '/', '.']) {
        let (Some(slot), true, Ok(number)) = (parts.get_mut(count), part.len() == 2, part.parse()) else {
            return false;
        };
        *slot = number;
        count += 1;
    }
    let [first, second, year] = parts;
    count == 3
        && (Day::of(2000 + year, second, first).or_else(|| Day::of(2000 + year, first, second))).is_some()
}

fn epoch(text: &str) -> Option<Day> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !(6..=13).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let seconds = if digits.len() > 10 { number / 1000 } else { number };
    Day::of_epoch_day(seconds.div_euclid(86_400))
}

/// Cuts `T00:00:00Z` or ` 00:00:00` off.
fn without_time(text: &str) -> &str {
    let time = text
        .find(':')
        .and_then(|colon| text.get(..colon)?.rfind(['T', ' ']));
    match time {
        Some(at) if at >= 8 => text[..at].trim_end(),
        _ => text,
    }
}

/// Beginnings of the months' names in English, German, French, Spanish, Italian, Portuguese, Dutch,
/// Polish, Swedish and Turkish.
static MONTHS: [&[&str]; 12] = [
    &["jan", "jän", "ene", "gen", "sty", "oca"],
    &["feb", "fév", "fev", "lut", "şub", "sub"],
    &["mar", "mär", "maa", "mrt", "mrz"],
    &["apr", "avr", "abr", "kwi", "nis"],
    &["may", "mai", "mag", "mei", "maj", "mayo"],
    &["jun", "juin", "giu", "cze", "haz"],
    &["jul", "juil", "lug", "lip", "tem"],
    &["aug", "aoû", "aou", "ago", "sie", "ağu", "agu"],
    &["sep", "set", "wrz", "eyl"],
    &["oct", "okt", "out", "ott", "paź", "paz", "eki"],
    &["nov", "lis", "kas"],
    &["dec", "dez", "déc", "dic", "gru", "ara"],
];

/// Bytes of the longest of these beginnings, or more.
const MONTH_NAME: usize = 16;

/// The month whose name begins as `part` does.
pub(crate) fn month_named(part: &str) -> Option<u32> {
    let letters = part.chars().count();
    if !(3..=12).contains(&letters) || !part.chars().all(char::is_alphabetic) {
        return None;
    }
    // In small letters, as far as the names above go.
    let mut small = [0; MONTH_NAME];
    let mut length = 0;
    for letter in part.chars().flat_map(char::to_lowercase) {
        let Some(room) = small.get_mut(length..length + letter.len_utf8()) else {
            break;
        };
        length += letter.encode_utf8(room).len();
    }
    let starts = |name: &&&str| small[..length].starts_with(name.as_bytes());
    let longest = |names: &&[&str]| names.iter().filter(starts).map(|name| name.len()).max();
    let best = MONTHS
        .iter()
        .enumerate()
        .filter_map(|(n, names)| Some((longest(names)?, n)));
    best.max_by_key(|(length, _)| *length).map(|(_, n)| n as u32 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn a_month_is_told_by_the_longest_beginning() {
        assert!(
            MONTHS
                .iter()
                .copied()
                .flatten()
                .all(|name| name.len() <= MONTH_NAME)
        );
        for (n, names) in MONTHS.iter().enumerate() {
            for name in *names {
                let whole = format!("{name}xxx");
                for text in [*name, &name.to_uppercase(), &whole] {
                    let letters = text.chars().count();
                    let expected = (3..=12).contains(&letters).then_some(n as u32 + 1);
                    assert_eq!(month_named(text), expected, "{text}");
                }
            }
        }
        for other in ["", "ma", "born", "ma1y", "marketplacesx"] {
            assert_eq!(month_named(other), None, "{other}");
        }
    }

    #[test]
    fn every_notation_of_a_day_is_read() {
        for text in [
            "1980-03-12",
            "1980-03-12T00:00:00Z",
            "1980-03-12 00:00:00",
            "1980/03/12",
            "12.03.1980",
            "12.3.1980",
            "12/03/1980",
            "03/12/1980",
            "12-03-1980",
            "19800312",
            "12 March 1980",
            "March 12, 1980",
            "12 Mar 1980",
            "12. März 1980",
            "12 mars 1980",
            "12 de marzo de 1980",
            "12 maart 1980",
            "12 Mart 1980",
            "12th March 1980",
            "1980年3月12日",
            "1980年3月12日",
            r"12\/03\/1980",
        ] {
            let proof = date(&quoted(text));
            assert!(proof.is_some_and(|proof| proof.bits > 2.0), "{text}");
        }
        for (one, other) in [
            ("12.3.1980", "1980-03-12"),
            ("12 juin 1980", "1980-06-12"),
            ("1 Juli 1980", "1980-07-01"),
        ] {
            assert!(day(one).map(Day::iso) == day(other).map(Day::iso), "{one}");
        }
    }

    #[test]
    fn years_of_two_digits_and_times_are_weaker() {
        for (text, bits) in [
            ("12/03/80", 1.0),
            ("321667200", 0.5),
            ("321667200000", 0.5),
            ("-321667200", 0.5),
        ] {
            assert_eq!(date(&quoted(text)).map(|proof| proof.bits), Some(bits), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_of_a_living_person_does_not_pass() {
        for text in [
            "1899-12-31",
            "2999-01-01",
            "1980-13-01",
            "1980-02-30",
            "2001-02-29",
            "****-**-**",
            "1980",
            "0",
            "Berlin",
            "12",
            "true",
            "1980-03",
            "00/00/0000",
            "1.2.3.4",
            "99/99/99",
        ] {
            assert!(date(&quoted(text)).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_day_or_not(text in "\\PC{0,40}", close in "[0-9./ T:-]{0,30}", number: i64) {
            for text in [text, close, number.to_string()] {
                let _ = date(&quoted(&text));
            }
        }

        #[test]
        fn a_day_written_is_the_day_read(days in 0i64..20_000) {
            let day_of = Day::of_epoch_day(days).unwrap();
            let iso = String::from_utf8(day_of.iso().to_vec()).unwrap();
            prop_assert!(day(&iso) == Some(day_of));
        }
    }
}
