//! What policy says about a finding whose ends turned out to be others.
//!
//! Goes in: a finding that is alive, with the ends that are known now. Comes out: the finding with what policy says about
//! those, and how that differs from before.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Aggregator, Live};
use crate::{
    detect::{Severity, State},
    policy::{Flow, Judge, Judged, client},
    report::{
        finding::{Facts, Finding, Kind, PolicyVerdict, Verdict},
        naming,
        observation::Observation,
    },
};

/// Longest operation and field that policy is asked about again, bytes.
const LIMIT: usize = 4096;

/// What policy was asked about the latest value, where the finding says less, and the severity without policy.
pub(super) struct Asked {
    operation: Option<String>,
    field: Option<String>,
    extra_regulations: &'static [&'static str],
    severity: Severity,
}

/// Values about which policy says something else than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Nothing, where policy said nothing.
    pub before: Option<Verdict>,
    pub after: Option<Verdict>,
    pub values: u64,
}

impl Asked {
    pub(super) fn of(observation: &Observation) -> Self {
        let cut = |text: &String| text[..text.floor_char_boundary(LIMIT)].to_owned();
        Self {
            operation: observation.flow.operation.as_ref().map(cut),
            field: observation.detection.field.path.as_ref().map(cut),
            extra_regulations: observation.detection.extra_regulations,
            severity: observation.judged_severity(),
        }
    }

    /// Of a later value of the same finding: it was as severe as the worst.
    pub(super) fn then(&self, later: Self) -> Self {
        Self {
            severity: self.severity.max(later.severity),
            ..later
        }
    }

    pub(super) fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    pub(super) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl Live {
    /// What policy says about the ends that the finding has now.
    pub(super) fn ask(&self, judge: &mut Judge, now: Timestamp) -> Option<Arc<Judged>> {
        let finding = &self.finding;
        let (Some(source), Some(destination), Some(flow)) =
            (&finding.source, &finding.destination, &finding.flow)
        else {
            return None;
        };
        let flow = Flow {
            detector: finding.detector,
            extra_regulations: self.asked.extra_regulations,
            source,
            destination,
            operation: self.asked.operation(),
            field: self.asked.field(),
            state: finding.state,
            encrypted: flow.encrypted,
            same_host: !flow.encrypted && naming::same_host(source, destination),
            client: client::verified(source, destination),
        };
        judge.judge_flow(&flow, now)
    }

    /// Takes over what policy says; says what that changes, if it is another verdict.
    pub(super) fn rejudge(&mut self, judged: Option<&Judged>) -> Option<(Turned, [Facts; 2])> {
        let finding = &mut self.finding;
        let before = std::mem::replace(&mut finding.policy, judged.map(|judged| judged.policy.clone()));
        finding.severity = judged
            .and_then(|judged| judged.severity)
            .unwrap_or(self.asked.severity);
        finding.kind = match finding.state {
            _ if judged.is_some_and(|judged| judged.plaintext) => Kind::PlaintextTransport,
            State::Clear => Kind::Leak,
            _ => Kind::Observation,
        };
        let verdict = |policy: &Option<PolicyVerdict>| policy.as_ref().map(|policy| policy.verdict);
        let turned = Turned {
            before: verdict(&before),
            after: verdict(&finding.policy),
            values: finding.count,
        };
        (turned.before != turned.after)
            .then(|| (turned, [facts(before.as_ref()), facts(finding.policy.as_ref())]))
    }

    /// The update that tells it.
    pub(super) fn update(&mut self, facts: Option<[Facts; 2]>, now: Timestamp) -> Finding {
        let mut update = Finding {
            kind: Kind::Update,
            ..self.revision(now)
        };
        if let Some([before, after]) = facts {
            update.before = Some(Box::new(before));
            update.after = Some(Box::new(after));
        }
        update
    }
}

impl Aggregator {
    /// Moves values between the sums of verdicts; with the finding, if it is one.
    pub(super) fn retally(&mut self, detector: &'static str, turned: Turned, findings: u64) {
        let of = |verdict: Option<Verdict>| verdict.map(|verdict| (detector, verdict.name()));
        if let Some(tally) = of(turned.before).and_then(|key| self.tallies.get_mut(&key)) {
            tally.values = tally.values.saturating_sub(turned.values);
            tally.findings = tally.findings.saturating_sub(findings);
        }
        if let Some(verdict) = turned.after {
            let tally = self.tally_of(detector, verdict);
            tally.values += turned.values;
            tally.findings += findings;
        }
    }
}

fn facts(policy: Option<&PolicyVerdict>) -> Facts {
    let rule = |policy: &PolicyVerdict| Some(format!("{}/{}", policy.name.as_ref()?, policy.rule.as_ref()?));
    Facts {
        verdict: policy.map(|policy| policy.verdict),
        rule: policy.and_then(rule),
        ..Facts::default()
    }
}

#[cfg(test)]
mod tests;
