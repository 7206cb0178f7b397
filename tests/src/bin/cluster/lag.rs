//! How long after a write a directory names by it.

use std::{
    fmt,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use auditor::{capture::clock::monotonic_ns, identity::kubernetes::Kubernetes};
use auditor_tests::crowd::Sight;

/// How often is looked.
const POLL: Duration = Duration::from_millis(1);

/// What is not known by then counts as this.
const LONGEST: Duration = Duration::from_secs(10);

/// From when a status with an address was sent, to when the address is the pod's.
pub struct Lag(Vec<Duration>);

impl Lag {
    /// Looks until nobody tells of handovers any more, and all of them are known.
    pub fn of(kubernetes: &Kubernetes, told: Receiver<Sight>) -> Self {
        let (mut waiting, mut lags) = (Vec::<Sight>::new(), Vec::new());
        loop {
            match told.recv_timeout(POLL) {
                Ok(sight) if sight.sent.is_some() => waiting.push(sight),
                Ok(_) | Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) if waiting.is_empty() => break,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL),
            }
            waiting.retain(|sight| {
                let lag = sight.sent.unwrap_or_else(Instant::now).elapsed();
                let now = i64::try_from(monotonic_ns() / 1_000_000).unwrap_or(i64::MAX);
                let named = kubernetes.directory.at((sight.ip, 443).into(), now);
                let pod = named.and_then(|named| named.pod);
                let is_known = pod.is_some_and(|pod| *pod.uid == *sight.uid) || lag >= LONGEST;
                if is_known {
                    lags.push(lag);
                }
                !is_known
            });
        }
        lags.sort();
        Self(lags)
    }

    fn percentile(&self, part: usize) -> f64 {
        let at = (self.0.len() * part / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, Duration::as_secs_f64) * 1000.0
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms of {}",
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
            self.0.len()
        )
    }
}
