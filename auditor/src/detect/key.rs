//! Names of fields: their normal form, and what they say about the value.
//!
//! Goes in: a key as sent (camelCase, snake_case, kebab-case, dotted, accented, any script). Comes
//! out: which detectors it names and how exactly, whether it promises a masked value, and whether
//! it speaks of an id or a time instead. Does not allocate after the table is built.

mod words;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

pub(crate) use words::is_generic;
use words::{AGAINST, WHOSE, promise_of, without_accent};

use super::catalogue::{self, DetectorInfo};

/// Bytes of a normalised name; what is longer is cut.
const LONGEST: usize = 64;
/// Words of a name that are looked at.
const MOST_WORDS: usize = 12;

/// A name in normal form: lower case, without separators or accents, its words remembered.
pub(crate) struct Name {
    text: [u8; LONGEST],
    /// End of each word in `text`.
    ends: [u8; MOST_WORDS],
    words: usize,
}

impl Name {
    /// Normalises `raw`, which is read as UTF-8; other bytes separate words.
    pub(crate) fn of(raw: &[u8]) -> Self {
        let mut name = Self {
            text: [0; LONGEST],
            ends: [0; MOST_WORDS],
            words: 0,
        };
        name.push(raw);
        name
    }

    /// Appends the words of `raw`.
    fn push(&mut self, raw: &[u8]) {
        let raw = &raw[..raw.len().min(4 * LONGEST)];
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
                }
            }
            if !chunk.invalid().is_empty() {
                self.close(at);
                before = Kind::Break;
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
#[derive(Default)]
pub(crate) struct Meaning {
    named: [Option<(&'static DetectorInfo, Strength)>; 4],
    pub(crate) promise: Option<Promise>,
    /// The word that makes it the name of an id, a time, an amount.
    pub(crate) against: Option<&'static str>,
}

impl Meaning {
    /// What `key` says; `parent` is the name of the object around it, or empty.
    pub(crate) fn of(key: &[u8], parent: &[u8]) -> Self {
        let own = Name::of(key);
        let mut meaning = Self::of_name(&own);
        if !parent.is_empty() && meaning.named[0].is_none_or(|(_, s)| s == Strength::Partial) {
            let mut both = Name::of(parent);
            // `cards[1].number` speaks of one card.
            both.push(key);
            let wider = Self::of_name(&both);
            for (row, strength) in wider.named() {
                // A name in the parent only is a hint, unless the key says nothing of its own.
                let strength = if is_generic(own.joined()) {
                    strength
                } else {
                    Strength::Partial
                };
                meaning.add(row, strength);
            }
            meaning.promise = meaning.promise.or(wider.promise);
        }
        meaning
    }

    /// Detectors the name speaks of.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static DetectorInfo, Strength)> + '_ {
        self.named.iter().flatten().copied()
    }

    /// How well the name fits this detector.
    pub(crate) fn strength(&self, row: &DetectorInfo) -> Option<Strength> {
        self.named()
            .find(|(named, _)| named.id == row.id)
            .map(|(_, strength)| strength)
    }

    fn add(&mut self, row: &'static DetectorInfo, strength: Strength) {
        for slot in &mut self.named {
            match slot {
                Some((known, best)) if known.id == row.id => {
                    *best = strength.max(*best);
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some((row, strength));
                    return;
                }
            }
        }
    }

    fn of_name(name: &Name) -> Self {
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
            } else if last.iter().all(u8::is_ascii_digit) {
                to -= 1;
            } else {
                break;
            }
        }
        if let Some(promise) = promise_of(name.span(0, 1)).filter(|_| to > 1) {
            meaning.promise = Some(promise);
            from = 1;
        }
        while from + 1 < to && WHOSE.contains(&name.span(from, from + 1)) {
            from += 1;
        }
        let trimmed = trim_digits(name.span(from, to));
        for rows in [name.span(0, name.words), trimmed]
            .into_iter()
            .filter_map(Table::exact)
        {
            rows.iter().for_each(|row| meaning.add(row, Strength::Exact));
        }
        if meaning.named[0].is_none() {
            meaning.add_partial(name, from, to);
        }
        meaning.against = (from..to)
            .find_map(|n| {
                AGAINST
                    .iter()
                    .copied()
                    .find(|word| word.as_bytes() == name.span(n, n + 1))
            })
            .filter(|_| !meaning.named().any(|(_, strength)| strength == Strength::Exact));
        meaning
    }

    fn add_partial(&mut self, name: &Name, from: usize, to: usize) {
        for start in from..to {
            for end in start + 1..=to {
                let part = trim_digits(name.span(start, end));
                for rows in [Table::exact(part), Table::hint(part)].into_iter().flatten() {
                    rows.iter().for_each(|row| self.add(row, Strength::Partial));
                }
            }
        }
        // `customercardnumber` has no seams; the end of it may still be a name.
        let whole = name.span(from, to);
        if to - from == 1 && whole.len() > 8 {
            for start in 1..whole.len().saturating_sub(5) {
                if let Some(rows) = Table::exact(&whole[start..]) {
                    rows.iter().for_each(|row| self.add(row, Strength::Partial));
                }
            }
        }
    }
}

fn trim_digits(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    if digits == name.len() {
        name
    } else {
        &name[..name.len() - digits]
    }
}

/// Rows by what names them.
struct Table {
    exact: Rows,
    hints: Rows,
}

type Rows = HashMap<&'static [u8], Vec<&'static DetectorInfo>, BuildHasherDefault<Fnv>>;

/// FNV-1a: the table's own names are fixed, so a peer cannot make its chains longer.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, b| {
            (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3)
        });
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        exact: Rows::default(),
        hints: Rows::default(),
    };
    for row in catalogue::all().iter().copied() {
        for key in row.keys {
            table.exact.entry(key.as_bytes()).or_default().push(row);
        }
        for word in row.words {
            table.hints.entry(word.as_bytes()).or_default().push(row);
        }
    }
    table
});

impl Table {
    fn exact(name: &[u8]) -> Option<&'static [&'static DetectorInfo]> {
        TABLE.exact.get(name).map(Vec::as_slice)
    }

    fn hint(word: &[u8]) -> Option<&'static [&'static DetectorInfo]> {
        TABLE.hints.get(word).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let says = |key: &str, parent: &str, id: &str| {
            let row = catalogue::find(id).unwrap();
            Meaning::of(key.as_bytes(), parent.as_bytes()).strength(row)
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
            assert_eq!(Meaning::of(key.as_bytes(), b"").promise, expected, "{key}");
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
            assert!(Meaning::of(key.as_bytes(), b"").against.is_some(), "{key}");
        }
        assert!(Meaning::of(b"card_number", b"").against.is_none());
        assert!(Meaning::of(b"number", b"").against.is_none());
    }
}
