//! Why policy decides as it does about one flow.
//!
//! Goes in: policies and a flow. Comes out: the rules that match, which decides, and why.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::compile::Policies;
use super::query::Query;
use super::rule::{CompiledRule, Specificity};
use super::{Judged, judge};
use crate::report::finding::{Action, ClientIdentity, Verdict};

/// The answer to one question.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub version: String,
    /// `None`: policy says nothing about a value that is protected.
    pub verdict: Option<Verdict>,
    /// The rule that decides, `policy/rule`.
    pub rule: Option<String>,
    /// `leak`, or `plaintext_transport`.
    pub kind: &'static str,
    pub why: String,
    /// Rules that match, the one that decides first.
    pub matching: Vec<Match>,
}

/// A rule that matches.
#[derive(Clone, Debug, Serialize)]
pub struct Match {
    pub rule: String,
    pub origin: String,
    pub action: Action,
    pub specificity: Specificity,
    /// Its last day is over: it decides nothing.
    pub expired: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cites: Vec<String>,
    #[serde(skip)]
    shown: String,
}

/// Explains what `policies` say about a flow.
pub fn explain(policies: &Policies, query: &Query, now: Timestamp) -> Explanation {
    let flow = query.flow();
    let candidates = policies.candidates(&flow);
    let all = candidates.iter().map(|number| &policies.rules[*number as usize]);
    let mut matching: Vec<&CompiledRule> = all.filter(|rule| rule.is_at(&flow)).collect();
    // The one that decides comes first, and what it was compared with before the rest.
    let decides = policies
        .first(&candidates, &flow, now)
        .map(|number| &policies.rules[number]);
    if let Some(decides) = decides {
        matching.sort_by_key(|rule| (!std::ptr::eq(*rule, decides), !rule.is_beside(decides)));
    }
    let valid: Vec<&CompiledRule> = matching
        .iter()
        .copied()
        .filter(|rule| !rule.is_expired(now))
        .collect();
    let judged = judge(policies, &flow, now);
    let plaintext = judged.as_ref().is_some_and(|judged| judged.plaintext);
    Explanation {
        version: policies.version.clone(),
        verdict: judged.as_ref().map(|judged| judged.policy.verdict),
        rule: valid.first().map(|rule| rule.title()),
        kind: if plaintext { "plaintext_transport" } else { "leak" },
        why: why(&valid, judged.as_deref()),
        matching: matching.into_iter().map(|rule| shown(rule, now)).collect(),
    }
}

fn shown(rule: &CompiledRule, now: Timestamp) -> Match {
    Match {
        rule: rule.title(),
        origin: rule.origin.clone(),
        action: rule.action,
        specificity: rule.specificity,
        expired: rule.is_expired(now),
        cites: rule.cites.clone(),
        shown: format!("{} ({})", rule.action.name(), rule.specificity),
    }
}

fn why(valid: &[&CompiledRule], judged: Option<&Judged>) -> String {
    let Some(judged) = judged else {
        return "no rule is about protected values like this one".to_owned();
    };
    let mut why = match valid {
        [] if judged.policy.verdict == Verdict::Allowed => {
            "no rule matches, and both ends are one workload".to_owned()
        }
        [] => "no rule matches, and a clear value between two workloads is a violation".to_owned(),
        [only] => format!("{} is the only rule that matches", only.title()),
        [first, second, ..] if !first.is_beside(second) => over(first, second),
        [first, second, ..] => match first.specificity.differs_in(&second.specificity) {
            Some(part) => format!(
                "{} is more specific than {} by {part}",
                first.title(),
                second.title()
            ),
            None => format!(
                "{} says the same as {} and comes first by its name",
                first.title(),
                second.title()
            ),
        },
    };
    if judged.plaintext {
        why += "; it requires encryption, which this flow lacks";
    }
    why += match judged.policy.client {
        None => "",
        Some(ClientIdentity::Verified) => "; the client's certificate is one that it requires",
        Some(ClientIdentity::Other) => "; it requires another client than the certificate names",
        Some(ClientIdentity::Unknown) => {
            "; it requires a client with a certificate, and who the client is, is not known (client= says it here)"
        }
    };
    why
}

/// Of two rules, one of the cluster and one of a namespace, the first decides.
fn over(first: &CompiledRule, second: &CompiledRule) -> String {
    let (first_title, second_title) = (first.title(), second.title());
    match first.namespace {
        Some(_) => format!("{first_title} adds a violation to what {second_title} of the cluster allows"),
        None => format!(
            "{first_title} is of the cluster, and {second_title}, of a namespace, decides only where it adds a violation"
        ),
    }
}

impl Explanation {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let verdict = self.verdict.map_or("none", Verdict::name);
        let _ = writeln!(out, "verdict  {verdict} ({})", self.kind);
        let _ = writeln!(out, "why      {}", self.why);
        for one in &self.matching {
            let expired = if one.expired { ", expired" } else { "" };
            let _ = writeln!(
                out,
                "matches  {} {}{expired}, {}",
                one.rule, one.shown, one.origin
            );
            for cited in &one.cites {
                let _ = writeln!(out, "           cites {cited}");
            }
        }
        out
    }
}
