//! What has an end that a runtime is still asked about waits a moment for its name.
//!
//! Goes in: observations, with the ids that the cgroup paths gave. They come out with the names that are known by then:
//! at once where there is nothing to wait for, else when the answer comes, and without a name after the time the
//! configuration gives. It holds a bounded number of them, never a value, and loses none: without room the oldest goes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Observed;
use crate::{
    identity::names::{Named, Names},
    report::finding::End,
    serve::metrics::Reporter as Side,
};

/// Most observations that wait.
const CAPACITY: usize = 4096;

/// How names are waited for.
#[derive(Clone, Default)]
pub struct Naming {
    pub names: Names,
    /// How long an observation waits; zero for not at all.
    pub patience: Duration,
}

/// Observations that wait, in the order in which they came.
pub(super) struct Late {
    naming: Naming,
    waiting: VecDeque<(Instant, Observed, Side)>,
    /// Answers when it was last looked.
    answers: u64,
}

impl Late {
    pub(super) const fn new(naming: Naming) -> Self {
        Self {
            naming,
            waiting: VecDeque::new(),
            answers: 0,
        }
    }

    /// Takes an observation; gives back what need not or can not wait.
    pub(super) fn take(&mut self, mut observed: Observed, side: Side) -> Option<(Observed, Side)> {
        if self.name(&mut observed) == Named::Done || self.naming.patience.is_zero() {
            return Some((observed, side));
        }
        let oldest = (self.waiting.len() >= CAPACITY)
            .then(|| self.waiting.pop_front())
            .flatten();
        self.waiting.push_back((Instant::now(), observed, side));
        oldest.map(|(_, observed, side)| (observed, side))
    }

    /// What is named by now, and what has waited long enough. Call it a few times a second.
    pub(super) fn due(&mut self) -> Vec<(Observed, Side)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let patience = self.naming.patience;
        let answers = self.naming.names.answers();
        if std::mem::replace(&mut self.answers, answers) == answers {
            let over = self
                .waiting
                .iter()
                .take_while(|(at, ..)| at.elapsed() >= patience);
            let over = over.count();
            let due = self.waiting.drain(..over);
            return due.map(|(_, observed, side)| (observed, side)).collect();
        }
        let mut due = Vec::new();
        let mut still = VecDeque::new();
        for (at, mut observed, side) in std::mem::take(&mut self.waiting) {
            if self.name(&mut observed) == Named::Done || at.elapsed() >= patience {
                due.push((observed, side));
            } else {
                still.push_back((at, observed, side));
            }
        }
        self.waiting = still;
        due
    }

    /// Everything that waits, with the names that are known now.
    pub(super) fn finish(&mut self) -> Vec<(Observed, Side)> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let named = waiting.map(|(_, mut observed, side)| {
            self.name(&mut observed);
            (observed, side)
        });
        named.collect()
    }

    fn name(&self, observed: &mut Observed) -> Named {
        let ends: [&mut End; 2] = match observed {
            Observed::Value(seen) => [&mut seen.observation.source, &mut seen.observation.destination],
            Observed::Missed(missed) => [&mut missed.source, &mut missed.destination],
        };
        let named = ends.map(|end| self.naming.names.name(end));
        if named.contains(&Named::Pending) {
            Named::Pending
        } else {
            Named::Done
        }
    }
}
