//! Values in running text that prove little by themselves, behind a word that speaks of them: `born on
//! 3 May 1984`, `IP 81.2.69.142`.
//!
//! Goes in: where such a word begins. Comes out: the value behind it, if one stands close by, on the
//! same line and inside of the same string. At most [`REACH`] and [`LONGEST`] bytes are looked at.

use std::ops::Range;

use crate::detect::candidate::{Match, Place, Proof, Value};
use crate::detect::verify::{birth, device, network};

/// Bytes behind the word within which the value begins: `born in Berlin on …`.
const REACH: usize = 24;
/// Longest value, bytes.
const LONGEST: usize = 48;
/// Words that a value may begin with of which as many are tried: `born in Marseille on 3 May 1984`, as `Mar…`
/// may be a month.
const STARTS: usize = 3;
/// Words of a date: `3 de mayo de 1984`.
const DATE_WORDS: usize = 5;

/// A day of birth.
pub(crate) fn birth(place: &Place<'_>) -> Option<Match> {
    let begins = |word: &[u8]| {
        word[0].is_ascii_digit()
            || str::from_utf8(word).is_ok_and(|word| birth::month_named(word.trim_end_matches('.')).is_some())
    };
    behind(place, DATE_WORDS, begins, |value| {
        // Years of two digits and times of machines are no days in a sentence.
        birth::date(value).filter(|proof| proof.bits > 2.0)
    })
}

/// A network address.
pub(crate) fn ip(place: &Place<'_>) -> Option<Match> {
    let begins = |word: &[u8]| is_joined(word, |b| matches!(b, b'.' | b':'));
    behind(place, 1, begins, network::ip)
}

/// A hardware address.
pub(crate) fn mac(place: &Place<'_>) -> Option<Match> {
    let begins = |word: &[u8]| is_joined(word, |b| matches!(b, b':' | b'-' | b'.'));
    behind(place, 1, begins, network::mac_value)
}

/// An advertising id.
pub(crate) fn advertising(place: &Place<'_>) -> Option<Match> {
    let begins = |word: &[u8]| is_joined(word, |b| b == b'-');
    behind(place, 1, begins, device::advertising)
}

/// Two or more joints between hexadecimal digits.
fn is_joined(word: &[u8], joins: impl Fn(u8) -> bool) -> bool {
    word[0].is_ascii_hexdigit() && word.iter().filter(|b| joins(**b)).count() >= 2
}

/// Judges the first words behind the one at `place` that a value may begin with, each with up to
/// `words` - 1 more, the most that pass.
fn behind(
    place: &Place<'_>,
    words: usize,
    begins: impl Fn(&[u8]) -> bool,
    judge: impl Fn(&Value<'_>) -> Option<Proof>,
) -> Option<Match> {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || *b >= 0x80;
    let rest = &place.bytes[place.at..];
    let cue = rest.iter().take(REACH).take_while(|b| is_letter(b)).count();
    let line = &rest[cue..rest.len().min(cue + REACH + LONGEST)];
    let line = &line[..line.iter().position(is_wall).unwrap_or(line.len())];
    // Each of these values has one; most words stand before none.
    if !line.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let near = spans(line).take_while(|word| word.start <= REACH);
    let mut first_words = near.filter(|word| begins(&line[word.clone()])).take(STARTS);
    let (range, proof) = first_words.find_map(|first| {
        let ends = spans(&line[first.start..])
            .take(words)
            .map(|word| first.start + word.end);
        let passing = ends.filter_map(|end| {
            let text = without_marks(&line[first.start..end]);
            let value = Value {
                text,
                quoted: true,
                format: place.format,
            };
            let proof = (!text.is_empty()).then(|| judge(&value)).flatten()?;
            Some((first.start..first.start + text.len(), proof))
        });
        passing.last()
    })?;
    let at = place.at + cue;
    Some(proof.into_match(at + range.start..at + range.end))
}

/// Where the words of `line` are, which spaces and brackets part.
fn spans(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let is_part = |b: &u8| !matches!(b, b' ' | b'\t' | b'(' | b')' | b'[' | b']' | b'=' | b'\'');
    let mut at = 0;
    std::iter::from_fn(move || {
        at += line[at..].iter().take_while(|b| !is_part(b)).count();
        let start = at;
        at += line[at..].iter().take_while(|b| is_part(b)).count();
        (at > start).then_some(start..at)
    })
}

/// `text` without the marks of a sentence at its end.
fn without_marks(text: &[u8]) -> &[u8] {
    let marks = text
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'.' | b',' | b';' | b':' | b'!' | b'?'));
    &text[..text.len() - marks.count()]
}

fn is_wall(byte: &u8) -> bool {
    matches!(
        byte,
        b'"' | b'\\' | b'\n' | b'\r' | b'<' | b'>' | b'&' | b'{' | b'}' | b'|'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Format;

    type Verify = fn(&Place<'_>) -> Option<Match>;

    fn found(verify: Verify, text: &str) -> Option<&str> {
        let place = Place {
            bytes: text.as_bytes(),
            at: 0,
            format: Format::Text,
        };
        verify(&place).map(|found| &text[found.range])
    }

    #[test]
    fn a_value_behind_its_word_is_found_whole() {
        type Sentence = (&'static str, Option<&'static str>);
        let cases: [(Verify, &[Sentence]); 4] = [
            (
                birth,
                &[
                    ("born on 3 May 1984 in Leeds", Some("3 May 1984")),
                    ("born 1984-05-03, and", Some("1984-05-03")),
                    ("born in Berlin on 03.05.1984.", Some("03.05.1984")),
                    ("born May 3, 1984; he", Some("May 3, 1984")),
                    ("geboren am 3. Mai 1984 in", Some("3. Mai 1984")),
                    ("nacido el 3 de mayo de 1984 en", Some("3 de mayo de 1984")),
                    ("née le 3 mai 1984", Some("3 mai 1984")),
                    ("born in Marseille on 3 May 1984", Some("3 May 1984")),
                    ("birth: 19840503", Some("19840503")),
                    ("born in 1984", None),
                    ("born out of need, version 3.4 came on 17.08.2019", None),
                    ("born 3 times in 2 years", None),
                    ("born on 31 June 1984", None),
                    ("born on 3 May 1784", None),
                    ("birth\",\"1984-05-03", None),
                    ("birth of a new kind of thing, which came out on 2020-05-03", None),
                ],
            ),
            (
                ip,
                &[
                    ("IP 81.2.69.142.", Some("81.2.69.142")),
                    (
                        "ip address is 2a00:1450:4001:82b::200e",
                        Some("2a00:1450:4001:82b::200e"),
                    ),
                    ("IP: 81.2.69.142, please", Some("81.2.69.142")),
                    ("IP 10.0.0.1", None),
                    ("IP version 1.2.3", None),
                ],
            ),
            (
                mac,
                &[
                    ("MAC 3c:22:fb:4e:9a:01", Some("3c:22:fb:4e:9a:01")),
                    ("MAC address (3C-22-FB-4E-9A-01)", Some("3C-22-FB-4E-9A-01")),
                    ("MAC at 10:20:30", None),
                ],
            ),
            (
                advertising,
                &[
                    (
                        "IDFA 6d92078a-8246-4ba4-ae5b-76104861e7dc",
                        Some("6d92078a-8246-4ba4-ae5b-76104861e7dc"),
                    ),
                    ("IDFA of the phone", None),
                ],
            ),
        ];
        for (verify, cases) in cases {
            for (text, expected) in cases {
                assert_eq!(found(verify, text), *expected, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_found_lies_in_the_text(
            cue in "(born|IP|MAC|IDFA) ", close in "[0-9a-f:. \\-,]{0,60}", any in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            for rest in [close.as_bytes(), &any] {
                let bytes = [cue.as_bytes(), rest].concat();
                let place = Place { bytes: &bytes, at: 0, format: Format::Text };
                for verify in [birth, ip, mac, advertising] {
                    if let Some(found) = verify(&place) {
                        prop_assert!(found.range.start < found.range.end && found.range.end <= bytes.len());
                    }
                }
            }
        }
    }
}
