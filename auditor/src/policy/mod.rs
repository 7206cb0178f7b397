//! Judges values by the data-flow policies in force.
//!
//! Goes in: an [`Observation`]. Comes out: a [`Judged`]: the verdict, by which rule, and what it
//! changes. It never sees a value. Where no rule matches, a clear value between two workloads is a
//! violation: silence in a policy is not permission.
//!
//! The most specific rule that matches decides ([`rule::Specificity`]); order never does. That holds
//! among the rules of the cluster, and among those of the sender's namespace. Of the two that are
//! found so, that of the namespace decides only where it adds a violation. Two rules of one of them
//! that match one flow, are equally specific and decide differently are a conflict, which is refused
//! when policies are read ([`check`]).

pub mod admission;
mod cache;
pub mod check;
pub(crate) mod client;
pub mod compile;
pub mod expect;
pub mod explain;
mod fields;
mod kept;
pub mod live;
pub mod load;
pub mod model;
pub mod names;
pub mod objects;
pub mod presets;
pub mod query;
pub mod replay;
pub mod rule;
pub mod schema;
pub mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use crate::detect::{Severity, State};
use crate::report::finding::{End, PolicyVerdict, Verdict};
use crate::report::naming;
use crate::report::observation::Observation;

use cache::Cache;
use compile::Policies;
pub use live::Live;

/// What policy is asked about: one value in one flow.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    pub detector: &'a str,
    /// Regulations beside those of the detector.
    pub extra_regulations: &'a [&'a str],
    pub source: &'a End,
    pub destination: &'a End,
    pub operation: Option<&'a str>,
    pub field: Option<&'a str>,
    pub state: State,
    pub encrypted: bool,
    /// The bytes did not leave the host.
    pub same_host: bool,
    /// SPIFFE id of the client, of a certificate that was verified; `None` where that is not known.
    pub client: Option<&'a str>,
}

/// What policy says about a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub policy: PolicyVerdict,
    /// It went unencrypted, and the rule does not allow that.
    pub plaintext: bool,
    /// It is counted and makes no finding.
    pub silent: bool,
    /// Of the finding, where the rule says so.
    pub severity: Option<Severity>,
}

impl Judged {
    /// Where no rule decides: policies of this version, or none at all.
    fn by_default(version: &str, verdict: Verdict) -> Self {
        Self {
            policy: PolicyVerdict {
                name: None,
                version: Some(version.to_owned()).filter(|version| !version.is_empty()),
                rule: None,
                action: None,
                verdict,
                client: None,
            },
            plaintext: false,
            silent: false,
            severity: None,
        }
    }
}

/// Judges by the policies in force, and remembers what it judged.
#[derive(Debug, Default)]
pub struct Judge {
    live: Arc<Live>,
    generation: u64,
    policies: Option<Arc<Policies>>,
    cache: Cache,
}

impl Judge {
    /// Judges by what is in `live`, also when that changes.
    pub fn new(live: Arc<Live>) -> Self {
        Self {
            live,
            ..Self::default()
        }
    }

    /// What policy says about `observation`; `None` where it has nothing to say, which is about
    /// protected values only.
    pub fn judge(&mut self, observation: &Observation, now: Timestamp) -> Option<Arc<Judged>> {
        let encrypted = observation.flow.encrypted;
        let flow = Flow {
            detector: observation.detection.detector,
            extra_regulations: observation.detection.extra_regulations,
            source: &observation.source,
            destination: &observation.destination,
            operation: observation.flow.operation.as_deref(),
            field: observation.detection.field.path.as_deref(),
            state: observation.detection.state,
            encrypted,
            same_host: !encrypted && naming::same_host(&observation.source, &observation.destination),
            client: client::verified(&observation.source, &observation.destination),
        };
        self.judge_flow(&flow, now)
    }

    /// The same about a flow.
    pub fn judge_flow(&mut self, flow: &Flow<'_>, now: Timestamp) -> Option<Arc<Judged>> {
        let policies = self.current();
        if flow.state != State::Clear && !policies.states.contains(flow.state) {
            return None;
        }
        self.cache.judge(&policies, flow, now)
    }

    fn current(&mut self) -> Arc<Policies> {
        let generation = self.live.generation();
        match &self.policies {
            Some(policies) if generation == self.generation => Arc::clone(policies),
            _ => {
                let policies = self.live.current();
                self.cache = Cache::default();
                self.generation = generation;
                self.policies = Some(Arc::clone(&policies));
                policies
            }
        }
    }
}

/// What `policies` say about a flow, without remembering anything.
pub fn judge(policies: &Policies, flow: &Flow<'_>, now: Timestamp) -> Option<Arc<Judged>> {
    verdict(policies, policies.decide(flow, now), flow)
}

/// What comes out where the rule of this number decides, or none.
fn verdict(policies: &Policies, decides: Option<usize>, flow: &Flow<'_>) -> Option<Arc<Judged>> {
    match decides {
        Some(number) => Some(Arc::clone(policies.rules[number].judge(flow))),
        None if flow.state != State::Clear => None,
        None => Some(Arc::clone(policies.by_default(flow))),
    }
}

/// Whether both ends are one workload of Kubernetes. Elsewhere two processes are always two.
fn is_one_workload(flow: &Flow<'_>) -> bool {
    let workload = |end: &End| {
        end.workload
            .clone()
            .filter(|workload| !matches!(workload.kind.as_str(), "SystemdUnit" | "Container" | "Process"))
    };
    match (workload(flow.source), workload(flow.destination)) {
        (Some(source), Some(destination)) => source == destination && source.namespace.is_some(),
        _ => false,
    }
}
