//! Who sends what kinds of data to whom: how often, how much of it protected, and whether encrypted.
//!
//! Goes in: values of an edge. Comes out: what was usual there, for drift, and coverage, for metrics.

use serde::{Deserialize, Serialize};

use super::Party;
use super::drift::{FLOOR, QUIET, SURE, WINDOW};
use super::pace::Pace;
use super::record::Counts;
use crate::detect::State;

/// What is lately, ms.
pub(super) const LATELY: u64 = 300_000;
/// Most kinds of data of one edge.
const KINDS: usize = 64;

/// An edge as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Edge {
    pub source: Party,
    pub destination: Party,
    /// Watched ms.
    pub born: u64,
    pub last: u64,
    pub wire: Wire,
    pub kinds: Vec<Kind>,
    /// New kinds of data told in the minute that began then; not more than a few are.
    #[serde(skip)]
    pub told: Told,
    /// Regulated data went over it.
    pub regulated: bool,
}

/// Encryption of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wire {
    /// Encrypted values since the last one that was not.
    pub run: u64,
    /// When the first of them was seen, watched ms.
    pub since: u64,
    /// It is an encrypted one.
    pub usual: bool,
    pub drifting: bool,
}

/// One kind of data of an edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kind {
    pub detector: Box<str>,
    pub counts: Counts,
    /// Of the last five minutes and, of those before, of as many: for metrics.
    pub lately: [Counts; 2],
    /// Which five minutes those are: watched time / [`LATELY`].
    pub epoch: u64,
    pub born: u64,
    pub rate: Rate,
    pub pace: Pace,
}

/// How many values come within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rate {
    /// The window now: watched time / [`WINDOW`].
    pub window: u64,
    pub count: u64,
    /// The most of a window that is usual.
    pub level: u64,
    /// When a burst was told, watched ms; 0: none is going on.
    pub told: u64,
    /// The most of a window in the second half of the time since.
    pub lasting: u64,
}

/// A bound on what is told: at most so much a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    minute: u64,
    count: u32,
}

impl Told {
    /// Whether one more may be told.
    pub(super) fn allows(&mut self, watched: u64, most: u32) -> bool {
        let minute = watched / 60_000;
        if self.minute != minute {
            *self = Self { minute, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= most
    }
}

impl Wire {
    /// Takes a value; returns whether an encrypted edge just lost its encryption.
    pub(super) fn see(&mut self, encrypted: bool, watched: u64, learning: u64) -> bool {
        let age = |wire: &Self| watched.saturating_sub(wire.since);
        if encrypted {
            if self.run == 0 {
                self.since = watched;
            }
            self.run += 1;
            self.usual |= self.run >= SURE && age(self) >= learning;
            self.drifting &= !(self.run >= SURE && age(self) >= QUIET);
            return false;
        }
        self.usual |= self.run >= SURE && age(self) >= learning;
        let begins = self.usual && !self.drifting;
        self.drifting |= self.usual;
        self.run = 0;
        begins
    }
}

impl Rate {
    /// Takes a value; returns the usual rate when it is the one that makes a burst.
    pub(super) fn see(&mut self, born: u64, watched: u64, learning: u64, factor: u64) -> Option<u64> {
        let window = watched / WINDOW;
        if window != self.window {
            self.close(born, learning);
            self.window = window;
            self.count = 0;
        }
        self.settle(watched, learning);
        self.count += 1;
        let is_learning = watched.saturating_sub(born) < learning.max(WINDOW);
        let most = self.level.max(FLOOR).saturating_mul(factor.max(2));
        if is_learning || self.told > 0 || self.count <= most {
            return None;
        }
        self.told = watched.max(1);
        self.lasting = 0;
        Some(self.level)
    }

    /// A window is over.
    fn close(&mut self, born: u64, learning: u64) {
        let at = self.window.saturating_mul(WINDOW);
        if at.saturating_sub(born) < learning.max(WINDOW) {
            self.level = self.level.max(self.count);
        } else if self.told > 0 && at.saturating_sub(self.told) >= learning / 2 {
            self.lasting = self.lasting.max(self.count);
        }
    }

    /// What was told and lasted is usual now.
    fn settle(&mut self, watched: u64, learning: u64) {
        let is_over = watched.saturating_sub(self.told) >= learning.max(2 * WINDOW);
        if self.told > 0 && is_over {
            self.level = self.level.max(self.lasting);
            self.told = 0;
        }
    }
}

impl Edge {
    /// The place of a kind of data, made when it is new; `None` when there are too many.
    pub(super) fn kind(&mut self, detector: &str, watched: u64) -> Option<usize> {
        let known = self.kinds.iter().position(|kind| &*kind.detector == detector);
        let index = match known {
            Some(index) => index,
            None if self.kinds.len() >= KINDS => return None,
            None => {
                self.kinds.push(Kind {
                    detector: detector.into(),
                    born: watched,
                    ..Kind::default()
                });
                self.kinds.len() - 1
            }
        };
        Some(index)
    }
}

impl Edge {
    /// Adds what an earlier run knew of the same edge: what was usual then is.
    pub(super) fn add(&mut self, earlier: Self) {
        self.born = self.born.min(earlier.born);
        self.last = self.last.max(earlier.last);
        self.regulated |= earlier.regulated;
        if earlier.wire.usual {
            self.wire = earlier.wire;
        }
        for kind in earlier.kinds {
            if let Some(place) = self.kind(&kind.detector, kind.born) {
                let own = &mut self.kinds[place];
                own.counts.add(&kind.counts);
                own.born = own.born.min(kind.born);
                own.rate = kind.rate;
                own.pace = kind.pace;
            }
        }
    }
}

impl Edge {
    /// Adds what turned out to be of this edge. What is usual here stays.
    pub(super) fn join(&mut self, other: Self) {
        self.born = self.born.min(other.born);
        self.last = self.last.max(other.last);
        self.regulated |= other.regulated;
        for kind in other.kinds {
            if let Some(place) = self.kind(&kind.detector, kind.born) {
                let own = &mut self.kinds[place];
                own.counts.add(&kind.counts);
                own.born = own.born.min(kind.born);
                if own.epoch == kind.epoch {
                    own.lately[0].add(&kind.lately[0]);
                    own.lately[1].add(&kind.lately[1]);
                }
            }
        }
    }
}

impl Kind {
    /// One value less.
    pub(super) fn uncount(&mut self, state: State) {
        let lately = match self.lately[0].of(state) {
            0 => 1,
            _ => 0,
        };
        for counts in [&mut self.counts, &mut self.lately[lately]] {
            let count = counts.of_mut(state);
            *count = count.saturating_sub(1);
        }
    }

    pub(super) fn count(&mut self, state: State, watched: u64) {
        let epoch = watched / LATELY;
        self.lately = match epoch.saturating_sub(self.epoch) {
            0 => self.lately,
            1 => [Counts::default(), self.lately[0]],
            _ => [Counts::default(); 2],
        };
        self.epoch = epoch;
        for counts in [&mut self.counts, &mut self.lately[0]] {
            let count = counts.of_mut(state);
            *count = count.saturating_add(1);
        }
    }

    /// Of the last five to ten minutes in which it was seen.
    pub(super) fn lately(&self) -> Counts {
        let mut lately = self.lately[0];
        lately.add(&self.lately[1]);
        lately
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNING: u64 = 600_000;

    #[test]
    fn an_encrypted_edge_that_turns_open_is_told_once_until_it_was_over() {
        let mut wire = Wire::default();
        for step in 0..10 {
            assert!(!wire.see(true, step * LEARNING / 9, LEARNING));
        }
        assert!(wire.see(false, LEARNING + 1, LEARNING));
        for at in 2..1000 {
            assert!(!wire.see(at % 2 == 0, LEARNING + at, LEARNING));
        }
        for step in 0..10 {
            assert!(!wire.see(true, LEARNING + 1000 + step * QUIET, LEARNING));
        }
        assert!(wire.see(false, LEARNING + 1001 + 9 * QUIET, LEARNING));
        let mut young = Wire::default();
        for step in 0..10 {
            young.see(true, step, LEARNING);
        }
        assert!(!young.see(false, 11, LEARNING) && !young.see(false, LEARNING * 2, LEARNING));
    }

    /// Bursts told when each window from `from` on holds so many values.
    fn told(rate: &mut Rate, from: u64, per_window: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut told = Vec::new();
        for (index, count) in (0..).zip(per_window) {
            let at = from + index * WINDOW;
            told.extend((0..count).filter_map(|_| rate.see(0, at, LEARNING, 10)));
        }
        told
    }

    #[test]
    fn a_burst_is_told_at_once_and_again_only_when_it_is_another() {
        let mut rate = Rate::default();
        let learning = LEARNING / WINDOW;
        assert!(told(&mut rate, 0, (0..learning).map(|_| 50)).is_empty());
        assert!(told(&mut rate, LEARNING, (0..100).map(|_| 400)).is_empty());
        let now = LEARNING + 100 * WINDOW;
        assert_eq!(told(&mut rate, now, std::iter::once(5_000)), [50]);
        assert!(told(&mut rate, now + WINDOW, (0..2 * learning).map(|_| 3_000)).is_empty());
        assert_eq!(rate.level, 3_000, "it lasted");
    }

    #[test]
    fn a_rate_that_creeps_up_is_told_when_it_is_ten_times_what_was_learnt() {
        let mut rate = Rate::default();
        let learning = LEARNING / WINDOW;
        told(&mut rate, 0, (0..learning).map(|_| 50));
        let mut level = 50.0_f64;
        let creeping = (0..500).map(|_| {
            level *= 1.01;
            level as u64
        });
        assert_eq!(told(&mut rate, LEARNING, creeping).first(), Some(&50));
    }

    #[test]
    fn what_is_lately_passes() {
        let mut kind = Kind::default();
        kind.count(State::Clear, 10);
        kind.count(State::Masked, LATELY + 10);
        assert_eq!(kind.lately().coverage(), Some(0.5));
        kind.count(State::Masked, 2 * LATELY);
        assert_eq!(kind.lately().coverage(), Some(1.0));
        kind.count(State::Clear, 9 * LATELY);
        assert_eq!(kind.lately().coverage(), Some(0.0));
        assert_eq!(kind.counts.total(), 4);
    }

    #[test]
    fn a_burst_that_passed_is_not_usual() {
        let mut rate = Rate::default();
        let learning = LEARNING / WINDOW;
        told(&mut rate, 0, (0..learning).map(|_| 50));
        assert_eq!(told(&mut rate, LEARNING, [5_000].into_iter()), [50]);
        told(&mut rate, LEARNING + WINDOW, (0..learning).map(|_| 50));
        assert_eq!(rate.level, 50);
        assert_eq!(told(&mut rate, 3 * LEARNING, [5_000].into_iter()), [50]);
    }
}
