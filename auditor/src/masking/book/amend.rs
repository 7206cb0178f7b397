//! Values whose ends turned out to be others than they were counted for.
//!
//! Every value stays counted in exactly one row: what leaves one is in another, or in none before and after.

use std::collections::HashMap;
use std::time::Instant;

use jiff::Timestamp;

use super::names::row;
use super::{Book, Sighting};
use crate::masking::Party;
use crate::masking::drift::Drift;
use crate::masking::edge::Edge;
use crate::masking::record::{Judgement, Record, Side};
use crate::masking::room::Class;
use crate::masking::row::{Field, REST, Row};
use crate::report::finding::Verdict;
use crate::report::observation::Observation;

impl Book {
    /// Counts a value for other ends than those of `before`, as which it was counted; returns what begins with it. What is
    /// not found any more is not counted a second time.
    pub fn recount(
        &mut self,
        before: &Observation,
        sighting: &Sighting<'_>,
        now: Instant,
        wall: Timestamp,
    ) -> Vec<Drift> {
        if !self.uncount(before, sighting.side) {
            return Vec::new();
        }
        self.totals.observed -= 1;
        self.observe(sighting, now, wall)
    }

    /// Takes a value away; false where none is.
    fn uncount(&mut self, observation: &Observation, side: Side) -> bool {
        let [source, destination] = [&observation.source, &observation.destination].map(Party::of);
        let (source, destination) = (self.index.party(source), self.index.party(destination));
        let keys = self.index.keys(&source, &destination, observation);
        let state = observation.detection.state;
        let own = self.by_hash.get(&keys.field).copied();
        let rest = self.index.keys_of(&Field {
            source: (*source).clone(),
            destination: (*destination).clone(),
            part: REST.into(),
            detector: observation.detection.detector.into(),
            ..Field::default()
        });
        let rest = self.by_hash.get(&rest.field).copied();
        for at in [own, rest].into_iter().flatten() {
            let Some(Some(slot)) = self.slots.get_mut(at as usize) else {
                continue;
            };
            let Record { sent, received, .. } = &mut slot.record;
            let sides = match side {
                Side::Sender => [sent, received],
                Side::Receiver => [received, sent],
            };
            let count = sides
                .into_iter()
                .map(|counts| counts.of_mut(state))
                .find(|count| **count > 0);
            let Some(count) = count else { continue };
            *count -= 1;
            let is_empty = slot.record.counts().total() == 0;
            let class = Class::of(&slot.record);
            if is_empty {
                self.drop_row(at);
            } else {
                self.touch(at);
                self.room.moved(at, class);
            }
            self.uncount_on_edge(keys.ends, observation);
            return true;
        }
        false
    }

    fn uncount_on_edge(&mut self, ends: u128, observation: &Observation) {
        let at = self.edges.by_ends.get(&ends).copied();
        let Some(slot) = at.and_then(|at| self.edges.slots.get_mut(at as usize)) else {
            return;
        };
        let detector = observation.detection.detector;
        let kind = slot
            .edge
            .kinds
            .iter_mut()
            .find(|kind| &*kind.detector == detector);
        if let Some(kind) = kind {
            kind.uncount(observation.detection.state);
            slot.is_dirty = true;
        }
    }

    /// Removes a row with its place among those that have one.
    fn drop_row(&mut self, at: u32) -> Option<Row> {
        let slot = self.remove(at)?;
        match &*slot.names.part {
            REST => self.rests -= 1,
            _ => self.room.leave(at, slot.hash, 0),
        }
        Some(row(&slot))
    }

    /// All that was counted for a party is counted for the one that it turned out to be. Parties that stand for many are
    /// left as they are.
    pub fn rename(&mut self, names: &HashMap<Party, Party>) {
        let names: HashMap<&Party, &Party> = names
            .iter()
            .filter(|(before, now)| before.is_one() && before != now)
            .collect();
        if names.is_empty() {
            return;
        }
        let is_named = |source: &Party, destination: &Party| {
            names.contains_key(source) || names.contains_key(destination)
        };
        let rename = |party: &mut Party| {
            if let Some(&now) = names.get(&*party) {
                *party = now.clone();
            }
        };
        for at in 0..self.slots.len() {
            let Some(slot) = &self.slots[at] else { continue };
            if !is_named(&slot.names.source, &slot.names.destination) {
                continue;
            }
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(mut row) = self.drop_row(at) {
                rename(&mut row.field.source);
                rename(&mut row.field.destination);
                self.restore(row);
            }
        }
        let mut moved: Vec<Edge> = Vec::new();
        self.retain_edges(|edge| {
            let stays = !is_named(&edge.source, &edge.destination);
            if !stays {
                moved.push(edge.clone());
            }
            stays
        });
        for mut edge in moved {
            rename(&mut edge.source);
            rename(&mut edge.destination);
            self.join_edge(edge);
        }
    }

    /// What policy says about a field by now.
    pub fn judged(&mut self, field: &Field, verdict: Option<Verdict>) {
        let keys = self.index.keys_of(field);
        let Some(&at) = self.by_hash.get(&keys.field) else {
            return;
        };
        let Some(Some(slot)) = self.slots.get_mut(at as usize) else {
            return;
        };
        slot.record.verdict = verdict.map(Judgement::from);
        let class = Class::of(&slot.record);
        self.touch(at);
        self.room.moved(at, class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::State;
    use crate::masking::tests::{Bench, seen};
    use crate::report::finding::Workload;

    /// A value to a pod whose owner is not known yet.
    fn early(field: &str, state: State) -> Observation {
        let mut observation = seen(field, state);
        observation.destination.workload = Some(Workload {
            namespace: Some("shop".into()),
            kind: "Pod".into(),
            name: "orders-1".into(),
        });
        observation
    }

    fn names() -> HashMap<Party, Party> {
        let of = |observation: Observation| Party::of(&observation.destination);
        let state = State::Clear;
        HashMap::from([(of(early("$.a", state)), of(seen("$.a", state)))])
    }

    /// Receiver, field and counts of each row.
    fn rows(book: &Book) -> Vec<(String, String, u64, u64)> {
        let mut rows: Vec<_> = book
            .rows()
            .map(|row| {
                let counts = row.record.counts();
                let field = row.field.field.unwrap_or_default();
                (
                    row.field.destination.name,
                    field.into(),
                    counts.clear,
                    counts.masked,
                )
            })
            .collect();
        rows.sort();
        rows
    }

    #[test]
    fn all_that_was_counted_for_an_end_moves_to_its_right_name() {
        let mut bench = Bench::new(10);
        for _ in 0..3 {
            bench.see(&early("$.a", State::Masked));
            bench.see(&early("$.b", State::Clear));
        }
        bench.see(&seen("$.a", State::Clear));
        bench.book.take_batch(bench.now);
        bench.book.rename(&names());
        let name = |field: &str, clear, masked| ("orders".to_owned(), field.to_owned(), clear, masked);
        assert_eq!(rows(&bench.book), [name("$.a", 1, 3), name("$.b", 3, 0)]);
        assert_eq!(
            (bench.book.fields(), bench.book.totals(bench.now).observed),
            (2, 7)
        );
        let fresh = bench.book.fresh();
        let coverage: Vec<_> = fresh.iter().map(|(.., counts)| counts.coverage()).collect();
        assert_eq!(coverage, [Some(3.0 / 7.0)], "one edge has them all");
        let batch = bench.book.take_batch(bench.now);
        assert!(batch.is_everything && batch.rows.len() == 2);
    }

    #[test]
    fn ends_that_stand_for_many_keep_what_they_have() {
        let mut bench = Bench::new(10);
        let mut nameless = seen("$.a", State::Clear);
        nameless.destination.workload = None;
        nameless.destination.process = None;
        bench.see(&nameless);
        let before = Party::of(&nameless.destination);
        let now = Party::of(&seen("$.a", State::Clear).destination);
        bench.book.rename(&HashMap::from([(before.clone(), now)]));
        assert_eq!(rows(&bench.book)[0].0, before.name);
    }

    #[test]
    fn a_value_that_is_counted_anew_is_counted_once_and_what_is_gone_not_at_all() {
        let mut bench = Bench::new(10);
        for _ in 0..2 {
            bench.see(&early("$.a", State::Masked));
        }
        let right = seen("$.a", State::Masked);
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        let sighting = Sighting {
            observation: &right,
            verdict: None,
            is_silent: false,
            side: Side::Sender,
        };
        for expected in [[1, 1], [2, 0], [2, 0]] {
            bench
                .book
                .recount(&early("$.a", State::Masked), &sighting, bench.now, wall);
            let count = |name: &str| {
                let rows = rows(&bench.book);
                rows.iter().find(|row| row.0 == name).map_or(0, |row| row.3)
            };
            assert_eq!([count("orders"), count("orders-1")], expected);
            assert_eq!(bench.book.totals(bench.now).observed, 2);
        }
        assert_eq!(bench.book.fields(), 1);
    }

    #[test]
    fn a_row_follows_what_policy_says_now() {
        let mut bench = Bench::new(10);
        let clear = seen("$.a", State::Clear);
        bench.see(&clear);
        let field = bench.book.rows().next().unwrap().field;
        bench.book.judged(&field, Some(Verdict::Allowed));
        let row = bench.book.rows().next().unwrap();
        assert_eq!(row.record.verdict, Some(Judgement::Allowed));
    }
}
