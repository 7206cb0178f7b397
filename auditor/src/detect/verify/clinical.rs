//! Fields of a patient's record: record numbers, diagnoses, medicines, conditions.
//!
//! Goes in: the whole value of a field whose name says what it holds. Comes out: a [`Proof`], or
//! nothing when the value can not be that. The name carries the weight; these keep nonsense out.

use crate::content::Format;
use crate::detect::candidate::{Proof, Value};

/// Letters, digits and joints of a number that a hospital or an insurer chose: 5 to 20 characters,
/// three digits or more.
pub(crate) fn record_number(value: &Value<'_>) -> Option<Proof> {
    let mut characters = 0;
    let mut digits = 0;
    let mut varied = false;
    let first = *value.text.first()?;
    for &byte in value.text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' | b'a'..=b'z' => {}
            b'-' | b'/' | b'.' | b' ' => continue,
            _ => return None,
        }
        characters += 1;
        varied |= byte != first;
    }
    let fits = (5..=20).contains(&characters) && digits >= 3 && varied;
    fits.then_some(Proof::new(1.0, "has the length and characters of such a number"))
}

/// One or more ICD-10 codes, parted by comma, semicolon or space.
pub(crate) fn diagnosis_code(value: &Value<'_>) -> Option<Proof> {
    let mut codes = 0u32;
    for code in value.text.split(|byte| matches!(byte, b',' | b';' | b' ' | b'|')) {
        match code {
            b"" => {}
            code if is_icd10(code) => codes += 1,
            _ => return None,
        }
    }
    (codes > 0).then_some(Proof::new(2.0, "has the form of ICD-10 codes"))
}

/// A chapter's letter, a digit, a digit or letter, and up to four more behind an optional dot
/// (ICD-10-CM has the longest form).
fn is_icd10(code: &[u8]) -> bool {
    let [chapter, first, second, rest @ ..] = code else {
        return false;
    };
    let detail = rest.strip_prefix(b".");
    let ends_well = detail.is_none_or(|detail| !detail.is_empty());
    let detail = detail.unwrap_or(rest);
    let all = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_alphanumeric);
    let category = first.is_ascii_digit() && (second.is_ascii_digit() || matches!(second, b'A' | b'B'));
    chapter.is_ascii_uppercase() && category && ends_well && detail.len() <= 4 && all(detail)
}

/// A national drug code, an RxNorm concept, or the name of a medicine.
pub(crate) fn medication(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    if is_ndc(text) {
        return Some(Proof::new(2.0, "has the form of a national drug code"));
    }
    if text.iter().all(u8::is_ascii_digit) {
        return (4..=7)
            .contains(&text.len())
            .then_some(Proof::new(1.0, "has as many digits as an RxNorm concept"));
    }
    (may_be_text(value) && is_description(text))
        .then_some(Proof::new(1.0, "is text that can name a medicine"))
}

/// FDA: labeler, product, package as 4-4-2, 5-3-2, 5-4-1 or, in billing, 5-4-2; or those digits.
fn is_ndc(text: &[u8]) -> bool {
    if matches!(text.len(), 10 | 11) && text.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let mut groups = [0usize; 3];
    for (at, group) in text.split(|byte| *byte == b'-').enumerate() {
        if at == groups.len() || !group.iter().all(u8::is_ascii_digit) {
            return false;
        }
        groups[at] = group.len();
    }
    matches!(groups, [4, 4, 2] | [5, 3, 2] | [5, 4, 1] | [5, 4, 2])
}

/// What is wrong with somebody, in words. Codes are [`diagnosis_code`]'s.
pub(crate) fn condition(value: &Value<'_>) -> Option<Proof> {
    (may_be_text(value) && is_description(value.text) && diagnosis_code(value).is_none())
        .then_some(Proof::new(1.0, "is text that can describe a condition"))
}

/// Whether the format can hold text here: in JSON what has no quotes is a number or a word of JSON.
fn may_be_text(value: &Value<'_>) -> bool {
    value.quoted || value.format != Format::Json
}

/// Words: three letters or more in a row, more letters than other signs, none of the words that say
/// that there is nothing, and no markup or link.
fn is_description(text: &[u8]) -> bool {
    const NOTHING: [&str; 20] = [
        "true",
        "false",
        "null",
        "none",
        "nil",
        "nan",
        "yes",
        "no",
        "unknown",
        "undefined",
        "other",
        "n/a",
        "na",
        "tbd",
        "test",
        "string",
        "pending",
        "active",
        "inactive",
        "default",
    ];
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    if NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word)) || text.contains("://") {
        return false;
    }
    let (mut letters, mut others, mut run, mut longest) = (0, 0, 0, 0);
    for letter in text.chars() {
        if letter.is_alphabetic() {
            letters += 1;
            run += 1;
            longest = run.max(longest);
            continue;
        }
        run = 0;
        if matches!(letter, '{' | '}' | '<' | '>' | '=' | '$' | '_' | '\\') {
            return false;
        }
        others += usize::from(!letter.is_whitespace());
    }
    // Scripts that write a word in two signs have no shorter nonsense.
    let shortest = if text.is_ascii() { 3 } else { 2 };
    longest >= shortest && letters > others
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Format;

    fn value(text: &str) -> Value<'_> {
        Value {
            text: text.as_bytes(),
            quoted: true,
            format: Format::Json,
        }
    }

    #[test]
    fn only_what_can_be_such_a_value_passes() {
        type Check = fn(&Value<'_>) -> Option<Proof>;
        for (check, text, expected) in [
            (record_number as Check, "MRN-0012345", true),
            (record_number, "12345678", true),
            (record_number, "00000000", false),
            (record_number, "none", false),
            (record_number, "2026-01-01T00:00:00Z", false),
            (diagnosis_code, "E11.9", true),
            (diagnosis_code, "I10", true),
            (diagnosis_code, "C7A.090", true),
            (diagnosis_code, "S72.001A", true),
            (diagnosis_code, "E11.9, I10; J45.909", true),
            (diagnosis_code, "E11.", false),
            (diagnosis_code, "200", false),
            (diagnosis_code, "ERR", false),
            (diagnosis_code, " , ", false),
            (diagnosis_code, "E112345678", false),
            (medication, "0002-7597-01", true),
            (medication, "50242-040-62", true),
            (medication, "00002759701", true),
            (medication, "860975", true),
            (medication, "Metformin 500 mg", true),
            (medication, "12", false),
            (medication, "true", false),
            (medication, "1-2-3", false),
            (condition, "Type 2 diabetes mellitus", true),
            (condition, "Asthma", true),
            (condition, "糖尿病", true),
            (condition, "E11.9", false),
            (condition, "none", false),
            (condition, "N/A", false),
            (condition, "x > 3", false),
            (condition, "https://example.org/asthma", false),
            (condition, "12", false),
        ] {
            assert_eq!(check(&value(text)).is_some(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let value = Value { text: &text, quoted: true, format: Format::Text };
            record_number(&value);
            diagnosis_code(&value);
            medication(&value);
            condition(&value);
        }
    }
}
