//! From observations to findings: the same bytes seen at both ends are counted once, the sketch of
//! the field adds what it knows, the rest is aggregated.

mod masking;
mod measure;

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Missed, Observed, Seen, Shared,
    hops::{Hops, Outcome},
    late::Late,
};
use crate::{
    content::Field,
    detect::{
        Confidence, Detection, State,
        sketch::{self, Candidate, FieldRef, Limits, ScanSuspects as _, Sketches, Spot, Verdict},
    },
    identity::{
        self,
        pairs::AddressPair,
        translations::{Translation, Translations},
    },
    masking::Book,
    policy::Judge,
    protocol::text::DATAGRAM,
    report::{
        aggregate::{Admission, Aggregator, Settings},
        finding::{Certainty, End, Finding, IdentifiedBy},
        naming::Name,
        observation::Observation,
    },
    serve::metrics::{Counted, Reporter as Side},
};

/// How long a received value waits for the sender's record of it, which may come by another ring.
const HOLD: Duration = Duration::from_millis(250);

/// How long a sent value is remembered.
const REMEMBER: Duration = Duration::from_secs(5);

/// Most received values that wait, and most sent values remembered.
const CAPACITY: usize = 16_384;

/// How often the gauges are brought up to date.
const GAUGES: Duration = Duration::from_secs(1);

/// An observation whose detection is in a sketch.
struct Waiting {
    observation: Observation,
    side: Side,
}

/// What makes a value at one end the same as one at the other.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Sighting {
    /// As the sender has it.
    pair: AddressPair,
    detector: &'static str,
    fingerprint: String,
}

/// Whoever asks for unsure findings gets them at once.
fn limits(settings: &Settings) -> Limits {
    let mut limits = Limits::default();
    if settings.min_confidence == Confidence::Low {
        limits.held_per_field = 0;
    }
    limits
}

/// Turns what the sessions see into findings.
pub struct Reporter {
    aggregator: Aggregator,
    shared: Arc<Shared>,
    sketches: Sketches<Box<Waiting>>,
    measured: Option<Instant>,
    held: VecDeque<(Instant, Observed)>,
    late: Late,
    hops: Hops,
    masking: Option<masking::Ledger>,
    sent: HashMap<Sighting, u32>,
    sent_order: VecDeque<(Instant, Sighting)>,
}

impl Reporter {
    /// A reporter for one session.
    pub fn new(settings: Settings, judge: Judge, shared: Arc<Shared>) -> Self {
        let limits = limits(&settings);
        Self {
            aggregator: Aggregator::new(settings, judge),
            late: Late::new(shared.naming.clone(), Arc::clone(&shared.peers)),
            hops: Hops::new(Arc::clone(shared.naming.names.mesh())),
            shared,
            sketches: Sketches::new(limits),
            measured: None,
            held: VecDeque::new(),
            masking: None,
            sent: HashMap::new(),
            sent_order: VecDeque::new(),
        }
    }

    /// Other bounds and filters from now on.
    pub fn set(&mut self, settings: Settings) {
        self.sketches.set_limits(limits(&settings));
        self.aggregator.set(settings);
    }

    /// Counts every value in this ledger too, and reports drift.
    pub fn count_in(&mut self, ledger: Arc<Mutex<Book>>) {
        self.masking = Some(ledger);
    }

    /// Takes what was seen; returns what is to be reported now.
    pub fn take(&mut self, observed: Observed) -> Vec<Finding> {
        if let Observed::Value(seen) = &observed
            && !seen.ingress
            && let Some(pair) = seen.pair
        {
            let is_datagram = seen.observation.flow.protocol == DATAGRAM;
            let sighting = Sighting {
                pair: if is_datagram { pair.without_own() } else { pair },
                detector: seen.observation.detection.detector,
                fingerprint: seen.observation.detection.fingerprint.clone(),
            };
            if is_datagram {
                // Whoever receives it may not know who sent it.
                self.remember(Sighting {
                    pair: pair.without_sender(),
                    ..sighting.clone()
                });
            }
            self.remember(sighting);
        }
        let peers = &self.shared.peers;
        // A proxy for the node is first seen near an application by what that sends.
        let may_be_passed_on = peers.mesh.is_active() && observed.netns() != 0;
        if observed.must_wait(&peers.pairs.translations) || may_be_passed_on {
            let early = (self.held.len() >= CAPACITY)
                .then(|| self.held.pop_front())
                .flatten();
            self.held.push_back((Instant::now(), observed));
            return early
                .map(|(_, observed)| self.after_waiting(observed))
                .unwrap_or_default();
        }
        self.named(observed, Side::Source)
    }

    /// What has waited long enough, and revisions that are due. Call it a few times a second.
    pub fn due(&mut self) -> Vec<Finding> {
        let mut findings = self.release(Some(HOLD));
        for (observed, side) in self.late.due() {
            findings.extend(self.passed_on(observed, side));
        }
        let whole = self.hops.due();
        findings.extend(self.whole(whole));
        self.forget();
        if let Some(suspects) = self.sketches.changed_suspects() {
            self.shared.watchlist.set(suspects);
        }
        if self.measured.is_none_or(|at| at.elapsed() > GAUGES) {
            self.measured = Some(Instant::now());
            self.measure();
            self.shared.clock.compare();
            findings.extend(self.correct());
            findings.extend(self.fallen());
        }
        findings.extend(self.aggregator.due(Timestamp::now()));
        findings
    }

    /// Everything that waits: the last revisions of all findings.
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut findings = self.release(None);
        for (observed, side) in self.late.finish() {
            findings.extend(self.passed_on(observed, side));
        }
        let whole = self.hops.finish();
        findings.extend(self.whole(whole));
        for (detection, waiting) in self.sketches.finish() {
            findings.extend(self.report(detection, *waiting));
        }
        findings.extend(self.aggregator.finish());
        findings
    }

    /// The tallies for a summary.
    pub fn aggregator(&self) -> &Aggregator {
        &self.aggregator
    }

    /// Adds the sketches of an earlier run. A file of no use is kept aside, with a warning.
    pub fn load_sketches(&mut self, path: &Path) {
        let check = self.shared.scanner.key_check();
        match sketch::load(&mut self.sketches, check, path) {
            Ok(()) => tracing::debug!(fields = self.sketches.len(), "sketches of fields read"),
            Err(error) => tracing::warn!(
                %error,
                "starting without what fields carried before; a file of no use is kept with the ending .bad"
            ),
        }
    }

    /// The sketches as they are to be written now.
    pub fn stored_sketches(&self) -> sketch::Stored {
        sketch::store(&self.sketches, self.shared.scanner.key_check())
    }

    fn release(&mut self, after: Option<Duration>) -> Vec<Finding> {
        let mut findings = Vec::new();
        while let Some((at, _)) = self.held.front() {
            if after.is_some_and(|after| at.elapsed() < after) {
                break;
            }
            if let Some((_, observed)) = self.held.pop_front() {
                findings.extend(self.after_waiting(observed));
            }
        }
        findings
    }

    fn after_waiting(&mut self, observed: Observed) -> Vec<Finding> {
        let mut seen = match observed {
            Observed::Value(seen) => seen,
            Observed::Missed(mut missed) => {
                let Missed {
                    source,
                    destination,
                    pair,
                    ingress,
                    ..
                } = &mut *missed;
                self.name_remote(*pair, if *ingress { source } else { destination }, false);
                return self.named(Observed::Missed(missed), Side::Source);
            }
        };
        let Some(pair) = seen.pair else {
            return self.named(Observed::Value(seen), Side::Source);
        };
        let other = self.shared.peers.pairs.other(pair);
        let is_datagram = seen.observation.flow.protocol == DATAGRAM;
        let sighting = Sighting {
            pair: match (is_datagram, pair.remote.port()) {
                (true, 0) => pair.reversed().without_sender(),
                (true, _) => other.without_own(),
                (false, _) => other,
            },
            detector: seen.observation.detection.detector,
            fingerprint: seen.observation.detection.fingerprint.clone(),
        };
        if seen.ingress
            && let Some(count) = self.sent.get_mut(&sighting)
            && *count > 0
        {
            *count -= 1;
            self.shared.totals.other_end.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        let observation = &mut seen.observation;
        let (remote, side) = match seen.ingress {
            true => (&mut observation.source, Side::Destination),
            false => (&mut observation.destination, Side::Source),
        };
        self.name_remote(Some(pair), remote, is_datagram);
        self.named(Observed::Value(seen), side)
    }

    /// Hands on what has its names, or need not wait for them.
    fn named(&mut self, observed: Observed, side: Side) -> Vec<Finding> {
        let due = self.late.take(observed, side);
        due.map(|(observed, side)| self.passed_on(observed, side))
            .unwrap_or_default()
    }

    /// Hands on what no proxy has to do with.
    fn passed_on(&mut self, observed: Observed, side: Side) -> Vec<Finding> {
        let whole = self.hops.take(observed, side);
        self.whole(whole)
    }

    /// Hands on messages with all that was seen of their way.
    fn whole(&mut self, outcomes: Vec<Outcome>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for outcome in outcomes {
            findings.extend(match outcome {
                Outcome::Observed(observed, side) => self.sketch(observed, side),
                Outcome::Amended { before, now, side } => self.amend(&before, &now.observation, side),
            });
        }
        let merged = self.hops.merged();
        self.shared.totals.passed_on.store(merged, Ordering::Relaxed);
        findings
    }

    fn sketch(&mut self, observed: Observed, side: Side) -> Vec<Finding> {
        match observed {
            Observed::Value(seen) => self.offer(*seen, side),
            Observed::Missed(missed) => self.miss(&missed),
        }
    }

    /// Counts a value under the ends that it turned out to have.
    fn amend(&mut self, before: &Observation, now: &Observation, side: Side) -> Vec<Finding> {
        let time = Timestamp::now();
        let Some(amended) = self.aggregator.amend(before, now, time) else {
            return Vec::new();
        };
        if let Some(turned) = amended.turned {
            self.shared.metrics.turned(Counted::of(now), turned, side);
        }
        let mut findings = amended.findings;
        if let Some(ledger) = &self.masking {
            let judged = amended.judged.as_deref();
            for drift in masking::recount(ledger, before, now, judged, side) {
                self.shared.metrics.drift(drift.kind);
                findings.push(now.clone().into_drift(judged, drift, time));
            }
        }
        findings
    }

    /// Corrects findings that went out before the names of their ends were known.
    fn correct(&mut self) -> Vec<Finding> {
        let names = &self.shared.naming.names;
        let corrected = self
            .aggregator
            .correct(|end| _ = names.name(end), Timestamp::now());
        if let Some(ledger) = &self.masking {
            masking::rename(ledger, &corrected);
        }
        for one in &corrected {
            let finding = &one.update;
            if let (Some(turned), Some(counted)) = (one.turned, Counted::of_finding(finding)) {
                // The process is at the end that this node watched.
                let is_source = counted.source.process.is_some();
                let side = if is_source {
                    Side::Source
                } else {
                    Side::Destination
                };
                self.shared.metrics.turned(counted, turned, side);
            }
        }
        corrected.into_iter().map(|one| one.update).collect()
    }

    /// Tells of kinds of data that come no more.
    fn fallen(&mut self) -> Vec<Finding> {
        let falls = self.masking.as_ref().map(masking::falls).unwrap_or_default();
        let now = Timestamp::now();
        let told = falls.into_iter().map(|(last, drift)| {
            self.shared.metrics.drift(drift.kind);
            last.into_drift(None, drift, now)
        });
        told.collect()
    }

    /// The owner of the other end of the socket, when it is known by now.
    fn name_remote(&self, pair: Option<AddressPair>, remote: &mut End, is_datagram: bool) {
        let peers = &self.shared.peers;
        if remote.certainty != Certainty::Exact
            && let Some(pair) = pair
            && let Some(tgid) = if is_datagram {
                peers.pairs.bound(pair)
            } else {
                peers.pairs.peer(pair).map(|owner| owner.tgid)
            }
        {
            let process = peers.processes.of(tgid);
            let address = peers.pairs.other(pair).local;
            *remote = identity::local_end(&process, Some(address), IdentifiedBy::SocketPair);
        }
    }

    /// What the sketch of the field makes of a value.
    fn offer(&mut self, seen: Seen, side: Side) -> Vec<Finding> {
        let Seen {
            mut observation,
            spot,
            lead,
            watched,
            ..
        } = seen;
        let detection = std::mem::replace(&mut observation.detection, in_a_sketch());
        let at = observation.time.as_second();
        let place = spot.map(|spot| self.place(&observation.source, &observation.destination, spot));
        let waiting = Waiting { observation, side };
        let Some(place) = place else {
            return self.report(detection, waiting);
        };
        let candidate = Candidate {
            detection,
            lead,
            watched,
            at,
            held: Box::new(waiting),
        };
        let decided = match self.sketches.observe(&place, candidate) {
            Verdict::Keep(detection, waiting) => vec![(detection, waiting)],
            Verdict::Hold => Vec::new(),
            Verdict::Release(all) => all,
        };
        let given_up = self.sketches.take_spilled();
        let all = given_up.into_iter().chain(decided);
        all.flat_map(|(detection, waiting)| self.report(detection, *waiting))
            .collect()
    }

    fn miss(&mut self, missed: &Missed) -> Vec<Finding> {
        let place = self.place(&missed.source, &missed.destination, missed.spot);
        self.sketches
            .miss(&place, missed.detector, missed.lead, missed.at);
        let given_up = self.sketches.take_spilled().into_iter();
        given_up
            .flat_map(|(detection, waiting)| self.report(detection, *waiting))
            .collect()
    }

    fn place(&self, source: &End, destination: &End, spot: Spot) -> FieldRef {
        let [s, d] = [source, destination].map(|end| Name::of(Some(end)));
        let ends = [&s.namespace, &s.kind, &s.name, &d.namespace, &d.kind, &d.name];
        self.shared.scanner.field_between(&ends.map(String::as_str), spot)
    }

    fn report(&mut self, detection: Detection, waiting: Waiting) -> Vec<Finding> {
        let Waiting {
            mut observation,
            side,
        } = waiting;
        observation.detection = detection;
        let for_metrics = observation.clone();
        self.shared
            .metrics
            .attribution("source", for_metrics.source.identified_by.name());
        self.shared
            .metrics
            .attribution("destination", for_metrics.destination.identified_by.name());
        let now = Timestamp::now();
        let offered = self.aggregator.offer(observation, now);
        self.shared.metrics.value(&for_metrics, offered.admission, side);
        let mut findings = offered.findings;
        if let Some(ledger) = &self.masking
            && offered.admission != Admission::LowConfidence
        {
            let judged = offered.judged.as_deref();
            let drifts = masking::count(ledger, &for_metrics, judged, side);
            for drift in drifts {
                self.shared.metrics.drift(drift.kind);
                findings.push(for_metrics.clone().into_drift(judged, drift, now));
            }
        }
        findings
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

impl Observed {
    /// What was received waits for the sender's record of it; what was sent to a process of this
    /// host, or to an address that is translated and may be such a process's, waits until that has touched its socket and
    /// is known by it. Failures wait as values do, so that both are counted for the same ends.
    fn must_wait(&self, translations: &Translations) -> bool {
        let (pair, ingress, destination) = match self {
            Self::Value(seen) => (seen.pair, seen.ingress, &seen.observation.destination),
            Self::Missed(missed) => (missed.pair, missed.ingress, &missed.destination),
        };
        let Some(pair) = pair else { return false };
        let remote = pair.remote.ip();
        let local_peer = remote.is_loopback() || remote == pair.local.ip();
        ingress
            || (local_peer && destination.certainty != Certainty::Exact)
            || (translations.of(pair) != Translation::None
                && destination.identified_by != IdentifiedBy::SocketPair)
    }
}

/// Stands in an observation while its detection is elsewhere.
fn in_a_sketch() -> Detection {
    Detection {
        detector: "",
        row: &crate::detect::catalogue::DetectorInfo::BASE,
        state: State::Clear,
        confidence: Confidence::Low,
        score_bits: 0.0,
        evidence: Vec::new(),
        declared_masked: false,
        under_masked: false,
        extra_regulations: &[],
        sample: String::new(),
        length: 0,
        fingerprint: String::new(),
        range: 0..0,
        field: Field::default(),
    }
}
