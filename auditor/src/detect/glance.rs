//! What names say, remembered: the same few names come again and again in a document.
//!
//! Goes in: a name as sent, and that of the object around it. Comes out: the detectors it may
//! speak of. It borrows names for as long as one document is scanned, keeps [`SLOTS`] of them, and
//! never allocates.

use std::cell::Cell;

use super::key::{Meaning, Name, is_generic};
use super::rows::RowSet;
use super::vocabulary::Vocabulary;

/// Names that are remembered.
const SLOTS: usize = 64;

/// The part of a name's meaning that decides whether a candidate is looked at.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Rows it names.
    pub(crate) rows: RowSet,
    /// Says nothing without the object around it: `number`, `value`.
    pub(crate) generic: bool,
}

impl Glance {
    pub(crate) const NOTHING: Self = Self {
        rows: RowSet::EMPTY,
        generic: false,
    };

    pub(crate) fn of(vocabulary: &Vocabulary, name: &[u8], parent: &[u8]) -> Self {
        let last = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
        Self {
            rows: Meaning::of(vocabulary, name, parent).named(),
            generic: parent.is_empty() && is_generic(Name::of(last).joined()),
        }
    }

    /// Whether it may be the name of any such value.
    pub(crate) fn is_of_any(&self) -> bool {
        self.generic || !self.rows.is_empty()
    }
}

/// A name, that of the object around it, and what they say.
type Slot<'d> = (&'d [u8], &'d [u8], Glance);

/// The names of one document seen last.
pub(crate) struct Names<'d> {
    slots: [Cell<Slot<'d>>; SLOTS],
}

impl Default for Names<'_> {
    fn default() -> Self {
        // An empty name says nothing, as the default does.
        Self {
            slots: [const { Cell::new((&[], &[], Glance::NOTHING)) }; SLOTS],
        }
    }
}

impl<'d> Names<'d> {
    pub(crate) fn glance(&self, vocabulary: &Vocabulary, name: &'d [u8], parent: &'d [u8]) -> Glance {
        let slot = &self.slots[slot_of(name, parent)];
        let (known, around, glance) = slot.get();
        if known == name && around == parent {
            return glance;
        }
        let glance = Glance::of(vocabulary, name, parent);
        slot.set((name, parent, glance));
        glance
    }
}

/// From the first and last eight bytes and the lengths.
fn slot_of(name: &[u8], parent: &[u8]) -> usize {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let head = word(&name[..name.len().min(8)]);
    let tail = word(&name[name.len().saturating_sub(8)..]);
    let lengths = name.len() as u64 ^ (parent.len() as u64) << 8;
    let mixed = (head ^ tail.rotate_left(21) ^ lengths).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - SLOTS.ilog2())) as usize
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
            let memory = Names::default();
            for name in &names {
                for parent in [b"".as_slice(), b"card"] {
                    let said = memory.glance(&vocabulary, name.as_bytes(), parent);
                    if !name.is_empty() {
                        prop_assert_eq!(said, Glance::of(&vocabulary, name.as_bytes(), parent));
                    }
                }
            }
        }
    }
}
