//! The fields of which a scanner is to report numbers that fail.
//!
//! Goes in: spots that sketches find worth counting. Comes out: a set that many threads may ask. It
//! is empty most of the time, and then costs one comparison a document.

use std::collections::HashSet;

use super::place::{Spot, name_hash};

/// Fields in which a number of plausible length that fails its check is of interest.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    names: HashSet<u64>,
    spots: HashSet<Spot>,
}

impl Suspects {
    /// These fields.
    pub fn of(spots: impl Iterator<Item = Spot>) -> Self {
        let spots: HashSet<Spot> = spots.collect();
        Self {
            names: spots.iter().map(|spot| spot.name).collect(),
            spots,
        }
    }

    /// Adds one.
    pub fn insert(&mut self, spot: Spot) {
        self.names.insert(spot.name);
        self.spots.insert(spot);
    }

    /// True when nothing is of interest.
    pub fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// Whether a field with this name, as sent, may be one of them: cheap, and sure only when it
    /// says no. What has no name is asked for by the empty one.
    pub fn may_be_named(&self, name: &[u8]) -> bool {
        self.names.contains(&name_hash(name))
    }

    /// Whether it is one of them, for some ends.
    pub fn has(&self, spot: &Spot) -> bool {
        self.spots.contains(spot)
    }
}
