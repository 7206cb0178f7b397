//! Masked samples and normal forms of values.
//!
//! Goes in: a value, its detector and its state. Comes out: text that shows no more than the
//! convention of its kind allows, and the bytes a fingerprint is made of. A sample never shows a
//! hash, a token or a placeholder, only that it was one.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::State;
use super::candidate::Value;
use super::catalogue::{Convention, DetectorInfo};
use super::mask;
use super::verify::text::Plain;
use super::verify::{birth, phone};
use crate::content::Format;

/// Characters of a sample at most, hosts of e-mail addresses aside.
const LONGEST: usize = 40;

/// What may be shown of `value`.
pub(crate) fn of(row: &DetectorInfo, value: &[u8], state: State) -> String {
    match state {
        State::Hashed => return "[hashed]".into(),
        State::Tokenised => return "[tokenised]".into(),
        State::Encrypted => return "[encrypted]".into(),
        State::Clear | State::Masked | State::Test => {}
    }
    if state == State::Masked && !has_mask(value) {
        return "[masked]".into();
    }
    match row.convention {
        Convention::Card => {
            let marks = marks(value, false);
            let head = if marks.len() >= 12 { 6 } else { 0 };
            keep(&marks, head, tail(marks.len(), state))
        }
        Convention::Phone => {
            let marks = marks(value, false);
            keep(&marks, 0, tail(marks.len(), state))
        }
        Convention::LastFour => {
            let marks = marks(value, true);
            let shown = keep(&marks, 0, tail(marks.len(), state));
            match shown.get(5..) {
                Some(serial) if row.id == "us_ssn" && shown.len() == 9 => format!("***-**-{serial}"),
                _ => shown,
            }
        }
        Convention::Iban => iban(value),
        Convention::Email => email(value),
        Convention::Initials => initials(value),
        Convention::Network => network(value),
        Convention::Hidden => "***".into(),
        Convention::Secret(prefix) => {
            // Of a value that is hardly longer than its prefix, nothing.
            let prefix = if value.len() >= prefix + 8 { prefix } else { 0 };
            let shown = &value[..prefix];
            let shown = if shown.iter().all(|b| b.is_ascii_graphic() && *b != b'*') {
                shown
            } else {
                b""
            };
            shown
                .iter()
                .map(|b| char::from(*b))
                .chain("****".chars())
                .collect()
        }
    }
}

/// Characters at the end that may be shown of a value of `length`: fewer of short ones. What is
/// masked shows no more than it showed.
fn tail(length: usize, state: State) -> usize {
    match length {
        _ if state == State::Masked => 4,
        9.. => 4,
        6..=8 => 2,
        _ => 0,
    }
}

/// Country and last four characters.
fn iban(value: &[u8]) -> String {
    let country = match value {
        [first, second, ..] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
            String::from_utf8_lossy(&value[..2]).to_ascii_uppercase()
        }
        _ => "**".into(),
    };
    let plain: Vec<char> = value
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| char::from(*b))
        .collect();
    let tail: String = if plain.len() >= 8 {
        plain[plain.len() - 4..].iter().collect()
    } else {
        "****".into()
    };
    format!("{country}**************{tail}")
}

/// `J*** D***`: the first letter of each word of three or more, in scripts with capital letters;
/// where a character is half a name, nothing.
fn initials(value: &[u8]) -> String {
    let Some(plain) = Plain::of(&as_form(value)) else {
        return "***".into();
    };
    let mut shown = String::new();
    for word in plain.text().split_whitespace().take(5) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        let first = word
            .chars()
            .next()
            .filter(|c| c.is_uppercase() || c.is_lowercase());
        shown.extend(first.filter(|_| word.chars().count() > 2));
        shown.push_str("***");
    }
    if shown.is_empty() { "***".into() } else { shown }
}

/// `81.2.***`: the first two groups of an address, six characters at most.
fn network(value: &[u8]) -> String {
    let is_group = |group: &&[u8]| !group.is_empty();
    let mut groups = value.split(|b| !b.is_ascii_alphanumeric()).filter(is_group);
    let separator = value.iter().find(|b| matches!(b, b'.' | b':' | b'-'));
    let (Some(first), Some(second), Some(&separator)) = (groups.next(), groups.next(), separator) else {
        return "***".into();
    };
    let is_hex = |group: &[u8]| group.len() <= 4 && group.iter().all(u8::is_ascii_hexdigit);
    if !is_hex(first) || !is_hex(second) {
        return "***".into();
    }
    let both = first.len() + second.len() <= 6;
    let mut shown = String::new();
    for group in [first, second].into_iter().take(1 + usize::from(both)) {
        shown.extend(group.iter().map(|b| char::from(*b)));
        shown.push(char::from(separator));
    }
    shown + "***"
}

/// A value of unknown notation: escapes of JSON and of forms are undone.
fn as_form(value: &[u8]) -> Value<'_> {
    Value {
        text: value,
        quoted: true,
        format: Format::Form,
    }
}

fn has_mask(value: &[u8]) -> bool {
    (0..value.len().min(mask::LONGEST)).any(|at| mask::run_at(value, at).is_some())
}

/// The digits of `value`, its letters too if `letters`; hidden characters as `*`; separators and
/// words left out. The last [`LONGEST`] of them.
fn marks(value: &[u8], letters: bool) -> Vec<char> {
    let value = &value[value.len().saturating_sub(mask::LONGEST)..];
    let mut marks = Vec::new();
    let mut at = 0;
    while at < value.len() {
        if let Some((length, count)) = mask::run_at(value, at) {
            marks.extend(std::iter::repeat_n('*', count.min(LONGEST)));
            at += length - 1;
        } else if value[at].is_ascii_digit() || letters && value[at].is_ascii_alphabetic() {
            marks.push(char::from(value[at]));
        }
        at += 1;
    }
    marks.split_off(marks.len().saturating_sub(LONGEST))
}

/// The first `head` and last `tail` marks that nothing hides, stars between.
fn keep(marks: &[char], head: usize, tail: usize) -> String {
    let clear = |mark: &&char| **mark != '*';
    let head = marks.iter().take(head).take_while(clear).count();
    let tail = marks.iter().rev().take(tail).take_while(clear).count();
    let hidden = marks.len() - tail;
    marks
        .iter()
        .enumerate()
        .map(|(n, mark)| if n < head || n >= hidden { *mark } else { '*' })
        .collect()
}

fn email(value: &[u8]) -> String {
    let at = value.iter().position(|b| *b == b'@').map(|at| (at, at + 1));
    let at = at.or_else(|| memchr::memmem::find(value, b"%40").map(|at| (at, at + 3)));
    let Some((at, behind)) = at else {
        return "***".into();
    };
    let first = value
        .first()
        .filter(|b| b.is_ascii_alphanumeric() && at > 0)
        .map(|b| char::from(*b));
    let host = String::from_utf8_lossy(&value[behind..]);
    let is_shown = |c: char| c.is_alphanumeric() || c.is_ascii_graphic();
    let host = host.chars().map(|c| if is_shown(c) { c } else { '*' });
    first.into_iter().chain("***@".chars()).chain(host).collect()
}

/// The bytes that stand for `value` in a fingerprint, so that all notations of a value have one:
/// the digits of numbers, letters and digits of identifiers in upper case, addresses and names in
/// lower case, days as ISO 8601 writes them. What is protected stays as it is.
pub(crate) fn normalise(row: &DetectorInfo, value: &[u8], state: State) -> Zeroizing<Vec<u8>> {
    let mut normal = Zeroizing::new(Vec::with_capacity(value.len() + 1));
    if !matches!(state, State::Clear | State::Test) {
        match row.convention {
            Convention::Email => normal.extend(value.iter().map(u8::to_ascii_lowercase)),
            _ => normal.extend_from_slice(value),
        }
        return normal;
    }
    let alphanumeric = || value.iter().filter(|b| b.is_ascii_alphanumeric());
    match row.convention {
        Convention::Card => normal.extend(value.iter().filter(|b| b.is_ascii_digit())),
        Convention::Phone => {
            let mut digits = Zeroizing::new(Vec::with_capacity(value.len()));
            digits.extend(value.iter().filter(|b| b.is_ascii_digit()));
            let (code, rest) = phone::normal(&digits, value.first() == Some(&b'+'));
            normal.extend_from_slice(code);
            normal.extend_from_slice(rest);
        }
        Convention::LastFour | Convention::Iban => normal.extend(alphanumeric().map(u8::to_ascii_uppercase)),
        Convention::Email => {
            let at = memchr::memmem::find(value, b"%40").filter(|_| !value.contains(&b'@'));
            let (local, rest) = value.split_at(at.unwrap_or(0));
            normal.extend(local.iter().map(u8::to_ascii_lowercase));
            let rest = if at.is_some() {
                normal.push(b'@');
                &rest[3..]
            } else {
                rest
            };
            normal.extend(rest.iter().map(u8::to_ascii_lowercase));
        }
        Convention::Network => {
            let address = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<IpAddr>().ok());
            match address.map(|address| address.to_canonical()) {
                Some(IpAddr::V4(address)) => normal.extend_from_slice(&address.octets()),
                Some(IpAddr::V6(address)) => normal.extend_from_slice(&address.octets()),
                None => normal.extend(alphanumeric().map(u8::to_ascii_lowercase)),
            }
        }
        Convention::Initials | Convention::Hidden => prose(value, &mut normal),
        Convention::Secret(_) => normal.extend_from_slice(value),
    }
    normal
}

/// Words in lower case with one space between them; a day as ISO 8601 writes it.
fn prose(value: &[u8], normal: &mut Vec<u8>) {
    let Some(plain) = Plain::of(&as_form(value)) else {
        normal.extend_from_slice(value);
        return;
    };
    if let Some(day) = birth::day(plain.text()) {
        normal.extend_from_slice(&day.iso());
        return;
    }
    for (place, word) in plain.text().split_whitespace().enumerate() {
        if place > 0 {
            normal.push(b' ');
        }
        for letter in word.chars().flat_map(char::to_lowercase) {
            normal.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::catalogue;

    #[test]
    fn a_sample_shows_what_its_convention_allows() {
        for (id, value, state, expected) in [
            (
                "payment_card",
                "5447911234560247",
                State::Clear,
                "544791******0247",
            ),
            (
                "payment_card",
                "5447-9112-3456-0247",
                State::Clear,
                "544791******0247",
            ),
            (
                "payment_card",
                "544791123456****",
                State::Clear,
                "544791**********",
            ),
            (
                "payment_card",
                "************0247",
                State::Masked,
                "************0247",
            ),
            ("payment_card", "Visa **** 0247", State::Masked, "****0247"),
            ("payment_card", "[REDACTED]", State::Masked, "[masked]"),
            ("payment_card", "tok_abcdef", State::Tokenised, "[tokenised]"),
            ("us_ssn", "536-22-1234", State::Clear, "***-**-1234"),
            ("us_ssn", "536221234", State::Clear, "***-**-1234"),
            ("phone_number", "+1 (415) 555-2671", State::Clear, "*******2671"),
            ("email_address", "jane.doe@corp.de", State::Clear, "j***@corp.de"),
            ("email_address", "***@corp.de", State::Masked, "***@corp.de"),
            (
                "iban",
                "DE89 3704 0044 0532 0130 00",
                State::Clear,
                "DE**************3000",
            ),
            (
                "aws_access_key_id",
                "AKIAQ3EGRIY7LZ4TMXQ2",
                State::Clear,
                "AKIA****",
            ),
            ("basic_auth", "c3ZjOlMzY3IzdA==", State::Clear, "****"),
            ("person_name", "Jane van D", State::Clear, "J*** v*** ***"),
            ("person_name", "Jane Dough", State::Clear, "J*** D***"),
            ("person_name", "Jane+D%C3%B6rr", State::Clear, "J*** D***"),
            ("person_name", "王伟", State::Clear, "***"),
            ("ip_address", "81.2.69.142", State::Clear, "81.2.***"),
            ("ip_address", "2a00:1450:4001::200e", State::Clear, "2a00:***"),
            ("ip_address", "for=81.2.69.142", State::Clear, "***"),
            ("mac_address", "3c:22:fb:4e:9a:01", State::Clear, "3c:22:***"),
            ("date_of_birth", "1980-03-12", State::Clear, "***"),
            ("card_cvv", "123", State::Clear, "***"),
            ("bank_account", "12345678", State::Clear, "******78"),
            ("bank_account", "12345", State::Clear, "*****"),
            ("bank_account", "123456789", State::Clear, "*****6789"),
            ("uk_sort_code", "12-34-56", State::Clear, "****56"),
            ("swift_bic", "DEUTDEFF500", State::Clear, "*******F500"),
            ("phone_number", "5552671", State::Clear, "*****71"),
            ("email_address", "j@müller.de", State::Clear, "j***@müller.de"),
        ] {
            let row = catalogue::find(id).unwrap();
            assert_eq!(of(row, value.as_bytes(), state), expected, "{value}");
        }
    }

    #[test]
    fn two_notations_of_a_value_have_one_normal_form() {
        for (id, one, other) in [
            ("payment_card", "5447911234560247", "5447 9112 3456 0247"),
            ("email_address", "Jane@Corp.de", "jane@corp.de"),
            ("iban", "de89370400440532013000", "DE89 3704 0044 0532 0130 00"),
            ("us_ssn", "536-22-1234", "536221234"),
            ("phone_number", "+1 (415) 555-2671", "415-555-2671"),
            ("phone_number", "+49 30 123456", "0049 30 123456"),
            ("date_of_birth", "12.03.1980", "1980-03-12"),
            ("date_of_birth", "1980-03-12T00:00:00Z", "1980-03-12"),
            ("person_name", "Jane Doe", "jane  doe"),
            ("person_name", "Jane+D%C3%B6e", r"Jane D\u00f6e"),
            ("ip_address", "2A00:1450:0:0::1", "2a00:1450::1"),
            ("mac_address", "3C-22-FB-4E-9A-01", "3c:22:fb:4e:9a:01"),
            ("email_address", "jane%40corp.de", "Jane@corp.de"),
            ("uk_sort_code", "12-34-56", "123456"),
        ] {
            let row = catalogue::find(id).unwrap();
            let normal = |value: &str| normalise(row, value.as_bytes(), State::Clear);
            assert_eq!(normal(one), normal(other), "{one}");
        }
    }

    /// What a sample leaves readable, as the rules for masked values count it.
    fn is_within(sample: &str, row: &DetectorInfo) -> bool {
        let plain: String = sample
            .chars()
            .map(|c| match c {
                '*' | '-' | ' ' => c,
                // Letters that might be taken for a mask are clear here.
                'x' | 'X' => 'a',
                c if c.is_ascii_alphanumeric() => c,
                c if c.is_alphabetic() => 'a',
                _ => '-',
            })
            .collect();
        match mask::Mask::read(plain.as_bytes()) {
            Some(mask) => mask.keeps(row.convention),
            None => !plain.contains(|c: char| c.is_ascii_alphanumeric()),
        }
    }

    proptest! {
        #[test]
        fn no_sample_of_a_clear_value_shows_more_than_its_mask_might(
            any in prop::collection::vec(any::<u8>(), 1..200),
            digits in "[0-9]{1,24}",
            grouped in "[0-9a-f]{1,5}([:. -][0-9a-f]{1,5}){0,7}",
            words in "\\PC{0,12}( [A-Za-z\u{e0}-\u{ff}]{1,9}){0,6}",
        ) {
            for row in catalogue::all() {
                for value in [any.as_slice(), digits.as_bytes(), grouped.as_bytes(), words.as_bytes()] {
                    let sample = of(row, value, State::Clear);
                    // The host of an address may stay.
                    let local = sample.split('@').next().unwrap_or_default();
                    let shown = if row.convention == Convention::Email { local } else { &sample };
                    prop_assert!(is_within(shown, row), "{} {sample} of {value:?}", row.id);
                    let _ = normalise(row, value, State::Clear);
                }
            }
        }
    }
}
