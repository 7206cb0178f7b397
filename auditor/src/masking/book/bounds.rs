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
        self.retain_edges(|edge| !is_old(edge.last));
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

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};

    use super::*;
    use crate::detect::State;
    use crate::masking::tests::seen;
    use crate::masking::{Limits, Side, Sighting, drift};

    #[test]
    fn a_wall_clock_that_jumps_makes_nothing_old_and_nothing_young() {
        let start = Instant::now();
        let mut book = Book::new(Limits::default(), drift::Settings::default(), start);
        let observation = seen("$.card", State::Masked);
        let see = |book: &mut Book, after: Duration, wall: Timestamp| {
            let sighting = Sighting {
                observation: &observation,
                verdict: None,
                is_silent: false,
                side: Side::Sender,
            };
            book.observe(&sighting, start + after, wall);
            let row = book.rows().next().map(|row| row.record);
            row.map(|record| (record.first_seen, record.last_seen)).unwrap()
        };
        let day = Duration::from_secs(86_400);
        let today = Timestamp::from_second(1_800_000_000).unwrap();
        let ahead = today + (365 * 24).hours();
        let (first, then) = (today.as_millisecond(), ahead.as_millisecond());
        assert_eq!(see(&mut book, Duration::ZERO, today), (first, first));
        assert_eq!(see(&mut book, day, ahead), (first, then));
        book.expire(30 * day, start + day);
        assert_eq!(book.fields(), 1, "a year passed for the wall clock only");
        assert_eq!(
            see(&mut book, day, today),
            (first, first),
            "the clock is right again"
        );
        book.expire(30 * day, start + 31 * day);
        assert_eq!(book.fields(), 1);
        book.expire(30 * day, start + 32 * day);
        assert_eq!((book.fields(), book.totals(start).expired), (0, 3));
    }
}
