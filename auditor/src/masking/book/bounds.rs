//! What leaves the ledger: by age, and by size.

use std::time::{Duration, Instant};

use super::Book;
use crate::masking::clock::millis;
use crate::masking::row::REST;

impl Book {
    /// Removes what was not seen for `age` of watched time.
    pub fn expire(&mut self, age: Duration, now: Instant) {
        let watched = self.clock.watched(now);
        let is_old = |last: u64| watched.saturating_sub(last) > millis(age);
        for at in 0..self.slots.len() {
            let Some(slot) = &self.slots[at] else { continue };
            if !is_old(slot.record.last_watched) {
                continue;
            }
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(slot) = self.remove(at) {
                self.totals.expired += slot.record.counts().total();
                match &*slot.names.part {
                    REST => self.rests -= 1,
                    _ => self.room.leave(at, slot.hash, 0),
                }
            }
        }
        self.expire_edges(is_old);
    }

    /// Takes the rows of the lightest tenth of the fields; they are counted with the rest. Returns
    /// how many those were.
    pub fn shed(&mut self) -> usize {
        let watched = self.clock.watched(Instant::now());
        let most = self.room.len() / 10;
        for shed in 0..most {
            match self.room.lightest() {
                Some(at) => self.evict(at, watched),
                None => return shed,
            }
        }
        most
    }
}
