//! Pairs of ends: what is told of them, and coverage for metrics.

use std::collections::HashMap;
use std::time::Instant;

use super::index::Keys;
use super::{Book, Sighting};
use crate::detect::{Confidence, Severity, State};
use crate::masking::Party;
use crate::masking::clock::millis;
use crate::masking::drift::Drift;
use crate::masking::edge::{self, Edge, Told};
use crate::masking::pace::PORTION;
use crate::masking::record::Counts;
use crate::report::finding::{Facts, Kind};
use crate::report::observation::Observation;

/// New kinds of data told of one edge in a minute.
const NEW_DATA: u32 = 10;
/// New flows told in a minute.
const NEW_FLOWS: u32 = 100;
/// Falls told in a minute: where all stops at once, the first say it.
const FALLS: u32 = 10;
/// Kinds of data of edges whose last value is remembered, for what is told when no more come.
const LASTS: usize = 8192;
/// The last value is remembered anew after this long, ms.
const FRESH: u64 = 1000;

/// All pairs of ends.
#[derive(Debug, Default)]
pub(super) struct Edges {
    pub(super) slots: Vec<EdgeSlot>,
    pub(super) by_ends: HashMap<u128, u32, foldhash::fast::RandomState>,
    /// Told so far in this minute.
    flows_told: Told,
    falls_told: Told,
    /// Last values that are remembered.
    lasts: usize,
}

#[derive(Debug)]
pub(super) struct EdgeSlot {
    pub(super) edge: Edge,
    pub(super) is_dirty: bool,
    pub(super) is_fresh: bool,
    /// By the place of its kind of data: the last value that may be told of.
    lasts: Vec<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    /// Watched ms.
    at: u64,
    observation: Box<Observation>,
}

impl EdgeSlot {
    pub(super) fn new(edge: Edge) -> Self {
        Self {
            edge,
            is_dirty: false,
            is_fresh: true,
            lasts: Vec::new(),
        }
    }

    /// Remembers the last value of a kind of data; says by how many that are more.
    fn remember(&mut self, kind: usize, observation: &Observation, watched: u64, is_room: bool) -> usize {
        let is_recent = |last: &Last| watched.saturating_sub(last.at) < FRESH;
        let last = self.lasts.get(kind).and_then(Option::as_ref);
        let is_new = last.is_none();
        if last.is_some_and(is_recent) || (is_new && !is_room) {
            return 0;
        }
        if self.lasts.len() <= kind {
            self.lasts.resize_with(kind + 1, || None);
        }
        self.lasts[kind] = Some(Last {
            at: watched,
            observation: Box::new(observation.clone()),
        });
        usize::from(is_new)
    }
}

impl Book {
    pub(super) fn tells(&self, sighting: &Sighting<'_>) -> bool {
        self.drift.enabled
            && !sighting.is_silent
            && sighting.observation.detection.confidence >= Confidence::Medium
    }

    /// Counts the value on its edge. Returns since when that is known, watched ms.
    pub(super) fn see_edge(
        &mut self,
        ends: u128,
        [source, destination]: [&Party; 2],
        sighting: &Sighting<'_>,
        watched: u64,
        drifts: &mut Vec<Drift>,
    ) -> Option<u64> {
        let at = self.edge_of(ends, source, destination, watched)?;
        let tells = self.tells(sighting);
        let learning = millis(self.drift.learning);
        let observation = sighting.observation;
        let state = observation.detection.state;
        let encrypted = observation.flow.encrypted;
        let slot = &mut self.edges.slots[at];
        (slot.is_dirty, slot.is_fresh) = (true, true);
        let edge = &mut slot.edge;
        edge.last = watched;
        let born = edge.born;
        let is_regulated = !observation.regulations.is_empty() && state != State::Test;
        if is_regulated && !std::mem::replace(&mut edge.regulated, true) {
            let is_known = source.is_known() && destination.is_known();
            if tells && watched >= learning && is_known {
                if self.edges.flows_told.allows(watched, NEW_FLOWS) {
                    drifts.push(new_flow(observation));
                } else {
                    self.totals.untold += 1;
                }
            }
        }
        if state != State::Test && edge.wire.see(encrypted, watched, learning) && tells {
            let is = |encrypted| Facts {
                encrypted: Some(encrypted),
                ..Facts::default()
            };
            drifts.push(Drift::new(Kind::PlaintextTransport, is(true), is(false)));
        }
        self.see_rate(at, observation, tells, watched, drifts);
        Some(born)
    }

    /// The place of an edge, made when it is new; `None` where there are too many.
    fn edge_of(&mut self, ends: u128, source: &Party, destination: &Party, watched: u64) -> Option<usize> {
        if let Some(&at) = self.edges.by_ends.get(&ends) {
            return Some(at as usize);
        }
        let at = self.edges.slots.len();
        if at >= self.limits.edges {
            self.totals.edges_lost += 1;
            return None;
        }
        self.edges.by_ends.insert(ends, u32::try_from(at).ok()?);
        self.edges.slots.push(EdgeSlot::new(Edge {
            source: source.clone(),
            destination: destination.clone(),
            born: watched,
            ..Edge::default()
        }));
        Some(at)
    }

    fn see_rate(
        &mut self,
        at: usize,
        observation: &Observation,
        tells: bool,
        watched: u64,
        drifts: &mut Vec<Drift>,
    ) {
        let learning = millis(self.drift.learning);
        let slot = &mut self.edges.slots[at];
        let Some(place) = slot.edge.kind(observation.detection.detector, watched) else {
            return;
        };
        let kind = &mut slot.edge.kinds[place];
        kind.count(observation.detection.state, watched);
        kind.pace.see(watched, learning);
        let burst = kind
            .rate
            .see(kind.born, watched, learning, self.drift.rate_factor);
        if !tells {
            return;
        }
        if let Some(level) = burst {
            let rate = |rate| Facts {
                rate: Some(rate),
                ..Facts::default()
            };
            drifts.push(Drift::new(Kind::RateChange, rate(level), rate(kind.rate.count)));
        }
        let is_room = self.edges.lasts < LASTS;
        self.edges.lasts += slot.remember(place, observation, watched, is_room);
    }

    /// Kinds of data that come no more, or far slower than ever while it was learnt, each with its last value. Call it
    /// about once a second: nothing that comes can say that nothing does.
    pub fn falls(&mut self, now: Instant) -> Vec<(Observation, Drift)> {
        let watched = self.clock.watched(now);
        let learning = millis(self.drift.learning);
        let factor = self.drift.rate_factor;
        let mut falls = Vec::new();
        if !self.drift.enabled {
            return falls;
        }
        for slot in &mut self.edges.slots {
            for (kind, last) in slot.edge.kinds.iter_mut().zip(&slot.lasts) {
                let Some(last) = last else { continue };
                let Some(fall) = kind.pace.due(watched, learning, factor) else {
                    continue;
                };
                slot.is_dirty = true;
                if !self.edges.falls_told.allows(watched, FALLS) {
                    self.totals.untold += 1;
                    continue;
                }
                let took = |values, ms: u64| Facts {
                    values: Some(values),
                    seconds: Some(ms / 1000),
                    ..Facts::default()
                };
                let drift = Drift {
                    severity: Some(Severity::Low),
                    ..Drift::new(
                        Kind::RateChange,
                        took(PORTION, fall.usual),
                        took(fall.values, fall.took),
                    )
                };
                falls.push(((*last.observation).clone(), drift));
            }
        }
        falls
    }

    pub(super) fn new_data(
        &mut self,
        keys: Keys,
        sighting: &Sighting<'_>,
        watched: u64,
        drifts: &mut Vec<Drift>,
    ) {
        let state = sighting.observation.detection.state;
        let learning = millis(self.drift.learning);
        // What lost its row lately may look new.
        let forgets = self
            .lost_row
            .is_some_and(|at| watched.saturating_sub(at) < learning.max(60_000));
        if !self.tells(sighting) || state == State::Test || forgets {
            return;
        }
        let at = self.edges.by_ends.get(&keys.ends).copied();
        let Some(slot) = at.and_then(|at| self.edges.slots.get_mut(at as usize)) else {
            return;
        };
        if !slot.edge.told.allows(watched, NEW_DATA) {
            self.totals.untold += 1;
            return;
        }
        let detector = sighting.observation.detection.detector;
        let mut detectors: Vec<String> = self
            .by_place
            .get(&keys.place)
            .into_iter()
            .flatten()
            .filter_map(|&at| self.slots.get(at as usize)?.as_ref())
            .map(|slot| slot.names.detector.to_string())
            .filter(|known| known != detector)
            .collect();
        detectors.sort();
        detectors.dedup();
        let before = Facts {
            detectors: Some(detectors),
            ..Facts::default()
        };
        let after = Facts {
            detectors: Some(vec![detector.to_owned()]),
            state: Some(state),
            ..Facts::default()
        };
        drifts.push(Drift::new(Kind::NewData, before, after));
    }

    /// Forgets edges; the next batch is everything then.
    pub(super) fn retain_edges(&mut self, mut stays: impl FnMut(&Edge) -> bool) {
        let before = self.edges.slots.len();
        self.edges.slots.retain(|slot| stays(&slot.edge));
        if self.edges.slots.len() == before {
            return;
        }
        self.rewrites = true;
        self.edges.by_ends.clear();
        self.edges.lasts = 0;
        for (at, slot) in (0..).zip(&self.edges.slots) {
            let ends = self.index.ends(&slot.edge.source, &slot.edge.destination);
            self.edges.by_ends.insert(ends, at);
            self.edges.lasts += slot.lasts.iter().flatten().count();
        }
    }

    /// Adds an edge that an earlier run wrote.
    pub(super) fn restore_edge(&mut self, edge: Edge) {
        self.add_edge(edge, Edge::add);
    }

    /// Adds an edge that has the names it has only now.
    pub(super) fn join_edge(&mut self, edge: Edge) {
        self.add_edge(edge, Edge::join);
    }

    fn add_edge(&mut self, edge: Edge, add: fn(&mut Edge, Edge)) {
        let ends = self.index.ends(&edge.source, &edge.destination);
        let at = u32::try_from(self.edges.slots.len()).unwrap_or(u32::MAX);
        if let Some(&known) = self.edges.by_ends.get(&ends) {
            if let Some(slot) = self.edges.slots.get_mut(known as usize) {
                add(&mut slot.edge, edge);
                (slot.is_dirty, slot.is_fresh) = (true, true);
            }
        } else if self.edges.slots.len() >= self.limits.edges {
            self.totals.edges_lost += 1;
        } else {
            self.edges.by_ends.insert(ends, at);
            self.edges.slots.push(EdgeSlot::new(edge));
        }
    }

    /// Kinds of data on edges that were seen since the last call: coverage for the metrics.
    pub fn fresh(&mut self) -> Vec<(Box<str>, Party, Party, Counts)> {
        let mut fresh = Vec::new();
        for slot in &mut self.edges.slots {
            if !std::mem::take(&mut slot.is_fresh) {
                continue;
            }
            let Edge {
                source,
                destination,
                kinds,
                ..
            } = &slot.edge;
            let of_kind = |kind: &edge::Kind| {
                (
                    kind.detector.clone(),
                    source.clone(),
                    destination.clone(),
                    kind.lately(),
                )
            };
            fresh.extend(kinds.iter().map(of_kind));
        }
        fresh
    }
}

fn new_flow(observation: &Observation) -> Drift {
    let before = Facts {
        values: Some(0),
        ..Facts::default()
    };
    let after = Facts {
        state: Some(observation.detection.state),
        detectors: Some(vec![observation.detection.detector.to_owned()]),
        encrypted: Some(observation.flow.encrypted),
        values: Some(1),
        ..Facts::default()
    };
    Drift::new(Kind::NewFlow, before, after)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::masking::Limits;
    use crate::masking::drift::Settings;
    use crate::masking::tests::{Bench, seen};

    #[test]
    fn a_kind_of_data_that_stops_is_told_with_its_last_value_and_as_low() {
        let settings = Settings {
            learning: Duration::from_secs(600),
            ..Settings::default()
        };
        let mut bench = Bench::with(Limits::default(), settings);
        for _ in 0..700 {
            bench.see(&seen("$.card", State::Masked));
            bench.pass(1);
            assert!(bench.book.falls(bench.now).is_empty());
        }
        bench.pass(599);
        assert!(bench.book.falls(bench.now).is_empty());
        bench.pass(3);
        let falls = bench.book.falls(bench.now);
        let [(last, fall)] = falls.as_slice() else {
            panic!("{falls:?}")
        };
        assert_eq!(last.detection.field.path.as_deref(), Some("$.card"));
        assert_eq!(fall.kind, Kind::RateChange);
        assert_eq!(fall.severity, Some(Severity::Low));
        assert_eq!((fall.before.values, fall.after.values), (Some(20), Some(0)));
        assert!(fall.after.seconds > fall.before.seconds.map(|usual| 10 * usual));
        bench.pass(100_000);
        assert!(bench.book.falls(bench.now).is_empty(), "it was told");
    }
}
