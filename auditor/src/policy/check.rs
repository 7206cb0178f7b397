//! What is wrong with policies that can be read: conflicts, rules that never win, rules that end.
//!
//! Goes in: [`Policies`]. Comes out: what was found, each with an example where there is one. A
//! conflict is two rules that match one flow, are equally specific and decide differently. It is
//! found by looking for such a flow, part by part, so that each one found is real and none is
//! missed; where patterns are too contrived for that ([`crate::glob::overlap::STATES`]), the two are
//! taken to meet.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::compile::{Policies, Problem};
use super::query::Described;
use super::rule::{CompiledRule, States};
use crate::detect::State;
use crate::glob::Glob;
use crate::glob::overlap::{self, Overlap};
use crate::identity::selector::overlap::{common_end, covers};
use crate::identity::selector::{Key, Selector};
use crate::report::finding::End;
use crate::report::summary::state_name;

/// Conflicts that are told; there may be more.
pub const MOST: usize = 100;
/// Days before its end from which on a rule is told to end soon.
pub const SOON: i64 = 14;

/// Two rules that conflict: their numbers in [`Policies::rules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub rules: [usize; 2],
    /// A flow that both match; `None` where patterns are too contrived to tell.
    pub example: Option<Example>,
}

/// A flow that two rules match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub detector: usize,
    /// A regulation beside those of the detector.
    pub extra: Option<String>,
    pub from: Box<End>,
    pub to: Box<End>,
    pub operation: Option<String>,
    pub field: Option<String>,
    pub state: State,
}

/// A rule that is never the one that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dead {
    pub rule: usize,
    pub why: String,
}

/// A rule that ends soon, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub rule: usize,
    /// Its last day.
    pub until: Date,
    pub is_over: bool,
}

impl Conflict {
    /// As an error of the rule that comes first by name.
    pub fn problem(&self, policies: &Policies) -> Problem {
        let [a, b] = self.rules.map(|number| &policies.rules[number]);
        let example = match &self.example {
            Some(example) => format!("both match, for example, {}", example.text(policies)),
            None => "their patterns are too contrived to tell whether a flow matches both".to_owned(),
        };
        Problem {
            origin: a.origin.clone(),
            place: format!("rule {}", a.title()),
            message: format!(
                "conflicts with rule {} in {}: one says {}, the other {}, and neither is more specific ({}); {example}. Make one of them more specific, or both say the same",
                b.title(),
                b.origin,
                said(a),
                said(b),
                a.specificity
            ),
        }
    }
}

fn said(rule: &CompiledRule) -> String {
    let mut text = rule.action.name().to_owned();
    if let Some(severity) = rule.severity {
        text += &format!(" with severity {}", format!("{severity:?}").to_lowercase());
    }
    match rule.encrypted {
        super::model::Encrypted::Any => (),
        encrypted => text += &format!(" with encryption {}", encrypted.name()),
    }
    if let Some(client) = &rule.client {
        let ids: Vec<String> = client.ids.iter().map(ToString::to_string).collect();
        let unknown = client.unknown.name();
        text += &format!(" with client {} (if unknown: {unknown})", ids.join(" or "));
    }
    text
}

impl Example {
    /// As [`super::query::Query`] reads it.
    pub fn text(&self, policies: &Policies) -> String {
        let mut text = format!(
            "from={} to={} detector={} state={}",
            Described(&self.from),
            Described(&self.to),
            policies.names.id(self.detector),
            state_name(self.state)
        );
        if let Some(operation) = &self.operation {
            text += &format!(" operation={operation}");
        }
        if let Some(field) = &self.field {
            text += &format!(" field={field}");
        }
        text
    }
}

/// All conflicts, up to [`MOST`].
pub fn conflicts(policies: &Policies, now: Timestamp) -> Vec<Conflict> {
    let mut found = Vec::new();
    each_pair(policies, now, |a, b| {
        if found.len() < MOST {
            found.extend(conflict(policies, [a, b]));
        }
    });
    found
}

/// Of each two policies that conflict, one conflict.
pub fn conflicts_of_policies(policies: &Policies, now: Timestamp) -> Vec<Conflict> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    each_pair(policies, now, |a, b| {
        let [one, other] = [a, b].map(|number| policies.rules[number].policy.as_str());
        let pair = (one.min(other), one.max(other));
        if known.contains(&pair) {
            return;
        }
        if let Some(conflict) = conflict(policies, [a, b]) {
            known.insert(pair);
            found.push(conflict);
        }
    });
    found
}

/// Calls for rules that may decide about the same flow and are equally specific, and decide differently.
///
/// Looks at each pair of equally specific rules. Most are told apart by numbers that stand for their texts.
fn each_pair(policies: &Policies, now: Timestamp, mut call: impl FnMut(usize, usize)) {
    let rules = &policies.rules;
    let (mut texts, mut first) = (HashMap::new(), 0);
    // Rules are sorted: equally specific ones are together.
    for alike in rules.chunk_by(|a, b| a.specificity == b.specificity) {
        let marks: Vec<(usize, Marks)> = (first..)
            .zip(alike)
            .filter(|(_, rule)| !rule.is_expired(now))
            .map(|(number, rule)| (number, Marks::of(rule, &mut texts)))
            .collect();
        for (at, (a, mark)) in marks.iter().enumerate() {
            for (b, _) in marks[at + 1..].iter().filter(|(_, other)| !mark.is_apart(other)) {
                if rules[*a].outcome() != rules[*b].outcome() {
                    call(*a, *b);
                }
            }
        }
        first += alike.len();
    }
}

/// What tells most rules apart, with a number in place of each text.
struct Marks {
    namespace: Option<u32>,
    states: States,
    from: Option<(Key, u32)>,
    to: Option<(Key, u32)>,
}

impl Marks {
    fn of<'a>(rule: &'a CompiledRule, texts: &mut HashMap<&'a str, u32>) -> Self {
        let mut number = |text: &'a str| {
            let next = texts.len() as u32;
            *texts.entry(text).or_insert(next)
        };
        let [from, to] =
            [&rule.from, &rule.to].map(|end| end.anchor().map(|(key, value)| (key, number(value))));
        Self {
            namespace: rule.namespace.as_deref().map(number),
            states: rule.states,
            from,
            to,
        }
    }

    /// True when no flow is both rules' to decide: neither is beside the other, or they ask for other states or ends.
    fn is_apart(&self, other: &Self) -> bool {
        self.namespace != other.namespace
            || self.states.and(other.states).is_empty()
            || are_other(self.from, other.from)
            || are_other(self.to, other.to)
    }
}

/// True when both are about one key, and not about the same value.
fn are_other<T: PartialEq>(a: Option<(Key, T)>, b: Option<(Key, T)>) -> bool {
    matches!((a, b), (Some((key, value)), Some((other_key, other))) if key == other_key && value != other)
}

fn conflict(policies: &Policies, rules: [usize; 2]) -> Option<Conflict> {
    let [a, b] = rules.map(|number| &policies.rules[number]);
    let example = match meeting(policies, a, b) {
        Overlap::Nothing => return None,
        Overlap::Something(example) => Some(example),
        Overlap::Undecided => None,
    };
    Some(Conflict { rules, example })
}

/// A flow that both rules match. What is decided fastest comes first.
fn meeting(policies: &Policies, a: &CompiledRule, b: &CompiledRule) -> Overlap<Example> {
    let Some(state) = a.states.and(b.states).each().next() else {
        return Overlap::Nothing;
    };
    let Some((detector, extra)) = common_data(policies, a, b) else {
        return Overlap::Nothing;
    };
    let operation = common_text(&a.operations, &b.operations);
    let field = common_text(&a.fields, &b.fields);
    if operation == Overlap::Nothing || field == Overlap::Nothing {
        return Overlap::Nothing;
    }
    let from = common_end(&[&a.from, &b.from]);
    let to = common_end(&[&a.to, &b.to]);
    match (from, to, operation, field) {
        (Overlap::Nothing, ..) | (_, Overlap::Nothing, ..) => Overlap::Nothing,
        (
            Overlap::Something(from),
            Overlap::Something(to),
            Overlap::Something(operation),
            Overlap::Something(field),
        ) => Overlap::Something(Example {
            detector,
            extra,
            from,
            to,
            operation,
            field,
            state,
        }),
        _ => Overlap::Undecided,
    }
}

fn common_data(policies: &Policies, a: &CompiledRule, b: &CompiledRule) -> Option<(usize, Option<String>)> {
    if let Some(detector) = a.detectors.common(&b.detectors) {
        return Some((detector, None));
    }
    // A value may fall under a regulation that its detector does not.
    for (naming, other) in [(a, b), (b, a)] {
        for law in &naming.regulations {
            let mut added = policies.names.may_add(law);
            let meets = added.find(|detector| other.is_about(Some(*detector), &[law]));
            if let Some(detector) = meets {
                return Some((detector, Some(law.clone())));
            }
        }
    }
    None
}

/// A text for both lists of patterns; none, where neither asks for one.
fn common_text(a: &[Glob], b: &[Glob]) -> Overlap<Option<String>> {
    let lists: Vec<&[Glob]> = [a, b].into_iter().filter(|list| !list.is_empty()).collect();
    if lists.is_empty() {
        return Overlap::Something(None);
    }
    match overlap::common(&lists, &[]) {
        Overlap::Nothing => Overlap::Nothing,
        Overlap::Something(text) => Overlap::Something(Some(text)),
        Overlap::Undecided => Overlap::Undecided,
    }
}

/// Rules that never decide: what they match is empty, or is decided by rules before them. Several
/// together may take all from a rule by its detectors and states; by its patterns and ends, only
/// one may.
pub fn dead(policies: &Policies) -> Vec<Dead> {
    let mut found = Vec::new();
    for (number, rule) in policies.rules.iter().enumerate() {
        let empty = [("from", &rule.from), ("to", &rule.to)]
            .into_iter()
            .find(|(_, selector)| common_end(&[selector]) == Overlap::Nothing);
        let why = match empty {
            Some((name, selector)) => Some(format!("no end matches {name}: {selector}")),
            None => covered(policies, number).map(|by| format!("what it matches is always decided by {by}")),
        };
        found.extend(why.map(|why| Dead { rule: number, why }));
    }
    found
}

/// The rules that take everything from this one.
fn covered(policies: &Policies, number: usize) -> Option<String> {
    let rule = &policies.rules[number];
    let mut left: BTreeMap<State, Vec<usize>> = rule
        .states
        .each()
        .map(|state| (state, rule.detectors.each().collect()))
        .collect();
    let mut by = Vec::new();
    for before in &policies.rules[..number] {
        let takes = |state: &State, detector: &usize| {
            before.states.contains(*state) && before.is_about(Some(*detector), &[])
        };
        let any = left
            .iter()
            .any(|(state, all)| all.iter().any(|one| takes(state, one)));
        if !any || before.until.is_some() || !before.is_beside(rule) || !is_wider(before, rule) {
            continue;
        }
        by.push(before.title());
        for (state, detectors) in &mut left {
            detectors.retain(|detector| !takes(state, detector));
        }
        left.retain(|_, detectors| !detectors.is_empty());
        if left.is_empty() {
            // What the values of a detector fall under beside it is not decided by its number.
            let exact = rule.regulations.is_empty() && !rule.everything || before.everything;
            return exact.then(|| by.join(" and "));
        }
    }
    None
}

/// Whether `outer` is about all ends, operations and fields that `inner` is about.
fn is_wider(outer: &CompiledRule, inner: &CompiledRule) -> bool {
    let texts = |outer: &[Glob], inner: &[Glob]| {
        outer.is_empty() || (!inner.is_empty() && overlap::covers(outer, inner))
    };
    let ends = |outer: &Selector, inner: &Selector| {
        outer.is_any()
            || (!inner.is_any() && !are_other(outer.anchor(), inner.anchor()) && covers(outer, inner))
    };
    ends(&outer.from, &inner.from)
        && ends(&outer.to, &inner.to)
        && texts(&outer.operations, &inner.operations)
        && texts(&outer.fields, &inner.fields)
}

/// Rules that end within [`SOON`] days, or have ended.
pub fn ending(policies: &Policies, now: Timestamp) -> Vec<Ending> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let soon = today.checked_add(SOON.days()).unwrap_or(today);
    let rules = policies.rules.iter().enumerate();
    rules
        .filter_map(|(rule, compiled)| {
            let until = compiled.until.filter(|until| *until <= soon)?;
            Some(Ending {
                rule,
                until,
                is_over: compiled.is_expired(now),
            })
        })
        .collect()
}
