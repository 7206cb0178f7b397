//! Machine readable zones of passports, identity cards and visas, ICAO Doc 9303 parts 4 to 7.
//!
//! Goes in: a place in the first line of a zone, or a field's whole value. Comes out: a match over
//! all of its lines, or nothing. Lines may be joined, or parted by a line break or the escape of
//! one; `<` may be escaped as JSON, HTML and forms do. Reads at most 90 characters.

use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};
use crate::detect::checksum::base36;

/// Characters of the longest line.
const LONGEST: usize = 44;

/// The zone that a value holds.
struct Zone {
    end: usize,
    /// Issued by Utopia, ICAO's example.
    is_specimen: bool,
    bits: f32,
    reason: &'static str,
}

/// Judges the text around `place.at`, which may be the first character of a zone or the first `<<`
/// of its first line.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let (bytes, at) = (place.bytes, place.at);
    let plain = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'<';
    let before = bytes.get(..at)?;
    let left = before.iter().rev().take(LONGEST).take_while(plain).count();
    let start = at - left;
    if before[start..].windows(2).any(|pair| pair == b"<<") {
        return None;
    }
    if place
        .before(start)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'<')
    {
        return None;
    }
    let zone = zone(bytes, start)?;
    let state = if zone.is_specimen {
        State::Test
    } else {
        State::Clear
    };
    let found = Match::new(start..zone.end, state).because(zone.bits, zone.reason);
    Some(if zone.is_specimen {
        found.because(0.0, "is a test value: ICAO's specimen state")
    } else {
        found
    })
}

/// Judges a whole value: a zone, or one of its lines.
pub(crate) fn whole(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let specimen = |is: bool| is.then_some("ICAO's specimen state");
    if let Some(zone) = zone(text, 0).filter(|zone| zone.end == text.len()) {
        return Some(Proof::new(zone.bits, zone.reason).or_test(specimen(zone.is_specimen)));
    }
    if let Some(second) = line::<44>(text, 0).filter(|(_, end)| *end == text.len()) {
        let line = second.0;
        if has_personal_checks(&line) && composite(&line, 43) {
            let proof = Proof::new(
                20.0,
                "is the second line of a passport's zone: its check digits hold",
            );
            return Some(proof.or_test(specimen(&line[10..13] == b"UTO")));
        }
    }
    if let Some(second) = line::<36>(text, 0).filter(|(_, end)| *end == text.len()) {
        let line = second.0;
        if has_personal_checks(&line) && composite(&line, 35) {
            let proof = Proof::new(20.0, "is the second line of a card's zone: its check digits hold");
            return Some(proof.or_test(specimen(&line[10..13] == b"UTO")));
        }
    }
    None
}

fn zone(bytes: &[u8], start: usize) -> Option<Zone> {
    match bytes.get(start)? {
        b'P' => two_lines::<44>(bytes, start, Some(43)),
        b'V' => two_lines::<44>(bytes, start, None).or_else(|| two_lines::<36>(bytes, start, None)),
        b'A' | b'C' | b'I' => three_lines(bytes, start).or_else(|| two_lines::<36>(bytes, start, Some(35))),
        _ => None,
    }
}

/// Passports (44) and older cards (36) with a composite check digit at `last`, visas without.
fn two_lines<const N: usize>(bytes: &[u8], start: usize, last: Option<usize>) -> Option<Zone> {
    let (first, end) = line::<N>(bytes, start)?;
    let (second, end) = line::<N>(bytes, line_break(bytes, end))?;
    let holds = names_a_state(&first)
        && has_personal_checks(&second)
        && last.is_none_or(|last| composite(&second, last));
    holds.then_some(Zone {
        end,
        is_specimen: &first[2..5] == b"UTO",
        // Three or four characters out of 37 are right, each by chance once in 37.
        bits: if last.is_some() { 20.0 } else { 15.0 },
        reason: "is a machine readable zone: its check digits hold",
    })
}

/// Cards of credit card size.
fn three_lines(bytes: &[u8], start: usize) -> Option<Zone> {
    let (first, end) = line::<30>(bytes, start)?;
    let (second, end) = line::<30>(bytes, line_break(bytes, end))?;
    let (_, end) = line::<30>(bytes, line_break(bytes, end))?;
    // A number of more than nine characters goes on behind a filler; the composite covers it.
    let number = first[14] == b'<' || check_digit(&[&first[5..14]], first[14]);
    let holds = names_a_state(&first)
        && number
        && check_digit(&[&second[..6]], second[6])
        && check_digit(&[&second[8..14]], second[14])
        && check_digit(
            &[&first[5..], &second[..7], &second[8..15], &second[18..29]],
            second[29],
        );
    holds.then_some(Zone {
        end,
        is_specimen: &first[2..5] == b"UTO",
        bits: 20.0,
        reason: "is a machine readable zone: its check digits hold",
    })
}

/// A kind of document, and a state of one to three letters.
fn names_a_state(first: &[u8]) -> bool {
    let kind = first[1].is_ascii_uppercase() || first[1] == b'<';
    let state = &first[2..5];
    let rest = state.iter().skip_while(|byte| byte.is_ascii_uppercase());
    kind && state[0].is_ascii_uppercase() && rest.clone().all(|byte| *byte == b'<')
}

/// Document number, birth and expiry with their check digits: two-line documents have them at the
/// same places.
fn has_personal_checks(second: &[u8]) -> bool {
    check_digit(&[&second[..9]], second[9])
        && check_digit(&[&second[13..19]], second[19])
        && matches!(second[20], b'M' | b'F' | b'X' | b'<')
        && check_digit(&[&second[21..27]], second[27])
}

fn composite(second: &[u8], last: usize) -> bool {
    // Passports check the optional data too; empty data may leave its digit out.
    let optional = last != 43
        || check_digit(&[&second[28..42]], second[42])
        || second[42] == b'<' && second[28..42].iter().all(|byte| *byte == b'<');
    optional && check_digit(&[&second[..10], &second[13..20], &second[21..last]], second[last])
}

/// Weights 7, 3, 1 mod 10 over the parts in order.
fn check_digit(parts: &[&[u8]], digit: u8) -> bool {
    let mut sum = 0;
    for (byte, weight) in parts.iter().copied().flatten().zip([7, 3, 1].into_iter().cycle()) {
        sum += weight * base36(*byte).unwrap_or(0);
    }
    digit.is_ascii_digit() && u32::from(digit - b'0') == sum % 10
}

/// `N` characters from `at`, and where they end.
fn line<const N: usize>(bytes: &[u8], mut at: usize) -> Option<([u8; N], usize)> {
    let mut line = [0; N];
    for place in &mut line {
        let (character, length) = symbol(bytes.get(at..)?)?;
        *place = character;
        at += length;
    }
    Some((line, at))
}

/// One character of a zone and the bytes it takes.
fn symbol(rest: &[u8]) -> Option<(u8, usize)> {
    match *rest {
        [b @ (b'A'..=b'Z' | b'0'..=b'9' | b'<'), ..] => Some((b, 1)),
        [b'\\', b'u', b'0', b'0', b'3', b'c' | b'C', ..] => Some((b'<', 6)),
        [b'&', b'l', b't', b';', ..] => Some((b'<', 4)),
        [b'%', b'3', b'c' | b'C', ..] => Some((b'<', 3)),
        _ => None,
    }
}

/// Behind the line break at `at`, if there is one.
fn line_break(bytes: &[u8], mut at: usize) -> usize {
    const BREAKS: [&[u8]; 7] = [b"\r", b"\n", b"\\r", b"\\n", b"%0D", b"%0A", b" "];
    for _ in 0..2 {
        let rest = bytes.get(at..).unwrap_or_default();
        let found = BREAKS.iter().find(|found| rest.starts_with(found));
        at += found.map_or(0, |found| found.len());
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Format;

    /// ICAO Doc 9303 parts 4, 5 and 6.
    const PASSPORT: &str =
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
    const CARD: &str =
        "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<";
    const OLD_CARD: &str = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6";

    fn found(text: &str, at: usize) -> Option<Match> {
        verify(&Place {
            bytes: text.as_bytes(),
            at,
            format: Format::Text,
        })
    }

    #[test]
    fn the_specimens_are_found_however_their_lines_are_joined() {
        for zone in [PASSPORT, CARD, OLD_CARD] {
            for text in [
                zone.to_owned(),
                zone.replace('\n', ""),
                zone.replace('\n', "\r\n"),
                zone.replace('\n', "\\n"),
                zone.replace('<', "\\u003c").replace('\n', "\\n"),
                zone.replace('<', "&lt;"),
                zone.replace('<', "%3C").replace('\n', "%0D%0A"),
            ] {
                let found = found(&text, 0).expect("a zone");
                assert_eq!((found.range, found.state), (0..text.len(), State::Test), "{text}");
            }
        }
    }

    #[test]
    fn a_zone_is_found_from_the_first_double_filler_and_only_from_there() {
        let text = format!("mrz: {PASSPORT} end");
        let first = text.find("<<").expect("there is one");
        assert_eq!(
            found(&text, first).map(|found| found.range),
            Some(5..5 + PASSPORT.len())
        );
        assert!(found(&text, first + 14).is_none());
        assert!(found(&format!("X{PASSPORT}"), 1).is_none());
    }

    #[test]
    fn another_state_is_a_clear_value_and_a_changed_digit_is_none() {
        let other = PASSPORT.replace("UTO", "NLD");
        assert_eq!(found(&other, 0).map(|found| found.state), Some(State::Clear));
        for at in [45, 54, 58, 64, 66, 72, 86, 88] {
            let mut text = other.clone().into_bytes();
            text[at] = if text[at] == b'3' { b'4' } else { b'3' };
            let text = String::from_utf8(text).expect("ASCII");
            assert!(found(&text, 0).is_none(), "{at}");
        }
        assert!(found("P<UTO", 0).is_none() && found("", 0).is_none());
    }

    #[test]
    fn a_field_may_hold_a_zone_or_its_second_line() {
        let judged = |text: &str| {
            whole(&Value {
                text: text.as_bytes(),
                quoted: true,
                format: Format::Json,
            })
        };
        for text in [PASSPORT, CARD, OLD_CARD, &PASSPORT[45..], &OLD_CARD[37..]] {
            assert!(judged(text).is_some_and(|proof| proof.test.is_some()), "{text}");
        }
        assert!(judged(&PASSPORT[..44]).is_none());
        assert!(judged(&format!("{PASSPORT}1")).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'<'), Just(b'P')], 0..200),
            at in 0usize..200,
        ) {
            let place = Place { bytes: &bytes, at: at.min(bytes.len()), format: Format::Text };
            verify(&place);
            if !bytes.is_empty() {
                whole(&Value { text: &bytes, quoted: false, format: Format::Text });
            }
        }
    }
}
