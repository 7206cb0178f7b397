//! Metric families whose number of series is bounded.
//!
//! Goes in: label values, some of them from the network. Comes out: one series each, until the
//! limit; past it the workload labels become `other`, and that is counted. A series nobody used
//! for ten minutes is removed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::report::table::steers;

/// A series unused for longer is removed.
pub const IDLE: Duration = Duration::from_secs(600);
/// Longest label value, bytes.
const LABEL_LIMIT: usize = 128;
/// What a label says of series past the limit.
const OTHER: &str = "other";

/// A labelled metric of the prometheus crate.
pub trait Labelled {
    /// One series.
    type Series;
    /// The series with these values; `None` when their number is wrong.
    fn series(&self, values: &[String]) -> Option<Self::Series>;
    /// Removes the series with these values, if there is one.
    fn remove(&self, values: &[String]);
}

impl Labelled for IntCounterVec {
    type Series = IntCounter;

    fn series(&self, values: &[String]) -> Option<IntCounter> {
        self.get_metric_with_label_values(values).ok()
    }

    fn remove(&self, values: &[String]) {
        let _ = self.remove_label_values(values);
    }
}

impl Labelled for IntGaugeVec {
    type Series = IntGauge;

    fn series(&self, values: &[String]) -> Option<IntGauge> {
        self.get_metric_with_label_values(values).ok()
    }

    fn remove(&self, values: &[String]) {
        let _ = self.remove_label_values(values);
    }
}

impl Labelled for GaugeVec {
    type Series = Gauge;

    fn series(&self, values: &[String]) -> Option<Gauge> {
        self.get_metric_with_label_values(values).ok()
    }

    fn remove(&self, values: &[String]) {
        let _ = self.remove_label_values(values);
    }
}

/// A metric family with at most `limit` series of its own, and those that say `other`.
pub struct Family<V> {
    vec: V,
    /// The first `fixed` labels come from this program and stay when a series overflows.
    fixed: usize,
    limit: usize,
    used: Mutex<HashMap<Vec<String>, Instant>>,
    overflow: IntCounter,
}

impl<V: Labelled> Family<V> {
    /// A family of `vec` whose labels after the first `fixed` may hold anything; `overflow` counts
    /// what found no room.
    pub fn new(vec: V, fixed: usize, limit: usize, overflow: IntCounter) -> Self {
        Self {
            vec,
            fixed,
            limit,
            used: Mutex::default(),
            overflow,
        }
    }

    /// The series with these label values, or the `other` series when there is no room; `None`
    /// when the number of values is not the number of labels.
    pub fn with(&self, values: &[&str], now: Instant) -> Option<V::Series> {
        let mut values: Vec<String> = values.iter().map(|value| label(value)).collect();
        {
            let mut used = self.used();
            if let Some(last) = used.get_mut(&values) {
                *last = now;
            } else if used.len() < self.limit {
                used.insert(values.clone(), now);
            } else {
                self.overflow.inc();
                values
                    .iter_mut()
                    .skip(self.fixed)
                    .for_each(|value| *value = OTHER.to_owned());
            }
        }
        self.vec.series(&values)
    }

    /// Removes the series that were not used for [`IDLE`].
    pub fn sweep(&self, now: Instant) {
        let mut used = self.used();
        used.retain(|values, last| {
            let keep = now.saturating_duration_since(*last) < IDLE;
            if !keep {
                self.vec.remove(values);
            }
            keep
        });
    }

    /// Series of its own, `other` left out.
    pub fn len(&self) -> usize {
        self.used().len()
    }

    /// True when it has no series of its own.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Vec<String>, Instant>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A label value: what steers a terminal replaced, at most 128 bytes.
pub fn label(value: &str) -> String {
    let mut out: String = value
        .chars()
        .take(LABEL_LIMIT)
        .map(|c| if steers(c) { '?' } else { c })
        .collect();
    out.truncate(out.floor_char_boundary(LABEL_LIMIT));
    out
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    fn family(limit: usize) -> (Family<IntCounterVec>, IntCounter) {
        let overflow = IntCounter::new("overflow", "x").unwrap();
        let vec = IntCounterVec::new(Opts::new("leaks", "x"), &["detector", "workload"]).unwrap();
        (Family::new(vec, 1, limit, overflow.clone()), overflow)
    }

    #[test]
    fn past_the_limit_series_share_other_and_are_counted() {
        let (family, overflow) = family(2);
        let now = Instant::now();
        for workload in ["a", "b", "c", "d", "a"] {
            family.with(&["card", workload], now).unwrap().inc();
        }
        assert_eq!((family.len(), overflow.get()), (2, 2));
        assert_eq!(family.vec.with_label_values(&["card", "a"]).get(), 2);
        assert_eq!(family.vec.with_label_values(&["card", "other"]).get(), 2);
    }

    #[test]
    fn a_series_goes_away_ten_minutes_after_its_last_use_and_makes_room() {
        let (family, overflow) = family(1);
        let start = Instant::now();
        family.with(&["card", "a"], start).unwrap().inc();
        family
            .with(&["card", "a"], start + Duration::from_secs(300))
            .unwrap()
            .inc();
        family.sweep(start + Duration::from_secs(899));
        assert_eq!(family.len(), 1);
        family.sweep(start + Duration::from_secs(900));
        assert!(family.is_empty());
        family
            .with(&["card", "b"], start + Duration::from_secs(901))
            .unwrap()
            .inc();
        assert_eq!(overflow.get(), 0);
        assert_eq!(
            family.vec.with_label_values(&["card", "a"]).get(),
            0,
            "it starts anew"
        );
    }

    #[test]
    fn the_wrong_number_of_labels_is_no_series() {
        assert!(family(1).0.with(&["card"], Instant::now()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn a_label_is_short_and_steers_nothing(text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{206f}é]{0,200}") {
            let label = label(&text);
            proptest::prop_assert!(label.len() <= LABEL_LIMIT);
            proptest::prop_assert!(!label.contains(steers));
        }
    }
}
