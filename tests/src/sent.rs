//! What a scenario sends, value by value, and whether each was reported where it was sent: with the same protocol,
//! operation, part, field and direction, nothing missing, nothing else. A failure names values by number only.

mod place;
mod proof;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{bail, ensure};
use serde_json::Value;

use crate::{values, watch::Report};
pub use place::{By, Leg};
use place::{Place, Seen, by, is_among};

/// One value that is sent.
struct Row {
    place: Place,
    sample: String,
    /// How often it is sent.
    times: u64,
    met: Met,
}

/// The field of a header whose name is in a table that was filled before auditor was there.
const UNKNOWN_NAME: &str = "unknown name";

/// What of its connection auditor could see before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// All of it.
    Opened,
    /// From a message on that comes before.
    Joined,
    /// From somewhere in the message itself.
    Midway,
}

/// All values of one scenario.
pub struct Sent {
    rows: Vec<Row>,
    samples: BTreeSet<String>,
    protocol: &'static str,
    met: Met,
    times: u64,
}

impl Sent {
    /// Nothing yet; what follows is sent over this protocol.
    pub fn over(protocol: &'static str) -> Self {
        Self {
            rows: Vec::new(),
            samples: BTreeSet::new(),
            protocol,
            met: Met::Opened,
            times: 1,
        }
    }

    /// What follows is sent over another protocol.
    pub fn speak(&mut self, protocol: &'static str) -> &mut Self {
        self.protocol = protocol;
        self
    }

    /// What follows goes over a connection that was open before auditor was there: the operation may be unknown, and
    /// headers unreadable, but what is said of them has to be right.
    pub fn joined(&mut self) -> &mut Self {
        self.met = Met::Joined;
        self
    }

    /// What follows is in a message that had begun before auditor was there, so that nothing may be known of its place;
    /// but what is said of it has to be right.
    pub fn midway(&mut self) -> &mut Self {
        self.met = Met::Midway;
        self
    }

    /// What follows is sent so many times.
    pub fn times(&mut self, times: u64) -> &mut Self {
        self.times = times;
        self
    }

    /// An account number, which is told from others without a name beside it.
    pub fn iban(&mut self, operation: &str, part: &str, field: &str) -> String {
        self.message(by(part), operation, part, field, "iban")
    }

    /// A card, for fields whose name says so.
    pub fn card(&mut self, operation: &str, part: &str, field: &str) -> String {
        self.message(by(part), operation, part, field, "payment_card")
    }

    /// A value of a part that both sides send, by one of them.
    pub fn message(&mut self, by: By, operation: &str, part: &str, field: &str, detector: &str) -> String {
        let (value, sample) = loop {
            let (value, sample) = made_up(detector);
            if self.samples.insert(sample.clone()) {
                break (value, sample);
            }
        };
        self.note(by, (operation, part, field), detector, sample);
        value
    }

    /// An account number that was sent before is sent in another place too.
    pub fn again(&mut self, iban: &str, operation: &str, part: &str, field: &str) {
        let sample = values::iban_sample(iban);
        self.note(by(part), (operation, part, field), "iban", sample);
    }

    fn note(&mut self, by: By, (operation, part, field): (&str, &str, &str), detector: &str, sample: String) {
        self.rows.push(Row {
            place: Place {
                detector: detector.to_owned(),
                protocol: self.protocol.to_owned(),
                operation: operation.to_owned(),
                part: part.to_owned(),
                field: field.to_owned(),
                by,
            },
            sample,
            times: self.times,
            met: self.met,
        });
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Compares everything that was found with what was sent over one leg.
    ///
    /// # Errors
    /// When something is missing, wrong or too much; all of it is in the message.
    pub fn compare(&self, report: &Report, leg: Leg<'_>) -> anyhow::Result<()> {
        self.compare_all(report, &[leg])
    }

    /// The same of several legs.
    ///
    /// # Errors
    /// When something is missing, wrong or too much.
    pub fn compare_all(&self, report: &Report, legs: &[Leg<'_>]) -> anyhow::Result<()> {
        ensure!(!self.is_empty(), "nothing was sent");
        report.balanced()?;
        let mut wrong = Vec::new();
        let mut seen: BTreeMap<(usize, Place), u64> = BTreeMap::new();
        for finding in &report.findings {
            match self.judge(finding, legs) {
                Ok((leg, number)) => {
                    let key = (leg, self.rows[number].place_on(&legs[leg]));
                    *seen.entry(key).or_default() += finding["count"].as_u64().unwrap_or(0);
                }
                Err(line) => wrong.push(line),
            }
        }
        for (at, leg) in legs.iter().enumerate() {
            self.count(at, leg, &seen, &mut wrong);
        }
        if !wrong.is_empty() {
            let (total, legs) = (self.len(), legs.len());
            let account = &report.summary["account"];
            bail!(
                "{} lines are not as sent ({total} values, {legs} legs):\n{}\naccount {account}",
                wrong.len(),
                wrong.join("\n")
            );
        }
        proof::note(&self.rows, report, legs)
    }

    /// The leg and the value of a finding that is right; else what is wrong.
    fn judge(&self, finding: &Value, legs: &[Leg<'_>]) -> Result<(usize, usize), String> {
        let sample = finding["sample"].as_str().unwrap_or_default();
        let seen = Seen::of(finding);
        // A value that is sent in several places is in as many rows.
        let candidates = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.sample == sample && row.place.detector == seen.detector);
        let mut complaint = None;
        for (number, row) in candidates {
            match row.judge(finding, &seen, legs) {
                Ok(leg) => return Ok((leg, number)),
                Err(what) => complaint.get_or_insert_with(|| format!("value {number}, {what}")),
            };
        }
        Err(complaint.unwrap_or_else(|| format!("nobody sent: {seen}")))
    }

    /// Adds what was sent over a leg and not found, or found more or less often.
    fn count(&self, at: usize, leg: &Leg<'_>, seen: &BTreeMap<(usize, Place), u64>, wrong: &mut Vec<String>) {
        let mut sent: BTreeMap<Place, (u64, Vec<usize>)> = BTreeMap::new();
        for (number, row) in self.rows.iter().enumerate() {
            if row.met != Met::Opened && row.is_of_the_head() {
                // It may be unreadable; or counted with another of its name, where the operation is not known.
                continue;
            }
            let entry = sent.entry(row.place_on(leg)).or_default();
            entry.0 += row.times;
            entry.1.push(number);
        }
        for (place, (times, numbers)) in sent {
            let found = seen.get(&(at, place.clone())).copied().unwrap_or(0);
            if found == 0 {
                wrong.push(format!("missing, value {numbers:?}:\n  expected {place}"));
            } else if found != times {
                wrong.push(format!(
                    "found {found} times instead of {times}, value {numbers:?}:\n  expected {place}"
                ));
            }
        }
    }
}

impl Row {
    /// The leg on which this finding is right; else what is wrong, and where it was sent.
    fn judge(&self, finding: &Value, seen: &Seen, legs: &[Leg<'_>]) -> Result<usize, String> {
        let expected = |what: &str, place: &Place| format!("{what}:\n  expected {place}\n  seen     {seen}");
        let at = legs.iter().position(|leg| {
            let (senders, receivers) = leg.ends(self.place.by);
            is_among(&finding["source"], senders) && is_among(&finding["destination"], receivers)
        });
        let Some(at) = at else {
            return Err(expected("wrong ends", &self.place));
        };
        let leg = &legs[at];
        if !self.is_as_sent(seen, leg) {
            return Err(expected("wrong place", &self.place_on(leg)));
        }
        let (status, encrypted) = (&finding["flow"]["status"], &finding["flow"]["encrypted"]);
        let (kind, state) = (&finding["kind"], &finding["state"]);
        let part = &self.place.part;
        let has_status = !status.is_null();
        let is_wrong = (part.starts_with("request.") && has_status)
            || (part.starts_with("response.") && self.met == Met::Opened && !has_status);
        if kind != "leak" || state != "clear" || *encrypted != leg.encrypted || is_wrong {
            let what = format!("wrong kind {kind}, state {state}, encrypted {encrypted} or status {status}");
            return Err(expected(&what, &self.place_on(leg)));
        }
        Ok(at)
    }

    fn place_on(&self, leg: &Leg<'_>) -> Place {
        let mut place = self.place.clone();
        if let Some(protocol) = leg.protocol {
            protocol.clone_into(&mut place.protocol);
        }
        place
    }

    /// Not of a body or a message.
    fn is_of_the_head(&self) -> bool {
        ["path", "query", "headers", "trailers"]
            .iter()
            .any(|part| self.place.part.ends_with(part))
    }

    fn is_as_sent(&self, seen: &Seen, leg: &Leg<'_>) -> bool {
        let place = self.place_on(leg);
        let is = |seen: &Option<String>, sent: &str| seen.as_deref() == Some(sent);
        if self.met == Met::Opened {
            return is(&seen.protocol, &place.protocol)
                && is(&seen.operation, &place.operation)
                && is(&seen.part, &place.part)
                && is(&seen.field, &place.field);
        }
        // Only headers tell what HTTP/2 carries.
        let carrier = is(&seen.protocol, &place.protocol) || is(&seen.protocol, "http/2");
        let operation = seen.operation.is_none() || is(&seen.operation, &place.operation);
        let may_be_unnamed = self.met == Met::Midway || self.is_of_the_head();
        let is_unnamed = seen.field.is_none() || is(&seen.field, UNKNOWN_NAME);
        let field = is(&seen.field, &place.field) || (may_be_unnamed && is_unnamed);
        if self.met == Met::Midway && is(&seen.part, "stream") {
            return operation && field;
        }
        carrier && operation && field && is(&seen.part, &place.part)
    }
}

/// Runs a scenario in each of its variants, whether or not the ones before passed.
///
/// # Errors
/// When one fails; the message has all that did, each with its variant.
pub fn each<T: fmt::Debug>(
    variants: impl IntoIterator<Item = T>,
    run: impl Fn(&T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for variant in variants {
        if let Err(error) = run(&variant) {
            failed.push(format!("with {variant:?}: {error:#}"));
        }
    }
    ensure!(
        failed.is_empty(),
        "{} failed\n{}",
        failed.len(),
        failed.join("\n")
    );
    Ok(())
}

/// A value and its sample.
fn made_up(detector: &str) -> (String, String) {
    if detector == "payment_card" {
        let card = values::card();
        let sample = values::card_sample(&card);
        return (card, sample);
    }
    let iban = values::iban();
    let sample = values::iban_sample(&iban);
    (iban, sample)
}
