//! Metrics of the masking ledger.

use std::sync::PoisonError;
use std::time::Instant;

use super::{Metrics, raise};
use crate::masking::book::Totals;
use crate::masking::keeper::Status;
use crate::masking::{Counts, Party};
use crate::report::finding::Kind;

impl Metrics {
    /// Coverage of kinds of data between two ends, as far as they were seen since the last time.
    pub fn set_coverage<'a>(&self, edges: impl Iterator<Item = (&'a str, &'a Party, &'a Party, &'a Counts)>) {
        let now = Instant::now();
        for (detector, source, destination, counts) in edges {
            let Some(coverage) = counts.coverage() else {
                continue;
            };
            let name = |party: &Party| match party.kind.as_str() {
                "Process" => party.short(),
                _ => party.name.clone(),
            };
            let (sender, receiver) = (name(source), name(destination));
            let labels = [
                detector,
                &source.namespace,
                &sender,
                &source.kind,
                &destination.namespace,
                &receiver,
                &destination.kind,
            ];
            if let Some(series) = self.masking_coverage.with(&labels, now) {
                series.set(coverage);
            }
        }
    }

    /// How full the ledger is, and how it is kept.
    pub fn set_masking(&self, fields: usize, totals: &Totals, status: &Status) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let none: [&str; 0] = [];
        let fields = i64::try_from(fields).unwrap_or(i64::MAX);
        self.masking_fields.with_label_values(&none).set(fields);
        self.masking_failing
            .with_label_values(&none)
            .set(i64::from(status.failing.is_some()));
        for (what, total) in [
            ("field", totals.evicted),
            ("edge", totals.edges_lost),
            ("drift", totals.untold),
        ] {
            raise(&self.masking_lost, &[what], total);
        }
        for (reason, total) in &status.failures {
            raise(&self.masking_failures, &[reason], *total);
        }
    }

    /// A drift was told.
    pub fn drift(&self, kind: Kind) {
        self.drifts.with_label_values(&[kind.name()]).inc();
    }
}
