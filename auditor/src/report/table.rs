//! A finding as one line a person reads at a glance.
//!
//! Goes in: a [`Finding`], or the JSON of one from a daemon. Comes out: a line of fixed columns,
//! 120 characters wide unless the terminal is wider. Nothing from a watched program reaches the
//! terminal unescaped: control sequences and text-direction controls are written out.

#[cfg(test)]
mod tests;
mod wire;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use crate::detect::{Confidence, Severity};
use crate::report::finding::{Finding, Flow};
use crate::report::naming::Name;
use crate::report::summary::state_name;

/// Narrowest line, characters.
const NARROW: usize = 120;
/// Widest line, characters.
const WIDE: usize = 240;

/// What a line shows of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    time: String,
    severity: String,
    detector: String,
    sample: String,
    source: String,
    destination: String,
    operation: String,
    part: String,
    field: String,
    captured_by: String,
    confidence: String,
    kind: String,
    state: String,
    count: u64,
}

impl Row {
    /// The row of a finding of this process.
    pub fn of(finding: &Finding) -> Self {
        let flow = finding.flow.as_ref();
        Self {
            time: clock(&finding.last_seen),
            severity: severity_name(finding.severity).to_owned(),
            detector: finding.detector.to_owned(),
            sample: finding.sample.clone(),
            source: Name::of(finding.source.as_ref()).short(),
            destination: Name::of(finding.destination.as_ref()).short(),
            operation: flow.and_then(|f| f.operation.clone()).unwrap_or_default(),
            part: finding.location.part.to_owned(),
            field: finding.location.field.clone().unwrap_or_default(),
            captured_by: flow.map(captured_by).unwrap_or_default(),
            confidence: confidence_name(finding.confidence).to_owned(),
            kind: serde_json::to_value(finding.kind)
                .ok()
                .and_then(|v| v.as_str().map(Into::into))
                .unwrap_or_default(),
            state: state_name(finding.state).to_owned(),
            count: finding.count,
        }
    }

    /// The row of a finding as a daemon sent it; `None` when it is not a finding.
    pub fn of_json(finding: &str) -> Option<Self> {
        let wire: wire::Finding = serde_json::from_str(finding).ok()?;
        let flow = wire.flow.unwrap_or_default();
        Some(Self {
            time: clock(&wire.last_seen),
            severity: wire.severity,
            detector: wire.detector,
            sample: wire.sample,
            source: Name::of(wire.source.map(wire::End::into_end).as_ref()).short(),
            destination: Name::of(wire.destination.map(wire::End::into_end).as_ref()).short(),
            operation: flow.operation.unwrap_or_default(),
            part: wire.location.part,
            field: wire.location.field.unwrap_or_default(),
            captured_by: if flow.encrypted {
                flow.captured_by
            } else {
                "plain".to_owned()
            },
            confidence: wire.confidence,
            kind: wire.kind,
            state: wire.state,
            count: wire.count,
        })
    }
}

/// How lines are laid out.
#[derive(Clone, Debug)]
pub struct Table {
    width: usize,
    colour: bool,
}

impl Table {
    /// 120 columns, no colour: for files and pipes.
    pub const fn plain() -> Self {
        Self {
            width: NARROW,
            colour: false,
        }
    }

    /// Fits standard output: colour only on a terminal and unless `NO_COLOR` is set and not empty,
    /// as wide as the terminal from 120 columns on.
    pub fn for_stdout() -> Self {
        let colour =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let width = terminal_size::terminal_size().map_or(NARROW, |(width, _)| usize::from(width.0));
        Self {
            width: width.clamp(NARROW, WIDE),
            colour,
        }
    }

    /// The names of the columns.
    pub fn header(&self) -> String {
        let w = self.widths();
        format!(
            "{:<8} {:<4} {:<12} {:<16} {:<ends$} {:<op$} {:<wh$} {:<7} CONF COUNT",
            "TIME",
            "SEV",
            "DETECTOR",
            "SAMPLE",
            "SOURCE → DESTINATION",
            "OPERATION",
            "WHERE",
            "BY",
            ends = w.ends,
            op = w.operation,
            wh = w.place,
        )
    }

    /// One finding, without the line feed.
    pub fn line(&self, row: &Row) -> String {
        let w = self.widths();
        let mut line = String::with_capacity(self.width + 16);
        let mut column = |text: &str, width: usize, keep: Keep| {
            let escaped = escape(text);
            let text = fit(&escaped, width, keep);
            let pad = width - text.chars().count();
            let _ = write!(line, "{text}{:pad$} ", "");
        };
        column(&row.time, 8, Keep::Start);
        column(short_severity(row), 4, Keep::Start);
        column(&row.detector, 12, Keep::Start);
        column(&row.sample, 16, Keep::Ends);
        column(&ends(row, w.ends), w.ends, Keep::Start);
        column(&row.operation, w.operation, Keep::Ends);
        column(&place(row, w.place), w.place, Keep::End);
        column(&row.captured_by, 7, Keep::Start);
        column(short_confidence(&row.confidence), 4, Keep::Start);
        if row.count > 1 {
            let _ = write!(line, "×{}", short_count(row.count));
        }
        line.truncate(line.trim_end().len());
        if self.colour { paint(line, row) } else { line }
    }

    /// Everything beyond 120 columns is shared by the columns that are cut most often.
    fn widths(&self) -> Widths {
        let extra = self.width.saturating_sub(NARROW);
        Widths {
            ends: 22 + extra / 3,
            operation: 15 + extra / 3,
            place: 18 + extra / 3,
        }
    }
}

struct Widths {
    ends: usize,
    operation: usize,
    place: usize,
}

/// Which part of a text that is too long stays.
#[derive(Clone, Copy)]
enum Keep {
    Start,
    End,
    Ends,
}

/// `text` with everything that steers a terminal written out: control characters (C0, DEL, C1),
/// direction and other invisible formatting characters, and line separators.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !steers(c) => out.push(c),
            c if u32::from(c) < 0x100 => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        }
    }
    Cow::Owned(out)
}

/// True for a character that moves the cursor, changes what is around it or cannot be seen.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// As in findings.
pub const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// As in findings.
pub const fn confidence_name(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

fn captured_by(flow: &Flow) -> String {
    if flow.encrypted {
        flow.captured_by.to_owned()
    } else {
        "plain".to_owned()
    }
}

/// `source → destination`; a short name leaves its room to the other.
fn ends(row: &Row, width: usize) -> String {
    const ARROW: &str = " → ";
    let (source, destination) = (escape(&row.source), escape(&row.destination));
    let room = width.saturating_sub(ARROW.chars().count());
    let half = room / 2;
    let (from, to) = (source.chars().count(), destination.chars().count());
    let (from, to) = match (from <= half, to <= half) {
        _ if from + to <= room => (from, to),
        (true, _) => (from, room - from),
        (_, true) => (room - to, to),
        _ => (room - half, half),
    };
    format!(
        "{}{ARROW}{}",
        fit(&source, from, Keep::Ends),
        fit(&destination, to, Keep::Ends)
    )
}

/// Part and field; the field has precedence where both do not fit.
fn place(row: &Row, width: usize) -> String {
    let part = row
        .part
        .replacen("request.", "req.", 1)
        .replacen("response.", "res.", 1);
    let field = escape(&row.field);
    if field.is_empty() {
        return part;
    }
    let direction = part.split('.').next().unwrap_or_default();
    let room = width.saturating_sub(direction.chars().count() + 1);
    match part.chars().count() + 1 + field.chars().count() {
        whole if whole <= width => format!("{part} {field}"),
        _ => format!("{direction} {}", fit(&field, room, Keep::End)),
    }
}

fn fit(text: &str, width: usize, keep: Keep) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    let (front, back) = match keep {
        Keep::Start => (room, 0),
        Keep::End => (0, room),
        Keep::Ends => (room - room / 2, room / 2),
    };
    let front: String = text.chars().take(front).collect();
    let back: String = text.chars().skip(length - back).collect();
    Cow::Owned(format!("{front}…{back}"))
}

/// Severity of a leak, state of what is none.
fn short_severity(row: &Row) -> &str {
    match row.severity.as_str() {
        _ if row.kind == "observation" => row.state.get(..4).unwrap_or(&row.state),
        "critical" => "CRIT",
        "high" => "HIGH",
        "medium" => "MED",
        "low" => "LOW",
        other => other,
    }
}

fn short_confidence(confidence: &str) -> &str {
    if confidence == "medium" { "med" } else { confidence }
}

fn short_count(count: u64) -> String {
    match count {
        0..=9_999 => count.to_string(),
        10_000..=999_999 => format!("{}k", count / 1000),
        1_000_000..=999_999_999 => format!("{}M", count / 1_000_000),
        _ => "1G+".to_owned(),
    }
}

/// `hh:mm:ss` of an RFC 3339 time.
fn clock(time: &str) -> String {
    time.get(11..19).unwrap_or(time).to_owned()
}

fn paint(line: String, row: &Row) -> String {
    let code = match (row.kind.as_str(), row.severity.as_str()) {
        ("observation", _) => "32",
        (_, "critical") => "1;31",
        (_, "high") => "31",
        (_, "medium") => "33",
        _ => "36",
    };
    format!("\u{1b}[{code}m{line}\u{1b}[0m")
}
