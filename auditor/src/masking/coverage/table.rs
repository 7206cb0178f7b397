//! Coverage as a table that a person reads at a glance.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Coverage, Group, Seen};
use crate::report::table::escape;

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    Regulation,
    Workload,
    Field,
}

impl Coverage {
    /// For people: at most `top` lines of each kind that `views` names.
    pub fn table(&self, views: &[View], top: usize) -> String {
        let mut out = String::new();
        let shows = |view| views.is_empty() || views.contains(&view);
        if shows(View::Regulation) {
            group(&mut out, "REGULATION", &self.regulations, top);
        }
        if shows(View::Workload) {
            group(&mut out, "SENDER", &self.workloads, top);
        }
        if shows(View::Field) {
            self.field_table(&mut out, top);
        }
        self.footer(&mut out);
        out
    }

    fn field_table(&self, out: &mut String, top: usize) {
        let mut table = Table::new(&[
            "COVERAGE",
            "CLEAR",
            "PROTECTED",
            "DATA",
            "FROM",
            "TO",
            "OPERATION",
            "FIELD",
            "POLICY",
        ]);
        for line in self.fields.iter().take(top) {
            let field = &line.field;
            let place = match &field.field {
                Some(name) => format!("{} {name}", field.part),
                None => field.part.to_string(),
            };
            let policy = match line.verdict {
                Some(verdict) if line.share.counts.clear > 0 => verdict.name(),
                _ => "",
            };
            table.row(vec![
                percent(line.share.coverage),
                line.share.counts.clear.to_string(),
                line.share.protected.to_string(),
                field.detector.to_string(),
                field.source.short(),
                field.destination.short(),
                field.operation.as_deref().unwrap_or("-").to_owned(),
                place,
                policy.to_owned(),
            ]);
        }
        table.write(out);
        more(out, self.fields.len(), top);
    }

    fn footer(&self, out: &mut String) {
        let total = &self.total;
        let _ = write!(
            out,
            "{} of what could be masked is: {} protected, {} clear, {} of them not allowed",
            percent(total.coverage),
            total.protected,
            total.counts.clear,
            total.violations
        );
        if let (Some(since), Some(until)) = (&self.since, &self.until) {
            let _ = write!(out, "; from {since} to {until}");
        }
        out.push_str(".\n");
        match self.seen.share {
            Some(share) => {
                let _ = writeln!(
                    out,
                    "Searched {} of the bytes that could be; not: {}.",
                    percent(Some(share)),
                    self.seen.not_searched()
                );
            }
            None => out.push_str("How much of the traffic was searched is not known.\n"),
        }
        if self.seen.only_findings {
            out.push_str(
                "Read from findings: protected values are among them only with detect.states: all, and coverage is too low without.\n",
            );
        }
        if self.seen.fields_without_row > 0 {
            let _ = writeln!(
                out,
                "Too many fields: {} times one had no row of its own and was counted as `other` of its sender and receiver.",
                self.seen.fields_without_row
            );
        }
    }
}

impl Seen {
    /// The largest accounts of what was not searched.
    fn not_searched(&self) -> String {
        let mut accounts: BTreeMap<&str, u64> = BTreeMap::new();
        for bytes in [&self.traffic.socket, &self.traffic.tls] {
            for (name, bytes) in &bytes.accounts {
                if !matches!(
                    name.as_str(),
                    "scanned" | "ciphertext" | "handshake" | "duplicate"
                ) {
                    *accounts.entry(name).or_default() += bytes;
                }
            }
        }
        let mut largest: Vec<_> = accounts.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
        largest.sort_by_key(|(name, bytes)| (Reverse(*bytes), *name));
        let named: Vec<String> = largest
            .iter()
            .take(4)
            .map(|(name, bytes)| format!("{} ({bytes} bytes)", escape(name)))
            .collect();
        match named.is_empty() {
            true => "nothing that is accounted for".to_owned(),
            false => named.join(", "),
        }
    }
}

fn group(out: &mut String, name: &str, groups: &[Group], top: usize) {
    let mut table = Table::new(&["COVERAGE", "CLEAR", "NOT ALLOWED", "PROTECTED", "FIELDS", name]);
    for group in groups.iter().take(top) {
        table.row(vec![
            percent(group.share.coverage),
            group.share.counts.clear.to_string(),
            group.share.violations.to_string(),
            group.share.protected.to_string(),
            group.fields.to_string(),
            group.name.clone(),
        ]);
    }
    table.write(out);
    more(out, groups.len(), top);
}

fn more(out: &mut String, all: usize, top: usize) {
    if all > top {
        let _ = writeln!(out, "… and {} more: --top {all} shows all", all - top);
    }
    out.push('\n');
}

/// Columns as wide as their widest cell.
struct Table {
    rows: Vec<Vec<String>>,
}

/// Widest cell, characters.
pub(super) const WIDEST: usize = 48;

impl Table {
    fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|&name| name.to_owned()).collect()],
        }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|cell| short(&escape(cell))).collect());
    }

    fn write(&self, out: &mut String) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        for row in &self.rows {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // Numbers to the right.
                let is_number = cell.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
                let _ = match is_number {
                    true => write!(text, "{cell:>width$}  "),
                    false => write!(text, "{cell:<width$}  "),
                };
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }
}

/// The beginning and the end of a long text.
pub(super) fn short(text: &str) -> String {
    let length = text.chars().count();
    if length <= WIDEST {
        return text.to_owned();
    }
    let half = WIDEST / 2;
    let begin: String = text.chars().take(half - 1).collect();
    let end: String = text.chars().skip(length - half).collect();
    format!("{begin}…{end}")
}

/// Rounded down: 100 % is all of it.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |share| format!("{:.1}%", (share * 1000.0).floor() / 10.0),
    )
}
