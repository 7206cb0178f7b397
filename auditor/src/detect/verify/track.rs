//! Magnetic stripes: track 1 and track 2 of a card as a reader sends them.
//!
//! Goes in: a number, or the letter `B`, where a track may begin. Comes out: the whole track from
//! its first to its last sentinel. ISO/IEC 7813.

use std::ops::Range;

use super::card::scheme;
use crate::detect::State;
use crate::detect::candidate::{Digits, Joint, Match, Place};
use crate::detect::checksum::luhn;
use crate::detect::test_values;

/// Characters of track 1 and of track 2, sentinels included.
const TRACK_1: usize = 79;
const TRACK_2: usize = 40;

/// Judges a number that a field separator (`=`) may follow: track 2.
pub(crate) fn second(number: &Digits<'_>) -> Option<Match> {
    let Range { start, end } = number.range;
    let rest = &number.bytes[end..];
    let separator = one_of(rest, &[b"=", b"%3D", b"%3d", b"\\u003d", b"\\u003D"])?;
    if number.joint != Joint::None || number.before().is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let data = &rest[separator..];
    let digits = data
        .iter()
        .take(TRACK_2)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let sentinel = usize::from(number.bytes[..start].ends_with(b";"));
    let closed = one_of(&data[digits..], &[b"?", b"%3F", b"%3f"]).unwrap_or(0);
    // Expiry, service code and, without sentinels, more than a number that happens to follow.
    if digits < 7 || digits + number.digits.len() > TRACK_2 - 3 || sentinel + closed == 0 && digits < 12 {
        return None;
    }
    if closed == 0 && data.get(digits).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let range = start - sentinel..end + separator + digits + closed;
    track(
        range,
        number.digits,
        &data[..7],
        "is laid out like track 2 of a magnetic stripe",
    )
}

/// Judges the letter `B` that a percent sign may stand before: track 1.
pub(crate) fn first(place: &Place<'_>) -> Option<Match> {
    let before = &place.bytes[..place.at];
    let sentinel = [b"%".as_slice(), b"%25", b"\\u0025"]
        .iter()
        .filter(|sentinel| before.ends_with(sentinel))
        .map(|sentinel| sentinel.len())
        .max()?;
    let text = &place.bytes[place.at..place.bytes.len().min(place.at + 2 * TRACK_1)];
    let digits = text[1..]
        .iter()
        .take(20)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let number = &text[1..=digits];
    let caret: [&[u8]; 3] = [b"^", b"%5E", b"%5e"];
    let mut at = 1 + digits;
    at += one_of(text.get(at..)?, &caret)?;
    // The name of the holder: 2 to 26 characters.
    let name = (0..=3 * 26).find(|n| {
        text.get(at + n..)
            .is_some_and(|rest| one_of(rest, &caret).is_some())
    })?;
    at += name;
    at += one_of(&text[at..], &caret)?;
    let data = &text[at..];
    let ends = |b: &u8| matches!(b, b'?' | b'"' | b'\n' | b'\r' | b'&' | b'<');
    let length = data.iter().position(ends).unwrap_or(data.len()).min(TRACK_1);
    let closed = usize::from(data.get(length) == Some(&b'?'));
    let range = place.at - sentinel..place.at + at + length + closed;
    track(
        range,
        number,
        data.get(..7)?,
        "is laid out like track 1 of a magnetic stripe",
    )
}

fn track(range: Range<usize>, number: &[u8], data: &[u8], layout: &'static str) -> Option<Match> {
    let scheme = scheme(number)?;
    let month = matches!(data[2..4], [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2']);
    if !luhn(number) || !month || !data.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let test = test_values::card(number);
    let state = if test.is_some() { State::Test } else { State::Clear };
    let mut found = Match::new(range, state)
        .because(12.0, layout)
        .because(3.3, format!("holds a {scheme} card number that passes Luhn"))
        .because(3.0, "holds an expiry date");
    if let Some(source) = test {
        found = found.because(0.0, format!("is a test value: {source}"));
    }
    Some(found)
}

/// Length of the one that `text` begins with.
fn one_of(text: &[u8], beginnings: &[&[u8]]) -> Option<usize> {
    let found = beginnings.iter().find(|beginning| text.starts_with(beginning));
    found.map(|beginning| beginning.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Format;
    use crate::detect::candidate::Around;
    use crate::detect::rows::RowId;

    /// A place where every row may be named.
    struct Anything;

    impl Around for Anything {
        fn may_speak_of(&self, _: RowId) -> bool {
            true
        }
    }

    fn found(text: &[u8]) -> Option<(Range<usize>, State)> {
        let place = |at| Place {
            bytes: text,
            at,
            format: Format::Text,
        };
        let letter = text.iter().position(|b| *b == b'B');
        if let Some(found) = letter.and_then(|at| first(&place(at))) {
            return Some((found.range, found.state));
        }
        let at = text.iter().position(u8::is_ascii_digit)?;
        let length = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if length > 19 {
            return None;
        }
        let found = second(&Digits {
            bytes: text,
            range: at..at + length,
            digits: &text[at..at + length],
            groups: &[length as u8],
            joint: Joint::None,
            goes_on: false,
            around: &Anything,
            row: RowId::new(0)?,
        })?;
        Some((found.range, found.state))
    }

    #[test]
    fn a_track_is_found_from_sentinel_to_sentinel() {
        for (text, state) in [
            ("%B5447911234560249^DOE/JANE^28121011000000000?", State::Clear),
            (
                "%B4111111111111111^DOE/JANE                  ^2512101?",
                State::Test,
            ),
            ("%25B5447911234560249%5EDOE%2FJANE%5E28121011000?", State::Clear),
            (";5447911234560249=28121011000012300000?", State::Clear),
            (";5447911234560249%3D28121011000012300000%3F", State::Clear),
            ("5447911234560249=281210110000", State::Clear),
        ] {
            assert_eq!(found(text.as_bytes()), Some((0..text.len(), state)), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_a_track_is_none() {
        for text in [
            "B5447911234560249^DOE/JANE^2812101?",
            "%B5447911234560240^DOE/JANE^2812101?",
            "%B5447911234560249^DOE/JANE^2813101?",
            "%B5447911234560249^DOE",
            ";5447911234560249=2813101?",
            ";5447911234560240=2812101?",
            ";5447911234560249=2812?",
            "5447911234560249=2812101",
            ";1234567890123452=2812101?",
        ] {
            assert_eq!(found(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_track_or_not(
            text in prop::collection::vec(any::<u8>(), 0..200),
            close in "%B[45][0-9]{12,18}\\^[A-Z/^]{0,30}[0-9^?%]{0,12}",
            second in ";[45][0-9]{12,18}=?[0-9?%]{0,30}",
        ) {
            for text in [text.as_slice(), close.as_bytes(), second.as_bytes()] {
                if let Some((range, _)) = found(text) {
                    prop_assert!(range.end <= text.len());
                }
            }
        }
    }
}
