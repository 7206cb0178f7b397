//! The ledger in memory.
//!
//! Goes in: [`Sighting`]s, one for each value. Comes out: drift as it begins, [`Row`]s for who asks,
//! and batches of what changed for the file. Every value is counted in exactly one row: the sum of
//! all rows, with what [`Book::expire`] took, is the number of values seen.

mod amend;
mod batch;
mod bounds;
mod edges;
mod index;
mod names;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

use super::Party;
use super::clock::{Clock, later, millis};
use super::drift::{self, Drift};
use super::record::{Counts, Record, Side};
use super::room::{Class, Room};
use super::row::{REST, Row};
use crate::detect::State;
use crate::report::finding::{Facts, Kind, Verdict};
use crate::report::observation::Observation;
pub use batch::Batch;
use edges::Edges;
use index::Index;
pub(super) use index::without_indices;
use names::{Names, row, row_field};

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
    /// Of this ledger and no other, so that it counts once however often it is collected. Older files have none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
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
    edges: Edges,
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
            totals: Totals {
                id: Uuid::now_v7().simple().to_string(),
                ..Totals::default()
            },
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
            edges: Edges::default(),
            rewrites: false,
        }
    }

    /// What is drift from now on. What has begun goes on.
    pub fn set_drift(&mut self, drift: drift::Settings) {
        self.drift = drift;
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
        let known_edge = self.see_edge(keys.ends, [&source, &destination], sighting, watched, &mut drifts);
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
            let (before, after) = (facts(&before, before.usual()), facts(&after, State::Clear));
            drifts.push(Drift::new(Kind::MaskDrift, before, after));
        }
        let is_new_data = is_new && !is_rest && !partial && !is_new_edge;
        if is_new_data && known_edge.is_some_and(|born| watched.saturating_sub(born) >= learning) {
            self.new_data(keys, sighting, watched, &mut drifts);
        }
        drifts
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
    record.last_seen = later(record.last_seen, wall);
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
