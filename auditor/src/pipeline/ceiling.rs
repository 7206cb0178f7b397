//! A ceiling on the processor time that the daemon uses.
//!
//! Goes in: what the process has used, by its own clock. Comes out: how long a ring's reader is to rest. While readers rest
//! the rings fill, and the kernel side leaves out whole messages of those that send most, and counts them: the ceiling is
//! kept by shedding. Threads other than the readers are not held up; readers leave them their part.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// How much of a ceiling that was not used may be used later: that of so much time.
const SAVED: Duration = Duration::from_millis(500);

/// How much that was used beyond it is made up for: that of so much time, but not less than [`LEAST_OWED`]. Looking for
/// libraries in many programs is not made up for by hours without reading.
const OWED: Duration = Duration::from_secs(2);
const LEAST_OWED: Duration = Duration::from_millis(250);

/// The part of a ceiling that readers have whatever the other threads use.
const LEAST_SHARE: u64 = 4;

/// A ceiling in percent of a processor; 0 is none.
#[derive(Default)]
pub struct Ceiling {
    percent: AtomicU32,
    account: Mutex<Option<Account>>,
    rested: AtomicU64,
}

/// What is left of what may be used.
struct Account {
    at: Instant,
    /// Of the process, so far.
    used: Duration,
    /// Nanoseconds; below 0: what is owed.
    left: i64,
}

impl Ceiling {
    /// One from the start.
    pub fn of(percent: u32) -> Self {
        let ceiling = Self::default();
        ceiling.set(percent);
        ceiling
    }

    /// Another one from now on.
    pub fn set(&self, percent: u32) {
        self.percent.store(percent, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.percent.load(Ordering::Relaxed) > 0
    }

    /// How long one of so many readers is to rest now, which used `own` since it was asked before.
    pub fn rest(&self, own: Duration, readers: u64) -> Option<Duration> {
        let percent = self.percent.load(Ordering::Relaxed);
        if percent == 0 {
            return None;
        }
        let (now, used) = (Instant::now(), used());
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let account = account.get_or_insert(Account {
            at: now,
            used,
            left: 0,
        });
        let time = now.saturating_duration_since(account.at);
        account.left = left(account.left, percent, time, used.saturating_sub(account.used));
        (account.at, account.used) = (now, used);
        let owed = u64::try_from(-account.left).ok().filter(|owed| *owed > 0)?;
        let rest = |used: u64| Duration::from_nanos(used.saturating_mul(100) / u64::from(percent));
        let own = u64::try_from(own.as_nanos()).unwrap_or(u64::MAX);
        let most = own.saturating_mul(LEAST_SHARE).saturating_mul(readers);
        Some(rest(owed).min(rest(most)))
    }

    /// A reader has rested.
    pub fn has_rested(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.rested.fetch_add(micros, Ordering::Relaxed);
    }

    /// How long readers have rested so far, together.
    pub fn rested(&self) -> Duration {
        Duration::from_micros(self.rested.load(Ordering::Relaxed))
    }
}

/// What is left after this time in which so much was used.
fn left(before: i64, percent: u32, time: Duration, used: Duration) -> i64 {
    let part = |time: Duration| nanos(time).saturating_mul(i64::from(percent)) / 100;
    let most = part(SAVED);
    let least = -part(OWED).max(nanos(LEAST_OWED));
    before
        .saturating_add(part(time.min(Duration::from_secs(3600))))
        .saturating_sub(nanos(used))
        .clamp(least, most)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Processor time of all threads of this process.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Processor time of this thread.
pub(super) fn used_by_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    /// Plays a reader that is always behind and needs `cost` for each of its turns; returns the percent that it used.
    fn played(percent: u32, cost: Duration) -> f64 {
        let (mut time, mut busy, mut account) = (Duration::ZERO, Duration::ZERO, 0);
        while time < Duration::from_secs(60) {
            account = left(account, percent, cost, cost);
            (time, busy) = (time + cost, busy + cost);
            if account < 0 {
                let rest = Duration::from_nanos(account.unsigned_abs() * 100 / u64::from(percent));
                account = left(account, percent, rest, Duration::ZERO);
                time += rest;
            }
        }
        100.0 * busy.as_secs_f64() / time.as_secs_f64()
    }

    #[test]
    fn a_reader_that_is_always_behind_uses_what_it_may_and_no_more() {
        for percent in [1, 5, 10, 50, 99] {
            for cost in [TICK / 100, TICK, 10 * TICK] {
                let used = played(percent, cost);
                let wanted = f64::from(percent);
                assert!(
                    used <= wanted * 1.05 + 0.2 && used >= wanted * 0.9,
                    "{used} of {percent} in turns of {cost:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_saved_and_what_is_owed_are_bounded() {
        let long = Duration::from_secs(1000);
        assert_eq!(left(0, 10, long, Duration::ZERO), nanos(SAVED) / 10);
        assert_eq!(left(0, 10, TICK, long), -nanos(LEAST_OWED));
        assert_eq!(left(0, 100, TICK, long), -nanos(OWED));
    }

    #[test]
    fn without_a_ceiling_nobody_rests() {
        let ceiling = Ceiling::default();
        assert_eq!(ceiling.rest(TICK, 1), None);
        ceiling.set(1);
        assert!(ceiling.is_set());
        // Who used nothing does not rest, whatever others did.
        ceiling.rest(Duration::ZERO, 1);
        let before = used();
        while used() < before + 50 * TICK {}
        assert_eq!(ceiling.rest(Duration::ZERO, 1), Some(Duration::ZERO));
        assert_eq!(ceiling.rest(TICK / 100, 2), Some(8 * TICK));
    }
}
