//! What names say, remembered: the same few names come again and again.
//!
//! Goes in: a name as sent, and that of the object around it. Comes out: the detectors it may
//! speak of. A thread remembers [`SLOTS`] names by a keyed hash of 64 bits, from document to
//! document; it keeps no name. A name that was not seen before costs a look into the vocabulary.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;

use super::key::{self, Meaning, Name, is_generic};
use super::rows::RowSet;
use super::vocabulary::Vocabulary;

/// Names that a thread remembers.
const SLOTS: usize = 2048;
/// Different answers that a thread remembers.
const ANSWERS: usize = 4096;

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
    /// The name says nothing.
    pub(crate) const NOTHING: Self = Self(0);
}

/// The names that a thread saw last, for one scanner.
pub(crate) struct Names {
    scanner: u64,
    hasher: RandomState,
    slots: Box<[Cell<(u64, Answer)>]>,
    answers: RefCell<Vec<Glance>>,
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
                    slots: vec![Cell::new((0, Answer::NOTHING)); SLOTS].into_boxed_slice(),
                    answers: RefCell::new(vec![Glance::NOTHING]),
                })
            })
    }

    /// Keeps it for the next document.
    pub(crate) fn keep(self: Box<Self>) {
        KEPT.set(Some(self));
    }

    /// What a name says.
    #[inline]
    pub(crate) fn answer(&self, vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Answer {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        if !parent.is_empty() {
            hasher.write(parent);
        }
        // Zero marks an empty slot.
        let hash = hasher.finish() | 1;
        let slot = &self.slots[(hash >> (u64::BITS - SLOTS.ilog2())) as usize];
        let (known, answer) = slot.get();
        if known == hash {
            return answer;
        }
        let answer = self.find(Glance::of(vocabulary, name, parent));
        slot.set((hash, answer));
        answer
    }

    #[inline]
    pub(crate) fn glance(&self, answer: Answer) -> Glance {
        if answer == Answer::NOTHING {
            return Glance::NOTHING;
        }
        let answers = self.answers.borrow();
        answers
            .get(usize::from(answer.0))
            .copied()
            .unwrap_or(Glance::NOTHING)
    }

    #[inline(never)]
    fn find(&self, glance: Glance) -> Answer {
        let mut answers = self.answers.borrow_mut();
        if let Some(at) = answers.iter().position(|known| *known == glance) {
            return Answer(at as u16);
        }
        if answers.len() == ANSWERS {
            answers.truncate(1);
            self.slots.iter().for_each(|slot| slot.set((0, Answer::NOTHING)));
        }
        answers.push(glance);
        Answer(answers.len() as u16 - 1)
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
            let memory = Names::taken(0);
            for name in &names {
                for parent in [b"".as_slice(), b"card"] {
                    let said = memory.glance(memory.answer(&vocabulary, name.as_bytes(), parent));
                    prop_assert_eq!(said, Glance::of(&vocabulary, name.as_bytes(), parent));
                }
            }
            memory.keep();
        }
    }
}
