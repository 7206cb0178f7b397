//! A journal of findings, read as a ledger.
//!
//! Goes in: findings, a line each. Comes out: what the last revision of each says, by field.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use serde::Deserialize;

use super::{MOST, Snapshot, SnapshotError, next};
use crate::detect::{State, catalogue};
use crate::masking::Party;
use crate::masking::book::Totals;
use crate::masking::record::{Judgement, Record};
use crate::masking::row::{Field, Row};
use crate::masking::store::Traffic;
use crate::report::finding::End;

/// A finding as far as it matters here.
#[derive(Deserialize)]
struct Line {
    id: String,
    revision: u32,
    kind: String,
    detector: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    regulations: Vec<Box<str>>,
    state: State,
    #[serde(default)]
    score_bits: f32,
    #[serde(default)]
    sample: String,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    first_seen: Option<jiff::Timestamp>,
    #[serde(default)]
    last_seen: Option<jiff::Timestamp>,
    location: Location,
    #[serde(default)]
    flow: Flow,
    #[serde(default)]
    source: End,
    #[serde(default)]
    destination: End,
    #[serde(default)]
    policy: Option<Policy>,
}

#[derive(Deserialize)]
struct Location {
    part: Box<str>,
    field: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flow {
    operation: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Policy {
    verdict: String,
}

/// A journal: the last revision of each finding. `line` holds the first line.
pub(super) fn read(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Snapshot, SnapshotError> {
    let mut last: BTreeMap<String, Line> = BTreeMap::new();
    loop {
        // What is no finding is for other readers of the journal.
        if let Ok(finding) = serde_json::from_slice::<Line>(line)
            && matches!(
                finding.kind.as_str(),
                "leak" | "observation" | "plaintext_transport" | "update"
            )
        {
            let is_newer = last
                .get(&finding.id)
                .is_none_or(|known| known.revision <= finding.revision);
            if is_newer {
                last.insert(finding.id.clone(), finding);
            }
            if last.len() > MOST {
                return Err(SnapshotError::TooMany);
            }
        }
        if !next(lines, line)? {
            break;
        }
    }
    let mut rows: HashMap<Field, Row> = HashMap::new();
    let mut observed = 0_u64;
    for finding in last.into_values() {
        observed = observed.saturating_add(finding.count);
        let row = row_of(finding);
        match rows.get_mut(&row.field) {
            Some(known) => known.record.add(&row.record),
            None => _ = rows.insert(row.field.clone(), row),
        }
    }
    let mut snapshot = Snapshot::with(
        Totals {
            observed,
            ..Totals::default()
        },
        Traffic::default(),
        rows.into_values().collect(),
    );
    snapshot.header.journal = true;
    let times = snapshot.rows.iter().map(|row| &row.record);
    snapshot.header.totals.began = times.clone().map(|record| record.first_seen).min().unwrap_or(0);
    snapshot.header.totals.wall = times.map(|record| record.last_seen).max().unwrap_or(0);
    Ok(snapshot)
}

fn row_of(finding: Line) -> Row {
    let verdict = finding.policy.map(|policy| match policy.verdict.as_str() {
        "allowed" => Judgement::Allowed,
        _ => Judgement::Violation,
    });
    let mut record = Record {
        first_seen: finding.first_seen.map_or(0, jiff::Timestamp::as_millisecond),
        last_seen: finding.last_seen.map_or(0, jiff::Timestamp::as_millisecond),
        sample: finding.sample.into(),
        verdict,
        score_bits: finding.score_bits,
        ..Record::default()
    };
    *record.sent.of_mut(finding.state) = finding.count;
    let known = catalogue::find(&finding.detector);
    let category = known.map_or(finding.category, |row| row.category.to_owned());
    Row {
        field: Field {
            source: Party::of(&finding.source),
            destination: Party::of(&finding.destination),
            operation: finding.flow.operation,
            part: finding.location.part,
            field: finding.location.field.map(|path| Field::path(&path)),
            detector: finding.detector.into(),
        },
        category: category.into(),
        regulations: finding.regulations,
        record,
    }
}
