//! Which fields have a row of their own, when there are more than rows.
//!
//! Goes in: how much each field weighs. Comes out: whose row a new field gets, if any. Two classes:
//! fields with clear values that policy does not allow weigh as many as those are; all others as
//! many values as they carry. A field with clear values takes the row of another one as long as a
//! quarter of the rows are left to those, then that of a lighter one of its own class. One without
//! never takes the row of one with: no flood of harmless fields hides a leak. A new field weighs as
//! often as it was seen lately, whether it had a row then or not ([`Frequency`]); of equals the one
//! unseen for longest goes.

use std::collections::HashMap;

use super::frequency::Frequency;
use super::rank::{Place, Pool};
use super::record::{Judgement, Record};

/// After so many touches of others, a field that is seen again counts as seen lately.
const STALE: u64 = 1024;

/// What a field weighs, and among which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    leaks: bool,
    weight: u64,
}

impl Class {
    pub(super) fn of(record: &Record) -> Self {
        let counts = record.counts();
        let leaks = counts.clear > 0 && record.verdict != Some(Judgement::Allowed);
        let weight = if leaks { counts.clear } else { counts.total() };
        Self { leaks, weight }
    }

    pub(super) const fn weighing(self, weight: u64) -> Self {
        Self { weight, ..self }
    }
}

/// The rows and who has them.
#[derive(Debug)]
pub(super) struct Room {
    capacity: usize,
    harmless: Pool,
    leaking: Pool,
    /// Field → where it stands.
    places: HashMap<u32, (bool, Place), foldhash::fast::RandomState>,
    frequency: Frequency,
    touches: u64,
}

impl Room {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            harmless: Pool::default(),
            leaking: Pool::default(),
            places: HashMap::default(),
            frequency: Frequency::default(),
            touches: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.harmless.len() + self.leaking.len()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// Counts a field without a row; how often it was seen lately, with this time.
    pub(super) fn count(&mut self, hash: u128) -> u64 {
        self.frequency.count(hash)
    }

    /// How often a field without a row was seen lately.
    pub(super) fn seen(&self, hash: u128) -> u64 {
        self.frequency.of(hash)
    }

    /// Who makes room for a field of this class; nobody, if it is too light.
    pub(super) fn who_goes(&self, class: Class) -> Option<u32> {
        if class.leaks {
            let is_left = self.harmless.len() > self.capacity / 4;
            if is_left && let Some(field) = self.harmless.lightest(u64::MAX) {
                return Some(field);
            }
            return self.leaking.lightest(class.weight);
        }
        self.harmless.lightest(class.weight)
    }

    /// The field that matters least.
    pub(super) fn lightest(&self) -> Option<u32> {
        let harmless = self.harmless.lightest(u64::MAX);
        harmless.or_else(|| self.leaking.lightest(u64::MAX))
    }

    pub(super) fn enter(&mut self, field: u32, class: Class) {
        self.touches += 1;
        let touch = self.touches;
        let place = self.pool(class.leaks).insert(field, class.weight, touch);
        self.places.insert(field, (class.leaks, place));
    }

    /// Its weight may have changed.
    pub(super) fn moved(&mut self, field: u32, class: Class) {
        let Some(&(leaks, place)) = self.places.get(&field) else {
            return;
        };
        let is_right = leaks == class.leaks && Pool::is_at(place, class.weight);
        if !is_right || self.touches.saturating_sub(place.touch()) > STALE {
            self.pool(leaks).remove(place);
            self.enter(field, class);
        }
    }

    /// It has no row any more; it was seen so often.
    pub(super) fn leave(&mut self, field: u32, hash: u128, seen: u64) {
        if let Some((leaks, place)) = self.places.remove(&field) {
            self.pool(leaks).remove(place);
        }
        if seen > 0 {
            self.frequency.keep(hash, seen);
        }
    }

    const fn pool(&mut self, leaks: bool) -> &mut Pool {
        match leaks {
            true => &mut self.leaking,
            false => &mut self.harmless,
        }
    }
}
