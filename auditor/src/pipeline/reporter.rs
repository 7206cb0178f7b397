//! From observations to findings: the same bytes seen at both ends are counted once, the rest is
//! aggregated.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{Seen, Shared};
use crate::{
    identity::{self, pairs::AddressPair},
    policy::Judge,
    report::{
        aggregate::{Aggregator, Settings},
        finding::{Certainty, Finding, IdentifiedBy},
    },
    serve::metrics::Reporter as Side,
};

/// How long a received value waits for the sender's record of it, which may come by another ring.
const HOLD: Duration = Duration::from_millis(250);

/// How long a sent value is remembered.
const REMEMBER: Duration = Duration::from_secs(5);

/// Most received values that wait, and most sent values remembered.
const CAPACITY: usize = 16_384;

/// What makes a value at one end the same as one at the other.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Sighting {
    /// As the sender has it.
    pair: AddressPair,
    detector: &'static str,
    fingerprint: String,
}

/// Turns what the sessions see into findings.
pub struct Reporter {
    aggregator: Aggregator,
    shared: Arc<Shared>,
    held: VecDeque<(Instant, Seen)>,
    sent: HashMap<Sighting, u32>,
    sent_order: VecDeque<(Instant, Sighting)>,
}

impl Reporter {
    /// A reporter for one session.
    pub fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        Self {
            aggregator: Aggregator::new(settings, Judge::default()),
            shared,
            held: VecDeque::new(),
            sent: HashMap::new(),
            sent_order: VecDeque::new(),
        }
    }

    /// Takes what was seen; returns what is to be reported now.
    pub fn take(&mut self, seen: Seen) -> Vec<Finding> {
        if !seen.ingress
            && let Some(pair) = seen.pair
        {
            self.remember(Sighting {
                pair,
                detector: seen.observation.detection.detector,
                fingerprint: seen.observation.detection.fingerprint.clone(),
            });
        }
        if self.must_wait(&seen) {
            let early = (self.held.len() >= CAPACITY)
                .then(|| self.held.pop_front())
                .flatten();
            self.held.push_back((Instant::now(), seen));
            return early
                .map(|(_, seen)| self.after_waiting(seen))
                .unwrap_or_default();
        }
        self.offer(seen, Side::Source)
    }

    /// What has waited long enough, and revisions that are due. Call it a few times a second.
    pub fn due(&mut self) -> Vec<Finding> {
        let mut findings = self.release(Some(HOLD));
        self.forget();
        findings.extend(self.aggregator.due(Timestamp::now()));
        findings
    }

    /// Everything that waits: the last revisions of all findings.
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.release(None);
        findings.extend(self.aggregator.finish());
        findings
    }

    /// The tallies for a summary.
    pub fn aggregator(&self) -> &Aggregator {
        &self.aggregator
    }

    fn release(&mut self, after: Option<Duration>) -> Vec<Finding> {
        let mut findings = Vec::new();
        while let Some((at, _)) = self.held.front() {
            if after.is_some_and(|after| at.elapsed() < after) {
                break;
            }
            if let Some((_, seen)) = self.held.pop_front() {
                findings.extend(self.after_waiting(seen));
            }
        }
        findings
    }

    /// What was received waits for the sender's record of it; what was sent to a process of this
    /// host waits until that has touched its socket and is known by it.
    fn must_wait(&self, seen: &Seen) -> bool {
        let Some(pair) = seen.pair else { return false };
        let remote = pair.remote.ip();
        let local_peer = remote.is_loopback() || remote == pair.local.ip();
        seen.ingress || (local_peer && seen.observation.destination.certainty != Certainty::Exact)
    }

    fn after_waiting(&mut self, mut seen: Seen) -> Vec<Finding> {
        let Some(pair) = seen.pair else {
            return self.offer(seen, Side::Source);
        };
        let sighting = Sighting {
            pair: pair.reversed(),
            detector: seen.observation.detection.detector,
            fingerprint: seen.observation.detection.fingerprint.clone(),
        };
        if seen.ingress
            && let Some(count) = self.sent.get_mut(&sighting)
            && *count > 0
        {
            *count -= 1;
            self.shared.totals.duplicates.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        let remote = if seen.ingress {
            &mut seen.observation.source
        } else {
            &mut seen.observation.destination
        };
        if remote.certainty != Certainty::Exact
            && let Some(owner) = self.shared.peers.pairs.peer(pair)
        {
            let process = self.shared.peers.processes.of(owner.tgid);
            *remote = identity::local_end(&process, Some(pair.remote), IdentifiedBy::SocketPair);
        }
        let side = if seen.ingress {
            Side::Destination
        } else {
            Side::Source
        };
        self.offer(seen, side)
    }

    fn offer(&mut self, seen: Seen, side: Side) -> Vec<Finding> {
        let for_metrics = seen.observation.clone();
        self.shared
            .metrics
            .attribution("source", for_metrics.source.identified_by.name());
        self.shared
            .metrics
            .attribution("destination", for_metrics.destination.identified_by.name());
        let offered = self.aggregator.offer(seen.observation, Timestamp::now());
        self.shared.metrics.value(&for_metrics, offered.admission, side);
        offered.findings
    }

    fn remember(&mut self, sighting: Sighting) {
        if self.sent_order.len() >= CAPACITY {
            self.drop_oldest();
        }
        *self.sent.entry(sighting.clone()).or_default() += 1;
        self.sent_order.push_back((Instant::now(), sighting));
    }

    fn forget(&mut self) {
        while self
            .sent_order
            .front()
            .is_some_and(|(at, _)| at.elapsed() > REMEMBER)
        {
            self.drop_oldest();
        }
    }

    /// Forgets the oldest sighting; one that was matched already has nothing left to take away.
    fn drop_oldest(&mut self) {
        let Some((_, sighting)) = self.sent_order.pop_front() else {
            return;
        };
        if let Some(count) = self.sent.get_mut(&sighting) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sent.remove(&sighting);
            }
        }
    }
}
