//! What names say, remembered: the same few names come again and again in a document.
//!
//! Goes in: a name as sent. Comes out: the detectors it may speak of. It borrows names for as long
//! as one document is scanned, keeps [`SLOTS`] of them, and never allocates.

use std::cell::Cell;

use super::catalogue::DetectorInfo;
use super::key::{Meaning, Name, is_generic};

/// Names that are remembered.
const SLOTS: usize = 32;

/// The part of a name's meaning that decides whether a candidate is looked at.
#[derive(Clone, Copy, Default)]
pub(crate) struct Glance {
    rows: [Option<&'static DetectorInfo>; 4],
    /// Says nothing without the object around it: `number`, `value`.
    generic: bool,
}

impl Glance {
    fn of(name: &[u8]) -> Self {
        let mut rows = [None; 4];
        let meaning = Meaning::of(name, b"");
        for (slot, (row, _)) in rows.iter_mut().zip(meaning.named()) {
            *slot = Some(row);
        }
        let last = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
        Self {
            rows,
            generic: is_generic(Name::of(last).joined()),
        }
    }

    /// Whether it may be the name of any such value.
    pub(crate) fn is_of_any(&self) -> bool {
        self.rows[0].is_some() || self.generic
    }

    /// Whether it may be the name of a value of this row.
    pub(crate) fn is_of(&self, row: &DetectorInfo) -> bool {
        self.generic || self.rows.iter().flatten().any(|known| known.id == row.id)
    }
}

/// The names of one document seen last.
pub(crate) struct Names<'d> {
    slots: [Cell<(&'d [u8], Glance)>; SLOTS],
}

impl Default for Names<'_> {
    fn default() -> Self {
        // An empty name says nothing, as the default does.
        Self {
            slots: [const {
                Cell::new((
                    &[],
                    Glance {
                        rows: [None; 4],
                        generic: false,
                    },
                ))
            }; SLOTS],
        }
    }
}

impl<'d> Names<'d> {
    pub(crate) fn glance(&self, name: &'d [u8]) -> Glance {
        let slot = &self.slots[slot_of(name)];
        let (known, glance) = slot.get();
        if known == name {
            return glance;
        }
        let glance = Glance::of(name);
        slot.set((name, glance));
        glance
    }
}

/// From the first and last eight bytes and the length.
fn slot_of(name: &[u8]) -> usize {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let head = word(&name[..name.len().min(8)]);
    let tail = word(&name[name.len().saturating_sub(8)..]);
    let mixed = (head ^ tail.rotate_left(21) ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
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
            let memory = Names::default();
            for name in &names {
                let (said, fresh) = (memory.glance(name.as_bytes()), Glance::of(name.as_bytes()));
                prop_assert_eq!(said.is_of_any(), fresh.is_of_any());
                for row in catalogue::all() {
                    prop_assert_eq!(said.is_of(row), fresh.is_of(row));
                }
            }
        }
    }
}
