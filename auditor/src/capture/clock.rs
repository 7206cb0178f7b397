//! The kernel's clock in records, and the wall clock in findings.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Turns `CLOCK_MONOTONIC` nanoseconds into wall-clock time.
#[derive(Debug)]
pub struct Clock {
    /// Wall clock when the monotonic clock was 0, nanoseconds since 1970.
    origin: AtomicI64,
}

impl Clock {
    /// Compares the two clocks now.
    pub fn now() -> Self {
        Self {
            origin: AtomicI64::new(origin()),
        }
    }

    /// Compares them again: the wall clock may have been set.
    pub fn compare(&self) {
        self.origin.store(origin(), Ordering::Relaxed);
    }

    /// The wall-clock time of a record.
    pub fn wall(&self, monotonic_ns: u64) -> Timestamp {
        let since = SignedDuration::from_nanos(i64::try_from(monotonic_ns).unwrap_or(i64::MAX));
        let origin = SignedDuration::from_nanos(self.origin.load(Ordering::Relaxed));
        let wall = origin.saturating_add(since);
        Timestamp::from_duration(wall).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn origin() -> i64 {
    let wall = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
    wall.saturating_sub(i64::try_from(monotonic_ns()).unwrap_or(0))
}

/// `CLOCK_MONOTONIC` now, nanoseconds: the clock of records.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_now_has_the_wall_time_of_now() {
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap();
        let clock = Clock::now();
        for set in [false, true] {
            if set {
                // As if the wall clock had been set a year ahead since.
                clock.origin.fetch_sub(31_536_000_000_000_000, Ordering::Relaxed);
                clock.compare();
            }
            let difference = Timestamp::now().duration_since(clock.wall(nanos)).abs();
            assert!(difference < SignedDuration::from_secs(5), "{difference}");
        }
    }
}
