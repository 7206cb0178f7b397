//! The ledger in memory.
//!
//! Goes in: [`Sighting`]s, one for each value. Comes out: drift as it begins, [`Row`]s for who asks,
//! and batches of what changed for the file. Every value is counted in exactly one row: the sum of
//! all rows, with what [`Book::expire`] took, is the number of values seen.

mod index;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::Party;
use super::clock::{Clock, millis};
use super::drift::{self, Drift};
use super::edge::{Edge, Told};
use super::record::{Counts, Record, Side};
use super::room::{Class, Room};
use super::row::{Field, REST, Row};
use crate::detect::{Confidence, State};
use crate::report::finding::{Facts, Kind, Verdict};
use crate::report::observation::Observation;
use index::Index;
pub(super) use index::without_indices;

/// Longest operation and longest field path kept, bytes.
const TEXT_LIMIT: usize = 384;
/// New kinds of data told of one edge in a minute.
const NEW_DATA: u32 = 10;
/// New flows told in a minute.
const NEW_FLOWS: u32 = 100;

/// Bounds of a [`Book`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fields with a row of their own.
    pub fields: usize,
    /// Rows that count the rest, each of two ends and a kind of data.
    pub rests: usize,
    /// Pairs of ends.
    pub edges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fields: 32_768,
            rests: 4_096,
            edges: 8_192,
        }
    }
}

/// A value, and what was said of it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    pub observation: &'a Observation,
    /// What policy says, where it says something.
    pub verdict: Option<Verdict>,
    /// Policy wants no finding of it.
    pub is_silent: bool,
    pub side: Side,
}

/// What the file keeps beside rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Watched time so far, ms.
    pub watched: u64,
    /// When the ledger began and was last written, Unix ms.
    pub began: i64,
    pub wall: i64,
    /// Values seen.
    pub observed: u64,
    /// Values of rows that were removed because of their age.
    pub expired: u64,
    /// Fields that lost their own row, or got none.
    pub evicted: u64,
    /// Pairs of ends that found no room.
    pub edges_lost: u64,
    /// Drifts that were not told, because too many were.
    pub untold: u64,
}

/// A field in memory: its names are shared.
#[derive(Clone, Debug)]
struct Names {
    source: Arc<Party>,
    destination: Arc<Party>,
    operation: Option<Box<str>>,
    part: Arc<str>,
    field: Option<Box<str>>,
    detector: Arc<str>,
    category: Arc<str>,
    regulations: Arc<[Box<str>]>,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    hash: u128,
    /// Of the field whatever its data.
    place: u128,
    names: Names,
    record: Record,
    is_dirty: bool,
}

#[derive(Debug)]
struct EdgeSlot {
    edge: Edge,
    is_dirty: bool,
    is_fresh: bool,
}

/// The ledger.
pub struct Book {
    limits: Limits,
    drift: drift::Settings,
    clock: Clock,
    totals: Totals,
    index: Index,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_hash: HashMap<u128, u32, foldhash::fast::RandomState>,
    by_place: HashMap<u128, Vec<u32>, foldhash::fast::RandomState>,
    room: Room,
    rests: usize,
    next_id: u64,
    /// When a field last lost its row, watched ms.
    lost_row: Option<u64>,
    dirty: Vec<u32>,
    gone: Vec<u64>,
    edges: Vec<EdgeSlot>,
    by_ends: HashMap<u128, u32, foldhash::fast::RandomState>,
    /// Told so far in this minute.
    flows_told: Told,
    /// The next batch is everything.
    rewrites: bool,
}

impl Book {
    /// An empty ledger.
    pub fn new(limits: Limits, drift: drift::Settings, now: Instant) -> Self {
        Self {
            limits,
            drift,
            clock: Clock::new(now),
            totals: Totals::default(),
            index: Index::default(),
            slots: Vec::new(),
            free: Vec::new(),
            by_hash: HashMap::default(),
            by_place: HashMap::default(),
            room: Room::new(limits.fields.max(1)),
            rests: 0,
            next_id: 1,
            lost_row: None,
            dirty: Vec::new(),
            gone: Vec::new(),
            edges: Vec::new(),
            by_ends: HashMap::default(),
            flows_told: Told::default(),
            rewrites: false,
        }
    }

    /// Counts a value; returns what begins with it.
    pub fn observe(&mut self, sighting: &Sighting<'_>, now: Instant, wall: Timestamp) -> Vec<Drift> {
        let watched = self.clock.watched(now);
        let wall = self.clock.wall(wall);
        if self.totals.observed == 0 {
            self.totals.began = wall;
        }
        self.totals.observed += 1;
        let observation = sighting.observation;
        let source = self.index.party(Party::of(&observation.source));
        let destination = self.index.party(Party::of(&observation.destination));
        let keys = self.index.keys(&source, &destination, observation);
        let mut drifts = Vec::new();
        let known_edge = self.edge(keys.ends, &source, &destination, sighting, watched, &mut drifts);
        let is_new_edge = drifts.iter().any(|drift: &Drift| drift.kind == Kind::NewFlow);
        let (at, is_new) = match self.by_hash.get(&keys.field) {
            Some(&at) => (at, false),
            None => {
                let names = self.names(source, destination, observation);
                let at = self.admit(keys, names, sighting, watched, wall);
                (at, true)
            }
        };
        let learning = millis(self.drift.learning);
        let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::as_mut) else {
            return drifts;
        };
        let before = slot.record.counts();
        let is_rest = &*slot.names.part == REST;
        let agreed = sighting.is_silent || sighting.verdict == Some(Verdict::Allowed);
        let lost_its_mask = !is_rest
            && drift::in_field(
                &mut slot.record.usual,
                observation.detection.state,
                agreed,
                watched,
                slot.record.last_watched,
                learning,
            );
        write(&mut slot.record, sighting, watched, wall);
        let partial = slot.record.partial;
        let after = slot.record.counts();
        let class = Class::of(&slot.record);
        self.touch(at);
        if !is_rest {
            self.room.moved(at, class);
        }
        if lost_its_mask && self.tells(sighting) {
            drifts.push(Drift {
                kind: Kind::MaskDrift,
                before: facts(&before, before.usual()),
                after: facts(&after, State::Clear),
            });
        }
        let is_new_data = is_new && !is_rest && !partial && !is_new_edge;
        if is_new_data && known_edge.is_some_and(|born| watched.saturating_sub(born) >= learning) {
            self.new_data(keys, sighting, watched, &mut drifts);
        }
        drifts
    }

    /// Counts the value on its edge. Returns since when that is known, watched ms.
    fn edge(
        &mut self,
        ends: u128,
        source: &Party,
        destination: &Party,
        sighting: &Sighting<'_>,
        watched: u64,
        drifts: &mut Vec<Drift>,
    ) -> Option<u64> {
        let at = match self.by_ends.get(&ends) {
            Some(&at) => at as usize,
            None if self.edges.len() >= self.limits.edges => {
                self.totals.edges_lost += 1;
                return None;
            }
            None => {
                self.edges.push(EdgeSlot {
                    edge: Edge {
                        source: source.clone(),
                        destination: destination.clone(),
                        born: watched,
                        ..Edge::default()
                    },
                    is_dirty: false,
                    is_fresh: false,
                });
                self.by_ends
                    .insert(ends, u32::try_from(self.edges.len() - 1).ok()?);
                self.edges.len() - 1
            }
        };
        let learning = millis(self.drift.learning);
        let observation = sighting.observation;
        let state = observation.detection.state;
        let tells = self.tells(sighting);
        let EdgeSlot {
            edge,
            is_dirty,
            is_fresh,
        } = &mut self.edges[at];
        (*is_dirty, *is_fresh) = (true, true);
        edge.last = watched;
        let born = edge.born;
        let encrypted = observation.flow.encrypted;
        let is_regulated = !observation.regulations.is_empty() && state != State::Test;
        if is_regulated && !edge.regulated {
            edge.regulated = true;
            let is_known = source.is_known() && destination.is_known();
            if tells && watched >= learning && is_known {
                if self.flows_told.allows(watched, NEW_FLOWS) {
                    drifts.push(Drift {
                        kind: Kind::NewFlow,
                        before: Facts {
                            values: Some(0),
                            ..Facts::default()
                        },
                        after: Facts {
                            state: Some(state),
                            detectors: Some(vec![observation.detection.detector.to_owned()]),
                            encrypted: Some(encrypted),
                            values: Some(1),
                            ..Facts::default()
                        },
                    });
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
            drifts.push(Drift {
                kind: Kind::PlaintextTransport,
                before: is(true),
                after: is(false),
            });
        }
        if let Some(kind) = edge.kind(observation.detection.detector, watched) {
            kind.count(state, watched);
            let factor = self.drift.rate_factor;
            if let Some(level) = kind.rate.see(kind.born, watched, learning, factor)
                && tells
            {
                let rate = |rate| Facts {
                    rate: Some(rate),
                    ..Facts::default()
                };
                drifts.push(Drift {
                    kind: Kind::RateChange,
                    before: rate(level),
                    after: rate(kind.rate.count),
                });
            }
        }
        Some(born)
    }

    fn tells(&self, sighting: &Sighting<'_>) -> bool {
        self.drift.enabled
            && !sighting.is_silent
            && sighting.observation.detection.confidence >= Confidence::Medium
    }

    fn new_data(
        &mut self,
        keys: index::Keys,
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
        let at = self.by_ends.get(&keys.ends).copied();
        let Some(slot) = at.and_then(|at| self.edges.get_mut(at as usize)) else {
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
        drifts.push(Drift {
            kind: Kind::NewData,
            before: Facts {
                detectors: Some(detectors),
                ..Facts::default()
            },
            after: Facts {
                detectors: Some(vec![detector.to_owned()]),
                state: Some(state),
                ..Facts::default()
            },
        });
    }

    fn names(&mut self, source: Arc<Party>, destination: Arc<Party>, observation: &Observation) -> Names {
        let detection = &observation.detection;
        let (detector, category, regulations) = self.index.detector(
            detection.detector,
            observation.category,
            observation.regulations,
            detection.extra_regulations,
        );
        Names {
            source,
            destination,
            operation: observation.flow.operation.as_deref().map(cut),
            part: self.index.text(observation.place.name()),
            field: detection
                .field
                .path
                .as_deref()
                .map(|path| cut(&without_indices(path))),
            detector,
            category,
            regulations,
        }
    }

    /// A row for a field that has none: one of its own if it weighs enough, else that of the rest.
    fn admit(
        &mut self,
        keys: index::Keys,
        names: Names,
        sighting: &Sighting<'_>,
        watched: u64,
        wall: i64,
    ) -> u32 {
        let mut alone = Record::default();
        write(&mut alone, sighting, watched, wall);
        let class = Class::of(&alone);
        let seen = match self.room.is_full() {
            true => self.room.count(keys.field),
            // It may have had a row before.
            false => self.room.seen(keys.field).saturating_add(1),
        };
        if self.room.is_full() {
            match self.room.who_goes(class.weighing(seen)) {
                Some(lightest) => self.evict(lightest, watched),
                None => {
                    self.totals.evicted += 1;
                    self.lost_row = Some(watched);
                    return self.rest_of(&names);
                }
            }
        }
        let record = Record {
            partial: seen > 1,
            born_watched: watched,
            ..Record::default()
        };
        let at = self.insert(keys.field, keys.place, names, record);
        self.room.enter(at, class);
        at
    }

    fn insert(&mut self, hash: u128, place: u128, names: Names, record: Record) -> u32 {
        let slot = Slot {
            id: self.next_id,
            hash,
            place,
            names,
            record,
            is_dirty: false,
        };
        self.next_id += 1;
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_hash.insert(hash, at);
        self.by_place.entry(place).or_default().push(at);
        self.slots[at as usize] = Some(slot);
        self.touch(at);
        at
    }

    /// Moves the counts of a field to the row of the rest.
    fn evict(&mut self, at: u32, watched: u64) {
        let Some(slot) = self.remove(at) else { return };
        self.room.leave(at, slot.hash, slot.record.counts().total());
        self.totals.evicted += 1;
        self.lost_row = Some(watched);
        let rest = self.rest_of(&slot.names);
        if let Some(Some(rest)) = self.slots.get_mut(rest as usize) {
            rest.record.add(&slot.record);
        }
        self.touch(rest);
    }

    /// The row of what has none of its own between these ends.
    fn rest_of(&mut self, names: &Names) -> u32 {
        let mut names = Names {
            operation: None,
            field: None,
            part: self.index.text(REST),
            ..names.clone()
        };
        let mut keys = self.index.keys_of(&row_field(&names));
        if let Some(&at) = self.by_hash.get(&keys.field) {
            return at;
        }
        if self.rests >= self.limits.rests {
            names.source = self.index.party(Party::other());
            names.destination = Arc::clone(&names.source);
            keys = self.index.keys_of(&row_field(&names));
            if let Some(&at) = self.by_hash.get(&keys.field) {
                return at;
            }
        }
        self.rests += 1;
        self.insert(keys.field, keys.place, names, Record::default())
    }

    fn remove(&mut self, at: u32) -> Option<Slot> {
        let slot = self.slots.get_mut(at as usize)?.take()?;
        self.free.push(at);
        self.by_hash.remove(&slot.hash);
        if let Some(places) = self.by_place.get_mut(&slot.place) {
            places.retain(|&other| other != at);
            if places.is_empty() {
                self.by_place.remove(&slot.place);
            }
        }
        self.gone.push(slot.id);
        Some(slot)
    }

    fn touch(&mut self, at: u32) {
        if let Some(Some(slot)) = self.slots.get_mut(at as usize)
            && !slot.is_dirty
        {
            slot.is_dirty = true;
            self.dirty.push(at);
        }
    }

    /// Removes what was not seen for `age` of watched time.
    pub fn expire(&mut self, age: std::time::Duration, now: Instant) {
        let watched = self.clock.watched(now);
        let is_old = |last: u64| watched.saturating_sub(last) > millis(age);
        for at in 0..self.slots.len() {
            let Some(slot) = &self.slots[at] else { continue };
            if !is_old(slot.record.last_watched) {
                continue;
            }
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(slot) = self.remove(at) {
                self.totals.expired += slot.record.counts().total();
                match &*slot.names.part {
                    REST => self.rests -= 1,
                    _ => self.room.leave(at, slot.hash, 0),
                }
            }
        }
        let before = self.edges.len();
        self.edges.retain(|slot| !is_old(slot.edge.last));
        if self.edges.len() != before {
            self.rewrites = true;
            self.by_ends.clear();
            for (at, slot) in self.edges.iter().enumerate() {
                let ends = self.index.ends(&slot.edge.source, &slot.edge.destination);
                self.by_ends.insert(ends, u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
    }

    /// Takes the rows of the lightest tenth of the fields; they are counted with the rest. Returns
    /// how many those were.
    pub fn shed(&mut self) -> usize {
        let watched = self.clock.watched(Instant::now());
        let most = self.room.len() / 10;
        for shed in 0..most {
            match self.room.lightest() {
                Some(at) => self.evict(at, watched),
                None => return shed,
            }
        }
        most
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.slots.iter().flatten().map(row)
    }

    /// Fields with a row of their own.
    pub fn fields(&self) -> usize {
        self.room.len()
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The sums, as of `now`.
    pub fn totals(&self, now: Instant) -> Totals {
        Totals {
            watched: self.clock.watched(now),
            wall: self.clock.last_wall().unwrap_or(0),
            ..self.totals.clone()
        }
    }

    /// Kinds of data on edges that were seen since the last call: coverage for the metrics.
    pub fn fresh(&mut self) -> Vec<(Box<str>, Party, Party, Counts)> {
        let mut fresh = Vec::new();
        for slot in &mut self.edges {
            if !std::mem::take(&mut slot.is_fresh) {
                continue;
            }
            let Edge {
                source,
                destination,
                kinds,
                ..
            } = &slot.edge;
            let of_kind = |kind: &super::edge::Kind| {
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

/// What changed since the last batch: rows and edges as they are now.
#[derive(Debug, Default)]
pub struct Batch {
    pub rows: Vec<(u64, Row)>,
    /// Rows that are no more.
    pub gone: Vec<u64>,
    pub(super) edges: Vec<(u64, Edge)>,
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
        for (at, slot) in (0..).zip(&mut self.edges) {
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
    pub(super) fn load(&mut self, rows: Vec<Row>, edges: Vec<Edge>, totals: Totals) {
        self.clock.resume(totals.watched, totals.wall);
        let own = &mut self.totals;
        if own.observed == 0 || totals.observed > 0 && totals.began < own.began {
            own.began = totals.began;
        }
        own.observed = own.observed.saturating_add(totals.observed);
        own.expired = own.expired.saturating_add(totals.expired);
        own.evicted = own.evicted.saturating_add(totals.evicted);
        own.edges_lost = own.edges_lost.saturating_add(totals.edges_lost);
        own.untold = own.untold.saturating_add(totals.untold);
        rows.into_iter().for_each(|row| self.restore(row));
        for edge in edges {
            let ends = self.index.ends(&edge.source, &edge.destination);
            let at = u32::try_from(self.edges.len()).unwrap_or(u32::MAX);
            match self.by_ends.get(&ends).copied() {
                Some(known) => {
                    if let Some(slot) = self.edges.get_mut(known as usize) {
                        slot.edge.add(edge);
                    }
                }
                None if self.edges.len() >= self.limits.edges => self.totals.edges_lost += 1,
                None => {
                    self.by_ends.insert(ends, at);
                    self.edges.push(EdgeSlot {
                        edge,
                        is_dirty: false,
                        is_fresh: true,
                    });
                }
            }
        }
        self.rewrites = true;
    }

    fn restore(&mut self, row: Row) {
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

fn write(record: &mut Record, sighting: &Sighting<'_>, watched: u64, wall: i64) {
    let detection = &sighting.observation.detection;
    record.sample(&detection.sample, detection.state);
    let counts = match sighting.side {
        Side::Sender => &mut record.sent,
        Side::Receiver => &mut record.received,
    };
    let count = counts.of_mut(detection.state);
    *count = count.saturating_add(1);
    record.first_seen = record.first_seen.min(wall);
    record.last_seen = record.last_seen.max(wall);
    record.last_watched = watched;
    record.score_bits = record.score_bits.max(detection.score_bits);
    if let Some(verdict) = sighting.verdict {
        record.verdict = Some(verdict.into());
    }
}

fn facts(counts: &Counts, state: State) -> Facts {
    Facts {
        state: Some(state),
        coverage: counts.coverage(),
        values: Some(counts.total()),
        ..Facts::default()
    }
}

fn row_field(names: &Names) -> Field {
    Field {
        source: (*names.source).clone(),
        destination: (*names.destination).clone(),
        operation: names.operation.clone(),
        part: (&*names.part).into(),
        field: names.field.clone(),
        detector: (&*names.detector).into(),
    }
}

fn row(slot: &Slot) -> Row {
    Row {
        field: row_field(&slot.names),
        category: (&*slot.names.category).into(),
        regulations: slot.names.regulations.to_vec(),
        record: slot.record.clone(),
    }
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(TEXT_LIMIT)].into()
}
