//! A value that was counted under other ends than its message turns out to have.
//!
//! Goes in: the observation as it was reported, and as it is known now. Comes out: an update of the finding that it opened;
//! of one that counts others as well, a revision without it, and the finding to which it belongs.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Aggregator, Key, Live};
use crate::report::{
    finding::{Finding, Kind},
    observation::Observation,
};

impl Aggregator {
    /// Counts `now` instead of `before`. `None` when that is in no finding that is alive: then nothing was done.
    pub fn amend(
        &mut self,
        before: &Observation,
        now: &Observation,
        time: Timestamp,
    ) -> Option<Vec<Finding>> {
        let key_of = |aggregator: &mut Self, observation: &Observation| {
            let mut observation = observation.clone();
            let judged = aggregator.judge.judge(&observation, time);
            aggregator.operations.bound(&mut observation);
            (Key::of(&observation, judged.as_deref()), judged)
        };
        let (key, _) = key_of(self, before);
        let (named, judged) = key_of(self, now);
        let live = self.live.get_mut(&key)?;
        if live.finding.count > 1 && key != named {
            live.finding.count -= 1;
            self.unsent += usize::from(!live.unsent);
            live.unsent = true;
            if judged.as_ref().is_some_and(|judged| judged.silent) {
                return Some(Vec::new());
            }
            return Some(self.admit(now.clone(), judged, time));
        }
        let mut live = self.live.remove(&key)?;
        self.unsent -= usize::from(live.unsent);
        live.take_over(now, judged.as_deref());
        let update = Finding {
            kind: Kind::Update,
            ..live.revision(time)
        };
        self.order.remove(&live.touched);
        if !self.live.contains_key(&named) {
            let named = Arc::new(named);
            self.order.insert(live.touched, Arc::clone(&named));
            self.live.insert(named, live);
        }
        Some(vec![update])
    }
}

impl Live {
    fn take_over(&mut self, now: &Observation, judged: Option<&crate::policy::Judged>) {
        let finding = &mut self.finding;
        finding.source = Some(now.source.clone());
        finding.destination = Some(now.destination.clone());
        finding.flow = Some(now.flow.clone());
        finding.policy = judged
            .map(|judged| judged.policy.clone())
            .or(finding.policy.take());
    }
}
