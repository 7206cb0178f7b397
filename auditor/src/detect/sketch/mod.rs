//! What a field has carried so far says what its next value is.
//!
//! Goes in: [`Candidate`]s, of which most have too little evidence of their own, and numbers of
//! the same fields that failed. Comes out: a [`Verdict`] on each, and earlier ones whose field
//! just became sure. It holds no value: hashes under the fingerprint key, counts, and detections,
//! which hold none either. Memory is bounded; of the fields, the one unseen for longest makes room.
//!
//! # The bits
//!
//! Two explanations compete for a field without a telling name. *Ids*: a number passes by chance,
//! with probability p. *Values of the kind*: one passes with probability 1 − e, e = 0.02 for
//! typing errors, fillers and issuers no table has. p is the share of random digits that pass the
//! check, and at least 0.1: all ids of a field may begin like a Visa card, or with today's date, and
//! then only the check digit is left to chance. So with k different values that passed and m that
//! failed, the likelihood ratio in bits is
//!
//! ```text
//! (k − 1) · log2((1 − e) / p) + m · log2(e / (1 − p))     = (k − 1) · 3.29 − m · 5.49 for p = 0.1
//! ```
//!
//! k − 1, as the pass of the candidate under judgement is in its own score already. 7 bits are
//! taken off for what is usual: of 128 unnamed fields with numbers like these, one holds such values. The
//! sum counts from 5 different values on, and within ±12 bits.
//!
//! | passed | failed | bits | a card alone (5.4) becomes |
//! |---|---|---|---|
//! | 4 | 0 | none yet | 5.4, low |
//! | 5 | 0 | +6.2 | 11.6, high |
//! | 7 | 0 | +12 | 17.4, high |
//! | 10 | 1 | +12 | 17.4, high |
//! | 7 | 3 | −3.7 | 1.7, low |
//! | 1 | 4 | −12 | low |
//!
//! Ten ids that all pass are a chance of 1 in 10¹⁰ in one field; one passes in ten, and one of ten
//! passing is worth −12. The break-even is at 38 % failures.
//!
//! *How often an id is mistaken.* Numbers are looked at one by one, and a field is called sure the
//! first time it looks sure, which happens more often than at a fixed number. But under the
//! hypothesis of ids the ratio is a martingale of mean 1, so it *ever* reaches 2^b in at most one
//! field of 2^b (Ville's inequality). A card alone (5.4 bits) becomes medium with +0.6, that is,
//! with a ratio of 2^7.6: at most in one id field of 194, however long it is watched.
//!
//! This only holds when the count is fair. A value counts when it is all that its field holds, is
//! written in plain digits, and was scanned when failures of its field were reported, too; the one
//! that drew attention to the field does not count. Repeated values count once.
//!
//! *In a file* ([`Sketches::of_file`]) every number behind the one that drew attention is looked at,
//! in its own document too. There it counts, as the one that the k − 1 above leaves out: the ratio
//! begins at 1 with it, and the bound of one field in 194 holds. So five cards do.
//!
//! *Names that speak of something else* (`order_id`, `reference`) are not for counting to overrule.
//! They take 6 to 10 bits, and the scanner drops what is left of a card. References that carry a
//! Luhn digit are common (OCR numbers of Swedish and KID of Norwegian giro payments do), so a field
//! of these where all numbers pass is what it is called, far more often than it is cards.
//!
//! *Numbers that count up* share their leading digits. Values that differ in the last four only
//! are one value for k, and so are failures for m; each value beyond the first speaks against the
//! field with 2 bits.
//!
//! *Ids for good.* At a ratio of −30 bits a field is decided: its numbers are no longer counted,
//! which costs a scan of fields, until its sketch is evicted. A field that holds cards and as many ids
//! is on this side, too.
//!
//! *Masked values.* A field that has carried masked values of a kind is a field of that kind: +8
//! bits for its clear candidates, as much as an exact name, at once.

mod distinct;
mod file;
mod misses;
mod odds;
mod place;
mod scan;
mod suspects;
#[cfg(test)]
mod tests;
mod trials;
mod waiting;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub use file::{LoadError, Stored, load, store};
pub use misses::Miss;
pub use place::{FieldRef, Spot};
pub use scan::ScanSuspects;
pub use suspects::Suspects;

use super::{Confidence, Detection, State};
use trials::Trials;
use waiting::{is_sure, weighed};

/// Fields of all flows that are kept.
pub const LIVE: usize = 16_384;
/// Fields of one file that are kept.
pub const PER_FILE: usize = 4_096;
/// Detectors of one field that are kept.
const DETECTORS: usize = 8;

/// Bounds of a [`Sketches`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fields.
    pub fields: usize,
    /// Detections of one field that wait for it to become sure; 0: none waits.
    pub held_per_field: usize,
    /// Detections that wait, of all fields.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fields: LIVE,
            held_per_field: 32,
            held: 4_096,
        }
    }
}

/// A detection before its field was heard.
#[derive(Clone, Debug)]
pub struct Candidate<T> {
    pub detection: Detection,
    /// Keyed hash of its leading digits, from [`ScanSuspects::lead`].
    pub lead: Option<u64>,
    /// Failures of this field were reported when it was scanned.
    pub watched: bool,
    /// Unix time, seconds.
    pub at: i64,
    /// What the caller needs besides the detection when it is released.
    pub held: T,
}

/// What becomes of a candidate.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, and a box would cost an allocation for each value"
)]
pub enum Verdict<T> {
    /// Report it as it is now.
    Keep(Detection, T),
    /// Not sure enough yet; it waits here, as its detector can be judged by counting.
    Hold,
    /// The field just became sure: earlier candidates, and this one.
    Release(Vec<(Detection, T)>),
}

/// Sketches of many fields, and the candidates that wait for one to become sure.
#[derive(Debug)]
pub struct Sketches<T> {
    limits: Limits,
    fields: HashMap<u128, Live<T>>,
    /// Last touch → key, oldest first.
    order: BTreeMap<u64, u128>,
    touches: u64,
    evicted: u64,
    held: usize,
    spilled: Vec<(Detection, T)>,
    suspects_changed: bool,
    /// The value that draws attention to a field counts, too.
    first_counts: bool,
}

#[derive(Debug)]
struct Live<T> {
    trials: Vec<Trials>,
    touched: u64,
    /// `None` after a restart, until the field is seen again.
    spot: Option<Spot>,
    held: VecDeque<(Detection, T)>,
}

impl<T> Default for Sketches<T> {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl<T> Sketches<T> {
    /// No sketches yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            fields: HashMap::new(),
            order: BTreeMap::new(),
            touches: 0,
            evicted: 0,
            held: 0,
            spilled: Vec::new(),
            suspects_changed: false,
            first_counts: false,
        }
    }

    /// Other limits from now on; what is over them goes with the next that comes.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// For the fields of one file, whose failures are looked for right behind the value that draws
    /// attention to them.
    pub fn of_file() -> Self {
        let limits = Limits {
            fields: PER_FILE,
            ..Limits::default()
        };
        Self {
            first_counts: true,
            ..Self::new(limits)
        }
    }

    /// Fields known now.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True when no field is known.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Most fields.
    pub fn capacity(&self) -> usize {
        self.limits.fields.max(1)
    }

    /// Fields that had to make room so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Learns from a candidate and decides about it.
    pub fn observe(&mut self, place: &FieldRef, candidate: Candidate<T>) -> Verdict<T> {
        let Candidate {
            detection,
            lead,
            watched,
            at,
            held,
        } = candidate;
        let none_waits = self.limits.held_per_field == 0;
        let first_counts = self.first_counts;
        let live = self.touch(place);
        let Some(trials) = trials_of(&mut live.trials, detection.detector) else {
            return Verdict::Keep(detection, held);
        };
        trials.seen(detection.state, detection.length, at);
        let is_counted = odds::find(detection.detector).is_some();
        let was_open = trials.is_open();
        if detection.state == State::Clear
            && let Some(lead) = lead
            && is_counted
        {
            trials.suspect |= first_counts && watched && detection.confidence < Confidence::High;
            // Failures from before the field was suspect were not counted, whoever watched.
            match watched && trials.suspect {
                true => trials.passed(number_of(&detection.fingerprint) as u64, lead),
                false => trials.suspect |= detection.confidence < Confidence::High,
            }
        }
        let changed = trials.is_open() != was_open;
        let (is_decided, is_sure) = (trials.against, is_sure(trials, &detection));
        let goes_on = is_sure || is_decided || none_waits || !is_counted;
        let detection = if goes_on {
            weighed(trials, detection)
        } else {
            detection
        };
        self.suspects_changed |= changed;
        if is_decided {
            self.spill(place.key, Some(detection.detector));
        }
        if !goes_on {
            return self.hold(place.key, detection, held);
        }
        let mut released = match is_sure {
            true => self.release(place.key, detection.detector),
            false => Vec::new(),
        };
        if released.is_empty() {
            return Verdict::Keep(detection, held);
        }
        released.push((detection, held));
        Verdict::Release(released)
    }

    /// Learns that a number of a suspect field failed the check of `detector`. Fields and
    /// detectors that are not [suspect](Self::is_suspect) are left alone.
    pub fn miss(&mut self, place: &FieldRef, detector: &str, lead: u64, at: i64) {
        let is_open = |trials: &&mut Trials| trials.detector == detector && trials.is_open();
        let Some(live) = self.fields.get_mut(&place.key) else {
            return;
        };
        let Some(trials) = live.trials.iter_mut().find(is_open) else {
            return;
        };
        trials.failed(lead, at);
        let (detector, is_decided) = (trials.detector, trials.against);
        self.touch(place);
        if is_decided {
            self.suspects_changed = true;
            self.spill(place.key, Some(detector));
        }
    }

    /// Whether too many numbers of this field failed: they are ids of this kind's form, for good.
    pub fn is_decided(&self, place: &FieldRef, detector: &str) -> bool {
        self.fields.get(&place.key).is_some_and(|live| {
            let of_kind = |trials: &&Trials| trials.detector == detector;
            live.trials
                .iter()
                .find(of_kind)
                .is_some_and(|trials| trials.against)
        })
    }

    /// Whether numbers of this field that fail are of interest.
    pub fn is_suspect(&self, place: &FieldRef) -> bool {
        self.fields
            .get(&place.key)
            .is_some_and(|live| live.trials.iter().any(Trials::is_open))
    }

    /// What a scanner is to report failures of, if that changed since the last call.
    pub fn changed_suspects(&mut self) -> Option<Suspects> {
        std::mem::take(&mut self.suspects_changed).then(|| {
            let open = |live: &&Live<T>| live.trials.iter().any(Trials::is_open);
            let spots = self.fields.values().filter(open).filter_map(|live| live.spot);
            Suspects::of(spots)
        })
    }

    /// Adds what `other` learned; what waits there stays there. In whichever order sketches are
    /// merged, the outcome is the same, as long as no field has to make room.
    pub fn merge<U>(&mut self, other: &Sketches<U>) {
        for key in other.order.values() {
            if let Some(theirs) = other.fields.get(key) {
                self.insert(*key, theirs.spot, &theirs.trials);
            }
        }
    }

    /// Merges the counts of one field.
    fn insert(&mut self, key: u128, spot: Option<Spot>, theirs: &[Trials]) {
        let live = self.touch_key(key);
        live.spot = live.spot.or(spot);
        for more in theirs {
            if let Some(trials) = trials_of(&mut live.trials, more.detector) {
                trials.merge(more);
            }
        }
        self.suspects_changed = true;
    }

    fn touch(&mut self, place: &FieldRef) -> &mut Live<T> {
        // Scanners hear of a suspect from before a restart as soon as it is known where it is.
        let known = self.fields.get(&place.key);
        self.suspects_changed |= known.is_some_and(|live| live.spot.is_none());
        let live = self.touch_key(place.key);
        live.spot = Some(place.spot);
        live
    }

    /// The field, made when it is new, as the one seen last.
    fn touch_key(&mut self, key: u128) -> &mut Live<T> {
        if !self.fields.contains_key(&key) && self.fields.len() >= self.capacity() {
            self.evict();
        }
        self.touches += 1;
        let live = self.fields.entry(key).or_insert_with(|| Live {
            trials: Vec::new(),
            touched: 0,
            spot: None,
            held: VecDeque::new(),
        });
        self.order.remove(&live.touched);
        live.touched = self.touches;
        self.order.insert(self.touches, key);
        live
    }

    fn evict(&mut self) {
        let Some((_, key)) = self.order.first_key_value() else {
            return;
        };
        let key = *key;
        self.spill(key, None);
        self.order.pop_first();
        if let Some(live) = self.fields.remove(&key) {
            self.suspects_changed |= live.trials.iter().any(Trials::is_open);
        }
        self.evicted += 1;
    }
}

/// The counts of `detector`, made when new; `None` when the field has too many detectors already.
fn trials_of<'a>(all: &'a mut Vec<Trials>, detector: &'static str) -> Option<&'a mut Trials> {
    let at = all.partition_point(|trials| trials.detector < detector);
    if all.get(at).is_none_or(|trials| trials.detector != detector) {
        if all.len() >= DETECTORS {
            return None;
        }
        all.insert(at, Trials::new(detector));
    }
    all.get_mut(at)
}

/// Whether fields are judged by how many of their numbers pass this detector's check.
pub fn is_counted(detector: &str) -> bool {
    odds::find(detector).is_some()
}

/// The number a fingerprint (`k<8 hex>:<32 hex>`) writes; 0 for anything else.
fn number_of(fingerprint: &str) -> u128 {
    let hex = fingerprint.rsplit(':').next().unwrap_or_default();
    u128::from_str_radix(hex, 16).unwrap_or(0)
}
