//! Masking coverage for people and programs: per regulation, per workload, per field; worst first.
//!
//! Goes in: a [`Snapshot`] and what is asked for. Comes out: [`Coverage`], as JSON or a table.

mod table;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::record::{Counts, Judgement};
use super::row::Row;
use super::snapshot::Snapshot;
use super::store::Traffic;
use crate::identity::selector::Selector;
use crate::report::observation::rfc3339;
pub use table::View;

/// `schema` of the JSON form.
pub const SCHEMA: &str = "auditor.coverage/v1";

/// Which rows are asked for. All that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub from: Option<Selector>,
    pub to: Option<Selector>,
    /// Of either end.
    pub namespace: Option<String>,
    /// Any of these; all, when empty.
    pub detectors: Vec<String>,
    pub regulations: Vec<String>,
}

impl Filter {
    pub fn matches(&self, row: &Row) -> bool {
        let field = &row.field;
        let in_namespace = |name: &String| {
            [&field.source, &field.destination]
                .iter()
                .any(|end| end.namespace == **name)
        };
        self.from.as_ref().is_none_or(|from| field.source.is_meant(from))
            && self.to.as_ref().is_none_or(|to| field.destination.is_meant(to))
            && self.namespace.as_ref().is_none_or(in_namespace)
            && (self.detectors.is_empty() || self.detectors.iter().any(|id| **id == *field.detector))
            && (self.regulations.is_empty()
                || self
                    .regulations
                    .iter()
                    .any(|law| row.regulations.iter().any(|own| **own == **law)))
    }
}

/// What is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    pub schema: &'static str,
    /// Since when is counted, and when the ledger was written last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    pub total: Share,
    pub regulations: Vec<Group>,
    /// By sender.
    pub workloads: Vec<Group>,
    pub fields: Vec<FieldLine>,
    pub seen: Seen,
}

/// Values by state, and what that is of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Share {
    /// Protected / (protected + clear); absent where there are neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    pub protected: u64,
    /// Clear values of fields where policy does not allow them.
    pub violations: u64,
    #[serde(flatten)]
    pub counts: Counts,
}

/// All that has something in common.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub name: String,
    #[serde(flatten)]
    pub share: Share,
    pub fields: u64,
}

/// One field of one kind of data.
#[derive(Clone, Debug, Serialize)]
pub struct FieldLine {
    #[serde(flatten)]
    pub field: super::Field,
    pub category: Box<str>,
    pub regulations: Vec<Box<str>>,
    #[serde(flatten)]
    pub share: Share,
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    pub sample: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    pub confidence: crate::detect::Confidence,
    pub score_bits: f32,
    /// Some of it is counted with what has no row of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// How much of what went by the numbers stand for.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Of the bytes that could be searched, the share that was; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    pub traffic: Traffic,
    /// Values, all that is filtered out and forgotten too.
    pub values: u64,
    /// Values that were forgotten because of their age.
    pub expired: u64,
    /// Fields without a row of their own, counted together by their ends.
    pub fields_without_row: u64,
    /// Only findings were read: of protected values those that were asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_findings: bool,
}

impl Share {
    fn add(&mut self, row: &Row) {
        let counts = row.record.counts();
        self.counts.add(&counts);
        self.protected = self.counts.protected();
        self.coverage = self.counts.coverage();
        if row.record.verdict != Some(Judgement::Allowed) {
            self.violations = self.violations.saturating_add(counts.clear);
        }
    }

    /// Worst first.
    fn order(&self) -> (Reverse<u64>, Reverse<u64>, u64) {
        (
            Reverse(self.violations),
            Reverse(self.counts.clear),
            self.protected,
        )
    }
}

impl Coverage {
    /// Of the rows that are asked for.
    pub fn of(snapshot: &Snapshot, filter: &Filter) -> Self {
        let mut total = Share::default();
        let mut regulations: BTreeMap<String, (Share, u64)> = BTreeMap::new();
        let mut workloads: BTreeMap<String, (Share, u64)> = BTreeMap::new();
        let mut fields = Vec::new();
        for row in snapshot.rows.iter().filter(|row| filter.matches(row)) {
            total.add(row);
            let count = |groups: &mut BTreeMap<String, (Share, u64)>, name: String| {
                let (share, fields) = groups.entry(name).or_default();
                share.add(row);
                *fields += 1;
            };
            for law in &row.regulations {
                count(&mut regulations, law.to_string());
            }
            let sender = &row.field.source;
            let name = match sender.namespace.as_str() {
                "" => format!("{}/{}", sender.kind, sender.name),
                namespace => format!("{namespace}/{}/{}", sender.kind, sender.name),
            };
            count(&mut workloads, name);
            fields.push(line(row));
        }
        fields.sort_by(|a, b| {
            a.share
                .order()
                .cmp(&b.share.order())
                .then_with(|| a.field.cmp(&b.field))
        });
        let header = &snapshot.header;
        let (searched, all) = header.traffic.looked_at();
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let share = (all > 0).then(|| searched as f64 / all as f64);
        Self {
            schema: SCHEMA,
            since: time(header.totals.began),
            until: time(header.totals.wall),
            total,
            regulations: groups(regulations),
            workloads: groups(workloads),
            fields,
            seen: Seen {
                share,
                traffic: header.traffic.clone(),
                values: header.totals.observed,
                expired: header.totals.expired,
                fields_without_row: header.totals.evicted,
                only_findings: header.journal,
            },
        }
    }
}

fn line(row: &Row) -> FieldLine {
    let mut share = Share::default();
    share.add(row);
    let record = &row.record;
    FieldLine {
        field: row.field.clone(),
        category: row.category.clone(),
        regulations: row.regulations.clone(),
        share,
        first_seen: time(record.first_seen),
        last_seen: time(record.last_seen),
        sample: record.sample.clone(),
        verdict: record.verdict,
        confidence: record.confidence(),
        score_bits: record.score_bits,
        partial: record.partial,
    }
}

fn groups(groups: BTreeMap<String, (Share, u64)>) -> Vec<Group> {
    let mut all: Vec<Group> = groups
        .into_iter()
        .map(|(name, (share, fields))| Group { name, share, fields })
        .collect();
    all.sort_by_key(|group| group.share.order());
    all
}

fn time(ms: i64) -> Option<String> {
    let is_one = ms != 0 && ms != i64::MAX && ms != i64::MIN;
    let time = jiff::Timestamp::from_millisecond(ms).ok();
    time.filter(|_| is_one).map(rfc3339)
}

#[cfg(test)]
mod tests;
