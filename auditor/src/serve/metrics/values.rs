//! Metrics of values and leaks.

use std::time::Instant;

use prometheus::IntCounterVec;

use super::{Metrics, Reporter, join};
use crate::detect::State;
use crate::report::aggregate::{Admission, Turned};
use crate::report::finding::{End, Finding, Verdict};
use crate::report::naming::Name;
use crate::report::observation::Observation;
use crate::report::summary::state_name;

/// What labels are made of.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    pub detector: &'static str,
    pub category: &'static str,
    pub state: State,
    pub source: &'a End,
    pub destination: &'a End,
}

impl<'a> Counted<'a> {
    pub fn of(observation: &'a Observation) -> Self {
        Self {
            detector: observation.detection.detector,
            category: observation.category,
            state: observation.detection.state,
            source: &observation.source,
            destination: &observation.destination,
        }
    }

    /// `None` of a finding without ends.
    pub fn of_finding(finding: &'a Finding) -> Option<Self> {
        Some(Self {
            detector: finding.detector,
            category: finding.category,
            state: finding.state,
            source: finding.source.as_ref()?,
            destination: finding.destination.as_ref()?,
        })
    }
}

const VERDICTS: [Option<Verdict>; 3] = [Some(Verdict::Violation), Some(Verdict::Allowed), None];

/// An increase over a counter born at 1 would be 0, and no alert.
pub(super) fn born_at_zero(turned: IntCounterVec) -> IntCounterVec {
    for before in VERDICTS {
        for after in VERDICTS.into_iter().filter(|after| *after != before) {
            turned.with_label_values(&[name(before), name(after)]).inc_by(0);
        }
    }
    turned
}

fn name(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("none", Verdict::name)
}

impl Metrics {
    /// Counts a value. The leak counter of a detector on a pair of workloads is born at 0 with the
    /// first value in any state: an increase over a counter born at 1 would be 0.
    pub fn value(&self, observation: &Observation, admission: Admission, reporter: Reporter) {
        let now = Instant::now();
        let pair = pair(Counted::of(observation));
        let pair = pair.each_ref().map(String::as_str);
        let detector = observation.detection.detector;
        let verdict = match admission {
            Admission::LowConfidence => return,
            Admission::NotClear => Verdict::Violation,
            Admission::Clear(verdict) => verdict,
        };
        let state = state_name(observation.detection.state);
        if let Some(values) = self.values.with(&join([detector, state], pair), now) {
            values.inc();
        }
        let labels = join(
            [detector, observation.category, verdict.name(), reporter.name()],
            pair,
        );
        let Some(leaks) = self.leaks.with(&labels, now) else {
            return;
        };
        if matches!(admission, Admission::Clear(_)) {
            leaks.inc();
            if let Some(last) = self.last_leak.with(&labels, now) {
                last.set(observation.time.as_second());
            }
        }
    }

    /// Policy says something else about values that were counted already. Counters only rise: those values are counted as
    /// leaks under their right names, too, and how many are in two series is in a counter of its own.
    pub fn turned(&self, counted: Counted<'_>, turned: Turned, reporter: Reporter) {
        let labels = [name(turned.before), name(turned.after)];
        self.turned.with_label_values(&labels).inc_by(turned.values);
        let Some(after) = turned.after.filter(|_| counted.state == State::Clear) else {
            return;
        };
        let pair = pair(counted);
        let pair = pair.each_ref().map(String::as_str);
        let first = [counted.detector, counted.category, after.name(), reporter.name()];
        if let Some(leaks) = self.leaks.with(&join(first, pair), Instant::now()) {
            leaks.inc_by(turned.values);
        }
    }
}

impl Reporter {
    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

fn pair(counted: Counted<'_>) -> [String; 6] {
    let [s, d] = [counted.source, counted.destination].map(|end| {
        let name = Name::of(Some(end));
        let of_workload = end.workload.is_some() || end.host.is_some() || named(&name);
        let workload = match name.kind.as_str() {
            _ if !of_workload => "unresolved".to_owned(),
            "Process" => name.short(),
            _ => name.name,
        };
        (name.namespace, workload, name.kind)
    });
    [s.0, s.1, s.2, d.0, d.1, d.2]
}

/// True for an executable or command name; an address or a process id is no workload.
fn named(name: &Name) -> bool {
    name.kind == "Process" && !name.name.starts_with("pid ")
}
