//! What a pod has of an address: two spans of time, and how the claims of several pods on one address fit together.

use std::sync::Arc;

use super::{MARGIN, Sighting, State};

/// Most claims remembered of one address.
pub(super) const CLAIMS: usize = 16;

/// Pods that began within this time can not be told apart by when they began: what is between a pod's start and its
/// address differs, and clocks do.
const TOGETHER: i64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Address {
    pub(super) claims: Vec<Claim>,
    /// Before this time claims had to make room.
    pub(super) forgotten: i64,
}

#[derive(Debug)]
pub(super) struct Claim {
    pub(super) uid: Arc<str>,
    /// The outer span begins.
    pub(super) started: i64,
    /// The inner span begins.
    pub(super) heard: i64,
    /// The inner span ends.
    pub(super) doubted: Option<i64>,
    /// The outer span ends.
    pub(super) ended: Option<i64>,
    /// From then on it may not be named alone: nothing was heard for a while.
    pub(super) unheard: Option<i64>,
    /// It ended for good: what a list from an old cache says of it is late.
    pub(super) is_final: bool,
    /// The pod had finished, or was told to, when it was first heard of.
    pub(super) ends_already: bool,
}

/// When something is heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: i64,
    /// Since when it may have been so.
    pub(super) unheard_since: i64,
    /// When the list began that it is part of.
    pub(super) list: Option<i64>,
}

impl Address {
    pub(super) fn make_room(&mut self, now: i64) {
        if self.claims.len() < CLAIMS {
            return;
        }
        let oldest = (0..self.claims.len()).min_by_key(|&at| self.claims[at].ended.unwrap_or(i64::MAX));
        if let Some(at) = oldest {
            let claim = self.claims.remove(at);
            // One that has not ended is one of many at once, of which none is named.
            self.forgotten = self.forgotten.max(claim.ended.unwrap_or(now));
        }
    }
}

impl Claim {
    pub(super) fn new(sighting: &Sighting, now: i64) -> Self {
        Self {
            uid: Arc::clone(&sighting.uid),
            started: sighting.started.saturating_sub(MARGIN).min(now),
            heard: now,
            doubted: (sighting.state != State::Live).then_some(now),
            ended: None,
            // What ends when it is first heard of may be gone, and its address another's.
            unheard: (sighting.state != State::Live).then_some(now),
            is_final: false,
            ends_already: sighting.state != State::Live,
        }
    }

    /// Settles which of two claims on one address is the newer one; the older one ends. True when `other` ended now.
    pub(super) fn meet(&mut self, other: &mut Self, moment: Moment) -> bool {
        if other.ended.is_some_and(|ended| ended <= self.started) {
            return false;
        }
        let is_of_this_list = moment.list.is_some_and(|since| other.heard >= since);
        // What is first heard of when it ends may have had the address before one that was heard of earlier.
        let is_news = !self.ends_already || other.ended.is_some() || other.heard <= self.started;
        let later_by = self.started.saturating_sub(other.started);
        if later_by > TOGETHER && is_news {
            other.doubt(self.started);
            return other.end(moment);
        }
        if later_by < -TOGETHER && (is_of_this_list || self.ends_already) {
            self.doubt(self.heard);
            self.ended = Some(
                self.ended
                    .unwrap_or(moment.now)
                    .min(other.heard.max(self.started)),
            );
            return false;
        }
        other.doubt(self.started);
        if other.ended.is_some() {
            return false;
        }
        self.doubt(self.heard);
        // An older pod that is given another address is the owner when the other one ends. Of two that began together
        // it is never told which was first, so neither is named when only one is left.
        if later_by >= -TOGETHER {
            let since = self.started.min(other.started);
            self.unheard = Some(since);
            other.unheard = Some(since);
        }
        false
    }

    /// True when it ended now.
    pub(super) fn end(&mut self, moment: Moment) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.doubt(moment.unheard_since);
        self.ended = Some(moment.now);
        let unheard = self.unheard.unwrap_or(i64::MAX).min(moment.unheard_since);
        self.unheard = Some(unheard);
        true
    }

    pub(super) fn doubt(&mut self, from: i64) {
        self.doubted = Some(self.doubted.map_or(from, |before| before.min(from)));
    }

    pub(super) fn holds(&self, time: i64) -> bool {
        time >= self.heard && self.doubted.is_none_or(|doubted| time < doubted)
    }

    pub(super) fn may_hold(&self, time: i64) -> bool {
        time >= self.started && self.ended.is_none_or(|ended| time < ended)
    }

    pub(super) fn was_known(&self, time: i64) -> bool {
        time >= self.heard && self.unheard.is_none_or(|unheard| time < unheard)
    }
}
