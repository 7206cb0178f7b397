//! Names of fields: their normal form, and what they say about the value.
//!
//! Goes in: a key as sent (camelCase, snake_case, kebab-case, dotted, accented, any script). Comes
//! out: which detectors it names and how exactly, whether it promises a masked value, and whether
//! it speaks of an id or a time instead. Never allocates.

mod prose;
mod words;

pub(crate) use prose::{hints, names_before};
pub(crate) use words::is_generic;
use words::{AGAINST, HOW, WHOSE, promise_of, without_accent};

use super::rows::{RowId, RowSet};
use super::vocabulary::{Hash, LONGEST, Named, Vocabulary};

/// Words of a name that are looked at.
const MOST_WORDS: usize = 12;

/// A name in normal form: lower case, without separators or accents, its words remembered.
pub(crate) struct Name {
    text: [u8; LONGEST],
    /// End of each word in `text`.
    ends: [u8; MOST_WORDS],
    /// Hash of the text up to the end of each word.
    hashes: [Hash; MOST_WORDS],
    hash: Hash,
    words: usize,
}

impl Name {
    /// Normalises `raw`, which is read as UTF-8; other bytes separate words.
    pub(crate) fn of(raw: &[u8]) -> Self {
        let mut name = Self {
            text: [0; LONGEST],
            ends: [0; MOST_WORDS],
            hashes: [Hash::default(); MOST_WORDS],
            hash: Hash::default(),
            words: 0,
        };
        name.push(raw);
        name
    }

    /// Appends the words of `raw`.
    fn push(&mut self, raw: &[u8]) {
        let raw = &raw[..raw.len().min(4 * LONGEST)];
        if raw.is_ascii() {
            self.push_ascii(raw);
            return;
        }
        let mut at = self.joined().len();
        let mut before = Kind::Break;
        for chunk in raw.utf8_chunks() {
            let mut rest = chunk.valid().chars().peekable();
            while let Some(letter) = rest.next() {
                let kind = Kind::of(letter);
                let next_is_lower = rest.peek().is_some_and(|next| next.is_lowercase());
                if kind == Kind::Break || before.breaks_to(kind, next_is_lower) {
                    self.close(at);
                }
                before = kind;
                if kind == Kind::Break {
                    continue;
                }
                for lower in letter.to_lowercase() {
                    let mut bytes = [0; 4];
                    let plain = without_accent(lower);
                    let piece = plain.unwrap_or_else(|| lower.encode_utf8(&mut bytes));
                    // A decomposed accent leaves its letter as it is.
                    if ('\u{300}'..='\u{36f}').contains(&lower) || at + piece.len() > LONGEST {
                        continue;
                    }
                    self.text[at..at + piece.len()].copy_from_slice(piece.as_bytes());
                    at += piece.len();
                    self.hash = piece.bytes().fold(self.hash, Hash::push);
                }
            }
            if !chunk.invalid().is_empty() {
                self.close(at);
                before = Kind::Break;
            }
        }
        self.close(at);
    }

    /// The same for the names that nearly all are.
    fn push_ascii(&mut self, raw: &[u8]) {
        let mut at = self.joined().len();
        let mut before = Kind::Break;
        for (n, letter) in raw.iter().enumerate() {
            let kind = Kind::of_ascii(*letter);
            let next_is_lower = raw.get(n + 1).is_some_and(u8::is_ascii_lowercase);
            if kind == Kind::Break || before.breaks_to(kind, next_is_lower) {
                self.close(at);
            }
            before = kind;
            if kind != Kind::Break && at < LONGEST {
                let lower = letter.to_ascii_lowercase();
                self.text[at] = lower;
                at += 1;
                self.hash = self.hash.push(lower);
            }
        }
        self.close(at);
    }

    fn close(&mut self, at: usize) {
        let begun = self.joined().len();
        if at > begun {
            if self.words < MOST_WORDS {
                self.words += 1;
            }
            self.ends[self.words - 1] = at as u8;
            self.hashes[self.words - 1] = self.hash;
        }
    }

    /// All words without separators.
    pub(crate) fn joined(&self) -> &[u8] {
        self.span(0, self.words)
    }

    /// Words `from..to` without separators.
    fn span(&self, from: usize, to: usize) -> &[u8] {
        let start = from.checked_sub(1).map_or(0, |n| usize::from(self.ends[n]));
        let end = to.checked_sub(1).map_or(0, |n| usize::from(self.ends[n]));
        &self.text[start.min(end)..end]
    }

    /// The rows whose name words `from..to` are.
    fn find<'v>(&self, vocabulary: &'v Vocabulary, from: usize, to: usize) -> Option<&'v Named> {
        let text = self.span(from, to);
        let before = from.checked_sub(1).map_or(Hash::default(), |n| self.hashes[n]);
        let all = to.checked_sub(1).map_or(Hash::default(), |n| self.hashes[n]);
        let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return vocabulary.find(text, all.behind(before, text.len()));
        }
        // `phone2` is `phone`; `cvv2` and `address1` are names of their own.
        let whole = vocabulary.find(text, all.behind(before, text.len()));
        let trimmed = &text[..text.len() - digits];
        whole.or_else(|| vocabulary.find(trimmed, Hash::of(trimmed)))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Upper,
    Lower,
    Digit,
    Break,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            c if c.is_uppercase() => Self::Upper,
            c if c.is_numeric() => Self::Digit,
            c if c.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&c) => Self::Lower,
            _ => Self::Break,
        }
    }

    fn of_ascii(letter: u8) -> Self {
        match letter {
            b'A'..=b'Z' => Self::Upper,
            b'a'..=b'z' => Self::Lower,
            b'0'..=b'9' => Self::Digit,
            _ => Self::Break,
        }
    }

    /// `cardNumber`, `PANNumber`, `phone2`: a new word begins at the second kind.
    fn breaks_to(self, next: Self, followed_by_lower: bool) -> bool {
        match (self, next) {
            (Self::Lower | Self::Digit, Self::Upper) => true,
            (Self::Upper, Self::Upper) => followed_by_lower,
            _ => false,
        }
    }
}

/// How well a name fits a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// Part of the name is a name or hint of the detector: 4 bits.
    Partial,
    /// The name is one that the values of several countries share: 6 bits.
    Family,
    /// The name, without whose it is and which one, is one of the detector's: 8 bits.
    Exact,
}

/// What a name promises about its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Masked,
    LastFour,
    Hashed,
    Tokenised,
    Encrypted,
}

/// All that a name says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Meaning {
    exact: RowSet,
    family: RowSet,
    partial: RowSet,
    pub(crate) promise: Option<Promise>,
    /// The word that makes it the name of an id, a time, an amount.
    pub(crate) against: Option<&'static str>,
}

impl Meaning {
    /// What `key` says; `parent` is the name of the object around it, or empty.
    pub(crate) fn of(vocabulary: &Vocabulary, key: &[u8], parent: &[u8]) -> Self {
        let own = Name::of(key);
        let mut meaning = Self::of_name(vocabulary, &own);
        if parent.is_empty() || !meaning.exact.is_empty() {
            return meaning;
        }
        let mut both = Name::of(parent);
        // `cards[1].number` speaks of one card.
        both.push(key);
        let wider = Self::of_name(vocabulary, &both);
        if is_generic(own.joined()) {
            meaning.exact = wider.exact;
            meaning.family = meaning.family.or(&wider.family);
            meaning.partial = meaning.partial.or(&wider.partial);
        } else {
            // A name in the parent only is a hint.
            meaning.partial = meaning.partial.or(&wider.named());
        }
        meaning.promise = meaning.promise.or(wider.promise);
        if !meaning.exact.is_empty() {
            meaning.against = None;
        }
        meaning
    }

    /// Detectors the name speaks of.
    pub(crate) fn named(&self) -> RowSet {
        self.exact.or(&self.family).or(&self.partial)
    }

    /// Whether it is the very name of some detector's values.
    pub(crate) fn is_exact(&self) -> bool {
        !self.exact.is_empty()
    }

    /// Whether it is a name of its own of one of these rows.
    pub(crate) fn is_of_one(&self, rows: &RowSet) -> bool {
        !self.exact.and(rows).is_empty()
    }

    /// How well the name fits this detector.
    pub(crate) fn strength(&self, row: RowId) -> Option<Strength> {
        [
            (&self.exact, Strength::Exact),
            (&self.family, Strength::Family),
            (&self.partial, Strength::Partial),
        ]
        .into_iter()
        .find_map(|(rows, strength)| rows.contains(row).then_some(strength))
    }

    fn of_name(vocabulary: &Vocabulary, name: &Name) -> Self {
        let mut meaning = Self::default();
        let (mut from, mut to) = (0, name.words);
        while to > from + 1 {
            let last = name.span(to - 1, to);
            let pair = name.span(to.saturating_sub(2), to);
            let promise = promise_of(last)
                .map(|p| (p, 1))
                .or(promise_of(pair).map(|p| (p, 2)));
            if let Some((promise, words)) = promise.filter(|(_, words)| to > from + words) {
                meaning.promise = Some(promise);
                to -= words;
            } else if last.iter().all(u8::is_ascii_digit) || HOW.contains(&last) {
                to -= 1;
            } else {
                break;
            }
        }
        if let Some(promise) = promise_of(name.span(0, 1)).filter(|_| to > 1) {
            meaning.promise = Some(promise);
            from = 1;
        }
        let first = from;
        while from + 1 < to && WHOSE.contains(&name.span(from, from + 1)) {
            from += 1;
        }
        let mut hints = RowSet::EMPTY;
        // `X-New-Relic-Key`, `X-Customer-Name`: a word that may be left out need not be.
        let spans = (first..=from).map(|start| (start, to));
        for named in [(0, name.words), (0, to)]
            .into_iter()
            .chain(spans)
            .filter_map(|(from, to)| name.find(vocabulary, from, to))
        {
            meaning.exact = meaning.exact.or(&named.keys);
            meaning.family = meaning.family.or(&named.families);
            // `member_id` as a whole, though `member` says whose the id is.
            hints = hints.or(&named.hints);
        }
        if meaning.exact.is_empty() {
            meaning.partial = partial(vocabulary, name, from, to).or(&hints);
        }
        meaning.against = (from..to)
            .find_map(|n| {
                AGAINST
                    .iter()
                    .copied()
                    .find(|word| word.as_bytes() == name.span(n, n + 1))
            })
            .filter(|_| meaning.exact.is_empty() && meaning.family.is_empty());
        meaning
    }
}

/// Rows that part of a name speaks of.
fn partial(vocabulary: &Vocabulary, name: &Name, from: usize, to: usize) -> RowSet {
    let mut rows = RowSet::EMPTY;
    for start in from..to {
        for end in start + 1..=to {
            if let Some(named) = name.find(vocabulary, start, end) {
                rows = rows.or(&named.keys).or(&named.families).or(&named.hints);
            }
        }
    }
    // `customercardnumber` has no seams; the end of it may still be a name.
    let whole = name.span(from, to);
    if to - from == 1 && whole.len() > 8 {
        let all = Hash::of(whole);
        let mut before = Hash::default();
        for start in 1..whole.len().saturating_sub(5) {
            before = before.push(whole[start - 1]);
            let rest = &whole[start..];
            if let Some(named) = vocabulary.find(rest, all.behind(before, rest.len())) {
                rows = rows.or(&named.keys);
            }
        }
    }
    rows
}

/// What the whole of a name is in the vocabulary for.
pub(crate) fn named<'v>(vocabulary: &'v Vocabulary, name: &[u8]) -> Option<&'v Named> {
    let name = Name::of(name);
    vocabulary.find(name.joined(), name.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::catalogue;

    fn meaning(key: &str) -> Meaning {
        Meaning::of(&Vocabulary::new(catalogue::all()), key.as_bytes(), b"")
    }

    fn normal(raw: &str) -> String {
        String::from_utf8(Name::of(raw.as_bytes()).joined().to_vec()).unwrap()
    }

    #[test]
    fn every_way_to_write_a_name_has_one_normal_form() {
        for raw in [
            "cardNumber",
            "card_number",
            "card-number",
            "CardNumber",
            "CARD_NUMBER",
            "card.number",
        ] {
            assert_eq!(normal(raw), "cardnumber", "{raw}");
        }
        assert_eq!(normal("Numéro de carte"), "numerodecarte");
        assert_eq!(normal("nume\u{301}ro"), "numero");
        assert_eq!(normal("номер_карты"), "номеркарты");
        assert_eq!(normal(&"a".repeat(500)).len(), LONGEST);
    }

    #[test]
    fn a_name_says_which_detector_and_how_surely() {
        let vocabulary = Vocabulary::new(catalogue::all());
        let says = |key: &str, parent: &str, id: &str| {
            let row = catalogue::all().iter().position(|row| row.id == id).unwrap();
            Meaning::of(&vocabulary, key.as_bytes(), parent.as_bytes()).strength(RowId::new(row).unwrap())
        };
        for (key, parent, id, expected) in [
            ("card_number", "", "payment_card", Some(Strength::Exact)),
            ("PANNumber", "", "payment_card", Some(Strength::Partial)),
            ("customerCardNumber", "", "payment_card", Some(Strength::Exact)),
            ("number", "card", "payment_card", Some(Strength::Exact)),
            ("id", "card", "payment_card", Some(Strength::Partial)),
            ("number", "order", "payment_card", None),
            ("card_ref", "", "payment_card", Some(Strength::Partial)),
            ("customercardnumber", "", "payment_card", Some(Strength::Partial)),
            ("company", "", "payment_card", None),
            ("ssn_masked", "", "us_ssn", Some(Strength::Exact)),
            ("phone2", "", "phone_number", Some(Strength::Exact)),
            ("billing_phone_1", "", "phone_number", Some(Strength::Exact)),
            ("email", "", "us_ssn", None),
        ] {
            assert_eq!(says(key, parent, id), expected, "{key} in {parent}");
        }
    }

    #[test]
    fn a_name_may_promise_a_mask() {
        for (key, expected) in [
            ("card_number_masked", Some(Promise::Masked)),
            ("maskedPan", Some(Promise::Masked)),
            ("card_last4", Some(Promise::LastFour)),
            ("cardLastFour", Some(Promise::LastFour)),
            ("email_sha256", Some(Promise::Hashed)),
            ("card_token", Some(Promise::Tokenised)),
            ("token", None),
            ("card_number", None),
        ] {
            assert_eq!(meaning(key).promise, expected, "{key}");
        }
    }

    #[test]
    fn ids_and_times_speak_against_a_number() {
        for key in [
            "order_id",
            "traceId",
            "created_at",
            "timestamp",
            "invoiceNumber",
            "X-Request-ID",
        ] {
            assert!(meaning(key).against.is_some(), "{key}");
        }
        assert!(meaning("card_number").against.is_none());
        assert!(meaning("number").against.is_none());
    }
}
