//! Metrics of findings over the network.

use prometheus::IntCounterVec;

use super::Metrics;
use crate::serve::remote::Outcome;

/// An increase over a counter born at 1 would be 0, and nobody would see it.
pub(super) fn born_at_zero(requests: IntCounterVec) -> IntCounterVec {
    for outcome in Outcome::ALL {
        requests.with_label_values(&[outcome.name()]).inc_by(0);
    }
    requests
}

impl Metrics {
    /// What became of a request.
    pub fn tail_request(&self, outcome: Outcome) {
        self.tail_requests.with_label_values(&[outcome.name()]).inc();
    }

    /// So many more clients are served, or fewer.
    pub fn tail_streams(&self, more: i64) {
        let none: [&str; 0] = [];
        self.tail_streams.with_label_values(&none).add(more);
    }
}
