//! Where people live and are: postal addresses, postal codes, coordinates.
//!
//! Goes in: the whole value of a field that is named so. Comes out: how far it looks like one.

mod ways;

use crate::detect::candidate::{Proof, Value};
use crate::detect::verify::text::{Plain, is_empty_word, is_letter};
use ways::is_way;

/// Judges a postal address, or the line of one that names the street.
pub(crate) fn address(value: &Value<'_>) -> Option<Proof> {
    let plain = Plain::of(value)?;
    let text = plain.text();
    let strange = |c: char| {
        matches!(
            c,
            '@' | '{' | '}' | '<' | '>' | '=' | '*' | '|' | '_' | '\\' | '[' | ']'
        )
    };
    if !(5..=250).contains(&text.len()) || text.contains(strange) || text.contains("://") {
        return None;
    }
    let (mut words, mut has_way, mut has_number) = (0, false, false);
    let is_coded = has_postal_code(text);
    for word in text.split([' ', ',', '\n', ';']).filter(|word| !word.is_empty()) {
        words += 1;
        if is_empty_word(word) && word.len() > 3 {
            return None;
        }
        let number = word.bytes().take_while(u8::is_ascii_digit).count();
        has_number |= (1..=5).contains(&number) && word.len() <= number + 4;
        has_way |= is_way(word);
    }
    let letters = text.chars().filter(|c| is_letter(*c)).count();
    // Scripts that write no spaces between the parts of an address.
    let joined = text
        .chars()
        .any(|c| matches!(c, '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'));
    let numbered = has_number || joined && text.contains(|c: char| c.is_numeric());
    match (has_way, numbered) {
        (true, true) if words > 1 => Some(Proof::new(3.0, "names a street and a number")),
        _ if is_coded => Some(Proof::new(3.0, "names a place with its postal code")),
        (true, false) if words > 1 => Some(Proof::new(1.5, "names a street")),
        (_, true) if (words > 1 || joined) && letters >= 3 => {
            Some(Proof::new(1.5, "is words and a number of a house"))
        }
        _ => None,
    }
}

/// Whether several parts of `text`, of which two or more have words, hold a postal code: `Recanto 76,
/// 92272-367 Mendonça / ES`. Four digits are the number of a house as well.
fn has_postal_code(text: &str) -> bool {
    let parts = || text.split([',', '\n', ';']).map(str::trim);
    let is_code = |word: &[u8]| word.len() > 4 && is_postal_code(word);
    let has_code = |part: &str| {
        let starts = part
            .split(' ')
            .map(|word| word.as_ptr().addr() - part.as_ptr().addr());
        // `6382 DO`, `SW1A 1AA`: a code may have a space.
        starts
            .flat_map(|start| [0, 1].map(|spaces| (start, spaces)))
            .any(|(start, spaces)| {
                let rest = &part[start..];
                let end = rest
                    .match_indices(' ')
                    .nth(spaces)
                    .map_or(rest.len(), |(end, _)| end);
                is_code(&rest.as_bytes()[..end])
            })
    };
    let in_words = |part: &str| part.chars().filter(|c| is_letter(*c)).count() >= 3;
    parts().filter(|part| in_words(part)).take(2).count() == 2 && parts().any(has_code)
}

/// Forms of postal codes with their countries' letters and separators; `9` digit, `A` letter, `N` either.
/// Universal Postal Union, addressing systems.
static POSTAL_FORMS: [&str; 22] = [
    "99999",
    "999999",
    "9999",
    "99999-9999",
    "99-999",
    "999-9999",
    "999 99",
    "9999-999",
    "99999-999",
    "99999999",
    "9999 AA",
    "9999AA",
    "A9A 9A9",
    "A9A9A9",
    "A9 9AA",
    "A99 9AA",
    "AA9 9AA",
    "AA99 9AA",
    "A9A 9AA",
    "AA9A 9AA",
    "A99 NNNN",
    "9999999",
];

/// Judges a postal code.
pub(crate) fn postal_code(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    // `DE-10115`, `SE-111 22`.
    let text = match text {
        [a, b, b'-', rest @ ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => rest,
        _ => text,
    };
    if text.iter().all(|byte| matches!(byte, b'0' | b'-' | b' ')) || !is_postal_code(text) {
        return None;
    }
    let has_letters = text.iter().any(u8::is_ascii_alphabetic);
    Some(if has_letters {
        Proof::new(3.0, "has the form of a postal code with letters")
    } else {
        Proof::new(1.0, "has as many digits as postal codes have")
    })
}

fn is_postal_code(text: &[u8]) -> bool {
    let is = |form: &&str| {
        form.len() == text.len()
            && form.bytes().zip(text).all(|(kind, byte)| match kind {
                b'9' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_alphabetic(),
                b'N' => byte.is_ascii_alphanumeric(),
                separator => separator == *byte || separator == b' ' && *byte == b'+',
            })
    };
    POSTAL_FORMS.iter().any(is)
}

/// Judges a latitude or longitude, or both: three decimals or more tell a house from a town.
pub(crate) fn coordinates(value: &Value<'_>) -> Option<Proof> {
    let text = std::str::from_utf8(value.text).ok()?.trim();
    let text = text.strip_prefix("geo:").unwrap_or(text);
    let inner = text
        .strip_prefix("POINT")
        .map(|rest| rest.trim_start().trim_matches(['(', ')']));
    let is_point = inner.is_some();
    let text = inner.unwrap_or(text);
    let text = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let mut numbers = [0f64; 2];
    let mut count = 0;
    for part in text.split([',', ' ', ';']).filter(|part| !part.is_empty()) {
        let number = decimal(part)?;
        *numbers.get_mut(count)? = number;
        count += 1;
    }
    match numbers[..count] {
        [one] if one.abs() <= 180.0 && one != 0.0 => {
            Some(Proof::new(1.0, "is an angle with three decimals or more"))
        }
        [a, b] if a.abs().min(b.abs()) <= 90.0 && a.abs().max(b.abs()) <= 180.0 => Some(if is_point {
            Proof::new(5.0, "is a point of latitude and longitude")
        } else {
            Proof::new(3.0, "is a latitude and a longitude")
        }),
        _ => None,
    }
}

/// A number of one to three digits with three to seventeen decimals.
fn decimal(text: &str) -> Option<f64> {
    let (text, west) = match text.strip_suffix(['N', 'E', 'S', 'W']) {
        Some(text) => (text.trim_end_matches('°'), true),
        None => (text, false),
    };
    let (whole, decimals) = text.split_once('.')?;
    let whole = whole.strip_prefix('-').filter(|_| !west).unwrap_or(whole);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let fits = (1..=3).contains(&whole.len()) && (3..=17).contains(&decimals.len());
    (fits && digits(whole) && digits(decimals)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn addresses_name_a_street_or_a_house() {
        for (text, bits) in [
            ("12 Main Street", Some(3.0)),
            ("1600 Pennsylvania Ave NW, Washington", Some(3.0)),
            ("Hauptstraße 5", Some(3.0)),
            ("Königsallee 12a, 40212 Düsseldorf", Some(3.0)),
            ("10 rue de la Paix", Some(3.0)),
            ("Calle Mayor 3, 2º", Some(3.0)),
            ("Via Roma 1", Some(3.0)),
            ("Rua Augusta 100", Some(3.0)),
            ("Prinsengracht 263", Some(3.0)),
            ("ul. Długa 7", Some(3.0)),
            ("Storgatan 4", Some(3.0)),
            ("Atatürk Caddesi No:5", Some(1.5)),
            ("Flat 4", Some(1.5)),
            ("東京都千代田区千代田1-1", Some(1.5)),
            ("Elisesteeg 007, 6382DO, Veenoord", Some(3.0)),
            ("Recanto Borges, 84129-435 Cirino / PA", Some(3.0)),
            ("Flat 4, Leeds LS1 4AB", Some(3.0)),
            ("3 items, 12345 bytes", Some(3.0)),
            ("Flat 4, 12345", Some(1.5)),
            ("Main Street", Some(1.5)),
            ("Berlin", None),
            ("10.0.0.1", None),
            ("0x00400000", None),
            ("https://a.b/c 1", None),
            ("jane@corp.de", None),
            ("[REDACTED]", None),
            ("", None),
            ("null", None),
            ("127.0.0.1:8080", None),
            ("unknown 12", None),
        ] {
            assert_eq!(address(&quoted(text)).map(|proof| proof.bits), bits, "{text}");
        }
    }

    #[test]
    fn postal_codes_have_forms() {
        for (text, expected) in [
            ("94105", true),
            ("94105-1234", true),
            ("SW1A 1AA", true),
            ("EC1A 1BB", true),
            ("K1A 0B1", true),
            ("1012 AB", true),
            ("00-950", true),
            ("1000-205", true),
            ("01310-100", true),
            ("111 22", true),
            ("D02 AF30", true),
            ("A65 F4E2", true),
            ("DE-10115", true),
            ("110001", true),
            ("00000", false),
            ("***", false),
            ("12", false),
            ("Berlin", false),
            ("", false),
        ] {
            assert_eq!(postal_code(&quoted(text)).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn coordinates_have_three_decimals() {
        for (text, bits) in [
            ("52.5200", Some(1.0)),
            ("-122.4194155", Some(1.0)),
            ("52.52", None),
            ("52.5200,13.4050", Some(3.0)),
            ("[13.4050, 52.5200]", Some(3.0)),
            ("POINT(13.4050 52.5200)", Some(5.0)),
            ("geo:52.5200,13.4050", Some(3.0)),
            ("252.5200", None),
            ("152.5200,113.4050", None),
            ("1.2.3", None),
            ("52", None),
            ("0.000", None),
            ("1e5.000", None),
            ("nan.000", None),
            ("", None),
        ] {
            assert_eq!(coordinates(&quoted(text)).map(|proof| proof.bits), bits, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_not(text in "\\PC{0,60}", close in "[0-9.,A-Za-z -]{0,40}") {
            for text in [text, close] {
                let value = quoted(&text);
                let _ = (address(&value), postal_code(&value), coordinates(&value));
            }
        }
    }
}
