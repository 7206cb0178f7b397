//! All policies in force, put together.
//!
//! Goes in: documents. Comes out: [`Policies`], whose rules are in the order in which they win, or
//! every problem with file, policy and rule. Which rule decides does not depend on the order of
//! rules, documents or files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::fields::Fields;
use super::load::Loaded;
use super::model::{Document, Kind};
use super::names::Names;
use super::rule::{CompiledRule, Owner, States};
use super::{Flow, Judged, check, is_one_workload};
use crate::glob::{Dialect, Glob};
use crate::identity::selector::{Key, Known};
use crate::report::finding::{End, IdentifiedBy, Verdict};

/// Most rules of all policies.
pub const MOST_RULES: usize = 20_000;
/// Digits of a version.
const VERSION_DIGITS: usize = 16;

/// The policies in force.
#[derive(Clone, Debug)]
pub struct Policies {
    pub names: Names,
    /// A hash of what they say.
    pub version: String,
    /// The first that matches decides.
    pub rules: Vec<CompiledRule>,
    /// Their names, and where each was found.
    pub documents: BTreeMap<String, String>,
    /// States that some rule is about.
    pub states: States,
    /// What of an end some rule asks for, with the label where it is one.
    pub(super) asked: BTreeSet<(Key, String)>,
    /// Whether some rule asks for external ends.
    pub(super) asks_external: bool,
    /// Whether some rule asks for the client's certificate.
    pub(super) asks_client: bool,
    /// Whether some rule is of a namespace.
    pub(super) has_namespaces: bool,
    /// What holds where no rule decides: a violation, or nothing between ends that are one.
    defaults: [Arc<Judged>; 2],
    /// By the value that the sender has to have, rules in their order; and those without one.
    anchored: HashMap<(Key, String), Vec<u32>>,
    unanchored: Vec<u32>,
    pub(super) fields: Fields,
}

/// Something wrong with a rule or a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{origin}: {place}: {message}")]
pub struct Problem {
    pub origin: String,
    /// `policy NAME`, or `rule POLICY/NAME`.
    pub place: String,
    pub message: String,
}

impl Policies {
    /// No policy: every clear value between two workloads is a violation.
    pub fn none() -> Self {
        Self::empty(Names::new(&[]), String::new())
    }

    fn empty(names: Names, version: String) -> Self {
        let default = |verdict| Arc::new(Judged::by_default(&version, verdict));
        Self {
            names,
            defaults: [default(Verdict::Violation), default(Verdict::Allowed)],
            version,
            rules: Vec::new(),
            documents: BTreeMap::new(),
            states: States::default(),
            asked: BTreeSet::new(),
            asks_external: false,
            asks_client: false,
            has_namespaces: false,
            anchored: HashMap::new(),
            unanchored: Vec::new(),
            fields: Fields::default(),
        }
    }

    /// Compiles documents. Conflicts are looked for by [`Self::checked`].
    ///
    /// # Errors
    /// Every problem.
    pub fn compile(loaded: &[Loaded], names: Names) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut policies = Self::empty(names, version(loaded.iter().map(|one| &one.document)));
        for one in loaded {
            policies.add(one, &mut problems);
        }
        if policies.rules.len() > MOST_RULES {
            problems.push(Problem {
                origin: "all policies".to_owned(),
                place: "rules".to_owned(),
                message: format!("{} rules: at most {MOST_RULES} are taken", policies.rules.len()),
            });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        policies.rules.sort_by(|a, b| {
            let by_name = || a.policy.cmp(&b.policy).then_with(|| a.name.cmp(&b.name));
            b.specificity.cmp(&a.specificity).then_with(by_name)
        });
        policies.index();
        Ok(policies)
    }

    /// Compiles documents and refuses conflicts, as for use.
    ///
    /// # Errors
    /// Every problem, conflicts last.
    pub fn checked(loaded: &[Loaded], names: Names, now: Timestamp) -> Result<Self, Vec<Problem>> {
        let policies = Self::compile(loaded, names)?;
        let conflicts = check::conflicts(&policies, now);
        if conflicts.is_empty() {
            return Ok(policies);
        }
        Err(conflicts
            .iter()
            .map(|conflict| conflict.problem(&policies))
            .collect())
    }

    fn add(&mut self, one: &Loaded, problems: &mut Vec<Problem>) {
        let Document {
            kind, metadata, spec, ..
        } = &one.document;
        let name = metadata.name.as_str();
        let namespace = metadata.namespace.as_ref();
        let title = namespace.map_or_else(|| name.to_owned(), |space| format!("{}/{name}", space.as_str()));
        let mut policy_problem = |message: &str| {
            problems.push(Problem {
                origin: one.origin.clone(),
                place: format!("policy {title}"),
                message: message.to_owned(),
            });
        };
        match (kind, namespace) {
            (Kind::DataFlowPolicy, None) => {
                policy_problem("a DataFlowPolicy needs metadata.namespace; ClusterDataFlowPolicy needs none");
            }
            (Kind::ClusterDataFlowPolicy, Some(_)) => {
                policy_problem("a ClusterDataFlowPolicy has no metadata.namespace; DataFlowPolicy has one");
            }
            _ => (),
        }
        if let Some(before) = self.documents.insert(title.clone(), one.origin.clone()) {
            policy_problem(&format!("the same name is used in {before}"));
        }
        let mut seen = HashSet::new();
        let namespace = namespace.and_then(|name| Glob::exactly(name.as_str(), Dialect::Text).ok());
        let version = self.version.clone();
        let owner = Owner {
            policy: &title,
            origin: &one.origin,
            namespace: namespace.as_ref(),
            version: &version,
        };
        for rule in &spec.rules {
            let mut of_rule = Vec::new();
            if !seen.insert(&rule.name) {
                of_rule.push("the policy has another rule of this name".to_owned());
            }
            let compiled = CompiledRule::new(rule, &owner, &self.names, &mut of_rule);
            self.states = self.states.or(compiled.states);
            let place = format!("rule {}", compiled.title());
            problems.extend(of_rule.into_iter().map(|message| Problem {
                origin: one.origin.clone(),
                place: place.clone(),
                message,
            }));
            self.rules.push(compiled);
        }
    }

    fn index(&mut self) {
        self.fields = Fields::of(&self.rules);
        for (number, rule) in (0..).zip(&self.rules) {
            self.has_namespaces |= rule.namespace.is_some();
            self.asks_client |= rule.client.is_some();
            for selector in [&rule.from, &rule.to] {
                let asked = selector.asks().map(|(key, label)| (key, label.to_owned()));
                self.asked.extend(asked);
                self.asks_external |= selector.asks_external();
            }
            match rule.from.anchor() {
                Some((key, value)) => {
                    let key = (key, value.to_owned());
                    self.anchored.entry(key).or_default().push(number);
                }
                None => self.unanchored.push(number),
            }
        }
    }

    /// Rules that are about the ends and the data of a flow, in the order in which they win.
    pub(super) fn candidates(&self, flow: &Flow<'_>) -> Vec<u32> {
        let detector = self.names.detector(flow.detector);
        let (source, destination) = (Known::of(flow.source), Known::of(flow.destination));
        let is_claimed = is_claimed(flow.source);
        let mut numbers: Vec<u32> = Vec::new();
        let mut add = |list: &[u32]| {
            numbers.extend(list.iter().filter(|number| {
                let rule = &self.rules[**number as usize];
                !(is_claimed && rule.namespace.is_some())
                    && rule.is_about(detector, flow.extra_regulations)
                    && rule.is_between(&source, &destination)
            }));
        };
        add(&self.unanchored);
        let anchors = Key::ALL.into_iter().filter(|key| !matches!(key, Key::Label));
        for key in anchors {
            if let Some(value) = source.value(key, "")
                && let Some(list) = self.anchored.get(&(key, value.to_owned()))
            {
                add(list);
            }
        }
        numbers.sort_unstable();
        numbers
    }

    /// The number of the rule that decides about a flow.
    pub fn decide(&self, flow: &Flow<'_>, now: Timestamp) -> Option<usize> {
        self.first(&self.candidates(flow), flow, now)
    }

    /// That one of `candidates` that decides. They are in the order in which they win.
    pub(super) fn first(&self, candidates: &[u32], flow: &Flow<'_>, now: Timestamp) -> Option<usize> {
        let (mut of_cluster, mut of_namespace) = (None, None);
        for number in candidates.iter().map(|number| *number as usize) {
            let rule = &self.rules[number];
            let place = match rule.namespace {
                None => &mut of_cluster,
                Some(_) => &mut of_namespace,
            };
            if place.is_none() && rule.is_at(flow) && !rule.is_expired(now) {
                *place = Some(number);
            }
            if of_cluster.is_some() && (of_namespace.is_some() || !self.has_namespaces) {
                break;
            }
        }
        self.of_both(of_cluster, of_namespace, flow)
    }

    /// Of the cluster's rule that wins and the namespace's, the one that decides. A namespace can not allow what the
    /// cluster reports.
    pub(super) fn of_both(
        &self,
        of_cluster: Option<usize>,
        of_namespace: Option<usize>,
        flow: &Flow<'_>,
    ) -> Option<usize> {
        let violates = |number: usize| self.rules[number].judge(flow).policy.verdict == Verdict::Violation;
        match (of_cluster, of_namespace) {
            (Some(cluster), Some(namespace)) if violates(namespace) && !violates(cluster) => Some(namespace),
            (Some(cluster), _) => Some(cluster),
            (None, namespace) => namespace,
        }
    }

    /// What holds where no rule decides about a clear value.
    pub(super) fn by_default(&self, flow: &Flow<'_>) -> &Arc<Judged> {
        &self.defaults[usize::from(is_one_workload(flow))]
    }

    /// When the next rule ends after `now`.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.rules.iter().filter_map(CompiledRule::expires);
        ends.filter(|end| *end > now).min()
    }
}

/// Whether an end is in its namespace only because a Service there names its address. Who may make a Service can name any
/// address, and would have the policies of the namespace allow what is sent from there.
pub(super) fn is_claimed(end: &End) -> bool {
    end.identified_by == IdentifiedBy::Service
}

/// A hash of what documents say: the same for any order of documents, rules and lists, and for any
/// description.
fn version<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let canonical = |document: &Document| {
        let mut document = document.clone();
        document.metadata.labels.clear();
        document.metadata.annotations.clear();
        document.spec.rules.sort_by(|a, b| a.name.cmp(&b.name));
        for rule in &mut document.spec.rules {
            rule.description.clear();
            rule.cites.clear();
            let lists = [
                &mut rule.data.detectors,
                &mut rule.data.categories,
                &mut rule.data.regulations,
            ];
            lists.into_iter().for_each(|list| list.sort());
            rule.operations.sort();
            rule.fields.sort();
            rule.transport.client.sort();
            rule.states.sort();
        }
        serde_json::to_string(&document).unwrap_or_default()
    };
    let mut texts: Vec<String> = documents.map(canonical).collect();
    texts.sort();
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    let mut digits = String::new();
    for byte in hash.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(VERSION_DIGITS);
    digits
}
