//! The two times of the masking ledger.
//!
//! Goes in: the monotonic clock and the wall clock. Comes out: *watched* time, which only passes
//! while the daemon runs and which no change of the wall clock moves: all spans are measured in it.
//! And the wall time that people read. It does not go back by the small steps in which clocks are kept right; after
//! one that was set back by more, it follows.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that goes back by more was set, ms.
pub(super) const STEP: i64 = 60_000;

/// Both times, going on from where an earlier run ended.
#[derive(Debug)]
pub(super) struct Clock {
    /// Watched before this run, ms.
    before: u64,
    start: Instant,
    /// Unix time, ms; the latest that was given out.
    wall: i64,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            before: 0,
            start,
            wall: i64::MIN,
        }
    }

    /// Goes on from these times.
    pub(super) fn resume(&mut self, watched: u64, wall: i64) {
        self.before = self.before.max(watched);
        self.wall = self.wall.max(wall);
    }

    /// Watched time at `now`, ms.
    pub(super) fn watched(&self, now: Instant) -> u64 {
        let run = now.saturating_duration_since(self.start);
        self.before.saturating_add(millis(run))
    }

    /// Wall time, Unix ms: `now`, or the latest given out where that is a little later.
    pub(super) fn wall(&mut self, now: Timestamp) -> i64 {
        self.wall = later(self.wall, now.as_millisecond());
        self.wall
    }

    /// The latest wall time given out; `None` before the first.
    pub(super) fn last_wall(&self) -> Option<i64> {
        (self.wall != i64::MIN).then_some(self.wall)
    }
}

/// The later of two times, or `now` where the clock was set back since `before`.
pub(super) fn later(before: i64, now: i64) -> i64 {
    match before.saturating_sub(now) > STEP {
        true => now,
        false => before.max(now),
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_goes_back_only_with_a_clock_that_was_set_and_does_not_move_watched_time() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.resume(5_000, 1_000);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(clock.wall(at(500)), 1_000);
        assert_eq!(clock.wall(at(9_000)), 9_000);
        assert_eq!(clock.wall(at(2_000)), 9_000);
        assert_eq!(clock.watched(start + Duration::from_secs(2)), 7_000);
        assert_eq!(clock.last_wall(), Some(9_000));
        let year = 31_536_000_000;
        assert_eq!(clock.wall(at(year)), year);
        assert_eq!(clock.wall(at(year - STEP)), year);
        assert_eq!(clock.wall(at(10_000)), 10_000, "it was set back");
        assert_eq!(clock.watched(start + Duration::from_secs(2)), 7_000);
    }
}
