//! One rule, ready to judge: what it matches, how specific it is, what it decides.
//!
//! Goes in: a rule as it is written, and the known names. Comes out: a [`CompiledRule`], or every
//! reason why not.

use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::client::{ClientRule, is_asked};
use super::model::{Action, Data, Encrypted, Rule, UnknownClient};
use super::names::{DetectorSet, Names};
use super::{Flow, Judged};
use crate::detect::{Severity, State};
use crate::glob::{Glob, Rank};
use crate::identity::selector::{Known, Narrowness, Selector};
use crate::report::finding::{PolicyVerdict, Verdict};

/// How specific a rule is. Of two rules that match, the one with the greater specificity decides.
/// The parts are compared in this order; the first that differs decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Specificity {
    /// 2: detectors are named; 1: categories or regulations, too; 0: every kind of data.
    pub data: u8,
    /// Of both ends, added.
    pub ends: Narrowness,
    /// Of the widest pattern of operations: characters given, and 2 without a wildcard, else 0.
    pub operations: Option<(usize, u8)>,
    /// Of the widest pattern of fields: the same, and 1 where no wildcard passes a `.`.
    pub fields: Option<(usize, u8)>,
    /// States that are not asked for.
    pub states: usize,
}

/// A rule of a policy in force.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    /// `name`, or `namespace/name`.
    pub policy: String,
    pub name: String,
    pub origin: String,
    /// Of a policy of a namespace: it is about what workloads of that namespace send.
    pub namespace: Option<String>,
    pub detectors: DetectorSet,
    /// Regulations that are named: a value may fall under one that its detector does not.
    pub regulations: Vec<String>,
    /// Every detector, also one that is not known here.
    pub everything: bool,
    pub from: Selector,
    pub to: Selector,
    pub operations: Vec<Glob>,
    pub fields: Vec<Glob>,
    pub states: States,
    pub encrypted: Encrypted,
    /// What it asks of the client's certificate.
    pub(super) client: Option<ClientRule>,
    pub severity: Option<Severity>,
    pub action: Action,
    pub until: Option<Date>,
    pub cites: Vec<String>,
    pub specificity: Specificity,
    /// When it ends.
    expires: Option<Timestamp>,
    /// What comes out where the transport is as asked for, and where it is not.
    outcomes: [Arc<Judged>; 2],
}

/// A set of states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States(u8);

impl States {
    pub fn of(states: &[State]) -> Self {
        Self(states.iter().fold(0, |set, state| set | 1 << *state as u8))
    }

    pub fn contains(self, state: State) -> bool {
        self.0 >> state as u8 & 1 == 1
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All that are in it, in the order of [`ALL_STATES`].
    pub fn each(self) -> impl Iterator<Item = State> {
        ALL_STATES.into_iter().filter(move |state| self.contains(*state))
    }
}

/// Every state there is.
pub const ALL_STATES: [State; 6] = [
    State::Clear,
    State::Masked,
    State::Hashed,
    State::Tokenised,
    State::Encrypted,
    State::Test,
];

/// Which policy a rule is of, for [`CompiledRule::new`].
pub(super) struct Owner<'a> {
    pub policy: &'a str,
    pub origin: &'a str,
    /// Of a namespaced policy.
    pub namespace: Option<&'a Glob>,
    pub version: &'a str,
}

impl CompiledRule {
    /// Compiles a rule; problems are added to `problems`.
    pub(super) fn new(rule: &Rule, owner: &Owner<'_>, names: &Names, problems: &mut Vec<String>) -> Self {
        let (detectors, data) = data(&rule.data, names, problems);
        let operations: Vec<Glob> = rule.operations.iter().map(|pattern| pattern.0.clone()).collect();
        let fields: Vec<Glob> = rule.fields.iter().map(|pattern| pattern.0.clone()).collect();
        if rule.states.is_empty() {
            problems.push("states: an empty list matches nothing; leave it out for [clear]".to_owned());
        }
        let states = States::of(&rule.states);
        check_action(rule, problems);
        if rule.transport.unknown_client.is_some() && rule.transport.client.is_empty() {
            problems.push(
                "transport: unknown_client: belongs to client: with patterns of SPIFFE ids; [\"*\"] means any"
                    .to_owned(),
            );
        }
        let from = match owner.namespace {
            Some(namespace) => rule.from.clone().within(namespace.clone()),
            None => rule.from.clone(),
        };
        let specificity = Specificity {
            data,
            ends: added(from.narrowness(), rule.to.narrowness()),
            operations: widest(&operations),
            fields: widest(&fields),
            states: ALL_STATES.len() - states.each().count(),
        };
        let outcomes = [false, true].map(|plaintext| Arc::new(judged(rule, owner, plaintext, plaintext)));
        let client = ClientRule::of(&rule.transport, |is_broken| judged(rule, owner, is_broken, false));
        let encrypted = match rule.transport.encrypted {
            // Nobody shows a certificate without.
            Encrypted::Any if client.is_some() => Encrypted::Required,
            encrypted => encrypted,
        };
        Self {
            policy: owner.policy.to_owned(),
            name: rule.name.as_str().to_owned(),
            origin: owner.origin.to_owned(),
            namespace: owner.namespace.and_then(Glob::exact).map(str::to_owned),
            detectors,
            regulations: rule.data.regulations.clone(),
            everything: rule.data.is_everything(),
            from,
            to: rule.to.clone(),
            operations,
            fields,
            states,
            encrypted,
            client,
            severity: rule.severity,
            action: rule.action,
            until: rule.until,
            cites: rule.cites.clone(),
            specificity,
            expires: rule.until.and_then(end_of),
            outcomes,
        }
    }

    /// `policy/rule`, for people.
    pub fn title(&self) -> String {
        format!("{}/{}", self.policy, self.name)
    }

    /// True once its last day is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }

    /// When it ends.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// What it decides, apart from its name: two rules that differ in it can conflict.
    pub fn outcome(&self) -> Outcome<'_> {
        let client = self.client.as_ref().map(|client| (&*client.ids, client.unknown));
        (self.action, self.severity, self.encrypted, client)
    }

    /// Whether it is about this kind of data.
    pub(super) fn is_about(&self, detector: Option<usize>, extra: &[&str]) -> bool {
        self.everything
            || detector.is_some_and(|detector| self.detectors.contains(detector))
            || extra
                .iter()
                .any(|law| self.regulations.iter().any(|named| named == law))
    }

    /// Whether it is about these ends.
    pub fn is_between(&self, source: &Known<'_>, destination: &Known<'_>) -> bool {
        self.from.means(source) && self.to.means(destination)
    }

    /// Whether the rest matches: state, operation, field.
    pub(super) fn is_at(&self, flow: &Flow<'_>) -> bool {
        self.is_of(flow) && self.is_in(flow.field)
    }

    /// Whether state and operation match.
    pub(super) fn is_of(&self, flow: &Flow<'_>) -> bool {
        self.states.contains(flow.state) && holds(&self.operations, flow.operation)
    }

    /// Whether the field matches.
    pub(super) fn is_in(&self, field: Option<&str>) -> bool {
        holds(&self.fields, field)
    }

    /// Whether one of the two may decide where the other does: both are of the cluster, or of one namespace.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.namespace == other.namespace
    }

    /// What it decides about a flow that it matches.
    pub(super) fn judge(&self, flow: &Flow<'_>) -> &Arc<Judged> {
        let broken = match self.encrypted {
            Encrypted::Any => false,
            Encrypted::Required => !flow.encrypted && !flow.same_host,
            Encrypted::Everywhere => !flow.encrypted,
        };
        match &self.client {
            Some(client) if !broken && is_asked(flow) => client.judge(flow.client),
            _ => &self.outcomes[usize::from(broken)],
        }
    }
}

/// What a rule decides: action, severity, encryption, and the ids that clients have to have.
pub type Outcome<'a> = (
    Action,
    Option<Severity>,
    Encrypted,
    Option<(&'a [Glob], UnknownClient)>,
);

fn holds(patterns: &[Glob], text: Option<&str>) -> bool {
    patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|glob| glob.matches(text)))
}

/// `is_broken`: the transport is not as it asks for, `plaintext`: not encrypted.
fn judged(rule: &Rule, owner: &Owner<'_>, is_broken: bool, plaintext: bool) -> Judged {
    let allowed = !is_broken && rule.action != Action::Report;
    Judged {
        policy: PolicyVerdict {
            name: Some(owner.policy.to_owned()),
            version: Some(owner.version.to_owned()),
            rule: Some(rule.name.as_str().to_owned()),
            action: Some(rule.action),
            verdict: if allowed {
                Verdict::Allowed
            } else {
                Verdict::Violation
            },
            client: None,
        },
        plaintext,
        silent: rule.action == Action::Count && !is_broken,
        severity: rule.severity,
    }
}

fn end_of(day: Date) -> Option<Timestamp> {
    let next = day.checked_add(1.day()).ok()?;
    next.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn check_action(rule: &Rule, problems: &mut Vec<String>) {
    let reason = rule
        .reason
        .as_deref()
        .is_some_and(|reason| !reason.trim().is_empty());
    match rule.action {
        Action::Ignore if rule.until.is_none() || !reason => problems.push(
            "action: ignore needs until: with a date (such as 2027-01-31) and reason: with a sentence"
                .to_owned(),
        ),
        Action::Ignore => (),
        _ if rule.until.is_some() || rule.reason.is_some() => {
            problems.push("until: and reason: belong to action: ignore only".to_owned());
        }
        _ => (),
    }
}

/// The detectors that are meant, and the rank of the widest list that names some.
fn data(data: &Data, names: &Names, problems: &mut Vec<String>) -> (DetectorSet, u8) {
    if data.is_everything() {
        return (names.everything(), 0);
    }
    let mut set = DetectorSet::default();
    let hint =
        |nearest: Option<&str>| nearest.map_or_else(String::new, |name| format!(", did you mean {name}?"));
    for id in &data.detectors {
        match names.detector(id) {
            Some(detector) => set.insert(detector),
            None => problems.push(format!(
                "data.detectors: unknown detector {id:?}{}; `auditor detectors list` shows all",
                hint(names.nearest_detector(id))
            )),
        }
    }
    for category in &data.categories {
        match names.of_category(category) {
            Some(some) => set.extend(&some),
            None => problems.push(format!(
                "data.categories: unknown category {category:?}{}",
                hint(names.nearest_category(category))
            )),
        }
    }
    for law in &data.regulations {
        let known = names.regulations();
        match names.of_regulation(law) {
            Some(some) => set.extend(&some),
            None => problems.push(format!(
                "data.regulations: unknown regulation {law:?}{}",
                hint(super::names::nearest(law, known.into_iter()))
            )),
        }
    }
    let only_detectors = data.categories.is_empty() && data.regulations.is_empty();
    (set, if only_detectors { 2 } else { 1 })
}

fn widest(patterns: &[Glob]) -> Option<(usize, u8)> {
    let ranks = patterns.iter().map(Glob::rank);
    ranks
        .min()
        .map(|Rank { literals, closeness }| (literals, closeness))
}

fn added(a: Narrowness, b: Narrowness) -> Narrowness {
    Narrowness {
        terms: a.terms + b.terms,
        exact: a.exact + b.exact,
        characters: a.characters + b.characters,
        exclusions: a.exclusions + b.exclusions,
    }
}

impl fmt::Display for Specificity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Narrowness {
            terms,
            exact,
            characters,
            exclusions,
        } = self.ends;
        let pattern = |rank: Option<(usize, u8)>| match rank {
            None => "-".to_owned(),
            Some((characters, closeness)) => format!("{characters}.{closeness}"),
        };
        write!(
            f,
            "data {}, ends {terms}.{exact}.{characters}.{exclusions}, operations {}, fields {}, states {}",
            self.data,
            pattern(self.operations),
            pattern(self.fields),
            self.states
        )
    }
}

impl Specificity {
    /// The first part that differs, in words.
    pub fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            (self.data != other.data, "how it names the data"),
            (self.ends != other.ends, "its ends"),
            (self.operations != other.operations, "its operations"),
            (self.fields != other.fields, "its fields"),
            (self.states != other.states, "its states"),
        ];
        parts
            .into_iter()
            .find(|(differs, _)| *differs)
            .map(|(_, part)| part)
    }
}
