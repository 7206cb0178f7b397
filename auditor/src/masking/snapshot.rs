//! A masking ledger on its way to who reads it: from the daemon's socket, a file, or several nodes.
//!
//! Goes in: lines of JSON, the first of which is a [`Header`] and all others [`Row`]s; or what
//! [`super::store::read`] read; or a journal of findings. Comes out: a [`Snapshot`], and of several
//! one that counts nothing twice.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Read as _};

use serde::{Deserialize, Serialize};

use super::book::Totals;
use super::record::{Counts, Judgement, Record};
use super::row::{Field, Row};
use super::store::{Stored, Traffic};
use super::{Book, Party};
use crate::detect::State;
use crate::detect::catalogue;
use crate::report::finding::End;

/// `schema` of the first line.
pub const SCHEMA: &str = "auditor.masking/v1";
/// Longest line, bytes.
const LONGEST: u64 = 1 << 20;
/// Most rows of one input.
const MOST: usize = 1 << 20;

/// What is said before the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    pub schema: String,
    pub totals: Totals,
    pub traffic: Traffic,
    /// Of a journal: protected values are in it only where they were asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub journal: bool,
}

/// A ledger as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub header: Header,
    pub rows: Vec<Row>,
}

/// Why an input is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("line {0}: {1}")]
    Line(usize, String),
    #[error("it is empty")]
    Empty,
    #[error("{0}")]
    Refused(String),
    #[error("it has more than {MOST} rows")]
    TooMany,
}

impl Snapshot {
    /// The ledger as it is now.
    pub fn of(book: &Book, traffic: Traffic, now: std::time::Instant) -> Self {
        Self::with(book.totals(now), traffic, book.rows().collect())
    }

    /// What a file holds.
    pub fn of_file(stored: Stored) -> Self {
        Self::with(stored.totals, stored.traffic, stored.rows)
    }

    fn with(totals: Totals, traffic: Traffic, rows: Vec<Row>) -> Self {
        Self {
            header: Header {
                schema: SCHEMA.to_owned(),
                totals,
                traffic,
                journal: false,
            },
            rows,
        }
    }

    /// One line for the header and for each row, each with its line feed.
    ///
    /// # Errors
    /// As writing.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.header)?;
        out.write_all(b"\n")?;
        for row in &self.rows {
            serde_json::to_writer(&mut *out, row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote, or a journal of findings.
    ///
    /// # Errors
    /// When it can not be read, or is neither.
    pub fn read(mut lines: impl BufRead) -> Result<Self, SnapshotError> {
        let mut line = Vec::new();
        if !next(&mut lines, &mut line)? {
            return Err(SnapshotError::Empty);
        }
        let first: serde_json::Value =
            serde_json::from_slice(&line).map_err(|error| SnapshotError::Line(1, error.to_string()))?;
        if let Some(refused) = first["error"].as_str() {
            return Err(SnapshotError::Refused(refused.to_owned()));
        }
        match first["schema"].as_str() {
            Some(SCHEMA) => {
                let header = serde_json::from_value(first)
                    .map_err(|error| SnapshotError::Line(1, error.to_string()))?;
                rows(header, &mut lines, &mut line)
            }
            Some(crate::report::finding::SCHEMA) => journal(&mut lines, &mut line),
            _ => Err(SnapshotError::Line(
                1,
                format!("it is neither {SCHEMA} nor a journal of findings"),
            )),
        }
    }

    /// What came after an earlier one of the same nodes. Rows that nothing came to are left out.
    pub fn since(mut self, earlier: &Self) -> Self {
        let known: HashMap<&Field, &Record> =
            earlier.rows.iter().map(|row| (&row.field, &row.record)).collect();
        self.rows.retain_mut(|row| {
            if let Some(before) = known.get(&row.field) {
                row.record.sent = row.record.sent.beyond(&before.sent);
                row.record.received = row.record.received.beyond(&before.received);
            }
            row.record.counts().total() > 0
        });
        let totals = &mut self.header.totals;
        totals.began = earlier.header.totals.wall;
        totals.observed = totals.observed.saturating_sub(earlier.header.totals.observed);
        totals.evicted = totals.evicted.saturating_sub(earlier.header.totals.evicted);
        totals.expired = totals.expired.saturating_sub(earlier.header.totals.expired);
        self.header.traffic = self.header.traffic.beyond(&earlier.header.traffic);
        self
    }

    /// Several nodes as one. What the receiver's node counts and the sender's may have counted, too,
    /// is left out: of one node all counts, of several the sum of what senders' nodes count, with
    /// what is beyond that of each receiver's.
    pub fn merge(all: Vec<Self>) -> Self {
        let mut merged = Self::with(Totals::default(), Traffic::default(), Vec::new());
        let is_one = all.len() == 1;
        let mut rows: HashMap<Field, Vec<Row>> = HashMap::new();
        for snapshot in all {
            let (totals, own) = (&mut merged.header.totals, &snapshot.header.totals);
            totals.watched = totals.watched.max(own.watched);
            totals.began = match totals.began {
                0 => own.began,
                began if own.began == 0 => began,
                began => began.min(own.began),
            };
            totals.wall = totals.wall.max(own.wall);
            totals.observed = totals.observed.saturating_add(own.observed);
            totals.expired = totals.expired.saturating_add(own.expired);
            totals.evicted = totals.evicted.saturating_add(own.evicted);
            totals.edges_lost = totals.edges_lost.saturating_add(own.edges_lost);
            totals.untold = totals.untold.saturating_add(own.untold);
            merged.header.traffic.add(&snapshot.header.traffic);
            merged.header.journal |= snapshot.header.journal;
            for row in snapshot.rows {
                rows.entry(row.field.clone()).or_default().push(row);
            }
        }
        for (_, of_nodes) in rows {
            merged.rows.extend(one(of_nodes, is_one));
        }
        merged.rows.sort_by(|a, b| a.field.cmp(&b.field));
        merged
    }
}

fn one(rows: Vec<Row>, is_one: bool) -> Option<Row> {
    let mut sent = Counts::default();
    rows.iter().for_each(|row| sent.add(&row.record.sent));
    let mut received = Counts::default();
    for row in &rows {
        let elsewhere = sent.beyond(&row.record.sent);
        let known = if is_one { Counts::default() } else { elsewhere };
        received.add(&row.record.received.beyond(&known));
    }
    let mut rows = rows.into_iter();
    let mut first = rows.next()?;
    for row in rows {
        first.record.stretch(&row.record);
    }
    (first.record.sent, first.record.received) = (sent, received);
    Some(first)
}

/// The next line that is not empty; false at the end.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        line.clear();
        if lines.by_ref().take(LONGEST).read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

fn rows(header: Header, lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Snapshot, SnapshotError> {
    let mut snapshot = Snapshot {
        header,
        rows: Vec::new(),
    };
    let mut number = 1;
    while next(lines, line)? {
        number += 1;
        if snapshot.rows.len() >= MOST {
            return Err(SnapshotError::TooMany);
        }
        let row =
            serde_json::from_slice(line).map_err(|error| SnapshotError::Line(number, error.to_string()))?;
        snapshot.rows.push(row);
    }
    Ok(snapshot)
}

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
fn journal(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Snapshot, SnapshotError> {
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
            field: finding
                .location
                .field
                .map(|path| super::book::without_indices(&path).into()),
            detector: finding.detector.into(),
        },
        category: category.into(),
        regulations: finding.regulations,
        record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{Bench, seen};

    fn node(sent: u64, received: u64) -> Snapshot {
        let mut bench = Bench::new(10);
        bench.see(&seen("$.card", State::Clear));
        let mut snapshot = Snapshot::of(&bench.book, Traffic::default(), bench.now);
        let record = &mut snapshot.rows[0].record;
        record.sent.clear = sent;
        record.received.clear = received;
        snapshot
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut bench = Bench::new(10);
        for state in Counts::STATES {
            bench.see(&seen("$.card", state));
            bench.see(&seen("$.other", state));
        }
        let snapshot = Snapshot::of(&bench.book, Traffic::default(), bench.now);
        let mut lines = Vec::new();
        snapshot.write(&mut lines).unwrap();
        assert_eq!(Snapshot::read(lines.as_slice()).unwrap(), snapshot);
    }

    #[test]
    fn what_two_nodes_saw_of_one_value_counts_once() {
        let clear = |nodes: &[Snapshot]| {
            let merged = Snapshot::merge(nodes.to_vec());
            assert_eq!(merged.rows.len(), 1);
            merged.rows[0].record.counts().clear
        };
        assert_eq!(clear(&[node(5, 2)]), 7, "one node counts nothing twice itself");
        assert_eq!(clear(&[node(10, 0), node(0, 10)]), 10);
        assert_eq!(clear(&[node(10, 0), node(0, 14)]), 14, "four came from elsewhere");
        assert_eq!(clear(&[node(10, 3), node(4, 8)]), 14);
        assert_eq!(clear(&[node(0, 3), node(0, 4)]), 7);
    }

    #[test]
    fn what_came_since_is_what_is_more() {
        let mut bench = Bench::new(10);
        bench.see(&seen("$.card", State::Clear));
        bench.see(&seen("$.quiet", State::Clear));
        let before = Snapshot::of(&bench.book, Traffic::default(), bench.now);
        bench.see(&seen("$.card", State::Masked));
        bench.see(&seen("$.new", State::Hashed));
        let after = Snapshot::of(&bench.book, Traffic::default(), bench.now).since(&before);
        let counts: Vec<_> = after.rows.iter().map(|row| row.record.counts()).collect();
        assert_eq!(counts.len(), 2, "{counts:?}");
        assert!(counts.iter().all(|counts| counts.coverage() == Some(1.0)));
        assert_eq!(after.header.totals.observed, 2);
    }

    #[test]
    fn of_a_journal_the_last_revision_counts() {
        let finding = |id: &str, revision: u32, count: u64, state: &str| {
            format!(
                r#"{{"schema":"auditor.finding/v1","id":"{id}","revision":{revision},"kind":"leak","detector":"payment_card","state":"{state}","count":{count},"first_seen":"2026-03-01T10:00:00.000Z","last_seen":"2026-03-01T10:00:05.000Z","regulations":["pci-dss"],"location":{{"part":"request.body","field":"$.a[3].b","start":0,"end":1}}}}"#
            )
        };
        let lines = [
            finding("a", 1, 1, "clear"),
            finding("a", 3, 9, "clear"),
            String::new(),
            finding("a", 2, 5, "clear"),
            finding("b", 1, 3, "masked"),
            r#"{"schema":"auditor.summary/v1"}"#.to_owned(),
            "broken".to_owned(),
        ];
        let snapshot = Snapshot::read(lines.join("\n").as_bytes()).unwrap();
        assert!(snapshot.header.journal);
        assert_eq!(snapshot.rows.len(), 1);
        let counts = snapshot.rows[0].record.counts();
        assert_eq!((counts.clear, counts.masked), (9, 3));
        assert_eq!(snapshot.rows[0].field.field.as_deref(), Some("$.a[*].b"));
        assert_eq!(&*snapshot.rows[0].category, "payment");
    }

    #[test]
    fn what_is_no_ledger_says_so() {
        for (text, expected) in [
            ("", "it is empty"),
            ("\n\n", "it is empty"),
            ("[", "line 1: "),
            ("{}", "line 1: it is neither"),
            (r#"{"error":"no"}"#, "no"),
            ("{\"schema\":\"auditor.masking/v1\"}\n[]", "line 2: "),
        ] {
            let error = Snapshot::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
