//! How long to wait after a failure: longer each time, never the same on all nodes.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// Longest that a receiver may ask for.
const ASKED: Duration = Duration::from_secs(600);

/// Failures since the last success.
#[derive(Debug, Default)]
pub struct Pause {
    failures: u32,
}

impl Pause {
    /// The pause after one more failure; the first one is told.
    pub fn failed(&mut self, sink: &str, why: &str, asked: Option<Duration>) -> Duration {
        if self.failures == 0 {
            tracing::error!(
                sink,
                why,
                "findings do not arrive; they wait on disk and are sent again"
            );
        } else {
            tracing::debug!(
                sink,
                why,
                failures = self.failures,
                "findings still do not arrive"
            );
        }
        self.failures = self.failures.saturating_add(1);
        let doubled = FIRST
            .saturating_mul(1 << self.failures.saturating_sub(1).min(16))
            .min(LONGEST);
        // Half of it, and up to another half: a fleet must not come back in step.
        let half = doubled / 2;
        let random = RandomState::new().hash_one(self.failures) % 1000;
        let jittered = half + half.mul_f64(random as f64 / 1000.0);
        jittered.max(asked.unwrap_or_default().min(ASKED))
    }

    pub fn over(&mut self, sink: &str) {
        if self.failures > 0 {
            tracing::info!(sink, failures = self.failures, "findings arrive again");
        }
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_start_again_after_a_success() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..20).map(|_| pause.failed("x", "y", None)).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST);
        for (number, wait) in pauses.iter().enumerate() {
            let most = FIRST.saturating_mul(1 << number.min(16)).min(LONGEST);
            assert!(*wait >= most / 2 && *wait <= most, "{number}: {wait:?}");
        }
        pause.over("x");
        assert!(pause.failed("x", "y", None) <= FIRST);
        assert_eq!(
            pause.failed("x", "y", Some(Duration::from_secs(90))),
            Duration::from_secs(90)
        );
        assert_eq!(
            pause.failed("x", "y", Some(Duration::from_secs(9_999_999))),
            ASKED
        );
    }
}
