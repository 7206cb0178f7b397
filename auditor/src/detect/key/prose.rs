//! Words of running text that speak of values, as names of fields do elsewhere.
//!
//! Goes in: text beside a value. Comes out: the detectors it speaks of. Never allocates.

use super::Name;
use crate::detect::rows::RowSet;
use crate::detect::vocabulary::{Hash, LONGEST, Named, Vocabulary};

/// Words before a value that may be its name together.
const MOST_WORDS: usize = 4;

/// Rows that words in `text` hint at, each word alone and joined with the one before it. Words are
/// letters; a plural s does not count.
pub(crate) fn hints(vocabulary: &Vocabulary, text: &[u8]) -> RowSet {
    let mut rows = RowSet::EMPTY;
    let mut before = Word::default();
    for word in text.split(|b| !is_letter(b)).filter(|word| word.len() > 1) {
        let word = Word::of(word);
        for named in [word.find(vocabulary), word.singular().find(vocabulary)] {
            rows = named.map_or(rows, |named| rows.or(&named.hints));
        }
        if let Some(named) = before.joined(&word).find(vocabulary) {
            rows = rows.or(&named.hints).or(&named.keys);
        }
        before = word;
    }
    rows
}

/// Rows that have the last words of `text` for a name of their values: `my passport number is `.
/// Between them and the end stand only marks that introduce a value, and a word such as `is`.
pub(crate) fn names_before(vocabulary: &Vocabulary, text: &[u8]) -> RowSet {
    let is_mark = |b: &u8| matches!(b, b' ' | b':' | b'=' | b'#' | b'\'' | b'(' | b'+');
    let mut words = [Word::default(); MOST_WORDS];
    let (mut count, mut rest) = (0, without_last(text, is_mark));
    while count < MOST_WORDS {
        let letters = rest.iter().rev().take_while(|b| is_letter(b)).count();
        if letters == 0 {
            break;
        }
        let word = &rest[rest.len() - letters..];
        rest = &rest[..rest.len() - letters];
        if count > 0 || !is_verb(word) {
            words[count] = Word::of(word);
            count += 1;
        }
        rest = without_last(rest, |b| matches!(b, b' ' | b'-' | b'_'));
    }
    // The words come last first; a longer name says more than its end does.
    for first in (0..count).rev() {
        let mut name = Word::default();
        for word in words[..=first].iter().rev() {
            name.push(word.text());
        }
        if let Some(named) = name.find(vocabulary).filter(|named| !named.keys.is_empty()) {
            return named.keys;
        }
    }
    RowSet::EMPTY
}

/// Words between a name and its value, in ten languages.
fn is_verb(word: &[u8]) -> bool {
    const VERBS: [&[u8]; 16] = [
        b"is",
        b"was",
        b"are",
        b"ist",
        b"war",
        b"lautet",
        b"est",
        b"es",
        b"era",
        "è".as_bytes(),
        "é".as_bytes(),
        b"luidt",
        b"to",
        b"jest",
        "är".as_bytes(),
        b"var",
    ];
    VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb))
}

/// `text` without what is at its end and `drop`s.
fn without_last(text: &[u8], drop: impl Fn(&u8) -> bool) -> &[u8] {
    let dropped = text.iter().rev().take_while(|b| drop(b)).count();
    &text[..text.len() - dropped]
}

fn is_letter(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || *byte >= 0x80
}

/// A word in normal form.
#[derive(Clone, Copy)]
struct Word {
    text: [u8; LONGEST],
    length: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            text: [0; LONGEST],
            length: 0,
        }
    }
}

impl Word {
    fn of(raw: &[u8]) -> Self {
        let mut word = Self::default();
        if raw.is_ascii() {
            word.push(raw);
            word.text.make_ascii_lowercase();
        } else {
            word.push(Name::of(raw).joined());
        }
        word
    }

    fn push(&mut self, text: &[u8]) {
        let room = LONGEST - self.length;
        let text = &text[..text.len().min(room)];
        self.text[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// Without the s of a plural.
    fn singular(mut self) -> Self {
        self.length -= usize::from(self.text().ends_with(b"s"));
        self
    }

    /// This word and the next as one.
    fn joined(mut self, next: &Self) -> Self {
        if self.length > 0 {
            self.push(next.text());
        }
        self
    }

    fn find<'v>(&self, vocabulary: &'v Vocabulary) -> Option<&'v Named> {
        vocabulary.find(self.text(), Hash::of(self.text()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::catalogue;
    use crate::detect::rows::numbered;

    #[test]
    fn the_words_right_before_a_value_are_its_name() {
        let vocabulary = Vocabulary::new(catalogue::all());
        let names = |text: &str, id: &str| {
            let rows = names_before(&vocabulary, text.as_bytes());
            numbered(catalogue::all()).any(|(row, info)| info.id == id && rows.contains(row))
        };
        for (text, id, expected) in [
            ("My IMSI: ", "imsi", true),
            ("the passport number is ", "passport_number", true),
            ("Passport-Number #", "passport_number", true),
            ("Ihre Steuer-ID lautet ", "de_steuer_id", true),
            ("numéro de carte : ", "payment_card", true),
            ("carte n\u{b0} ", "payment_card", false),
            ("card, then ", "payment_card", false),
            ("discard ", "payment_card", false),
            ("the IMSI of 3 ", "imsi", false),
            ("is ", "imsi", false),
            ("", "imsi", false),
        ] {
            assert_eq!(names(text, id), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_speaks_of_some_rows(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let vocabulary = Vocabulary::new(catalogue::all());
            let _ = (names_before(&vocabulary, &text), hints(&vocabulary, &text));
        }
    }
}
