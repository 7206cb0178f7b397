//! What other policies would have said about findings of the past.
//!
//! Goes in: a journal, a finding a line. Comes out: for each finding what was said and what would
//! be, counted, and the ones that differ. Memory is bounded by [`MOST`] findings.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compile::Policies;
use super::query::Described;
use super::{Flow, client, judge};
use crate::detect::State;
use crate::report::finding::{End, Kind, PolicyVerdict};
use crate::report::naming;

/// Most findings that are compared; later ones are counted.
pub const MOST: usize = 200_000;
/// Longest line, bytes.
const LONGEST: u64 = 1 << 20;

/// A finding as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    revision: u32,
    #[serde(default)]
    kind: String,
    detector: String,
    #[serde(default)]
    regulations: Vec<String>,
    state: State,
    #[serde(default)]
    count: u64,
    location: Location,
    flow: Option<Connection>,
    #[serde(default)]
    source: End,
    #[serde(default)]
    destination: End,
    policy: Option<Before>,
}

#[derive(Debug, Deserialize)]
struct Location {
    field: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Connection {
    operation: Option<String>,
    encrypted: bool,
}

#[derive(Debug, Deserialize)]
struct Before {
    name: Option<String>,
    rule: Option<String>,
    verdict: String,
}

/// What was said, or would be: `violation by cards/rule`.
type Said = String;

/// What would be different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replay {
    pub version: String,
    /// Findings compared, each by its last revision.
    pub findings: u64,
    /// Lines that are no findings.
    pub unreadable: u64,
    /// Findings beyond [`MOST`].
    pub left_out: u64,
    /// By what was said and what would be: findings and values.
    pub changes: Vec<Change>,
    pub unchanged: u64,
}

/// Findings of which policy would say something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub before: Said,
    pub after: Said,
    pub findings: u64,
    pub values: u64,
    /// One of them, as a question to `policy check --explain`.
    pub example: String,
}

/// The last revision of a finding.
struct Last {
    revision: u32,
    values: u64,
    before: Said,
    after: Said,
    example: String,
}

/// Judges every finding of a journal.
///
/// # Errors
/// When the journal cannot be read.
pub fn replay(policies: &Policies, journal: impl BufRead, now: Timestamp) -> io::Result<Replay> {
    let mut replay = Replay {
        version: policies.version.clone(),
        ..Replay::default()
    };
    let mut last: HashMap<String, Last> = HashMap::new();
    let mut journal = journal;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = journal.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(finding) = serde_json::from_slice::<Line>(&line) else {
            replay.unreadable += 1;
            continue;
        };
        if finding.kind == Kind::CoverageGap.name() {
            // It is about bytes in which nobody looked for anything.
            continue;
        }
        match last.get(&finding.id) {
            Some(known) if known.revision >= finding.revision => continue,
            None if last.len() >= MOST => {
                replay.left_out += 1;
                continue;
            }
            _ => (),
        }
        let id = finding.id.clone();
        last.insert(id, judged(policies, finding, now));
    }
    replay.count(last.into_values());
    Ok(replay)
}

fn judged(policies: &Policies, finding: Line, now: Timestamp) -> Last {
    let regulations: Vec<&str> = finding.regulations.iter().map(String::as_str).collect();
    let encrypted = finding.flow.as_ref().is_some_and(|flow| flow.encrypted);
    let operation = finding.flow.and_then(|flow| flow.operation);
    let flow = Flow {
        detector: &finding.detector,
        extra_regulations: &regulations,
        source: &finding.source,
        destination: &finding.destination,
        operation: operation.as_deref(),
        field: finding.location.field.as_deref(),
        state: finding.state,
        encrypted,
        same_host: !encrypted && naming::same_host(&finding.source, &finding.destination),
        client: client::verified(&finding.source, &finding.destination),
    };
    let after = judge(policies, &flow, now);
    let mut example = format!(
        "from={} to={} detector={}",
        Described(&finding.source),
        Described(&finding.destination),
        finding.detector
    );
    for (key, value) in [
        ("operation", flow.operation),
        ("field", flow.field),
        ("client", flow.client),
    ] {
        if let Some(value) = value {
            example += &format!(" {key}={value}");
        }
    }
    Last {
        revision: finding.revision,
        values: finding.count,
        before: finding.policy.map_or_else(silence, |policy| {
            said(&policy.verdict, policy.name.as_deref(), policy.rule.as_deref())
        }),
        after: after.map_or_else(silence, |judged| {
            let PolicyVerdict {
                name, rule, verdict, ..
            } = &judged.policy;
            said(verdict.name(), name.as_deref(), rule.as_deref())
        }),
        example,
    }
}

fn silence() -> Said {
    "nothing".to_owned()
}

fn said(verdict: &str, policy: Option<&str>, rule: Option<&str>) -> Said {
    match (policy, rule) {
        (Some(policy), Some(rule)) => format!("{verdict} by {policy}/{rule}"),
        _ => format!("{verdict} by default"),
    }
}

impl Replay {
    fn count(&mut self, all: impl Iterator<Item = Last>) {
        let mut changes: BTreeMap<(Said, Said), Change> = BTreeMap::new();
        for one in all {
            self.findings += 1;
            if one.before == one.after {
                self.unchanged += 1;
                continue;
            }
            let key = (one.before.clone(), one.after.clone());
            let change = changes.entry(key).or_insert_with(|| Change {
                before: one.before,
                after: one.after,
                findings: 0,
                values: 0,
                example: one.example.clone(),
            });
            change.findings += 1;
            change.values += one.values;
            // The same example whatever the order.
            if one.example < change.example {
                change.example = one.example;
            }
        }
        self.changes = changes.into_values().collect();
    }
}
