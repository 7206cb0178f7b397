//! The kernel's clock in records, and the wall clock in findings.

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Turns `CLOCK_MONOTONIC` nanoseconds into wall-clock time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Wall clock when the monotonic clock was 0.
    origin: Timestamp,
}

impl Clock {
    /// Compares the two clocks now.
    pub fn now() -> Self {
        let monotonic = clock_gettime(ClockId::Monotonic);
        let since = SignedDuration::new(monotonic.tv_sec, i32::try_from(monotonic.tv_nsec).unwrap_or(0));
        Self {
            origin: Timestamp::now()
                .checked_sub(since)
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// The wall-clock time of a record.
    pub fn wall(self, monotonic_ns: u64) -> Timestamp {
        let since = SignedDuration::from_nanos(i64::try_from(monotonic_ns).unwrap_or(i64::MAX));
        self.origin.checked_add(since).unwrap_or(self.origin)
    }
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
        let difference = Timestamp::now().duration_since(Clock::now().wall(nanos)).abs();
        assert!(difference < SignedDuration::from_secs(5), "{difference}");
    }
}
