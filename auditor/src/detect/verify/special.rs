//! Special categories: what a value says of race, belief, health-like findings, pay and the like.
//!
//! Goes in: the whole value of a field that is named so. Comes out: more when a lexicon knows the
//! value, a little when it is words at all, nothing for codes, switches and messages.

mod lexicon;

use crate::content::Format;
use crate::detect::candidate::{Proof, Value};
use crate::detect::key::Name;
use crate::detect::verify::text::{Plain, is_constant, is_empty_word, is_letter};

/// Words of a value that are looked up one by one.
const MOST_WORDS: usize = 12;

/// Judges by the race lexicon.
pub(crate) fn race(value: &Value<'_>) -> Option<Proof> {
    words(value, lexicon::RACE)
}

/// Judges by the lexicon of beliefs.
pub(crate) fn religion(value: &Value<'_>) -> Option<Proof> {
    words(value, lexicon::RELIGION)
}

/// Judges by the lexicon of parties and camps.
pub(crate) fn politics(value: &Value<'_>) -> Option<Proof> {
    words(value, lexicon::POLITICS)
}

/// Judges by the lexicon of unions; yes and no say enough.
pub(crate) fn union(value: &Value<'_>) -> Option<Proof> {
    answer(value).or_else(|| words(value, lexicon::UNION))
}

/// Judges by the lexicon of orientations.
pub(crate) fn orientation(value: &Value<'_>) -> Option<Proof> {
    words(value, lexicon::ORIENTATION)
}

/// Judges by the lexicon of offences; yes and no say enough.
pub(crate) fn crime(value: &Value<'_>) -> Option<Proof> {
    answer(value).or_else(|| words(value, lexicon::CRIMINAL))
}

/// Judges by the lexicon of genders alone, and by the codes of ISO/IEC 5218.
pub(crate) fn gender(value: &Value<'_>) -> Option<Proof> {
    let plain = Plain::of(value)?;
    let text = plain.text().trim_end_matches('.');
    match text {
        "1" | "2" | "9" => return Some(Proof::new(0.5, "may be a code of ISO/IEC 5218")),
        _ if text.len() > 24 => return None,
        _ => {}
    }
    let known = is_known(text, lexicon::GENDER);
    known.then_some(match text.chars().count() {
        1 => Proof::new(1.0, "is a letter that forms use for a gender"),
        _ => Proof::new(4.0, "is a word of the lexicon"),
    })
}

/// Judges biometric templates and images: base 64, hexadecimal, a vector of numbers, or words of
/// the lexicon.
pub(crate) fn biometric(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let is_image = text.starts_with(b"data:image/") || text.starts_with(b"data:application/");
    // Fingerprint records begin so in base 64 (ISO/IEC 19794-2).
    if is_image || text.starts_with(b"Rk1S") {
        return Some(Proof::new(3.0, "is an image or a fingerprint record"));
    }
    let encoded = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    if text.len() >= 24 && text.iter().all(encoded) && text.iter().any(u8::is_ascii_digit) {
        return Some(Proof::new(2.0, "is encoded bytes, as templates are"));
    }
    let of_vector =
        |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-' | b' ' | b'[' | b']' | b'e');
    let commas = text.iter().filter(|b| **b == b',').count();
    if commas >= 7 && text.iter().all(of_vector) {
        return Some(Proof::new(2.0, "is a vector of numbers, as embeddings are"));
    }
    words(value, lexicon::BIOMETRIC).filter(|proof| proof.bits > 1.0)
}

/// Judges genetic findings: sequences, variants (dbSNP, HGVS), genotypes, words of the lexicon.
pub(crate) fn genetic(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let is_base = |b: &u8| matches!(b.to_ascii_uppercase(), b'A' | b'C' | b'G' | b'T' | b'U' | b'N');
    if text.len() >= 12 && text.iter().all(is_base) {
        return Some(Proof::new(6.0, "is a sequence of bases"));
    }
    let digits = |text: &[u8]| (3..=12).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    // `rs429358`, `rs429358 CT`, `rs429358(C;T)`.
    let first = text
        .split(|b| !b.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    if text.len() <= 40 && first.strip_prefix(b"rs").is_some_and(digits) {
        return Some(Proof::new(4.0, "is the id of a variant in dbSNP"));
    }
    if text.len() <= 40 && text.starts_with(b"HLA-") && text.get(4).is_some_and(u8::is_ascii_uppercase) {
        return Some(Proof::new(4.0, "is an allele or antigen of the HLA system"));
    }
    let hgvs = |mark: &[u8]| {
        memchr::memmem::find(text, mark)
            .is_some_and(|at| at < 24 && text.get(at + 2).is_some_and(u8::is_ascii_alphanumeric))
    };
    if text.len() <= 80
        && [b"c.".as_slice(), b"p.", b"g.", b"m."].into_iter().any(hgvs)
        && !text.contains(&b'@')
    {
        return Some(Proof::new(3.0, "is written like a variant (HGVS)"));
    }
    let genotype = |text: &[u8]| match *text {
        [a, b] => is_base(&a) && is_base(&b),
        [a, b'/' | b'|' | b';' | b':', b] => is_base(&a) && is_base(&b),
        _ => false,
    };
    if genotype(text) {
        return Some(Proof::new(2.0, "is written like a genotype"));
    }
    words(value, lexicon::GENETIC)
}

/// Judges pay: an amount of three to nine digits, with or without a currency and a period.
pub(crate) fn salary(value: &Value<'_>) -> Option<Proof> {
    let plain = Plain::of(value)?;
    let text = plain.text();
    if text.len() > 40 {
        return None;
    }
    let (mut digits, mut leading, mut money, mut letters) = (0, 0, false, 0);
    for character in text.chars() {
        match character {
            '0'..='9' => {
                digits += 1;
                leading += usize::from(leading > 0 || character != '0');
            }
            '.' | ',' | ' ' | '\'' | '\u{a0}' | '\u{202f}' | '/' | '-' => {}
            '$' | '€' | '£' | '¥' | '₺' | '₹' | '₽' | '₩' | 'R' => money = true,
            c if c.is_alphabetic() => letters += 1,
            _ => return None,
        }
    }
    let cents = text
        .rsplit(['.', ','])
        .next()
        .is_some_and(|cents| cents.len() == 2 && cents.len() < digits);
    let whole = if cents { leading.saturating_sub(2) } else { leading };
    // `120k`, `45000 EUR`, `3.200 € brutto/Monat`; a date or an id has more or fewer digits.
    let thousands = text.ends_with(['k', 'K']) && (2..=3).contains(&whole) && letters == 1;
    let fits = (3..=9).contains(&whole) && letters <= 16 || thousands;
    let is_dated = text.bytes().filter(|b| matches!(b, b'-' | b'/')).count() > 1;
    (fits && digits > 0 && !is_dated).then_some(if money || (1..=16).contains(&letters) {
        Proof::new(2.5, "is an amount of money")
    } else {
        Proof::new(1.0, "is a number as large as pay is")
    })
}

/// Judges credit scores: 300 to 850 (FICO, VantageScore), 0 to 999 (Experian UK), 0 to 710, a
/// percentage with decimals (SCHUFA).
pub(crate) fn credit_score(value: &Value<'_>) -> Option<Proof> {
    let text = std::str::from_utf8(value.text).ok()?;
    let text = text.trim_end_matches([' ', '%']);
    let number = || {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())?
    };
    match (text.len(), text.split_once(['.', ','])) {
        (3, None) => match number()? {
            300..=850 => Some(Proof::new(1.5, "is a number between 300 and 850")),
            100..=999 => Some(Proof::new(0.5, "is a number of three digits")),
            _ => None,
        },
        (4..=6, Some((whole, decimals))) => {
            let digits =
                |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let percent = whole.len() <= 2 && digits(whole) && digits(decimals);
            percent.then_some(Proof::new(0.5, "is a percentage"))
        }
        _ => None,
    }
}

/// Yes or no.
fn answer(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let yes: [&[u8]; 10] = [
        b"true",
        b"yes",
        b"y",
        b"ja",
        b"oui",
        b"si",
        b"sim",
        b"tak",
        b"evet",
        b"s\xc3\xad",
    ];
    let no: [&[u8]; 8] = [b"false", b"no", b"n", b"nein", b"non", b"nee", b"nej", b"nie"];
    if yes.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(Proof::new(1.0, "says yes"));
    }
    no.iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        .then_some(Proof::new(0.3, "says no"))
}

/// Judges words: by the lexicon as a whole, word by word, or only that they are words.
fn words(value: &Value<'_>, lexicon: &str) -> Option<Proof> {
    if value.format == Format::Json && !value.quoted {
        return None;
    }
    let plain = Plain::of(value)?;
    let text = plain.text();
    if is_known(text, lexicon) {
        return Some(Proof::new(4.0, "is a word of the lexicon"));
    }
    let parts = || {
        text.split(|c: char| !is_letter(c))
            .filter(|part| !part.is_empty())
            .take(MOST_WORDS)
    };
    // `DUI 2019`.
    if text.len() <= 40 && parts().next().is_some() && parts().all(|part| is_known(part, lexicon)) {
        return Some(Proof::new(3.0, "holds nothing but words of the lexicon"));
    }
    // Short words mean too many things inside of others.
    if text.len() <= 120 && parts().any(|part| part.len() > 3 && is_known(part, lexicon)) {
        return Some(Proof::new(3.0, "holds a word of the lexicon"));
    }
    let letters = text.chars().filter(|c| is_letter(*c)).count();
    let joins = |c: char| matches!(c, ' ' | '-' | '\'' | '’' | ',' | '/' | '(' | ')' | '&');
    let is_prose = (3..=60).contains(&letters)
        && text.chars().all(|c| is_letter(c) || joins(c))
        && parts().count() <= 6
        && !parts().any(|part| is_empty_word(part) || is_constant(part));
    is_prose.then_some(Proof::new(1.0, "is a few words"))
}

/// Whether the whole of `text` is in the lexicon.
fn is_known(text: &str, lexicon: &str) -> bool {
    let name = Name::of(text.as_bytes());
    let name = name.joined();
    let mut wanted = [b' '; 66];
    let Some(room) = wanted.get_mut(1..=name.len()) else {
        return false;
    };
    room.copy_from_slice(name);
    !name.is_empty() && memchr::memmem::find(lexicon.as_bytes(), &wanted[..name.len() + 2]).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    type Check = fn(&Value<'_>) -> Option<Proof>;

    #[test]
    fn lexicons_are_in_normal_form() {
        for lexicon in [
            lexicon::RACE,
            lexicon::RELIGION,
            lexicon::POLITICS,
            lexicon::UNION,
            lexicon::ORIENTATION,
            lexicon::GENDER,
            lexicon::CRIMINAL,
            lexicon::BIOMETRIC,
            lexicon::GENETIC,
        ] {
            assert!(lexicon.starts_with(' ') && lexicon.ends_with(' ') && !lexicon.contains("  "));
            for word in lexicon.split_whitespace() {
                assert_eq!(Name::of(word.as_bytes()).joined(), word.as_bytes());
            }
        }
    }

    #[test]
    fn a_lexicon_makes_sure_and_words_are_a_hint() {
        for (check, text, bits) in [
            (race as Check, "African American", Some(4.0)),
            (race, "HISPANIC_OR_LATINO", Some(4.0)),
            (race, "Black / Caribbean", Some(4.0)),
            (race, "Black and proud", Some(3.0)),
            (race, "Martian", Some(1.0)),
            (race, "unknown", None),
            (race, "42", None),
            (race, "***", None),
            (religion, "römisch-katholisch", Some(4.0)),
            (religion, "Chrétienne", Some(4.0)),
            (religion, "Müslüman", Some(4.0)),
            (religion, "prefer_not", None),
            (politics, "Die Grünen", Some(4.0)),
            (politics, "Labour Party", Some(4.0)),
            (politics, "[REDACTED]", None),
            (union, "ver.di", Some(4.0)),
            (union, "IG Metall", Some(4.0)),
            (union, "true", Some(1.0)),
            (union, "false", Some(0.3)),
            (orientation, "Bisexual", Some(4.0)),
            (orientation, "gay", Some(4.0)),
            (orientation, "landscape_mode", None),
            (orientation, "90", None),
            (gender, "F", Some(1.0)),
            (gender, "female", Some(4.0)),
            (gender, "divers", Some(4.0)),
            (gender, "Non-Binary", Some(4.0)),
            (gender, "kadın", Some(4.0)),
            (gender, "1", Some(0.5)),
            (gender, "3", None),
            (gender, "neuter noun", None),
            (crime, "felony conviction", Some(3.0)),
            (crime, "vorbestraft", Some(4.0)),
            (crime, "yes", Some(1.0)),
            (crime, "DUI 2019", Some(3.0)),
            (crime, "2019", None),
            (crime, "17", None),
            (
                biometric,
                "Rk1SACAyMAAAAADkAAgAyQFnAMUAxQEAAAARIQBqAGsgPgCIAG0fRwC2AG2dSQBVAIUjPABuALShMgCxAL0jMAByAM6lPgCmAN2kQQBwAN8qNAB1AN8mPADJAOcgOQA8AOorNABoAOomOQC+AO2fMQDFAPqlSgCvAP8lRQB8AQuhPABwAQ4fMgB7ASqcRADAAS4iNwCkATMeMwCFATYeNwBLATYwMQBWATcoMQCkATecMQBEATwyMgBJAUciQQCkAU8cNQB9AVQWNgCEAVUVRACoAVgYOgBBAVkqQwCtAVkfNg==",
                Some(3.0),
            ),
            (biometric, "0.12,0.5,-0.3,0.9,1.2,0.01,-0.7,0.33", Some(2.0)),
            (biometric, "fingerprint", Some(4.0)),
            (biometric, "enabled", None),
            (genetic, "ACGTACGTTAGC", Some(6.0)),
            (genetic, "rs429358", Some(4.0)),
            (genetic, "rs429358 CT", Some(4.0)),
            (genetic, "HLA-B27 positive", Some(4.0)),
            (genetic, "rs42935x CT", None),
            (genetic, "BRCA1 c.68_69delAG", Some(3.0)),
            (genetic, "A/G", Some(2.0)),
            (genetic, "Pathogenic", Some(4.0)),
            (genetic, "7", None),
            (salary, "85000", Some(1.0)),
            (salary, "$85,000.00", Some(2.5)),
            (salary, "3.200 € brutto", Some(2.5)),
            (salary, "120k", Some(2.5)),
            (salary, "45000 EUR", Some(2.5)),
            (salary, "0", None),
            (salary, "competitive", None),
            (salary, "2024-01-01", None),
            (salary, "12", None),
            (credit_score, "720", Some(1.5)),
            (credit_score, "97,5 %", Some(0.5)),
            (credit_score, "920", Some(0.5)),
            (credit_score, "12", None),
            (credit_score, "good", None),
        ] {
            let found = check(&quoted(text)).map(|proof| proof.bits);
            assert_eq!(found, bits, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in prop::collection::vec(any::<u8>(), 1..600), close in "\\PC{1,60}", amount in "[0-9.,kK€/-]{1,20}") {
            let checks: [Check; 11] =
                [race, religion, politics, union, orientation, crime, gender, biometric, genetic, salary, credit_score];
            for text in [text.as_slice(), close.as_bytes(), amount.as_bytes()] {
                for check in checks {
                    let _ = check(&Value { text, ..quoted("") });
                }
            }
        }
    }
}
