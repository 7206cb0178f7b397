//! What policies are expected to say: `DataFlowPolicyTest` files.
//!
//! Goes in: a test file. Comes out: its tests, and for each whether policy says what is expected.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compile::Policies;
use super::explain::explain;
use super::load::{LoadError, read};
use super::model::ApiVersion;
use super::query::Query;
use super::{Judged, judge};
use crate::detect::Severity;
use crate::report::finding::{ClientIdentity, Verdict};

/// One test file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestFile {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: Kind,
    /// Files and folders, from the folder of this file.
    #[serde(default)]
    pub policies: Vec<PathBuf>,
    #[serde(default)]
    pub presets: Vec<String>,
    pub tests: Vec<Test>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Kind {
    DataFlowPolicyTest,
}

/// One flow and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub name: String,
    pub flow: Query,
    pub expect: Expectation,
}

/// What is not given is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub verdict: Option<ExpectedVerdict>,
    /// `policy/rule`, or `none`.
    pub rule: Option<String>,
    pub severity: Option<Severity>,
    pub kind: Option<ExpectedKind>,
    /// What is known of a client that the rule asks for.
    pub client: Option<ClientIdentity>,
    /// Whether it makes a finding.
    pub finding: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedVerdict {
    Violation,
    Allowed,
    /// Policy says nothing: about protected values only.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedKind {
    Leak,
    PlaintextTransport,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub name: String,
    pub passed: bool,
    /// What is not as expected, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

impl TestFile {
    /// Reads a file; its policies are then paths from here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = read(path)?;
        let mut file: Self = serde_norway::from_str(&text).map_err(|error| LoadError::Document {
            origin: path.display().to_string(),
            message: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.policies = file.policies.iter().map(|policy| folder.join(policy)).collect();
        Ok(file)
    }
}

/// Runs one test.
pub fn run(policies: &Policies, test: &Test, now: Timestamp) -> Outcome {
    let judged = judge(policies, &test.flow.flow(), now);
    let mut wrong = Vec::new();
    if policies.names.detector(&test.flow.detector).is_none() {
        let nearest = policies.names.nearest_detector(&test.flow.detector);
        let hint = nearest.map_or_else(String::new, |id| format!(", did you mean {id}?"));
        wrong.push(format!("unknown detector {:?}{hint}", test.flow.detector));
    }
    test.expect.compare(judged.as_deref(), &mut wrong);
    if !wrong.is_empty() {
        wrong.push(explain(policies, &test.flow, now).why);
    }
    Outcome {
        name: test.name.clone(),
        passed: wrong.is_empty(),
        wrong,
    }
}

impl Expectation {
    fn compare(&self, judged: Option<&Judged>, wrong: &mut Vec<String>) {
        let mut differs = |what: &str, expected: String, found: String| {
            if expected != found {
                wrong.push(format!("{what}: expected {expected}, is {found}"));
            }
        };
        if let Some(expected) = self.verdict {
            let found = match judged.map(|judged| judged.policy.verdict) {
                None => ExpectedVerdict::None,
                Some(Verdict::Allowed) => ExpectedVerdict::Allowed,
                Some(Verdict::Violation) => ExpectedVerdict::Violation,
            };
            differs("verdict", lower(expected), lower(found));
        }
        if let Some(expected) = &self.rule {
            let rule = judged.and_then(|judged| {
                let name = judged.policy.name.as_deref()?;
                Some(format!("{name}/{}", judged.policy.rule.as_deref()?))
            });
            differs(
                "rule",
                expected.clone(),
                rule.unwrap_or_else(|| "none".to_owned()),
            );
        }
        if let Some(expected) = self.severity {
            let found = judged.and_then(|judged| judged.severity);
            let found = found.map_or_else(|| "that of the detector".to_owned(), lower);
            differs("severity", lower(expected), found);
        }
        if let Some(expected) = self.kind {
            let found = match judged.is_some_and(|judged| judged.plaintext) {
                true => ExpectedKind::PlaintextTransport,
                false => ExpectedKind::Leak,
            };
            differs("kind", lower(expected), lower(found));
        }
        if let Some(expected) = self.client {
            let found = judged.and_then(|judged| judged.policy.client);
            let found = found.map_or_else(|| "not asked for".to_owned(), lower);
            differs("client", lower(expected), found);
        }
        if let Some(expected) = self.finding {
            let found = judged.is_some_and(|judged| !judged.silent);
            differs("finding", expected.to_string(), found.to_string());
        }
    }
}

fn lower(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}
