//! Detections that wait for their field to become sure, and what the field then says of them.
//!
//! Goes in: candidates with too little evidence of their own. Comes out: those whose field became
//! sure, those that waited in vain, and those there was no room for. Bounded by [`super::Limits`].

use super::trials::Trials;
use super::{Live, Sketches, Verdict};
use crate::detect::{Confidence, Detection, State};

impl<T> Sketches<T> {
    /// Candidates that waited in vain: their field was decided or had to make room, or others
    /// came after them. They are as unsure as they were.
    pub fn take_spilled(&mut self) -> Vec<(Detection, T)> {
        std::mem::take(&mut self.spilled)
    }

    /// Everything that waits, at the end.
    pub fn finish(&mut self) -> Vec<(Detection, T)> {
        let keys: Vec<u128> = self.order.values().copied().collect();
        keys.into_iter().for_each(|key| self.spill(key, None));
        self.take_spilled()
    }

    /// Keeps a candidate until its field is sure; one that there is no room for is given back.
    pub(super) fn hold(&mut self, key: u128, detection: Detection, held: T) -> Verdict<T> {
        let Some(live) = self.fields.get_mut(&key) else {
            return Verdict::Keep(detection, held);
        };
        if live.held.len() >= self.limits.held_per_field {
            let oldest = live.held.pop_front();
            self.spilled
                .extend(oldest.map(|(detection, held)| (live.weighed(detection), held)));
        } else if self.held >= self.limits.held {
            return Verdict::Keep(live.weighed(detection), held);
        } else {
            self.held += 1;
        }
        live.held.push_back((detection, held));
        Verdict::Hold
    }

    /// What waits for `detector` and is sure by now.
    pub(super) fn release(&mut self, key: u128, detector: &str) -> Vec<(Detection, T)> {
        let Some(live) = self.fields.get_mut(&key).filter(|live| !live.held.is_empty()) else {
            return Vec::new();
        };
        let Some(trials) = live.trials.iter().find(|trials| trials.detector == detector) else {
            return Vec::new();
        };
        let mut released = Vec::new();
        for (detection, held) in std::mem::take(&mut live.held) {
            if detection.detector == detector && is_sure(trials, &detection) {
                released.push((weighed(trials, detection), held));
            } else {
                live.held.push_back((detection, held));
            }
        }
        self.held -= released.len();
        released
    }

    /// Gives up waiting, for one detector or all.
    pub(super) fn spill(&mut self, key: u128, detector: Option<&str>) {
        let Some(live) = self.fields.get_mut(&key) else {
            return;
        };
        let before = self.spilled.len();
        for (detection, held) in std::mem::take(&mut live.held) {
            if detector.is_none_or(|detector| detector == detection.detector) {
                self.spilled.push((live.weighed(detection), held));
            } else {
                live.held.push_back((detection, held));
            }
        }
        self.held -= self.spilled.len() - before;
    }
}

impl<T> Live<T> {
    fn weighed(&self, detection: Detection) -> Detection {
        let of_kind = |trials: &&Trials| trials.detector == detection.detector;
        match self.trials.iter().find(of_kind) {
            Some(trials) => weighed(trials, detection),
            None => detection,
        }
    }
}

/// Whether the field has a say: not about protected values, nor about what is sure by itself.
fn is_open(detection: &Detection) -> bool {
    detection.state == State::Clear && detection.confidence < Confidence::High
}

/// Whether a detection is to be reported, with what the field says.
pub(super) fn is_sure(trials: &Trials, detection: &Detection) -> bool {
    let bits = || trials.evidence().iter().map(|line| line.bits).sum::<f32>();
    !is_open(detection) || Confidence::of_bits(detection.score_bits + bits()) > Confidence::Low
}

/// Adds what the field says.
pub(super) fn weighed(trials: &Trials, mut detection: Detection) -> Detection {
    if is_open(&detection) {
        let more = trials.evidence();
        detection.score_bits += more.iter().map(|line| line.bits).sum::<f32>();
        detection.confidence = Confidence::of_bits(detection.score_bits);
        detection.evidence.extend(more);
        detection.evidence.sort_by(|a, b| b.bits.total_cmp(&a.bits));
    }
    detection
}
