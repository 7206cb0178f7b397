//! A value that was counted under other ends than its message turns out to have.
//!
//! Goes in: the observation as it was reported, and as it is known now. Comes out: an update of the finding that it opened;
//! of one that counts others as well, a revision without it, and the finding to which it belongs. It is judged anew.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Aggregator, Asked, Key, Live, rejudge::Turned};
use crate::{
    policy::Judged,
    report::{finding::Finding, observation::Observation},
};

/// What became of a value.
#[derive(Debug)]
pub struct Amended {
    pub findings: Vec<Finding>,
    /// Where policy says something else about it than before.
    pub turned: Option<Turned>,
    /// What policy says.
    pub judged: Option<Arc<Judged>>,
}

impl Aggregator {
    /// Counts `now` instead of `before`. `None` for what is not sure enough to be counted at all.
    pub fn amend(&mut self, before: &Observation, now: &Observation, time: Timestamp) -> Option<Amended> {
        if now.detection.confidence < self.settings.min_confidence {
            return None;
        }
        let key_of = |aggregator: &mut Self, observation: &Observation| {
            let mut observation = observation.clone();
            let judged = aggregator.judge.judge(&observation, time);
            aggregator.operations.bound(&mut observation);
            (Key::of(&observation, judged.as_deref()), judged)
        };
        let (key, counted) = key_of(self, before);
        let (named, judged) = key_of(self, now);
        let verdict = |judged: &Option<Arc<Judged>>| judged.as_ref().map(|judged| judged.policy.verdict);
        let turned = Turned {
            before: verdict(&counted),
            after: verdict(&judged),
            values: 1,
        };
        let alone = self.live.get(&key).map(|live| live.finding.count <= 1);
        let findings = match alone {
            Some(alone) if alone || key == named => self.take_over(&key, named, now, judged.as_deref(), time),
            None if key == named => Vec::new(),
            shared => {
                if shared.is_some() {
                    self.leave(&key);
                }
                self.move_in(now, turned, judged.clone(), time)
            }
        };
        Some(Amended {
            findings,
            turned: (turned.before != turned.after).then_some(turned),
            judged,
        })
    }

    /// The finding has one value more than is right.
    fn leave(&mut self, key: &Key) {
        if let Some(live) = self.live.get_mut(key) {
            live.finding.count -= 1;
            self.unsent += usize::from(!live.unsent);
            live.unsent = true;
        }
    }

    /// Counts the value where it belongs.
    fn move_in(
        &mut self,
        now: &Observation,
        turned: Turned,
        judged: Option<Arc<Judged>>,
        time: Timestamp,
    ) -> Vec<Finding> {
        let detector = now.detection.detector;
        if self.is_wanted(now.detection.state, judged.as_deref()) {
            // It is added to the sums there.
            let gone = Turned {
                after: None,
                ..turned
            };
            self.retally(detector, gone, 0);
            return self.admit(now.clone(), judged, time);
        }
        self.retally(detector, turned, 0);
        Vec::new()
    }

    /// The finding of this one value gets the ends that are right.
    fn take_over(
        &mut self,
        key: &Key,
        named: Key,
        now: &Observation,
        judged: Option<&Judged>,
        time: Timestamp,
    ) -> Vec<Finding> {
        let Some(mut live) = self.live.remove(key) else {
            return Vec::new();
        };
        self.unsent -= usize::from(live.unsent);
        live.follow(now);
        let (turned, facts) = live.rejudge(judged).unzip();
        if let Some(turned) = turned {
            self.retally(live.finding.detector, turned, 1);
        }
        let update = live.update(facts, time);
        self.order.remove(&live.touched);
        let stays = self.is_wanted(live.finding.state, judged);
        if stays && !self.live.contains_key(&named) {
            let named = Arc::new(named);
            self.order.insert(live.touched, Arc::clone(&named));
            self.live.insert(named, live);
        }
        vec![update]
    }
}

impl Live {
    fn follow(&mut self, now: &Observation) {
        let finding = &mut self.finding;
        finding.source = Some(now.source.clone());
        finding.destination = Some(now.destination.clone());
        finding.flow = Some(now.flow.clone());
        self.asked = Asked::of(now);
    }
}
