//! Threads that go round for as long as the daemon lives.
//!
//! Goes in: each round of each thread. Comes out: the one that has not gone round for longest. A round costs its thread one
//! addition: the clock is read by who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The rounds of a thread that has ended.
const ENDED: u64 = u64::MAX;

/// All such threads.
#[derive(Default)]
pub struct Rounds(Mutex<Vec<Thread>>);

struct Thread {
    name: String,
    rounds: Arc<AtomicU64>,
    /// When somebody asked last, and when they began to be so many.
    seen: u64,
    since: Instant,
}

/// Of one thread, which is no longer asked about once it dropped this.
pub struct Round(Arc<AtomicU64>);

impl Rounds {
    /// For a thread that is about to begin.
    pub fn thread(&self, name: &str) -> Round {
        let rounds = Arc::new(AtomicU64::new(0));
        self.threads(|threads| {
            threads.push(Thread {
                name: name.to_owned(),
                rounds: Arc::clone(&rounds),
                seen: 0,
                since: Instant::now(),
            });
        });
        Round(rounds)
    }

    /// The thread that has not gone round for longest, and for how long at least: it may be longer by the time since
    /// this was asked before.
    pub fn slowest(&self, now: Instant) -> Option<(String, Duration)> {
        self.threads(|threads| {
            threads.retain_mut(|thread| thread.look(now));
            let slowest = threads.iter().min_by_key(|thread| thread.since)?;
            Some((slowest.name.clone(), now.saturating_duration_since(slowest.since)))
        })
    }

    fn threads<T>(&self, with: impl FnOnce(&mut Vec<Thread>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Thread {
    /// Whether it goes on.
    fn look(&mut self, now: Instant) -> bool {
        let rounds = self.rounds.load(Ordering::Relaxed);
        if rounds != self.seen {
            (self.seen, self.since) = (rounds, now);
        }
        rounds != ENDED
    }
}

impl Round {
    /// Once more.
    pub fn went(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_is_the_one_that_has_not_gone_round_since_it_was_looked_at() {
        let rounds = Rounds::default();
        assert_eq!(rounds.slowest(Instant::now()), None);
        let (one, two) = (rounds.thread("one"), rounds.thread("two"));
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let at = |seconds| rounds.slowest(later(seconds));
        one.went();
        two.went();
        assert!(at(1).is_some_and(|(_, time)| time.is_zero()));
        two.went();
        assert_eq!(at(5), Some(("one".to_owned(), Duration::from_secs(4))));
        one.went();
        // Nobody asked meanwhile: it may have gone round at any time of it.
        assert_eq!(at(20), Some(("two".to_owned(), Duration::from_secs(15))));
        drop(two);
        assert_eq!(at(21), Some(("one".to_owned(), Duration::from_secs(1))));
        drop(one);
        assert_eq!(at(22), None);
    }
}
