//! Findings whose ends are known better than when they went out.
//!
//! Goes in: who names ends. Comes out: an update of each finding that has another name now, judged anew. It corrects
//! findings that are alive; what was sent stays sent.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Aggregator, Key, Live, rejudge::Turned};
use crate::{
    identity::container::Unnamed,
    report::{
        finding::{End, Finding},
        naming::Name,
    },
};

/// A finding whose ends have other names now.
#[derive(Debug)]
pub struct Corrected {
    /// As it goes out.
    pub update: Finding,
    /// Source and destination as they were.
    pub before: [Option<End>; 2],
    /// Where policy says something else about them.
    pub turned: Option<Turned>,
    /// Of the latest value, as it was sent.
    pub operation: Option<String>,
    pub field: Option<String>,
}

impl Aggregator {
    /// Has the ends named again that went out without the name of their container or the owner of their pod. What is known now goes out as an
    /// update: the same finding with its next revision, and what policy says about the ends that are known now.
    pub fn correct(&mut self, name: impl Fn(&mut End), now: Timestamp) -> Vec<Corrected> {
        let unnamed = self.live.iter().filter(|(_, live)| live.lacks_a_name());
        let unnamed: Vec<Arc<Key>> = unnamed.map(|(key, _)| Arc::clone(key)).collect();
        let mut all = Vec::new();
        for key in unnamed {
            let Some(live) = self.live.get_mut(&key) else {
                continue;
            };
            let before = [&live.finding.source, &live.finding.destination].map(Clone::clone);
            if !live.name(&name) {
                continue;
            }
            let judged = live.ask(&mut self.judge, now);
            let judged = judged.as_deref();
            let (turned, facts) = live.rejudge(judged).unzip();
            self.unsent -= usize::from(live.unsent);
            let (state, detector) = (live.finding.state, live.finding.detector);
            all.push(Corrected {
                update: live.update(facts, now),
                before,
                turned,
                operation: live.asked.operation().map(str::to_owned),
                field: live.asked.field().map(str::to_owned),
            });
            if let Some(turned) = turned {
                self.retally(detector, turned, 1);
            }
            let named = Key {
                verdict: judged.map(|judged| judged.policy.verdict),
                plaintext: judged.is_some_and(|judged| judged.plaintext),
                ..Key::clone(&key)
            };
            let stays = self.is_wanted(state, judged);
            self.rename(&key, named, stays);
        }
        all
    }

    /// Files a finding under the names that its ends have now. What is counted under them already goes on alone, and what
    /// policy wants no finding of ends with its update.
    fn rename(&mut self, key: &Arc<Key>, named: Key, stays: bool) {
        let Some(live) = self.live.remove(key) else { return };
        let named = Arc::new(Key {
            source: Name::of(live.finding.source.as_ref()),
            destination: Name::of(live.finding.destination.as_ref()),
            ..named
        });
        if !stays || self.live.contains_key(&named) {
            self.order.remove(&live.touched);
        } else {
            self.order.insert(live.touched, Arc::clone(&named));
            self.live.insert(named, live);
        }
    }
}

impl Live {
    fn ends(&mut self) -> impl Iterator<Item = &mut End> {
        let finding = &mut self.finding;
        finding.source.iter_mut().chain(&mut finding.destination)
    }

    /// True when the name of a container may still become known.
    fn lacks_a_name(&self) -> bool {
        let ends = [&self.finding.source, &self.finding.destination];
        ends.into_iter().flatten().any(|end| {
            let container = end.container.as_ref().and_then(|container| container.unnamed);
            // A pod of this host always has an account where a cluster knows it.
            let is_unknown_pod = end.pod.is_some() && end.process.is_some() && end.service_account.is_none();
            is_unknown_pod || container.is_some_and(|why| why != Unnamed::NotTheHosts)
        })
    }

    /// Names the ends again; true when one has another name now.
    fn name(&mut self, name: impl Fn(&mut End)) -> bool {
        let mut changed = false;
        for end in self.ends() {
            let before = Name::of(Some(end));
            name(end);
            changed |= Name::of(Some(end)) != before;
        }
        changed
    }
}
