//! Which sightings are of one message on its way through proxies.
//!
//! Goes in: sightings ([`Leg`]) that are equal in everything but who sent what to whom, and when. Comes out: chains of them,
//! each from the first sender to the last receiver. Two are joined where one and the same connection shows both, seen from
//! its two ends; or where a proxy received the one and sent the other. What could be joined in several ways that name
//! different ends is not joined.

#[cfg(test)]
mod tests;

use std::{collections::HashSet, net::SocketAddr};

use crate::report::naming::Name;

/// How much earlier than it was received something may seem to be passed on, microseconds: a time is that of the record
/// that completed what was scanned, and a proxy may pass on the beginning of a message before it has its end.
const SLACK: i64 = 300_000;

/// Longest time between two sightings of one message, microseconds.
pub(super) const WINDOW: i64 = 5_000_000;

/// A process: its id and when it started.
pub(super) type ProcessId = (u32, Option<String>);

/// The address of who opened a connection: what translation of addresses on the way leaves as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// Of a loopback address its network namespace, else 0.
    pub(super) netns: u32,
}

/// One end of a sighting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) process: Option<ProcessId>,
    pub(super) is_proxy: bool,
    /// The network namespace of its socket, where that is known.
    pub(super) netns: Option<u32>,
    /// The connection, where it was not seen from this end.
    pub(super) unseen: Option<Client>,
}

/// One sighting, or what was made of several before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) sender: Side,
    pub(super) receiver: Side,
    /// First and last sighting, microseconds on one clock.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) source: Name,
    pub(super) destination: Name,
    /// It has been reported: of a chain at most one has.
    pub(super) is_reported: bool,
    /// It was made of several, through a proxy.
    pub(super) is_through: bool,
}

impl Leg {
    /// Several in a row as one.
    pub(super) fn of(chain: &[&Self]) -> Option<Self> {
        let (head, tail) = (chain.first()?, chain.last()?);
        Some(Self {
            sender: head.sender.clone(),
            receiver: tail.receiver.clone(),
            first: chain.iter().map(|leg| leg.first).min()?,
            last: chain.iter().map(|leg| leg.last).max()?,
            source: head.source.clone(),
            destination: tail.destination.clone(),
            is_reported: chain.iter().any(|leg| leg.is_reported),
            is_through: chain.iter().any(|leg| leg.meets_proxy()),
        })
    }

    /// More may be seen of it: an end is a proxy, or was seen from the other end only.
    pub(super) const fn is_open(&self) -> bool {
        let (sender, receiver) = (&self.sender, &self.receiver);
        sender.is_proxy || receiver.is_proxy || sender.unseen.is_some() || receiver.unseen.is_some()
    }

    const fn meets_proxy(&self) -> bool {
        self.sender.is_proxy || self.receiver.is_proxy || self.is_through
    }

    /// Both are sightings of one connection, this from the sender's end and `other` from the receiver's.
    fn is_other_end_of(&self, other: &Self) -> bool {
        let same = |one: &Option<ProcessId>, other: &Option<ProcessId>| match (one, other) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.receiver.unseen.is_some()
            && self.receiver.unseen == other.sender.unseen
            && (self.meets_proxy() || other.meets_proxy())
            && same(&self.sender.process, &other.sender.process)
            && same(&self.receiver.process, &other.receiver.process)
            && self.last.abs_diff(other.first) <= WINDOW.unsigned_abs()
    }

    /// A proxy received this and may have passed it on as `next`.
    fn may_go_on_as(&self, next: &Self) -> bool {
        let (received, sent) = (&self.receiver, &next.sender);
        let same_space = match (received.netns, sent.netns) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        received.is_proxy
            && sent.is_proxy
            && received.process.is_some()
            && received.process == sent.process
            && same_space
            && (-SLACK..=WINDOW).contains(&(next.first - self.last))
    }
}

/// Joins legs to chains; each leg is in exactly one. Takes time that grows with the square of their number.
pub(super) fn chains(legs: &[Leg]) -> Vec<Vec<usize>> {
    let mut joints = Joints::new(legs);
    joints.join_ends();
    joints.join_hops();
    let doubtful = joints.doubtful();
    joints.part(&doubtful);
    joints.chains()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// Both ends of one connection.
    Connection,
    /// A proxy.
    Hop,
}

struct Joints<'a> {
    legs: &'a [Leg],
    next: Vec<Option<(usize, Joint)>>,
    previous: Vec<Option<usize>>,
}

impl<'a> Joints<'a> {
    fn new(legs: &'a [Leg]) -> Self {
        Self {
            legs,
            next: vec![None; legs.len()],
            previous: vec![None; legs.len()],
        }
    }

    fn join_ends(&mut self) {
        for sent in 0..self.legs.len() {
            if self.next[sent].is_some() {
                continue;
            }
            let fits = |received: &usize| self.legs[sent].is_other_end_of(&self.legs[*received]);
            let nearest = self.free(sent).filter(fits).min_by_key(|&received| {
                let (sent, received) = (&self.legs[sent], &self.legs[received]);
                sent.last.abs_diff(received.first)
            });
            self.join(sent, nearest, Joint::Connection);
        }
    }

    /// What was passed on was received last of what has not been passed on yet.
    fn join_hops(&mut self) {
        let mut by_time: Vec<usize> = (0..self.legs.len()).collect();
        by_time.sort_by_key(|&leg| self.legs[leg].first);
        for sent in by_time {
            if self.previous[sent].is_some() {
                continue;
            }
            let fits = |received: &usize| {
                self.next[*received].is_none()
                    && self.legs[*received].may_go_on_as(&self.legs[sent])
                    && self.may_join(*received, sent)
            };
            let distance = |received: &usize| {
                let ahead = self.legs[sent].first - self.legs[*received].last;
                (ahead < 0, ahead.unsigned_abs())
            };
            let candidates = (0..self.legs.len()).filter(fits);
            if let Some(received) = candidates.min_by_key(distance) {
                self.join(received, Some(sent), Joint::Hop);
            }
        }
    }

    /// Legs that may follow: they follow none yet.
    fn free(&self, leg: usize) -> impl Iterator<Item = usize> {
        (0..self.legs.len()).filter(move |&other| self.previous[other].is_none() && self.may_join(leg, other))
    }

    /// No circle, and no two that were reported.
    fn may_join(&self, leg: usize, other: usize) -> bool {
        let before = std::iter::successors(Some(leg), |&leg| self.previous[leg]);
        let (mut is_reported, mut is_circle) = (false, false);
        for leg in before {
            is_reported |= self.legs[leg].is_reported;
            is_circle |= leg == other;
        }
        !is_circle && !(is_reported && self.from(other).any(|leg| self.legs[leg].is_reported))
    }

    fn join(&mut self, leg: usize, other: Option<usize>, joint: Joint) {
        if let Some(other) = other {
            self.next[leg] = Some((other, joint));
            self.previous[other] = Some(leg);
        }
    }

    /// A leg and those that follow it.
    fn from(&self, leg: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(leg), |&leg| self.next[leg].map(|(next, _)| next))
    }

    fn chains(&self) -> Vec<Vec<usize>> {
        let heads = (0..self.legs.len()).filter(|&leg| self.previous[leg].is_none());
        heads.map(|head| self.from(head).collect()).collect()
    }

    /// Chains through the same proxies at the same time that have different senders and different receivers: which of the
    /// senders sent to which receiver is not certain.
    fn doubtful(&self) -> Vec<Vec<usize>> {
        let all = self.chains().into_iter();
        let mut through: Vec<Passage<'_>> = all.filter_map(|chain| Passage::of(self.legs, chain)).collect();
        let mut doubtful = Vec::new();
        while let Some(passage) = through.pop() {
            // All that is connected with it, over whatever else is.
            let mut cluster = vec![passage];
            let mut looked_at = 0;
            while looked_at < cluster.len() {
                let one = &cluster[looked_at];
                let (near, far): (Vec<_>, Vec<_>) = through.into_iter().partition(|other| one.is_near(other));
                through = far;
                cluster.extend(near);
                looked_at += 1;
            }
            let from = cluster.iter().filter(|passage| !passage.whole.sender.is_proxy);
            let sources: HashSet<&Name> = from.map(|passage| &passage.whole.source).collect();
            let to = cluster.iter().map(|passage| &passage.whole.destination);
            let destinations: HashSet<&Name> = to.collect();
            if sources.len() > 1 && destinations.len() > 1 {
                doubtful.extend(cluster.into_iter().map(|passage| passage.chain));
            }
        }
        doubtful
    }

    fn part(&mut self, chains: &[Vec<usize>]) {
        for &leg in chains.iter().flatten() {
            if let Some((next, Joint::Hop)) = self.next[leg] {
                self.next[leg] = None;
                self.previous[next] = None;
            }
        }
    }
}

/// A chain that goes through a proxy.
struct Passage<'a> {
    whole: Leg,
    chain: Vec<usize>,
    proxies: Vec<&'a Side>,
}

impl<'a> Passage<'a> {
    fn of(legs: &'a [Leg], chain: Vec<usize>) -> Option<Self> {
        let parts: Vec<&Leg> = chain.iter().map(|&leg| &legs[leg]).collect();
        let ends = chain
            .iter()
            .flat_map(|&leg| [&legs[leg].sender, &legs[leg].receiver]);
        let proxies: Vec<&Side> = ends.filter(|side| side.is_proxy).collect();
        let whole = Leg::of(&parts)?;
        (!proxies.is_empty()).then_some(Self {
            whole,
            chain,
            proxies,
        })
    }

    /// Both went through one proxy at about the same time.
    fn is_near(&self, other: &Self) -> bool {
        let (one, two) = (&self.whole, &other.whole);
        let overlap =
            one.first <= two.last.saturating_add(SLACK) && two.first <= one.last.saturating_add(SLACK);
        let meets = |side: &Side, other: &Side| {
            let same_space = match (side.netns, other.netns) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            side.process == other.process && same_space
        };
        overlap
            && self
                .proxies
                .iter()
                .any(|side| other.proxies.iter().any(|other| meets(side, other)))
    }
}
