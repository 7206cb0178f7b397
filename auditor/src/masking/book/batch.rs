//! What goes to the file, and what comes back from it.

use std::time::Instant;

use super::names::row;
use super::{Book, Totals};
use crate::masking::edge::Edge;
use crate::masking::room::Class;
use crate::masking::row::Row;

/// What changed since the last batch: rows and edges as they are now.
#[derive(Debug, Default)]
pub struct Batch {
    pub rows: Vec<(u64, Row)>,
    /// Rows that are no more.
    pub gone: Vec<u64>,
    pub(in crate::masking) edges: Vec<(u64, Edge)>,
    /// This is all there is, and what was written before is to be forgotten.
    pub is_everything: bool,
    pub totals: Totals,
}

impl Batch {
    /// True when nothing but time changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.gone.is_empty() && self.edges.is_empty() && !self.is_everything
    }
}

impl Book {
    /// What is to be written, which then counts as written.
    pub fn take_batch(&mut self, now: Instant) -> Batch {
        let is_everything = std::mem::take(&mut self.rewrites);
        let mut rows = Vec::new();
        if is_everything {
            self.dirty.clear();
            for slot in self.slots.iter_mut().flatten() {
                slot.is_dirty = false;
                rows.push((slot.id, row(slot)));
            }
        }
        for at in std::mem::take(&mut self.dirty) {
            if let Some(Some(slot)) = self.slots.get_mut(at as usize)
                && std::mem::take(&mut slot.is_dirty)
            {
                rows.push((slot.id, row(slot)));
            }
        }
        let mut edges = Vec::new();
        for (at, slot) in (0..).zip(&mut self.edges.slots) {
            if std::mem::take(&mut slot.is_dirty) || is_everything {
                edges.push((at, slot.edge.clone()));
            }
        }
        Batch {
            rows,
            gone: std::mem::take(&mut self.gone),
            edges,
            is_everything,
            totals: self.totals(now),
        }
    }

    /// The last batch was not written: the next one is everything.
    pub fn write_all_again(&mut self) {
        self.rewrites = true;
    }

    /// Adds what an earlier run wrote. The next batch is everything.
    pub(in crate::masking) fn load(&mut self, rows: Vec<Row>, edges: Vec<Edge>, totals: Totals) {
        self.clock.resume(totals.watched, totals.wall);
        let own = &mut self.totals;
        if !totals.id.is_empty() {
            own.id = totals.id;
        }
        if own.observed == 0 || totals.observed > 0 && totals.began < own.began {
            own.began = totals.began;
        }
        own.observed = own.observed.saturating_add(totals.observed);
        own.expired = own.expired.saturating_add(totals.expired);
        own.evicted = own.evicted.saturating_add(totals.evicted);
        own.edges_lost = own.edges_lost.saturating_add(totals.edges_lost);
        own.untold = own.untold.saturating_add(totals.untold);
        rows.into_iter().for_each(|row| self.restore(row));
        edges.into_iter().for_each(|edge| self.restore_edge(edge));
        self.rewrites = true;
    }

    pub(super) fn restore(&mut self, row: Row) {
        let keys = self.index.keys_of(&row.field);
        let names = self.index.names(&row);
        let is_rest = row.is_rest();
        // With fewer rows than before, or twice the same one, counts go on in another row.
        let known = self.by_hash.get(&keys.field).copied();
        let beyond = !is_rest && self.room.is_full();
        if known.is_some() || beyond {
            let at = known.unwrap_or_else(|| self.rest_of(&names));
            if let Some(Some(slot)) = self.slots.get_mut(at as usize) {
                slot.record.add(&row.record);
            }
            self.totals.evicted += u64::from(beyond && known.is_none());
            self.touch(at);
            return;
        }
        let class = Class::of(&row.record);
        let at = self.insert(keys.field, keys.place, names, row.record);
        match is_rest {
            true => self.rests += 1,
            false => self.room.enter(at, class),
        }
    }
}
