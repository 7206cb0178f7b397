//! Many observations of one leak become one finding with a count.
//!
//! Goes in: [`Observation`]s. Comes out: [`Finding`]s: one at first sight, then the same `id` with
//! a higher `revision` at most every interval, and at the end. It never keeps more than a set
//! number of findings alive: the one unseen for longest goes first, with its final revision.

mod amend;
mod correct;
mod rejudge;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::finding::{ClientIdentity, End, Finding, Flow, Kind, Verdict};
use super::naming::Name;
use super::observation::{Observation, bounded, rfc3339};
use super::operations::Operations;
use super::summary::{FindingTally, ValueTally};
use crate::detect::{Confidence, State};
use crate::policy::{Judge, Judged};
use crate::protocol::Direction;
pub use amend::Amended;
pub use correct::Corrected;
use rejudge::Asked;
pub use rejudge::Turned;

/// Shortest time between two looks through all findings.
const LOOK: SignedDuration = SignedDuration::from_millis(250);

/// What is older than the latest by more was captured after the clock was set back.
const SET_BACK: SignedDuration = SignedDuration::from_secs(60);

/// Most revisions of one look, so that the sinks are not flooded; the rest follows with the next.
const BATCH: usize = 1000;

/// Bounds and filters of an [`Aggregator`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Detections below this are counted and dropped.
    pub min_confidence: Confidence,
    /// Emit findings of kind `observation` for states other than clear.
    pub all_states: bool,
    /// Findings kept alive at once.
    pub max_live: usize,
    /// Shortest time between two revisions of one finding.
    pub interval: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_confidence: Confidence::Medium,
            all_states: false,
            max_live: 10_000,
            interval: SignedDuration::from_secs(10),
        }
    }
}

/// What became of an observation, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Below the confidence asked for: in no finding.
    LowConfidence,
    /// Protected or a test value: counted, not a leak.
    NotClear,
    /// Clear, with the verdict of policy.
    Clear(Verdict),
}

/// The answer to [`Aggregator::offer`].
#[derive(Debug)]
pub struct Offered {
    pub admission: Admission,
    /// At most two: the first revision of a new finding, and before it the last revision of the
    /// finding that had to make room.
    pub findings: Vec<Finding>,
    /// What policy says, where it was asked and says something.
    pub judged: Option<Arc<Judged>>,
}

/// The findings alive now, and the tallies for the summary.
pub struct Aggregator {
    settings: Settings,
    judge: Judge,
    operations: Operations,
    live: HashMap<Arc<Key>, Live>,
    /// Last touch → key, oldest first.
    order: BTreeMap<u64, Arc<Key>>,
    touches: u64,
    looked: Timestamp,
    unsent: usize,
    evicted: u64,
    low_confidence: u64,
    unknown_clients: u64,
    values: BTreeMap<(&'static str, State), u64>,
    tallies: BTreeMap<(&'static str, &'static str), FindingTally>,
}

struct Live {
    finding: Finding,
    asked: Asked,
    touched: u64,
    sent: Timestamp,
    last_seen: Timestamp,
    unsent: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    source: Name,
    destination: Name,
    operation: Option<String>,
    /// The same flow in the open is another leak than the encrypted one.
    encrypted: bool,
    part: &'static str,
    direction: Direction,
    field: Option<String>,
    detector: &'static str,
    state: State,
    verdict: Option<Verdict>,
    plaintext: bool,
    client: Option<ClientIdentity>,
}

impl Aggregator {
    /// Other bounds and filters from now on. Findings that are above a lower bound stay until they end.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// An empty aggregator that judges with `judge`.
    pub fn new(settings: Settings, judge: Judge) -> Self {
        Self {
            settings,
            judge,
            operations: Operations::default(),
            live: HashMap::new(),
            order: BTreeMap::new(),
            touches: 0,
            looked: Timestamp::UNIX_EPOCH,
            unsent: 0,
            evicted: 0,
            low_confidence: 0,
            unknown_clients: 0,
            values: BTreeMap::new(),
            tallies: BTreeMap::new(),
        }
    }

    /// Takes one observation. `now` may go back (a clock that is set): nothing is lost by that.
    pub fn offer(&mut self, observation: Observation, now: Timestamp) -> Offered {
        let state = observation.detection.state;
        if observation.detection.confidence < self.settings.min_confidence {
            self.low_confidence += 1;
            return Offered {
                admission: Admission::LowConfidence,
                findings: Vec::new(),
                judged: None,
            };
        }
        *self
            .values
            .entry((observation.detection.detector, state))
            .or_default() += 1;
        let judged = self.judge.judge(&observation, now);
        let is_unknown = judged
            .as_ref()
            .is_some_and(|judged| judged.policy.client == Some(ClientIdentity::Unknown));
        self.unknown_clients += u64::from(is_unknown);
        let verdict = judged.as_ref().map(|judged| judged.policy.verdict);
        let admission = match verdict {
            Some(verdict) if state == State::Clear => Admission::Clear(verdict),
            _ => Admission::NotClear,
        };
        let findings = if self.is_wanted(state, judged.as_deref()) {
            self.admit(observation, judged.clone(), now)
        } else {
            if let Some(judged) = &judged {
                self.tally(observation.detection.detector, judged.policy.verdict, false);
            }
            Vec::new()
        };
        Offered {
            admission,
            findings,
            judged,
        }
    }

    /// New revisions of the findings that changed and whose last revision is an interval old.
    ///
    /// May be called as often as one likes: it looks through the findings a few times a second.
    pub fn due(&mut self, now: Timestamp) -> Vec<Finding> {
        if older_than(self.looked, now, LOOK) {
            self.looked = now;
            let interval = self.settings.interval;
            return self.revise(now, BATCH, |sent| older_than(sent, now, interval));
        }
        Vec::new()
    }

    /// The last revision of every finding that changed since it was sent.
    pub fn finish(&mut self) -> Vec<Finding> {
        self.revise(Timestamp::now(), usize::MAX, |_| true)
    }

    /// Findings alive now.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Findings that had to make room so far; a value seen again later opens a new one.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Values reported under `{other}`, as their service has too many operations.
    pub fn other_operations(&self) -> u64 {
        self.operations.others()
    }

    /// Values of clients that were not known where a rule asks for one.
    pub fn unknown_clients(&self) -> u64 {
        self.unknown_clients
    }

    /// Detections dropped because they are below the confidence asked for.
    pub fn low_confidence(&self) -> u64 {
        self.low_confidence
    }

    /// Findings and values by detector and verdict.
    pub fn findings(&self) -> Vec<FindingTally> {
        self.tallies.values().cloned().collect()
    }

    /// Values by detector and state.
    pub fn values(&self) -> Vec<ValueTally> {
        let tally = |(&(detector, state), &values): (&(&'static str, State), &u64)| ValueTally {
            detector,
            state,
            values,
        };
        self.values.iter().map(tally).collect()
    }

    /// Whether a value makes a finding.
    fn is_wanted(&self, state: State, judged: Option<&Judged>) -> bool {
        match judged {
            Some(judged) if judged.silent => false,
            // Of what is protected, policy is heard about violations.
            Some(judged) => {
                state == State::Clear
                    || self.settings.all_states
                    || judged.policy.verdict == Verdict::Violation
            }
            None => self.settings.all_states,
        }
    }

    fn admit(
        &mut self,
        mut observation: Observation,
        judged: Option<Arc<Judged>>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let asked = Asked::of(&observation);
        self.operations.bound(&mut observation);
        let judged = judged.as_deref();
        let key = Arc::new(Key::of(&observation, judged));
        self.touches += 1;
        if let Some(judged) = judged {
            let new = !self.live.contains_key(&key);
            self.tally(observation.detection.detector, judged.policy.verdict, new);
        }
        if let Some(live) = self.live.get_mut(&key) {
            self.order.remove(&live.touched);
            self.order.insert(self.touches, key);
            live.touched = self.touches;
            self.unsent += usize::from(!live.unsent);
            live.absorb(observation, asked, judged);
            return Vec::new();
        }
        let mut out = Vec::new();
        if self.live.len() >= self.settings.max_live.max(1) {
            out.extend(self.evict(now));
        }
        let last_seen = observation.time;
        let policy = judged.map(|judged| judged.policy.clone());
        let mut finding = observation.into_finding(Uuid::now_v7().to_string(), policy, now);
        if let Some(judged) = judged {
            finding.severity = judged.severity.unwrap_or(finding.severity);
            if judged.plaintext {
                finding.kind = Kind::PlaintextTransport;
            }
        }
        out.push(finding.clone());
        self.order.insert(self.touches, Arc::clone(&key));
        self.live.insert(
            key,
            Live {
                finding,
                asked,
                touched: self.touches,
                sent: now,
                last_seen,
                unsent: false,
            },
        );
        out
    }

    fn evict(&mut self, now: Timestamp) -> Option<Finding> {
        let (_, key) = self.order.pop_first()?;
        let mut live = self.live.remove(&key)?;
        self.evicted += 1;
        live.unsent.then(|| {
            self.unsent -= 1;
            live.revision(now)
        })
    }

    fn revise(&mut self, now: Timestamp, most: usize, due: impl Fn(Timestamp) -> bool) -> Vec<Finding> {
        if self.unsent == 0 {
            return Vec::new();
        }
        let revised: Vec<Finding> = self
            .live
            .values_mut()
            .filter(|live| live.unsent && due(live.sent))
            .take(most)
            .map(|live| live.revision(now))
            .collect();
        self.unsent -= revised.len();
        revised
    }

    fn tally(&mut self, detector: &'static str, verdict: Verdict, new: bool) {
        let tally = self.tally_of(detector, verdict);
        tally.findings += u64::from(new);
        tally.values += 1;
    }

    fn tally_of(&mut self, detector: &'static str, verdict: Verdict) -> &mut FindingTally {
        self.tallies
            .entry((detector, verdict.name()))
            .or_insert(FindingTally {
                detector,
                verdict,
                findings: 0,
                values: 0,
            })
    }
}

impl Live {
    /// Counts one more value. Who, where on the network and which connection are those of the
    /// latest, and so is what policy says; the sample and the place in the message stay those of
    /// the first.
    fn absorb(&mut self, observation: Observation, asked: Asked, judged: Option<&Judged>) {
        let severity = observation.judged_severity();
        self.asked = self.asked.then(asked);
        let finding = &mut self.finding;
        finding.count += 1;
        let is_set_back = self.last_seen.duration_since(observation.time) > SET_BACK;
        if observation.time > self.last_seen || is_set_back {
            self.last_seen = observation.time;
            finding.last_seen = rfc3339(observation.time);
        }
        if is_set_back && finding.first_seen > finding.last_seen {
            finding.first_seen.clone_from(&finding.last_seen);
        }
        finding.severity = match judged.and_then(|judged| judged.severity) {
            Some(severity) => severity,
            None => finding.severity.max(severity),
        };
        finding.policy = judged.map(|judged| judged.policy.clone());
        finding.confidence = finding.confidence.max(observation.detection.confidence);
        finding.score_bits = finding.score_bits.max(observation.detection.score_bits);
        finding.declared_masked |= observation.detection.declared_masked;
        finding.under_masked |= observation.detection.under_masked;
        let Observation {
            flow,
            source,
            destination,
            ..
        } = observation;
        finding.flow = Some::<Flow>(flow);
        finding.source = Some::<End>(source);
        finding.destination = Some::<End>(destination);
        self.unsent = true;
    }

    fn revision(&mut self, now: Timestamp) -> Finding {
        self.finding.revision = self.finding.revision.saturating_add(1);
        self.finding.time = rfc3339(now);
        self.sent = now;
        self.unsent = false;
        self.finding.clone()
    }
}

/// True when `then` is at least `span` ago, or in the future: the clock was set back.
fn older_than(then: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    now < then || now.duration_since(then) >= span
}

impl Key {
    fn of(observation: &Observation, judged: Option<&Judged>) -> Self {
        Self {
            source: Name::of(Some(&observation.source)),
            destination: Name::of(Some(&observation.destination)),
            operation: observation.flow.operation.clone(),
            encrypted: observation.flow.encrypted,
            part: observation.place.name(),
            direction: observation.direction,
            field: observation.detection.field.path.clone().map(bounded),
            detector: observation.detection.detector,
            state: observation.detection.state,
            verdict: judged.map(|judged| judged.policy.verdict),
            plaintext: judged.is_some_and(|judged| judged.plaintext),
            client: judged.and_then(|judged| judged.policy.client),
        }
    }
}

#[cfg(test)]
mod tests;
