//! A message that goes through proxies of a mesh is reported once, from application to application.
//!
//! Goes in: observations whose ends are named. What has nothing to do with a proxy comes out at once. The rest waits
//! [`WAIT`] for the other sightings of the same message, and comes out as one, with the application's own record where
//! there is one. What is seen later corrects what was reported. It holds a bounded number of observations, never a value,
//! and loses none: without room the oldest come out as they are.

mod chain;
mod merge;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use self::chain::Leg;
use super::{Observed, Seen};
use crate::{
    identity::mesh::Mesh,
    protocol::Place,
    report::{finding::End, observation::Observation},
    serve::metrics::Reporter as Side,
};

/// How long an observation waits: a proxy passes a message on within milliseconds, and what it sends comes by another ring.
const WAIT: Duration = Duration::from_millis(750);

/// How long what was reported is remembered, for what is seen later.
const REMEMBER: Duration = Duration::from_secs(5);

/// Most observations that wait, and most that are remembered.
const CAPACITY: usize = 8_192;

/// Most observations of one value in one field of one operation that wait; joining them takes time that grows with the
/// square of their number.
const MOST_OF_A_KEY: usize = 128;

/// Most that are remembered of what was reported of one value in one field of one operation.
const MOST_REMEMBERED: usize = 32;

/// What comes out.
pub(super) enum Outcome {
    /// One sighting, or several as one.
    Observed(Observed, Side),
    /// What was reported before has other ends.
    Amended {
        before: Box<Observation>,
        now: Box<Seen>,
        side: Side,
    },
}

/// What two sightings of a message share: a digest of detector, value, place, field, operation and direction, under keys
/// that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(u64, u64);

/// Observations that wait for the other sightings of their message.
pub(super) struct Hops {
    mesh: Arc<Mesh>,
    hashers: [RandomState; 2],
    groups: HashMap<Key, Group>,
    /// When something was put into a group that has to be looked at, oldest first.
    waiting: VecDeque<(Instant, Key)>,
    reported: VecDeque<(Instant, Key)>,
    held: usize,
    merged: u64,
}

#[derive(Default)]
struct Group {
    held: Vec<Held>,
    reported: Vec<Reported>,
}

struct Held {
    at: Instant,
    leg: Leg,
    observed: Observed,
    side: Side,
}

struct Reported {
    at: Instant,
    leg: Leg,
    seen: Box<Seen>,
}

impl Hops {
    pub(super) fn new(mesh: Arc<Mesh>) -> Self {
        Self {
            mesh,
            hashers: [RandomState::new(), RandomState::new()],
            groups: HashMap::new(),
            waiting: VecDeque::new(),
            reported: VecDeque::new(),
            held: 0,
            merged: 0,
        }
    }

    /// Takes an observation; gives it back where no proxy is near, and what had to make room.
    pub(super) fn take(&mut self, observed: Observed, side: Side) -> Vec<Outcome> {
        if !self.is_near(&observed) {
            return vec![Outcome::Observed(observed, side)];
        }
        let key = self.key(&observed);
        let now = Instant::now();
        let group = self.groups.entry(key).or_default();
        group.held.push(Held {
            at: now,
            leg: merge::leg(&observed),
            observed,
            side,
        });
        self.held += 1;
        self.waiting.push_back((now, key));
        let mut out = Vec::new();
        if group.held.len() >= MOST_OF_A_KEY {
            let middle = group.held[MOST_OF_A_KEY / 2].at;
            out.extend(self.settle(key, |at| at <= middle));
        }
        while self.held > CAPACITY {
            let Some((_, key)) = self.waiting.pop_front() else {
                break;
            };
            out.extend(self.settle(key, |_| true));
        }
        out
    }

    /// What has waited long enough. Call it a few times a second.
    pub(super) fn due(&mut self) -> Vec<Outcome> {
        let mut out = Vec::new();
        while let Some((at, key)) = self.waiting.front().copied()
            && at.elapsed() >= WAIT
        {
            self.waiting.pop_front();
            out.extend(self.settle(key, |at| at.elapsed() >= WAIT));
        }
        self.forget();
        out
    }

    /// Everything that waits.
    pub(super) fn finish(&mut self) -> Vec<Outcome> {
        let mut out = Vec::new();
        while let Some((_, key)) = self.waiting.pop_front() {
            out.extend(self.settle(key, |_| true));
        }
        out
    }

    /// Observations that were sightings of what another one tells already.
    pub(super) fn merged(&self) -> u64 {
        self.merged
    }

    /// An end is a proxy, or one works in the network namespace.
    fn is_near(&self, observed: &Observed) -> bool {
        let (local, remote) = match observed.is_ingress() {
            true => (observed.ends()[1], observed.ends()[0]),
            false => (observed.ends()[0], observed.ends()[1]),
        };
        let netns = observed.netns();
        if local.hop.is_some() {
            self.mesh.has_proxy(netns);
        }
        local.hop.is_some() || remote.hop.is_some() || self.mesh.is_in(netns)
    }

    fn key(&self, observed: &Observed) -> Key {
        let hash = |hasher: &RandomState| match observed {
            Observed::Value(seen) => {
                let Observation {
                    detection,
                    flow,
                    place,
                    direction,
                    ..
                } = &seen.observation;
                // Names of headers have no case, and proxies write them as they like.
                let is_header = matches!(
                    place,
                    Place::RequestHeaders
                        | Place::ResponseHeaders
                        | Place::RequestTrailers
                        | Place::ResponseTrailers
                );
                let field = detection.field.path.as_deref();
                let field = field.map(|path| match is_header {
                    true => path.to_ascii_lowercase(),
                    false => path.to_owned(),
                });
                hasher.hash_one((
                    detection.detector,
                    &detection.fingerprint,
                    detection.state as u8,
                    place,
                    field,
                    &flow.operation,
                    direction,
                ))
            }
            Observed::Missed(missed) => {
                let spot = missed.spot.with(missed.detector, missed.lead);
                hasher.hash_one((missed.detector, missed.lead, spot))
            }
        };
        Key(hash(&self.hashers[0]), hash(&self.hashers[1]))
    }

    /// Reports the chains of a group of which a part has waited long enough.
    fn settle(&mut self, key: Key, is_due: impl Fn(Instant) -> bool) -> Vec<Outcome> {
        let Some(group) = self.groups.get_mut(&key) else {
            return Vec::new();
        };
        if !group.held.iter().any(|held| is_due(held.at)) {
            return Vec::new();
        }
        let Group { held, reported } = std::mem::take(group);
        let before = held.len();
        let legs: Vec<Leg> = reported
            .iter()
            .map(|reported| reported.leg.clone())
            .chain(held.iter().map(|held| held.leg.clone()))
            .collect();
        let mut reported: Vec<Option<Reported>> = reported.into_iter().map(Some).collect();
        let mut held: Vec<Option<Held>> = held.into_iter().map(Some).collect();
        let (mut out, mut still) = (Vec::new(), Group::default());
        for chain in chain::chains(&legs) {
            let is_held = |leg: &usize| leg.checked_sub(reported.len());
            let waits = chain.iter().filter_map(is_held);
            if !waits
                .filter_map(|leg| held[leg].as_ref())
                .any(|held| is_due(held.at))
            {
                continue;
            }
            let parts: Vec<&Leg> = chain.iter().map(|&leg| &legs[leg]).collect();
            let Some(whole) = Leg::of(&parts) else { continue };
            let links: Vec<Link> = chain
                .iter()
                .filter_map(|&leg| match leg.checked_sub(reported.len()) {
                    Some(leg) => held[leg].take().map(|held| Link::New(held.observed, held.side)),
                    None => reported[leg].take().map(|reported| Link::Reported(reported.seen)),
                })
                .collect();
            self.merged += links.len() as u64 - 1;
            let Some(outcome) = merge::merge(links, &self.mesh) else {
                continue;
            };
            if let Some(seen) = outcome.seen().filter(|_| whole.is_open()) {
                let at = Instant::now();
                still.reported.push(Reported {
                    at,
                    leg: Leg {
                        is_reported: true,
                        ..whole
                    },
                    seen: Box::new(seen.clone()),
                });
                self.reported.push_back((at, key));
            }
            out.push(outcome);
        }
        still.held.extend(held.into_iter().flatten());
        still.reported.extend(reported.into_iter().flatten());
        if still.reported.len() > MOST_REMEMBERED {
            still
                .reported
                .sort_by_key(|reported| std::cmp::Reverse(reported.at));
            still.reported.truncate(MOST_REMEMBERED);
        }
        self.held -= before - still.held.len();
        if let Some(group) = self.groups.get_mut(&key) {
            *group = still;
        }
        out
    }

    fn forget(&mut self) {
        while let Some((at, key)) = self.reported.front().copied()
            && (at.elapsed() >= REMEMBER || self.reported.len() > CAPACITY)
        {
            self.reported.pop_front();
            if let Some(group) = self.groups.get_mut(&key) {
                group.reported.retain(|reported| reported.at > at);
                if group.held.is_empty() && group.reported.is_empty() {
                    self.groups.remove(&key);
                }
            }
        }
    }
}

/// A part of a chain.
enum Link {
    New(Observed, Side),
    Reported(Box<Seen>),
}

impl Outcome {
    fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Observed(Observed::Value(seen), _) | Self::Amended { now: seen, .. } => Some(seen),
            Self::Observed(Observed::Missed(_), _) => None,
        }
    }
}

impl Observed {
    /// Source and destination.
    fn ends(&self) -> [&End; 2] {
        match self {
            Self::Value(seen) => [&seen.observation.source, &seen.observation.destination],
            Self::Missed(missed) => [&missed.source, &missed.destination],
        }
    }
}
