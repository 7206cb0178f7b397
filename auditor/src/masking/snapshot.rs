//! A masking ledger on its way to who reads it: from the daemon's socket, a file, or several nodes.
//!
//! Goes in: lines of JSON, the first of which is a [`Header`] and all others [`Row`]s; or what
//! [`super::store::read`] read; or a journal of findings. Comes out: a [`Snapshot`], and of several
//! one that counts nothing twice.

mod journal;
mod merge;

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};

use serde::{Deserialize, Serialize};

use super::Book;
use super::book::Totals;
use super::record::Record;
use super::row::{Field, Row};
use super::store::{Stored, Traffic};
pub use merge::{Merger, Twice};

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
    /// Ids of the ledgers that it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ledgers: Vec<String>,
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
        let id = Some(totals.id.clone()).filter(|id| !id.is_empty());
        Self {
            header: Header {
                schema: SCHEMA.to_owned(),
                ledgers: id.into_iter().collect(),
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
            Some(crate::report::finding::SCHEMA) => journal::read(&mut lines, &mut line),
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

#[cfg(test)]
mod tests;
