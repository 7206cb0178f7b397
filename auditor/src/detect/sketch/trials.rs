//! What one field has carried of one detector, and what that is worth in bits.
//!
//! Goes in: numbers that passed or failed the detector's check, and states. Comes out: evidence
//! for the next candidate. Holds counts and keyed hashes, never a value. How the bits come about
//! is in the [module's description](super).

use super::distinct::Distinct;
use super::odds;
use crate::detect::{Evidence, State};

/// Bits against a field before anything is known of it: of the unnamed fields that show a number
/// like a card's one in 128 is taken to hold cards.
pub(super) const PRIOR: f64 = -7.0;
/// Different values from which on a field is judged.
pub(super) const ENOUGH: f64 = 5.0;
/// Most bits for or against.
pub(super) const MOST: f64 = 12.0;
/// A field that has carried masked values of the kind: as much as an exact name.
const MASKED: f64 = 8.0;
/// Two values that differ in their last four digits only.
const COUNTED_UP: f64 = -2.0;
/// Estimates of two numbers of different values may differ by this factor without meaning.
const BLUR: f64 = 3.0;
/// A field with less is decided: its numbers are ids, and are no longer counted.
const DECIDED: f64 = -30.0;

pub(super) const STATES: [State; 6] = [
    State::Clear,
    State::Masked,
    State::Hashed,
    State::Tokenised,
    State::Encrypted,
    State::Test,
];
pub(super) const LENGTHS: usize = 8;

/// Counts of one detector in one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trials {
    pub(super) detector: &'static str,
    /// Clear values, all of them.
    pub(super) passes: u64,
    pub(super) misses: u64,
    /// Different values that passed while failures were counted, too.
    pub(super) values: Distinct,
    /// The same without their last four digits.
    pub(super) leads: Distinct,
    /// Different numbers that failed, without their last four digits.
    pub(super) missed: Distinct,
    /// In the order of [`STATES`].
    pub(super) states: [u64; STATES.len()],
    /// Values of up to 8, 10, 12, 14, 16, 18, 20 bytes, and longer.
    pub(super) lengths: [u64; LENGTHS],
    /// Unix time, seconds; `first` is after `last` when nothing was seen.
    pub(super) first: i64,
    pub(super) last: i64,
    /// A candidate made it worth counting failures.
    pub(super) suspect: bool,
    /// Too many failed: these are ids, whatever comes.
    pub(super) against: bool,
}

impl Trials {
    pub(super) fn new(detector: &'static str) -> Self {
        Self {
            detector,
            passes: 0,
            misses: 0,
            values: Distinct::default(),
            leads: Distinct::default(),
            missed: Distinct::default(),
            states: [0; STATES.len()],
            lengths: [0; LENGTHS],
            first: i64::MAX,
            last: i64::MIN,
            suspect: false,
            against: false,
        }
    }

    /// Counts a value that was detected, of `length` bytes.
    pub(super) fn seen(&mut self, state: State, length: usize, at: i64) {
        let state = STATES.iter().position(|known| *known == state).unwrap_or(0);
        add(&mut self.states[state], 1);
        add(&mut self.passes, u64::from(state == 0));
        add(&mut self.lengths[bucket(length)], 1);
        self.at(at);
    }

    /// A number that passed while failures were counted, too.
    pub(super) fn passed(&mut self, value: u64, lead: u64) {
        if !self.against {
            self.values.insert(value);
            self.leads.insert(lead);
            self.decide();
        }
    }

    /// A number that failed.
    pub(super) fn failed(&mut self, lead: u64, at: i64) {
        add(&mut self.misses, 1);
        self.at(at);
        if !self.against {
            self.missed.insert(lead);
            self.decide();
        }
    }

    /// True while a number that fails says something.
    pub(super) fn is_open(&self) -> bool {
        self.suspect && !self.against
    }

    pub(super) fn merge(&mut self, other: &Self) {
        add(&mut self.passes, other.passes);
        add(&mut self.misses, other.misses);
        self.values.merge(&other.values);
        self.leads.merge(&other.leads);
        self.missed.merge(&other.missed);
        let counts = self.states.iter_mut().zip(&other.states);
        let counts = counts.chain(self.lengths.iter_mut().zip(&other.lengths));
        counts.for_each(|(count, more)| add(count, *more));
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.suspect |= other.suspect;
        self.against |= other.against;
    }

    /// What the field says of another candidate of the detector: nothing, or one line or two.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let mut lines = Vec::new();
        let mut left = 0.0;
        if let Some(bits) = self.judged() {
            left = bits;
            lines.push(Evidence {
                bits: bits as f32,
                reason: self.reason().into(),
            });
        }
        if self.states[1] > 0 {
            lines.push(Evidence {
                bits: (MASKED.min(MOST - left)) as f32,
                reason: "the field has carried masked values of this kind".into(),
            });
        }
        lines
    }

    /// Bits of the field's numbers, within ±[`MOST`]; `None` before there are enough.
    fn judged(&self) -> Option<f64> {
        if self.against {
            return Some(-MOST);
        }
        if self.values.count() + self.missed.count() < ENOUGH {
            return None;
        }
        let bits = PRIOR + self.ratio()?;
        // Values that count up are one value: too few to speak for a field.
        let most = if self.leads.count() < ENOUGH { 0.0 } else { MOST };
        let bits = bits.clamp(-MOST, most);
        // A field that is only half known speaks against nothing.
        let is_doubted = self.missed.count() > 0.0 || self.counted_up() > 0.0;
        (bits > 0.0 || (bits < 0.0 && is_doubted)).then_some(bits)
    }

    /// log2 of how much likelier the field's numbers are in a field of such values than among ids.
    fn ratio(&self) -> Option<f64> {
        let odds = odds::find(self.detector)?;
        // The candidate's own pass is in its own score already.
        let others = (self.leads.count() - 1.0).max(0.0);
        Some(others * odds.pass_bits + self.missed.count() * odds.miss_bits + self.counted_up() * COUNTED_UP)
    }

    /// Values that differ from another one in their last four digits only.
    fn counted_up(&self) -> f64 {
        let (values, leads) = (self.values.count(), self.leads.count());
        let leads = if self.values.is_exact() {
            leads
        } else {
            BLUR * leads
        };
        (values - leads).max(0.0)
    }

    fn decide(&mut self) {
        self.against |= self.ratio().is_some_and(|ratio| ratio <= DECIDED);
    }

    fn reason(&self) -> String {
        if self.counted_up() > self.missed.count() {
            return "values of this field differ in their last digits only, as numbers that count up do"
                .into();
        }
        let (passed, failed) = (self.leads.count().round(), self.missed.count().round());
        let about = if self.leads.is_exact() { "" } else { "about " };
        match failed as u64 {
            0 => format!("{about}{passed} different values of this field passed, none failed"),
            _ => format!("{about}{passed} different values of this field passed, {failed} failed"),
        }
    }

    fn at(&mut self, at: i64) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

fn bucket(length: usize) -> usize {
    (length.saturating_sub(7) / 2).min(LENGTHS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(passed: u64, failed: u64) -> Trials {
        let mut trials = Trials::new("payment_card");
        let hash = |n: u64| (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for n in 0..passed {
            trials.seen(State::Clear, 16, 10);
            trials.passed(hash(n), hash(n + 1000));
        }
        (0..failed).for_each(|n| trials.failed(hash(n + 5000), 20));
        trials
    }

    #[test]
    fn the_bits_of_a_field_are_those_of_the_table() {
        for (passed, failed, bits, reason) in [
            (4, 0, None, ""),
            (
                5,
                0,
                Some(6.2),
                "5 different values of this field passed, none failed",
            ),
            (
                7,
                0,
                Some(12.0),
                "7 different values of this field passed, none failed",
            ),
            (
                10,
                1,
                Some(12.0),
                "10 different values of this field passed, 1 failed",
            ),
            (
                7,
                3,
                Some(-3.7),
                "7 different values of this field passed, 3 failed",
            ),
            (
                1,
                4,
                Some(-12.0),
                "1 different values of this field passed, 4 failed",
            ),
            (
                1,
                9,
                Some(-12.0),
                "1 different values of this field passed, 5 failed",
            ),
        ] {
            let lines = of(passed, failed).evidence();
            let Some(line) = lines.first() else {
                assert_eq!(bits, None, "{passed}/{failed}");
                continue;
            };
            assert!(
                bits.is_some_and(|bits: f32| (line.bits - bits).abs() < 0.1),
                "{passed}/{failed}: {line:?}"
            );
            if failed < 9 {
                assert_eq!(line.reason, reason);
            }
        }
    }

    #[test]
    fn masked_values_speak_for_a_field_and_failures_still_against_it() {
        let mut masked = of(0, 0);
        masked.seen(State::Masked, 16, 1);
        assert_eq!(masked.evidence()[0].bits, 8.0);
        let mut both = of(1, 20);
        both.seen(State::Masked, 16, 1);
        let bits: f32 = both.evidence().iter().map(|line| line.bits).sum();
        assert_eq!(bits, -4.0);
        let mut most = of(10, 0);
        most.seen(State::Masked, 16, 1);
        let bits: f32 = most.evidence().iter().map(|line| line.bits).sum();
        assert_eq!(bits, 12.0);
    }

    #[test]
    fn lengths_fall_into_their_buckets() {
        for (length, expected) in [
            (0, 0),
            (8, 0),
            (9, 1),
            (16, 4),
            (19, 6),
            (20, 6),
            (21, 7),
            (9999, 7),
        ] {
            assert_eq!(bucket(length), expected, "{length}");
        }
    }
}
