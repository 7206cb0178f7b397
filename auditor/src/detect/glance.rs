//! What names say, remembered: the same few names come again and again.
//!
//! Goes in: a name as sent, and that of the object around it. Comes out: the detectors it may
//! speak of. A thread remembers [`SLOTS`] names by a keyed hash of 64 bits, from document to
//! document; it keeps no name. A name that was not seen before costs a look into the vocabulary.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use foldhash::quality::RandomState;

use super::form::Form;
use super::key::{self, Meaning, Name, is_generic};
use super::rows::RowSet;
use super::vocabulary::Vocabulary;

/// Names that a thread remembers.
const SLOTS: usize = 2048;
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

    /// [`Glance::is_of_any`], without looking the answer up.
    #[inline]
    pub(crate) fn is_of_any(self) -> bool {
        self.0 & Self::OF_ANY != 0
    }

    /// Below [`ANSWERS`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0 & !Self::OF_ANY) % ANSWERS
    }
}

/// The names that a thread saw last, for one scanner.
pub(crate) struct Names {
    scanner: u64,
    hasher: RandomState,
    slots: Box<[(u64, Answer); SLOTS]>,
    answers: Vec<Glance>,
    /// Room for what a document's weak candidates need, empty between documents, so that clean
    /// documents allocate nothing.
    pub(super) room: Vec<(Form, Range<usize>)>,
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
                    hasher: RandomState::default(),
                    slots: Box::new([(0, Answer::NOTHING); SLOTS]),
                    answers: vec![Glance::NOTHING, Glance::UNKNOWN],
                    room: Vec::new(),
                })
            })
    }

    /// Keeps it for the next document.
    pub(crate) fn keep(self: Box<Self>) {
        KEPT.set(Some(self));
    }

    /// What a name says.
    #[inline]
    pub(crate) fn answer(&mut self, vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Answer {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        if !parent.is_empty() {
            hasher.write(parent);
        }
        // Zero marks an empty slot.
        let hash = hasher.finish() | 1;
        let (known, answer) = self.slots[(hash >> (u64::BITS - SLOTS.ilog2())) as usize];
        if known == hash {
            return answer;
        }
        self.find(hash, Glance::of(vocabulary, name, parent))
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
        let glance = *self.glance(answer);
        if glance.rows.is_empty() && glance.beside.is_empty() && glance.against.is_none() {
            return Answer::NOTHING;
        }
        self.intern(Glance {
            generic: false,
            ..glance
        })
    }

    #[inline(never)]
    fn find(&mut self, hash: u64, glance: Glance) -> Answer {
        let answer = self.intern(glance);
        self.slots[(hash >> (u64::BITS - SLOTS.ilog2())) as usize] = (hash, answer);
        answer
    }

    fn intern(&mut self, glance: Glance) -> Answer {
        if self.answers.len() == ANSWERS {
            self.answers.truncate(2);
            self.slots.fill((0, Answer::NOTHING));
        }
        let known = self.answers.iter().position(|known| *known == glance);
        let index = known.unwrap_or(self.answers.len());
        let flag = if glance.is_of_any() { Answer::OF_ANY } else { 0 };
        if known.is_none() {
            self.answers.push(glance);
        }
        Answer(index as u16 | flag)
    }
}

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
                    let answer = memory.answer(&vocabulary, name.as_bytes(), parent);
                    let said = *memory.glance(answer);
                    prop_assert_eq!(said.is_of_any(), answer.is_of_any());
                    prop_assert_eq!(said, Glance::of(&vocabulary, name.as_bytes(), parent));
                }
            }
            memory.keep();
        }
    }
}
