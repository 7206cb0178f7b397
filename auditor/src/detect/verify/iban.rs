//! IBANs: a country of the registry, its length and kinds of characters, and mod 97.

use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::checksum::iban_mod97;
use crate::detect::test_values;

/// Longest IBAN of any country.
const LONGEST: usize = 34;

/// Judges the text that begins with a country code at `place.at`.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    let country = [
        text.first()?.to_ascii_uppercase(),
        text.get(1)?.to_ascii_uppercase(),
    ];
    let structure = structure(country)?;
    let length = 4 + parts(structure).map(|(_, n)| n).sum::<usize>();
    if place.before(place.at).is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut iban = [0u8; LONGEST];
    let (mut end, mut filled, mut spaced) = (0, 0, false);
    while filled < length {
        let byte = *text.get(end)?;
        if byte.is_ascii_alphanumeric() {
            iban[filled] = byte.to_ascii_uppercase();
            filled += 1;
        } else if matches!(byte, b' ' | b'-' | b'+') && filled % 4 == 0 && filled > 0 && text[end - 1] != byte
        {
            spaced = true;
        } else {
            return None;
        }
        end += 1;
    }
    let iban = &iban[..length];
    if text.get(end).is_some_and(u8::is_ascii_alphanumeric) || !fits(iban, structure) || !iban_mod97(iban) {
        return None;
    }
    let test = test_values::iban(iban);
    let state = if test.is_some() { State::Test } else { State::Clear };
    let mut found = Match::new(place.at..place.at + end, state)
        .because(6.6, "passes mod 97, as one in 97 does")
        .because(
            6.0,
            "has the country, length and kinds of characters of the IBAN registry",
        );
    if spaced {
        found = found.because(2.0, "is written in groups of four");
    }
    if let Some(source) = test {
        found = found.because(0.0, format!("is a test value: {source}"));
    }
    Some(found)
}

/// Whether the bytes at a run of digits may begin an IBAN two bytes before; cheap.
pub(crate) fn is_country(first: u8, second: u8) -> bool {
    first.is_ascii_alphabetic()
        && second.is_ascii_alphabetic()
        && structure([first.to_ascii_uppercase(), second.to_ascii_uppercase()]).is_some()
}

fn fits(iban: &[u8], structure: &str) -> bool {
    let mut rest = &iban[4..];
    iban[2..4].iter().all(u8::is_ascii_digit)
        && parts(structure).all(|(kind, length)| {
            let (part, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            part.len() == length
                && part.iter().all(|b| match kind {
                    b'n' => b.is_ascii_digit(),
                    b'a' => b.is_ascii_alphabetic(),
                    _ => b.is_ascii_alphanumeric(),
                })
        })
}

/// `n8c12` as (n, 8), (c, 12).
fn parts(structure: &str) -> impl Iterator<Item = (u8, usize)> + '_ {
    let bytes = structure.as_bytes();
    let starts = (0..bytes.len()).filter(|&n| bytes[n].is_ascii_alphabetic());
    starts.map(|start| {
        let digits = bytes[start + 1..].iter().take_while(|b| b.is_ascii_digit());
        (
            bytes[start],
            digits.fold(0, |sum, d| sum * 10 + usize::from(d - b'0')),
        )
    })
}

/// Kinds of characters behind the check digits: n digits, a letters, c either.
fn structure(country: [u8; 2]) -> Option<&'static str> {
    let index = REGISTRY
        .binary_search_by(|(code, _)| code.as_bytes().cmp(&country))
        .ok()?;
    Some(REGISTRY[index].1)
}

/// SWIFT IBAN registry, ordered by country.
static REGISTRY: [(&str, &str); 89] = [
    ("AD", "n8c12"),
    ("AE", "n19"),
    ("AL", "n8c16"),
    ("AT", "n16"),
    ("AZ", "a4c20"),
    ("BA", "n16"),
    ("BE", "n12"),
    ("BG", "a4n6c8"),
    ("BH", "a4c14"),
    ("BI", "n23"),
    ("BR", "n23a1c1"),
    ("BY", "c4n4c16"),
    ("CH", "n5c12"),
    ("CR", "n18"),
    ("CY", "n8c16"),
    ("CZ", "n20"),
    ("DE", "n18"),
    ("DJ", "n23"),
    ("DK", "n14"),
    ("DO", "c4n20"),
    ("EE", "n16"),
    ("EG", "n25"),
    ("ES", "n20"),
    ("FI", "n14"),
    ("FK", "a2n12"),
    ("FO", "n14"),
    ("FR", "n10c11n2"),
    ("GB", "a4n14"),
    ("GE", "a2n16"),
    ("GI", "a4c15"),
    ("GL", "n14"),
    ("GR", "n7c16"),
    ("GT", "c24"),
    ("HN", "a4n20"),
    ("HR", "n17"),
    ("HU", "n24"),
    ("IE", "a4n14"),
    ("IL", "n19"),
    ("IQ", "a4n15"),
    ("IS", "n22"),
    ("IT", "a1n10c12"),
    ("JO", "a4n4c18"),
    ("KW", "a4c22"),
    ("KZ", "n3c13"),
    ("LB", "n4c20"),
    ("LC", "a4c24"),
    ("LI", "n5c12"),
    ("LT", "n16"),
    ("LU", "n3c13"),
    ("LV", "a4c13"),
    ("LY", "n21"),
    ("MC", "n10c11n2"),
    ("MD", "c20"),
    ("ME", "n18"),
    ("MK", "n3c10n2"),
    ("MN", "n16"),
    ("MR", "n23"),
    ("MT", "a4n5c18"),
    ("MU", "a4n19a3"),
    ("NI", "a4n20"),
    ("NL", "a4n10"),
    ("NO", "n11"),
    ("OM", "n3c16"),
    ("PK", "a4c16"),
    ("PL", "n24"),
    ("PS", "a4c21"),
    ("PT", "n21"),
    ("QA", "a4c21"),
    ("RO", "a4c16"),
    ("RS", "n18"),
    ("RU", "n14c15"),
    ("SA", "n2c18"),
    ("SC", "a4n20a3"),
    ("SD", "n14"),
    ("SE", "n20"),
    ("SI", "n15"),
    ("SK", "n20"),
    ("SM", "a1n10c12"),
    ("SO", "n19"),
    ("ST", "n21"),
    ("SV", "a4n20"),
    ("TL", "n19"),
    ("TN", "n20"),
    ("TR", "n6c16"),
    ("UA", "n6c19"),
    ("VA", "n18"),
    ("VG", "a4n16"),
    ("XK", "n16"),
    ("YE", "a4n4c18"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;

    fn found(text: &str) -> Option<Match> {
        verify(&Place {
            bytes: text.as_bytes(),
            at: 0,
            format: Format::Text,
        })
    }

    #[test]
    fn the_registry_is_in_order_and_within_bounds() {
        assert!(REGISTRY.is_sorted_by_key(|(country, _)| *country));
        for (country, structure) in REGISTRY {
            let length = 4 + parts(structure).map(|(_, n)| n).sum::<usize>();
            assert!((15..=LONGEST).contains(&length), "{country}");
        }
    }

    #[test]
    fn registry_examples_pass_in_every_notation() {
        for iban in [
            "GB29NWBK60161331926819",
            "GB29 NWBK 6016 1331 9268 19",
            "gb29nwbk60161331926819",
            "DE89370400440532013000",
            "FR1420041010050500013M02606",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "BR1800360305000010009795493C1",
            "IT60X0542811101000000123456",
            "SA0380000000608010167519",
            "TR330006100519786457841326",
        ] {
            assert!(found(iban).is_some(), "{iban}");
        }
    }

    #[test]
    fn what_only_looks_like_an_iban_does_not_pass() {
        for text in [
            "GB29NWBK60161331926818",
            "GB29NWBK6016133192681",
            "GB29NWBK601613319268199",
            "XX29NWBK60161331926819",
            "GB291234601613319268 19",
            "GB29  NWBK 6016 1331 9268 19",
            "GB",
        ] {
            assert!(found(text).is_none(), "{text}");
        }
    }
}
