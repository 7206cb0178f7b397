//! What names say, remembered: the same few names come again and again.
//!
//! Goes in: a name as sent, and that of the object around it. Comes out: the detectors it may
//! speak of. A thread remembers some thousand names by a keyed hash of 64 bits, from document to
//! document; it keeps no name. A name that was not seen before costs a look into the vocabulary.

use std::cell::Cell;
use std::hash::BuildHasher as _;
use std::ops::Range;

use foldhash::quality::RandomState;

use super::block::Chunk;
use super::form::Form;
use super::key::{self, Meaning, Name, is_generic};
use super::rows::RowSet;
use super::vocabulary::Vocabulary;

/// Sets of names that a thread remembers.
const SETS: usize = 1024;
/// Names of a set: those whose hashes begin alike. Names that come again and again would put each
/// other out if there were only one.
const WAYS: usize = 4;
/// Different answers that a thread remembers.
pub(crate) const ANSWERS: usize = 4096;

/// The part of a name's meaning that decides whether a candidate is looked at.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Rows it names.
    pub(crate) rows: RowSet,
    /// Rows beside whose values such a field usually stands.
    pub(crate) beside: RowSet,
    /// Says nothing without the object around it: `number`, `value`.
    pub(crate) generic: bool,
    /// Speaks of an id, a time or an amount.
    pub(crate) against: Option<&'static str>,
}

impl Glance {
    pub(crate) const NOTHING: Self = Self {
        rows: RowSet::EMPTY,
        beside: RowSet::EMPTY,
        generic: false,
        against: None,
    };

    /// In a place whose name is not known.
    pub(crate) const UNKNOWN: Self = Self {
        generic: true,
        ..Self::NOTHING
    };

    pub(crate) fn of(vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Self {
        let last = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
        let meaning = Meaning::of(vocabulary, name, parent);
        Self {
            rows: meaning.named(),
            beside: key::named(vocabulary, name).map_or(RowSet::EMPTY, |named| named.siblings),
            generic: parent.is_empty() && is_generic(Name::of(last).joined()),
            against: meaning.against,
        }
    }

    /// Whether it may be the name of any such value.
    pub(crate) fn is_of_any(&self) -> bool {
        self.generic || !self.rows.is_empty()
    }
}

/// Which answer; the same numbers mean the same for one [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer(u16);

impl Answer {
    /// [`Glance::NOTHING`].
    pub(crate) const NOTHING: Self = Self(0);
    /// [`Glance::UNKNOWN`].
    pub(crate) const UNKNOWN: Self = Self(1 | Self::OF_ANY);
    /// Set when it is of any value.
    const OF_ANY: u16 = 1 << 15;
    /// Set when it speaks for values beside it.
    const OF_OTHERS: u16 = 1 << 14;

    /// [`Glance::is_of_any`], without looking the answer up.
    #[inline]
    pub(crate) fn is_of_any(self) -> bool {
        self.0 & Self::OF_ANY != 0
    }

    /// Whether [`Glance::beside`] has any row.
    #[inline]
    pub(crate) fn is_of_others(self) -> bool {
        self.0 & Self::OF_OTHERS != 0
    }

    /// Below [`ANSWERS`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0) % ANSWERS
    }
}

/// Some remembered names, the newest first; zero is no hash.
#[derive(Clone, Copy)]
struct Set {
    hashes: [u64; WAYS],
    answers: [Answer; WAYS],
}

impl Set {
    const EMPTY: Self = Self {
        hashes: [0; WAYS],
        answers: [Answer::NOTHING; WAYS],
    };
}

/// The names that a thread saw last, for one scanner.
pub(crate) struct Names {
    scanner: u64,
    seeds: [u64; 3],
    sets: Box<[Set; SETS]>,
    answers: Vec<Glance>,
    /// What [`Self::alone`] said of them.
    alone: Vec<Option<Answer>>,
    /// Room for what a document's weak candidates need, empty between documents, so that clean
    /// documents allocate nothing.
    pub(super) room: Vec<(Form, Range<usize>)>,
    /// Room for the masks of a document.
    pub(super) chunk: Option<Box<Chunk>>,
}

thread_local! {
    static KEPT: Cell<Option<Box<Names>>> = const { Cell::new(None) };
}

impl Names {
    /// What this thread remembers for the scanner of this number.
    pub(crate) fn taken(scanner: u64) -> Box<Self> {
        KEPT.take()
            .filter(|names| names.scanner == scanner)
            .unwrap_or_else(|| {
                Box::new(Self {
                    scanner,
                    seeds: seeds(),
                    sets: Box::new([Set::EMPTY; SETS]),
                    answers: vec![Glance::NOTHING, Glance::UNKNOWN],
                    alone: Vec::new(),
                    room: Vec::new(),
                    chunk: None,
                })
            })
    }

    /// Keeps it for the next document.
    pub(crate) fn keep(self: Box<Self>) {
        KEPT.set(Some(self));
    }

    /// What the name says that `text` ends with, from `start` on.
    #[inline(always)]
    pub(crate) fn answer(&mut self, vocabulary: &Vocabulary, text: &[u8], start: usize) -> Answer {
        let hash = self.hash(self.seeds[0], text, start) | 1;
        let set = &self.sets[set_of(hash)];
        if set.hashes[0] == hash {
            return set.answers[0];
        }
        self.find(hash, vocabulary, &text[start..], &[])
    }

    /// What a name says in an object that has the name `parent`.
    pub(crate) fn answer_in(&mut self, vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Answer {
        let hash = self.hash(self.seeds[0], name, 0);
        let hash = self.hash(hash, parent, 0) | 1;
        self.find(hash, vocabulary, name, parent)
    }

    /// A hash of 64 bits of the end of a text, that nobody can foretell who does not know the
    /// seeds: products of the text and secret numbers, folded.
    #[inline(always)]
    fn hash(&self, seed: u64, text: &[u8], start: usize) -> u64 {
        let fold = |state: u64, part: u128| {
            let (low, high) = (part as u64, (part >> 64) as u64);
            let product = u128::from(state ^ low) * u128::from(self.seeds[1] ^ high);
            product as u64 ^ (product >> 64) as u64
        };
        let mut length = text.len() - start;
        let mut state = seed ^ (length as u64).wrapping_mul(self.seeds[2]);
        while length > 16 {
            let part = text[text.len() - length..]
                .first_chunk()
                .map_or(0, |part| u128::from_le_bytes(*part));
            state = fold(state, part);
            length -= 16;
        }
        fold(state, last(text, length))
    }

    pub(crate) fn glance(&self, answer: Answer) -> &Glance {
        self.answers.get(answer.index()).unwrap_or(&Glance::NOTHING)
    }

    /// Rows beside whose values fields with these answers usually stand; a bit for each answer.
    pub(crate) fn beside(&self, seen: &[u64; ANSWERS / 64]) -> RowSet {
        let answers = self.answers.iter().enumerate();
        answers
            .filter(|(n, _)| seen[n / 64] >> (n % 64) & 1 != 0)
            .fold(RowSet::EMPTY, |rows, (_, glance)| rows.or(&glance.beside))
    }

    /// The same answer of a name that turned out to have no object around it.
    pub(crate) fn alone(&mut self, answer: Answer) -> Answer {
        if let Some(Some(known)) = self.alone.get(answer.index()) {
            return *known;
        }
        let alone = self.find_alone(answer);
        if self.alone.len() <= answer.index() {
            self.alone.resize(answer.index() + 1, None);
        }
        self.alone[answer.index()] = Some(alone);
        alone
    }

    fn find_alone(&mut self, answer: Answer) -> Answer {
        let glance = *self.glance(answer);
        if glance.rows.is_empty() && glance.beside.is_empty() && glance.against.is_none() {
            return Answer::NOTHING;
        }
        self.intern(Glance {
            generic: false,
            ..glance
        })
    }

    /// Finds a name that is not the newest of its set, and makes it the newest.
    #[inline(never)]
    fn find(&mut self, hash: u64, vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Answer {
        let set = &self.sets[set_of(hash)];
        let way = set.hashes.iter().position(|known| *known == hash);
        let answer = match way {
            Some(way) => set.answers[way],
            None => self.intern(Glance::of(vocabulary, name, parent)),
        };
        let way = way.unwrap_or(WAYS - 1);
        let set = &mut self.sets[set_of(hash)];
        set.hashes.copy_within(..way, 1);
        set.answers.copy_within(..way, 1);
        (set.hashes[0], set.answers[0]) = (hash, answer);
        answer
    }

    fn intern(&mut self, glance: Glance) -> Answer {
        if self.answers.len() == ANSWERS {
            self.answers.truncate(2);
            self.alone.clear();
            self.sets.fill(Set::EMPTY);
        }
        let known = self.answers.iter().position(|known| *known == glance);
        let index = known.unwrap_or(self.answers.len());
        let of_any = if glance.is_of_any() { Answer::OF_ANY } else { 0 };
        let of_others = if glance.beside.is_empty() {
            0
        } else {
            Answer::OF_OTHERS
        };
        if known.is_none() {
            self.answers.push(glance);
        }
        Answer(index as u16 | of_any | of_others)
    }
}

/// Where a hash is kept.
#[inline]
fn set_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SETS.ilog2())) as usize
}

/// Numbers that are others in every process.
fn seeds() -> [u64; 3] {
    let state = RandomState::default();
    // An even factor would lose bits.
    [1u64, 2, 3].map(|n| state.hash_one(n) | 1)
}

/// The last `length` bytes of a text, at most 16, as a number; what stands before them counts nothing.
#[inline(always)]
fn last(text: &[u8], length: usize) -> u128 {
    let whole = match text.last_chunk() {
        Some(last) => u128::from_le_bytes(*last),
        None => {
            let mut last = [0; 16];
            last[16 - text.len()..].copy_from_slice(text);
            u128::from_le_bytes(last)
        }
    };
    whole & LAST[length.min(16)]
}

/// By a number of bytes: the bits of so many, the last ones of sixteen.
static LAST: [u128; 17] = {
    let mut bits = [!0; 17];
    let mut length = 0;
    while length < 16 {
        bits[length] = !(!0 >> (8 * length));
        length += 1;
    }
    bits
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::catalogue;

    proptest! {
        #[test]
        fn a_remembered_name_says_what_it_said_first(
            names in prop::collection::vec(prop_oneof!["[a-z_.]{0,12}", Just("card.number".to_owned()), Just("ssn".to_owned())], 0..200),
        ) {
            let vocabulary = Vocabulary::new(catalogue::all());
            let mut memory = Names::taken(0);
            for name in &names {
                for parent in [b"".as_slice(), b"card"] {
                    let answer = match parent {
                        b"" => memory.answer(&vocabulary, name.as_bytes(), 0),
                        _ => memory.answer_in(&vocabulary, name.as_bytes(), parent),
                    };
                    let said = *memory.glance(answer);
                    prop_assert_eq!(said.is_of_any(), answer.is_of_any());
                    prop_assert_eq!(said, Glance::of(&vocabulary, name.as_bytes(), parent));
                }
            }
            memory.keep();
        }
    }
}
