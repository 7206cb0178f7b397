//! What the reporter shows in metrics of its tables, and of those that names come from.

use std::sync::atomic::Ordering;

use super::Reporter;
use crate::pipeline::Totals;

impl Reporter {
    pub(super) fn measure(&self) {
        let (entries, capacity) = (self.sketches.len() as u64, self.sketches.capacity() as u64);
        let metrics = &self.shared.metrics;
        metrics.set_map("sketches", entries, capacity);
        metrics.lost_so_far("sketches", "evicted", self.sketches.evicted());
        metrics.other_operations_so_far(self.aggregator.other_operations());
        metrics.unknown_clients_so_far(self.aggregator.unknown_clients());
        let totals = &self.shared.totals;
        metrics.merged_so_far("other_end", Totals::get(&totals.other_end));
        metrics.merged_so_far("passed_on", Totals::get(&totals.passed_on));
        let known = self.shared.descriptors.tally();
        for (result, total) in [
            ("learnt", known.files),
            ("ambiguous", known.ambiguous),
            ("refused", known.refused),
            ("no_room", known.no_room),
        ] {
            metrics.descriptors_so_far(result, total);
        }
        let [entries, capacity] = self.shared.descriptors.learnt_types();
        metrics.set_map("descriptors", entries, capacity);
        if let Some(containers) = self.shared.naming.names.containers() {
            let (entries, capacity) = containers.entries();
            metrics.set_map("containers", entries, capacity);
            let totals = containers.totals();
            let full = totals.queue_full.load(Ordering::Relaxed);
            metrics.lost_so_far("identity", "queue_full", full);
            for (result, total) in [
                ("found", &totals.found),
                ("unknown", &totals.unknown),
                ("failed", &totals.failed),
            ] {
                metrics.container_lookups_so_far(result, total.load(Ordering::Relaxed));
            }
        }
    }
}
