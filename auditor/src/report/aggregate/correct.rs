//! Findings whose ends are known better than when they went out.
//!
//! Goes in: who names ends. Comes out: an update of each finding that has another name now. It corrects findings that
//! are alive; what was sent stays sent.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Aggregator, Key, Live};
use crate::{
    identity::container::Unnamed,
    report::{
        finding::{End, Finding, Kind},
        naming::Name,
    },
};

impl Aggregator {
    /// Has the ends named again that went out without the name of their container or the owner of their pod. What is known now goes out as an
    /// update: the same finding with its next revision.
    pub fn correct(&mut self, name: impl Fn(&mut End), now: Timestamp) -> Vec<Finding> {
        let unnamed = self.live.iter().filter(|(_, live)| live.lacks_a_name());
        let unnamed: Vec<Arc<Key>> = unnamed.map(|(key, _)| Arc::clone(key)).collect();
        let mut updates = Vec::new();
        for key in unnamed {
            let Some(live) = self.live.get_mut(&key) else {
                continue;
            };
            if !live.name(&name) {
                continue;
            }
            self.unsent -= usize::from(live.unsent);
            updates.push(Finding {
                kind: Kind::Update,
                ..live.revision(now)
            });
            self.rename(&key);
        }
        updates
    }

    /// Files a finding under the names that its ends have now. What is counted under them already goes on alone.
    fn rename(&mut self, key: &Arc<Key>) {
        let Some(live) = self.live.remove(key) else { return };
        let named = Arc::new(Key {
            source: Name::of(live.finding.source.as_ref()),
            destination: Name::of(live.finding.destination.as_ref()),
            ..Key::clone(key)
        });
        if self.live.contains_key(&named) {
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
