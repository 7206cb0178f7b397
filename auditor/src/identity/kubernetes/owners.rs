//! Which pod had an IP address at a time.
//!
//! Goes in: what a watch of pods says, in its order, with the time it was heard; lists; that the watch was lost and came
//! back. Comes out: for an address and the time of an event, the pod that had it then, or that this is not certain.
//!
//! An address has claims, each with two spans. In the inner one (from when the pod was heard to have the address, until
//! anything spoke against that) the pod is the owner. In the outer one (from its start on its node, until it was heard
//! to be gone) it may be. A time that is in nobody's inner span and in the outer one of two pods, or of one that was not
//! heard of by then, is [`Answer::Ambiguous`]. So is every time from when the watch was lost, until it is back: a pod is
//! never named by what may have changed. It never forgets in whose place another pod came by its address alone.
//!
//! Times are milliseconds; the caller chooses the clock, the same for all.

mod claim;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use self::claim::{Address, Claim, Moment};

/// How long a claim that ended can be looked up.
pub const AFTERLIFE: i64 = 120_000;

/// How far another node's clock may be off, what its timestamps of whole seconds hide, and how late news may be.
const MARGIN: i64 = 2_000;

/// How long after the watch is back what it missed may still be coming in.
const CATCHING_UP: i64 = 10_000;

/// Most losses of the watch remembered; older ones are taken for one.
const LOSSES: usize = 8;

/// Most addresses with claims.
const ADDRESSES: usize = 131_072;

/// What a watch says of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub uid: Arc<str>,
    /// Both families of a dual-stack pod. Those of a pod in its node's network are the node's, and claim nothing.
    pub ips: Vec<IpAddr>,
    pub host_network: bool,
    /// When its node began with it; an address is given after that.
    pub started: i64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Live,
    /// Told to end; it may keep the address until another pod has it.
    Terminating,
    /// Succeeded or failed: its address is free, though it is still shown.
    Finished,
}

/// Who had an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This pod, by its uid.
    Exact(Arc<str>),
    /// This pod, which was ending; nobody else was known to have the address.
    Likely(Arc<str>),
    /// One of several pods, or one of which too little was known then.
    Ambiguous,
    /// No pod.
    Nobody,
}

/// The index. Not synchronised.
#[derive(Debug)]
pub struct Owners {
    by_ip: HashMap<IpAddr, Address>,
    by_uid: HashMap<Arc<str>, Vec<IpAddr>>,
    /// Addresses in the order in which a claim on them ended.
    ended: VecDeque<(i64, IpAddr)>,
    /// Since when nothing is heard; the beginning of time until the first list is in.
    lost: Option<i64>,
    /// The last losses that are over: from when to when nothing was heard.
    losses: VecDeque<(i64, i64)>,
    /// The list that is coming in.
    list: Option<List>,
    /// Sightings that found no room.
    overflow: u64,
}

#[derive(Debug)]
struct List {
    since: i64,
    named: HashSet<Arc<str>>,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            by_ip: HashMap::new(),
            by_uid: HashMap::new(),
            ended: VecDeque::new(),
            lost: Some(i64::MIN),
            losses: VecDeque::new(),
            list: None,
            overflow: 0,
        }
    }
}

impl Owners {
    /// A pod appeared or changed.
    pub fn seen(&mut self, sighting: &Sighting, now: i64) {
        if let Some(list) = &mut self.list {
            list.named.insert(Arc::clone(&sighting.uid));
        }
        let ips: &[IpAddr] = if sighting.host_network { &[] } else { &sighting.ips };
        let before = self.by_uid.get(&sighting.uid).cloned().unwrap_or_default();
        for ip in before.iter().filter(|ip| !ips.contains(ip)) {
            self.end(*ip, &sighting.uid, now, false);
        }
        for &ip in ips {
            // One that lost its address to a newer pod does not get it back by being seen again.
            if !before.contains(&ip) {
                self.claim(ip, sighting, now);
            } else if sighting.state == State::Terminating {
                self.doubt(ip, &sighting.uid, now);
            }
        }
        match sighting.state {
            State::Finished => {
                for &ip in ips {
                    self.end(ip, &sighting.uid, now, true);
                }
                self.by_uid.remove(&sighting.uid);
            }
            _ if ips.is_empty() => {
                self.by_uid.remove(&sighting.uid);
            }
            _ => {
                self.by_uid.insert(Arc::clone(&sighting.uid), ips.to_vec());
            }
        }
    }

    /// A pod was deleted. Says nothing about other pods at its addresses.
    pub fn deleted(&mut self, uid: &str, now: i64) {
        for ip in self.by_uid.remove(uid).unwrap_or_default() {
            self.end(ip, uid, now, true);
        }
    }

    /// Nothing is heard any more: the watch broke.
    pub fn lost(&mut self, now: i64) {
        self.lost.get_or_insert(now);
    }

    /// The watch goes on where it broke: what it missed comes in order.
    pub fn resumed(&mut self, now: i64) {
        // Before the first list nothing was known that could have been missed.
        if let Some(lost) = self.lost.take().filter(|lost| *lost > i64::MIN) {
            if self.losses.len() == LOSSES
                && let (Some(first), Some(second)) = (self.losses.pop_front(), self.losses.front_mut())
            {
                second.0 = first.0;
            }
            self.losses.push_back((lost, now));
        }
    }

    /// A list begins: what it does not name is gone.
    pub fn list_begins(&mut self, now: i64) {
        self.lost(now);
        self.list = Some(List {
            since: now,
            named: HashSet::new(),
        });
    }

    /// The list is complete.
    pub fn list_ends(&mut self, now: i64) {
        let Some(list) = self.list.take() else { return };
        let is_gone = |uid: &&Arc<str>| !list.named.contains(*uid);
        let gone: Vec<Arc<str>> = self.by_uid.keys().filter(is_gone).cloned().collect();
        for uid in gone {
            for ip in self.by_uid.remove(&uid).unwrap_or_default() {
                // Not for good: a list from an old cache may not have it yet.
                self.end(ip, &uid, now, false);
            }
        }
        self.resumed(now);
    }

    /// Who had `ip` at `time`.
    pub fn at(&self, ip: IpAddr, time: i64) -> Answer {
        let Some(address) = self.by_ip.get(&ip) else {
            return Answer::Nobody;
        };
        if time < address.forgotten {
            return Answer::Ambiguous;
        }
        let mut possible = address.claims.iter().filter(|claim| claim.may_hold(time));
        let is_lost = self.lost.is_some_and(|lost| time >= lost);
        if !is_lost && let Some(claim) = address.claims.iter().find(|claim| claim.holds(time)) {
            return Answer::Exact(Arc::clone(&claim.uid));
        }
        match (possible.next(), possible.next()) {
            (None, _) => Answer::Nobody,
            (Some(claim), None) if !self.is_unheard(time) && claim.was_known(time) => {
                Answer::Likely(Arc::clone(&claim.uid))
            }
            (Some(_), _) => Answer::Ambiguous,
        }
    }

    /// Forgets claims that ended long ago.
    pub fn sweep(&mut self, now: i64) {
        while let Some((ended, ip)) = self.ended.front().copied() {
            if ended.saturating_add(AFTERLIFE) > now {
                break;
            }
            self.ended.pop_front();
            if let Some(address) = self.by_ip.get_mut(&ip) {
                address.claims.retain(|claim| {
                    claim
                        .ended
                        .is_none_or(|ended| ended.saturating_add(AFTERLIFE) > now)
                });
                if address.claims.is_empty() {
                    self.by_ip.remove(&ip);
                }
            }
        }
    }

    /// Addresses with claims.
    pub fn len(&self) -> usize {
        self.by_ip.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_ip.is_empty()
    }

    /// Sightings that found no room.
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Whether what is known may be out of date.
    pub const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Nothing was heard then: pods may have come and gone.
    fn is_unheard(&self, time: i64) -> bool {
        let within = |(lost, back): &(i64, i64)| (*lost..*back).contains(&time);
        self.lost.is_some_and(|lost| time >= lost) || self.losses.iter().any(within)
    }

    fn claim(&mut self, ip: IpAddr, sighting: &Sighting, now: i64) {
        let moment = self.moment(now);
        if self.by_ip.len() >= ADDRESSES && !self.by_ip.contains_key(&ip) {
            self.overflow += 1;
            return;
        }
        let address = self.by_ip.entry(ip).or_default();
        let is_late = |claim: &Claim| claim.uid == sighting.uid && claim.is_final;
        if address.claims.iter().any(is_late) {
            return;
        }
        let mut claim = Claim::new(sighting, now);
        for other in &mut address.claims {
            if claim.meet(other, moment) {
                self.ended.push_back((now, ip));
            }
        }
        if claim.ended.is_some() {
            self.ended.push_back((now, ip));
        }
        address.make_room(now);
        address.claims.push(claim);
    }

    /// The claim of a pod is over.
    fn end(&mut self, ip: IpAddr, uid: &str, now: i64, is_final: bool) {
        let moment = self.moment(now);
        let mut ended = false;
        for claim in self.claims_of(ip, uid) {
            claim.is_final |= is_final;
            ended |= claim.end(moment);
        }
        if ended {
            self.ended.push_back((now, ip));
        }
    }

    /// The pod has been told to end.
    fn doubt(&mut self, ip: IpAddr, uid: &str, now: i64) {
        let moment = self.moment(now);
        for claim in self.claims_of(ip, uid).filter(|claim| claim.ended.is_none()) {
            claim.doubt(moment.unheard_since);
            if moment.list.is_some() {
                // Another pod may have come by the address and gone again.
                claim.unheard.get_or_insert(moment.unheard_since);
            }
        }
    }

    fn claims_of<'a>(&'a mut self, ip: IpAddr, uid: &'a str) -> impl Iterator<Item = &'a mut Claim> {
        let claims = self.by_ip.get_mut(&ip).into_iter();
        claims
            .flat_map(|address| &mut address.claims)
            .filter(move |claim| &*claim.uid == uid)
    }

    /// What is heard now may have been so for a while; or since the watch was lost, when this may be what it missed.
    fn moment(&self, now: i64) -> Moment {
        let last = self.losses.back();
        let catching_up = last.filter(|(_, back)| now < back.saturating_add(CATCHING_UP));
        let loss = self.lost.or_else(|| catching_up.map(|(lost, _)| *lost));
        Moment {
            now,
            unheard_since: loss.map_or(now, |lost| lost.min(now)).saturating_sub(MARGIN),
            list: self.list.as_ref().map(|list| list.since),
        }
    }
}
