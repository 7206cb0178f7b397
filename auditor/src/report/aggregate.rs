//! Many observations of one leak become one finding with a count.
//!
//! Goes in: [`Observation`]s. Comes out: [`Finding`]s: one at first sight, then the same `id` with
//! a higher `revision` at most every interval, and at the end. It never keeps more than a set
//! number of findings alive: the one unseen for longest goes first, with its final revision.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::finding::{End, Finding, Flow, PolicyVerdict, Verdict};
use super::naming::Name;
use super::observation::{Observation, bounded, rfc3339};
use super::summary::{FindingTally, ValueTally};
use crate::detect::{Confidence, State};
use crate::policy::Judge;

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
}

/// The findings alive now, and the tallies for the summary.
pub struct Aggregator {
    settings: Settings,
    judge: Judge,
    live: HashMap<Arc<Key>, Live>,
    /// Last touch → key, oldest first.
    order: BTreeMap<u64, Arc<Key>>,
    touches: u64,
    unsent: usize,
    evicted: u64,
    low_confidence: u64,
    values: BTreeMap<(&'static str, State), u64>,
    tallies: BTreeMap<(&'static str, &'static str), FindingTally>,
}

struct Live {
    finding: Finding,
    touched: u64,
    sent: Timestamp,
    last_seen: Timestamp,
    unsent: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    source: Name,
    destination: Name,
    operation: Option<String>,
    part: &'static str,
    field: Option<String>,
    detector: &'static str,
    state: State,
    verdict: Option<Verdict>,
}

impl Aggregator {
    /// An empty aggregator that judges with `judge`.
    pub fn new(settings: Settings, judge: Judge) -> Self {
        Self {
            settings,
            judge,
            live: HashMap::new(),
            order: BTreeMap::new(),
            touches: 0,
            unsent: 0,
            evicted: 0,
            low_confidence: 0,
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
            };
        }
        *self
            .values
            .entry((observation.detection.detector, state))
            .or_default() += 1;
        if state != State::Clear {
            let findings = if self.settings.all_states {
                self.admit(observation, None, now)
            } else {
                Vec::new()
            };
            return Offered {
                admission: Admission::NotClear,
                findings,
            };
        }
        let policy = self.judge.judge(&observation);
        let verdict = policy.verdict;
        let findings = self.admit(observation, Some(policy), now);
        Offered {
            admission: Admission::Clear(verdict),
            findings,
        }
    }

    /// New revisions of the findings that changed and whose last revision is an interval old.
    pub fn due(&mut self, now: Timestamp) -> Vec<Finding> {
        let interval = self.settings.interval;
        self.revise(now, |sent| {
            now < sent || now.duration_since(sent) >= interval
        })
    }

    /// The last revision of every finding that changed since it was sent.
    pub fn finish(&mut self) -> Vec<Finding> {
        self.revise(Timestamp::now(), |_| true)
    }

    /// Findings alive now.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Findings that had to make room so far; a value seen again later opens a new one.
    pub fn evicted(&self) -> u64 {
        self.evicted
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

    fn admit(
        &mut self,
        observation: Observation,
        policy: Option<PolicyVerdict>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let key = Arc::new(Key::of(&observation, policy.as_ref()));
        self.touches += 1;
        let known = self.live.get_mut(&key).map(|live| {
            let before = std::mem::replace(&mut live.touched, self.touches);
            self.unsent += usize::from(!live.unsent);
            live.absorb(observation.clone());
            before
        });
        self.tally(&observation, policy.as_ref(), known.is_none());
        if let Some(before) = known {
            self.order.remove(&before);
            self.order.insert(self.touches, key);
            return Vec::new();
        }
        let mut out = Vec::new();
        if self.live.len() >= self.settings.max_live.max(1) {
            out.extend(self.evict(now));
        }
        let last_seen = observation.time;
        let finding = observation.into_finding(Uuid::now_v7().to_string(), policy, now);
        out.push(finding.clone());
        self.order.insert(self.touches, Arc::clone(&key));
        self.live.insert(
            key,
            Live {
                finding,
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

    fn revise(&mut self, now: Timestamp, due: impl Fn(Timestamp) -> bool) -> Vec<Finding> {
        if self.unsent == 0 {
            return Vec::new();
        }
        let revised: Vec<Finding> = self
            .live
            .values_mut()
            .filter(|live| live.unsent && due(live.sent))
            .map(|live| live.revision(now))
            .collect();
        self.unsent -= revised.len();
        revised
    }

    fn tally(&mut self, observation: &Observation, policy: Option<&PolicyVerdict>, new: bool) {
        let Some(policy) = policy else { return };
        let detector = observation.detection.detector;
        let tally = self
            .tallies
            .entry((detector, policy.verdict.name()))
            .or_insert_with(|| FindingTally {
                detector,
                verdict: policy.verdict,
                findings: 0,
                values: 0,
            });
        tally.findings += u64::from(new);
        tally.values += 1;
    }
}

impl Live {
    /// Counts one more value. Who, where on the network and which connection are those of the
    /// latest; the sample and the place in the message stay those of the first.
    fn absorb(&mut self, observation: Observation) {
        let severity = observation.judged_severity();
        let finding = &mut self.finding;
        finding.count += 1;
        if observation.time > self.last_seen {
            self.last_seen = observation.time;
            finding.last_seen = rfc3339(observation.time);
        }
        finding.severity = finding.severity.max(severity);
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

impl Key {
    fn of(observation: &Observation, policy: Option<&PolicyVerdict>) -> Self {
        Self {
            source: Name::of(Some(&observation.source)),
            destination: Name::of(Some(&observation.destination)),
            operation: observation.flow.operation.clone(),
            part: observation.place.name(),
            field: observation.detection.field.path.clone().map(bounded),
            detector: observation.detection.detector,
            state: observation.detection.state,
            verdict: policy.map(|policy| policy.verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finding::Kind;
    use crate::report::observation::tests::card;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn aggregator(settings: Settings) -> Aggregator {
        Aggregator::new(settings, Judge::default())
    }

    #[test]
    fn a_finding_goes_out_at_first_sight_then_at_most_every_interval_and_at_the_end() {
        let mut aggregator = aggregator(Settings::default());
        let first = aggregator.offer(card(), at(0));
        assert_eq!(first.admission, Admission::Clear(Verdict::Violation));
        let [first] = <[Finding; 1]>::try_from(first.findings).unwrap();
        assert_eq!((first.revision, first.count), (1, 1));
        assert!(aggregator.due(at(60)).is_empty(), "nothing changed");
        assert!(aggregator.offer(card(), at(61)).findings.is_empty());
        assert!(aggregator.offer(card(), at(62)).findings.is_empty());
        let second = aggregator.due(at(63)).pop().unwrap();
        assert_eq!(
            (second.revision, second.count, &second.id),
            (2, 3, &first.id)
        );
        aggregator.offer(card(), at(64));
        assert!(aggregator.due(at(72)).is_empty(), "too early");
        assert_eq!(aggregator.due(at(73)).len(), 1);
        aggregator.offer(card(), at(74));
        let last = aggregator.finish().pop().unwrap();
        assert_eq!((last.revision, last.count), (4, 5));
        assert!(aggregator.finish().is_empty());
    }

    #[test]
    fn short_lived_processes_of_one_program_share_a_finding_that_names_the_latest() {
        let mut aggregator = aggregator(Settings::default());
        for pid in 1..=20 {
            let mut observation = card();
            observation.source.process.as_mut().unwrap().pid = pid;
            observation.source.address = Some(format!("127.0.0.1:{}", 40_000 + pid));
            aggregator.offer(observation, at(0));
        }
        assert_eq!(aggregator.live(), 1);
        let finding = aggregator.finish().pop().unwrap();
        assert_eq!(finding.count, 20);
        assert_eq!(finding.source.unwrap().process.unwrap().pid, 20);
    }

    #[test]
    fn every_part_of_the_key_opens_its_own_finding() {
        type Change = fn(&mut Observation);
        let changes: [Change; 6] = [
            |_| (),
            |o| o.source.workload.as_mut().unwrap().name = "curl".into(),
            |o| o.destination.workload.as_mut().unwrap().name = "app".into(),
            |o| o.flow.operation = Some("GET /".into()),
            |o| o.place = crate::protocol::Place::ResponseBody,
            |o| o.detection.field.path = Some("$.other".into()),
        ];
        let mut aggregator = aggregator(Settings::default());
        for change in changes {
            let mut observation = card();
            change(&mut observation);
            assert_eq!(aggregator.offer(observation, at(0)).findings.len(), 1);
        }
        assert_eq!(aggregator.live(), changes.len());
    }

    #[test]
    fn protected_values_are_counted_and_become_observations_only_when_asked_for() {
        let mut masked = card();
        masked.detection.state = State::Masked;
        let mut quiet = aggregator(Settings::default());
        let offered = quiet.offer(masked.clone(), at(0));
        assert_eq!(
            (offered.admission, offered.findings.len()),
            (Admission::NotClear, 0)
        );
        assert_eq!(
            quiet.values(),
            [ValueTally {
                detector: "payment_card",
                state: State::Masked,
                values: 1
            }]
        );
        assert!(quiet.findings().is_empty());
        let mut all = aggregator(Settings {
            all_states: true,
            ..Settings::default()
        });
        let finding = all.offer(masked, at(0)).findings.pop().unwrap();
        assert_eq!((finding.kind, finding.policy), (Kind::Observation, None));
        assert!(all.findings().is_empty(), "an observation is not a leak");
    }

    #[test]
    fn what_is_below_the_confidence_asked_for_is_only_counted() {
        let mut low = card();
        low.detection.confidence = Confidence::Low;
        let mut aggregator = aggregator(Settings::default());
        assert_eq!(
            aggregator.offer(low, at(0)).admission,
            Admission::LowConfidence
        );
        assert_eq!((aggregator.low_confidence(), aggregator.live()), (1, 0));
    }

    #[test]
    fn at_the_limit_the_finding_unseen_for_longest_leaves_with_its_final_revision() {
        let mut aggregator = aggregator(Settings {
            max_live: 2,
            ..Settings::default()
        });
        let operation = |name: &str| {
            let mut observation = card();
            observation.flow.operation = Some(name.into());
            observation
        };
        let first = aggregator
            .offer(operation("a"), at(0))
            .findings
            .pop()
            .unwrap();
        aggregator.offer(operation("b"), at(0));
        aggregator.offer(operation("b"), at(1));
        aggregator.offer(operation("a"), at(2));
        let offered = aggregator.offer(operation("c"), at(3)).findings;
        assert_eq!(offered.len(), 2);
        assert_eq!(
            (offered[0].count, offered[0].revision),
            (2, 2),
            "b leaves: a was touched later"
        );
        assert_ne!(offered[0].id, first.id);
        assert_eq!((aggregator.live(), aggregator.evicted()), (2, 1));
        let values: u64 = aggregator.finish().iter().map(|f| f.count).sum();
        assert_eq!(values, 2, "only a still has something to say");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_a_finding() {
        let mut aggregator = aggregator(Settings::default());
        aggregator.offer(card(), at(1000));
        aggregator.offer(card(), at(10));
        assert_eq!(aggregator.due(at(11)).len(), 1);
    }

    #[test]
    fn a_worse_sight_raises_the_finding() {
        let mut aggregator = aggregator(Settings::default());
        aggregator.offer(card(), at(0));
        let mut declared = card();
        declared.detection.declared_masked = true;
        aggregator.offer(declared, at(1));
        let finding = aggregator.finish().pop().unwrap();
        assert!(finding.declared_masked);
        assert_eq!(finding.severity, crate::detect::Severity::Critical);
    }
}
