//! Between the reporter, which knows the fields worth counting, and the readers, which count.
//!
//! Goes in: [`Suspects`], and hashes of failures that were sent. Comes out: the suspects as they are
//! now, and whether a failure was sent lately. Readers never wait for one another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::detect::sketch::Suspects;

/// Failures that are remembered.
const SENT: usize = 1024;

pub(super) struct Watchlist {
    suspects: RwLock<Arc<Suspects>>,
    sent: [AtomicU64; SENT],
}

impl Default for Watchlist {
    fn default() -> Self {
        Self {
            suspects: RwLock::default(),
            sent: [const { AtomicU64::new(0) }; SENT],
        }
    }
}

impl Watchlist {
    pub(super) fn current(&self) -> Arc<Suspects> {
        Arc::clone(&self.suspects.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in place. What was sent of those before is forgotten.
    pub(super) fn set(&self, suspects: Suspects) {
        *self.suspects.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(suspects);
        self.sent.iter().for_each(|sent| sent.store(0, Ordering::Relaxed));
    }

    /// Whether this was asked for before, as far as it is remembered. A field that repeats one
    /// number says nothing with the second one.
    pub(super) fn was_sent(&self, hash: u64) -> bool {
        let slot = &self.sent[hash as usize % SENT];
        slot.swap(hash, Ordering::Relaxed) == hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_sent_once_while_the_suspects_stay_the_same() {
        let list = Watchlist::default();
        assert!(list.current().is_empty());
        assert!(!list.was_sent(5) && list.was_sent(5));
        assert!(!list.was_sent(6) && list.was_sent(5));
        list.set(Suspects::default());
        assert!(!list.was_sent(5));
    }
}
