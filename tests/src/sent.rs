//! What a scenario sends, value by value, and whether each was reported where it was sent: with the same protocol,
//! operation, part, field and direction, nothing missing, nothing else. A failure names values by number only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{bail, ensure};
use serde_json::Value;

use crate::{values, watch::Report};

/// Who sent a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Client,
    Server,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    detector: String,
    protocol: String,
    operation: String,
    part: String,
    field: String,
    by: By,
}

/// One value that is sent.
struct Row {
    place: Place,
    sample: String,
    /// How often it is sent.
    times: u64,
    /// On a connection that was there before auditor.
    joined: bool,
}

/// All values of one scenario.
pub struct Sent {
    rows: Vec<Row>,
    samples: BTreeSet<String>,
    protocol: &'static str,
    joined: bool,
    times: u64,
}

/// One connection, or several alike: who talks to whom. Values are sent over every leg.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'a> {
    pub clients: &'a [u32],
    pub servers: &'a [u32],
    /// What is spoken here, where it is not what the values were noted under.
    pub protocol: Option<&'static str>,
    pub encrypted: bool,
}

impl<'a> Leg<'a> {
    /// In the open.
    pub const fn plain(clients: &'a [u32], servers: &'a [u32]) -> Self {
        Self {
            clients,
            servers,
            protocol: None,
            encrypted: false,
        }
    }

    /// Sender and receiver.
    const fn ends(&self, by: By) -> (&'a [u32], &'a [u32]) {
        match by {
            By::Client => (self.clients, self.servers),
            By::Server => (self.servers, self.clients),
        }
    }

    /// Over TLS.
    pub const fn tls(clients: &'a [u32], servers: &'a [u32]) -> Self {
        Self {
            encrypted: true,
            ..Self::plain(clients, servers)
        }
    }

    /// The same, with another protocol.
    #[must_use]
    pub const fn speaking(self, protocol: &'static str) -> Self {
        Self {
            protocol: Some(protocol),
            ..self
        }
    }
}

impl Sent {
    /// Nothing yet; what follows is sent over this protocol.
    pub fn over(protocol: &'static str) -> Self {
        Self {
            rows: Vec::new(),
            samples: BTreeSet::new(),
            protocol,
            joined: false,
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
        self.joined = true;
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
            joined: self.joined,
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
        Ok(())
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
                Err((what, place)) => complaint.get_or_insert_with(|| {
                    format!("{what}, value {number}:\n  expected {place}\n  seen     {seen}")
                }),
            };
        }
        Err(complaint.unwrap_or_else(|| format!("nobody sent: {seen}")))
    }

    /// Adds what was sent over a leg and not found, or found more or less often.
    fn count(&self, at: usize, leg: &Leg<'_>, seen: &BTreeMap<(usize, Place), u64>, wrong: &mut Vec<String>) {
        let mut sent: BTreeMap<Place, (u64, Vec<usize>)> = BTreeMap::new();
        for (number, row) in self.rows.iter().enumerate() {
            if row.joined && row.is_of_the_head() {
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
    fn judge(&self, finding: &Value, seen: &Seen, legs: &[Leg<'_>]) -> Result<usize, (String, Place)> {
        let at = legs.iter().position(|leg| {
            let (senders, receivers) = leg.ends(self.place.by);
            is_among(&finding["source"], senders) && is_among(&finding["destination"], receivers)
        });
        let Some(at) = at else {
            return Err(("wrong ends".to_owned(), self.place.clone()));
        };
        let leg = &legs[at];
        if !self.is_as_sent(seen, leg) {
            return Err(("wrong place".to_owned(), self.place_on(leg)));
        }
        let (status, encrypted) = (&finding["flow"]["status"], &finding["flow"]["encrypted"]);
        let (kind, state) = (&finding["kind"], &finding["state"]);
        let part = &self.place.part;
        let has_status = !status.is_null();
        let is_wrong = (part.starts_with("request.") && has_status)
            || (part.starts_with("response.") && !self.joined && !has_status);
        if kind != "leak" || state != "clear" || *encrypted != leg.encrypted || is_wrong {
            let what = format!("wrong kind {kind}, state {state}, encrypted {encrypted} or status {status}");
            return Err((what, self.place_on(leg)));
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
        if !self.joined {
            return is(&seen.protocol, &place.protocol)
                && is(&seen.operation, &place.operation)
                && is(&seen.part, &place.part)
                && is(&seen.field, &place.field);
        }
        // Only headers tell what HTTP/2 carries.
        let carrier = is(&seen.protocol, &place.protocol) || is(&seen.protocol, "http/2");
        let operation = seen.operation.is_none() || is(&seen.operation, &place.operation);
        let may_be_unnamed = self.is_of_the_head() && seen.field.is_none();
        let field = may_be_unnamed || is(&seen.field, &place.field);
        carrier && operation && field && is(&seen.part, &place.part)
    }
}

/// Where a finding says that a value is.
struct Seen {
    kind: String,
    detector: String,
    protocol: Option<String>,
    operation: Option<String>,
    part: Option<String>,
    field: Option<String>,
    ends: [Option<u64>; 2],
}

impl Seen {
    fn of(finding: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (flow, location) = (&finding["flow"], &finding["location"]);
        Self {
            kind: text(&finding["kind"]).unwrap_or_default(),
            detector: text(&finding["detector"]).unwrap_or_default(),
            protocol: text(&flow["protocol"]),
            operation: text(&flow["operation"]),
            part: text(&location["part"]),
            field: text(&location["field"]),
            ends: ["source", "destination"].map(|end| finding[end]["process"]["pid"].as_u64()),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let end = |end: Option<u64>| end.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        write!(
            out,
            "{} | {} | {} | {} | {} {} from {} to {}",
            shown(&self.protocol),
            shown(&self.operation),
            shown(&self.part),
            shown(&self.field),
            self.detector,
            self.kind,
            end(self.ends[0]),
            end(self.ends[1]),
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} | {} | {} | {} | {} leak from the {:?}",
            self.protocol, self.operation, self.part, self.field, self.detector, self.by
        )
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

/// Only clients send requests, and only servers answer.
fn by(part: &str) -> By {
    assert!(
        part.starts_with("request.") || part.starts_with("response."),
        "{part} does not say who sends it"
    );
    if part.starts_with("request.") {
        By::Client
    } else {
        By::Server
    }
}

fn is_among(end: &Value, pids: &[u32]) -> bool {
    let pid = end["process"]["pid"].as_u64();
    pids.iter().any(|one| pid == Some(u64::from(*one)))
}
