//! Metrics of the masking ledger.

use std::sync::PoisonError;
use std::time::Instant;

use prometheus::IntCounterVec;

use super::{Metrics, raise};
use crate::masking::book::Totals;
use crate::masking::keeper::Status;
use crate::masking::store;
use crate::masking::{Counts, Party};
use crate::report::finding::Kind;

/// Coverage of a kind of data between two ends.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    pub detector: &'a str,
    pub source: &'a Party,
    pub destination: &'a Party,
    pub counts: &'a Counts,
    /// What it has to be at least, from 0 to 1.
    pub target: Option<f64>,
}

/// An increase over a counter born at 1 would be 0, and no alert.
pub(super) fn born_at_zero(drifts: IntCounterVec) -> IntCounterVec {
    for kind in [
        Kind::MaskDrift,
        Kind::NewData,
        Kind::NewFlow,
        Kind::PlaintextTransport,
        Kind::RateChange,
    ] {
        drifts.with_label_values(&[kind.name()]).inc_by(0);
    }
    drifts
}

impl Metrics {
    /// Coverage of kinds of data between two ends, as far as they were seen since the last time, and what it has to be.
    pub fn set_coverage<'a>(&self, edges: impl Iterator<Item = Covered<'a>>) {
        let now = Instant::now();
        for edge in edges {
            let Covered {
                detector,
                source,
                destination,
                counts,
                target,
            } = edge;
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
            let Some(target) = target else {
                continue;
            };
            if let Some(series) = self.masking_target.with(&labels, now) {
                series.set(target);
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
        self.masking_set_aside
            .with_label_values(&none)
            .set(i64::from(status.set_aside.is_some()));
        if let Some(room) = status.room {
            self.masking_room
                .with_label_values(&none)
                .set(i64::try_from(room).unwrap_or(i64::MAX));
        }
        for (what, total) in [
            ("field", totals.evicted),
            ("edge", totals.edges_lost),
            ("drift", totals.untold),
        ] {
            raise(&self.masking_lost, &[what], total);
        }
        for reason in store::REASONS {
            let total = status.failures.get(reason).copied().unwrap_or(0);
            raise(&self.masking_failures, &[reason], total);
        }
    }

    /// A drift was told.
    pub fn drift(&self, kind: Kind) {
        self.drifts.with_label_values(&[kind.name()]).inc();
    }
}
