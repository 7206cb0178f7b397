//! `auditor watch` on processes of a test, its findings and its account.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// How long auditor has to read what is in its rings once it was asked to end.
const DRAIN: Duration = Duration::from_secs(90);

/// A running capture.
pub struct Watch {
    running: Running,
}

impl Watch {
    /// Watches these processes and returns once the probes are attached, which also lets the test's clients go.
    ///
    /// # Errors
    /// When auditor ends, or is not ready in time.
    pub fn pids(scratch: &Scratch, pids: &[u32], more: &[&str]) -> anyhow::Result<Self> {
        let watch = Self::start(scratch, pids, more, &[])?;
        watch.ready(scratch)
    }

    /// Watches a command, and these processes with it; returns at once.
    ///
    /// # Errors
    /// When auditor cannot be started.
    pub fn command(scratch: &Scratch, pids: &[u32], command: &[&str]) -> anyhow::Result<Self> {
        Self::start(scratch, pids, &[], command)
    }

    fn start(scratch: &Scratch, pids: &[u32], more: &[&str], command: &[&str]) -> anyhow::Result<Self> {
        let mut auditor = Command::new(process::auditor()?);
        auditor.args(["watch", "--format", "json", "--states", "all", "--ready-file"]);
        auditor.arg(scratch.ready());
        for pid in pids {
            auditor.args(["--pid", &pid.to_string()]);
        }
        auditor.args(more);
        if !command.is_empty() {
            auditor.arg("--").args(command);
        }
        let running = Running::start(&mut auditor)?;
        Ok(Self { running })
    }

    fn ready(mut self, scratch: &Scratch) -> anyhow::Result<Self> {
        let ready: PathBuf = scratch.ready();
        let ended = wait_for("auditor to attach its probes", LIMIT, || {
            if let Some(status) = self.running.status()? {
                return Ok(Some(Some(status)));
            }
            Ok(ready.exists().then_some(None))
        })?;
        if ended.is_some() {
            let ended = self.running.end(LIMIT)?;
            bail!(
                "auditor watch ended with {} before it was ready: {}",
                ended.status,
                ended.stderr
            );
        }
        Ok(self)
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Sends auditor a signal.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.running.signal(signal)
    }

    /// Waits until it has printed this.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn until_said(&self, words: &str) -> anyhow::Result<()> {
        wait_for(&format!("auditor to print {words}"), LIMIT, || {
            Ok(self.running.said(&[words]).then_some(()))
        })
    }

    /// The process itself, for a test that ends it in its own way.
    pub fn into_running(self) -> Running {
        self.running
    }

    /// Asks auditor to end and reads what it found.
    ///
    /// # Errors
    /// When it does not end, fails, or prints what is no finding or summary.
    pub fn stop(mut self) -> anyhow::Result<Report> {
        self.running.signal(Signal::INT)?;
        self.ended()
    }

    /// Waits until auditor ends by itself and reads what it found.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn ended(self) -> anyhow::Result<Report> {
        let ended = self.running.end(DRAIN)?;
        ensure!(
            ended.status.code() == Some(0),
            "auditor watch ended with {}: {}",
            ended.status,
            ended.stderr
        );
        Report::read(&ended.stdout).with_context(|| format!("auditor said: {}", ended.stderr))
    }
}

/// What a capture came to. Every line was checked against its schema.
#[derive(Debug)]
pub struct Report {
    /// The latest revision of each finding, in the order of their first ones.
    pub findings: Vec<Value>,
    pub summary: Value,
}

/// One ledger: bytes by account, `moved` and `difference` among them.
pub type Account = BTreeMap<String, i64>;

impl Report {
    fn read(text: &str) -> anyhow::Result<Self> {
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect::<Result<_, _>>()?;
        let summary = lines.pop().context("auditor printed nothing")?;
        valid(&summary, include_str!("../../docs/summary.schema.json"))?;
        for line in &lines {
            valid(line, include_str!("../../docs/finding.schema.json"))?;
        }
        Ok(Self {
            findings: latest(lines),
            summary,
        })
    }

    /// Leaks of a detector.
    pub fn leaks(&self, detector: &str) -> Vec<&Value> {
        self.findings
            .iter()
            .filter(|finding| finding["kind"] == "leak" && finding["detector"] == detector)
            .collect()
    }

    /// The only leak of a detector.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn leak(&self, detector: &str) -> anyhow::Result<&Value> {
        match self.leaks(detector)[..] {
            [leak] => Ok(leak),
            ref leaks => bail!(
                "{} leaks of {detector} instead of one: {leaks:#?}; all: {:?}, account {}",
                leaks.len(),
                self.samples(),
                self.summary["account"]
            ),
        }
    }

    /// Values of all leaks of a detector.
    pub fn count(&self, detector: &str) -> u64 {
        self.leaks(detector)
            .iter()
            .filter_map(|leak| leak["count"].as_u64())
            .sum()
    }

    /// Detector, state and sample of every finding.
    pub fn samples(&self) -> Vec<String> {
        self.findings
            .iter()
            .map(|finding| {
                format!(
                    "{} {} {}",
                    finding["detector"], finding["state"], finding["sample"]
                )
            })
            .collect()
    }

    /// One ledger: `socket` or `tls`.
    pub fn account(&self, ledger: &str) -> Account {
        let numbers = self.summary["account"][ledger].as_object().into_iter().flatten();
        numbers
            .filter_map(|(name, bytes)| Some((name.clone(), bytes.as_i64()?)))
            .collect()
    }

    /// Bytes in one account of a ledger; 0 where the summary leaves it out.
    pub fn bytes(&self, ledger: &str, account: &str) -> i64 {
        self.account(ledger).get(account).copied().unwrap_or(0)
    }

    /// Both ledgers: moved is the sum of the accounts, and the difference is 0.
    ///
    /// # Errors
    /// When it is not.
    pub fn balanced(&self) -> anyhow::Result<&Self> {
        for ledger in ["socket", "tls"] {
            let account = self.account(ledger);
            let settled: i64 = account
                .iter()
                .filter(|(name, _)| !["moved", "difference"].contains(&name.as_str()))
                .map(|(_, bytes)| bytes)
                .sum();
            ensure!(
                account.get("difference") == Some(&0) && account.get("moved") == Some(&settled),
                "the {ledger} ledger does not balance: {account:?}"
            );
        }
        Ok(self)
    }

    /// The rows of the table of hooked functions, for people.
    pub fn hooks(&self, peer: &str, ledger: &str) -> String {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let mut out = String::new();
        for hook in self.summary["attached"].as_array().into_iter().flatten() {
            out += &format!(
                "table: {peer} | {} {} at {} ({}) | bound: {} | moved {} = accounted {}\n",
                text(&hook["library"]),
                text(&hook["function"]),
                text(&hook["instruction"]),
                text(&hook["method"]),
                self.summary["bindings"],
                self.bytes(ledger, "moved"),
                self.bytes(ledger, "moved") - self.bytes(ledger, "difference"),
            );
        }
        out
    }
}

/// The highest revision of each id.
fn latest(lines: Vec<Value>) -> Vec<Value> {
    let mut order = Vec::new();
    let mut by_id: HashMap<String, Value> = HashMap::new();
    for line in lines {
        let id = line["id"].as_str().unwrap_or_default().to_owned();
        if !by_id.contains_key(&id) {
            order.push(id.clone());
        }
        by_id.insert(id, line);
    }
    order.iter().filter_map(|id| by_id.remove(id)).collect()
}

/// Holds a finding against its schema.
///
/// # Errors
/// When it does not validate.
pub fn is_valid(finding: &Value) -> anyhow::Result<()> {
    valid(finding, include_str!("../../docs/finding.schema.json"))
}

fn valid(line: &Value, schema: &str) -> anyhow::Result<()> {
    let schema = serde_json::from_str(schema)?;
    jsonschema::validate(&schema, line).map_err(|error| anyhow::anyhow!("{error}: {line}"))
}
