//! A question about one flow, as a person writes it.
//!
//! Goes in: `from=namespace=shop,workload=Deployment/checkout to=external detector=payment_card`.
//! Comes out: the flow it describes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::Flow;
use super::names::nearest;
use crate::detect::State;
use crate::identity::selector::Selector;
use crate::identity::selector::describe::describe;
use crate::report::finding::End;
use crate::report::naming;

/// One flow with one value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub detector: String,
    #[serde(default, deserialize_with = "end")]
    pub from: End,
    #[serde(default, deserialize_with = "end")]
    pub to: End,
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default = "clear")]
    pub state: State,
    #[serde(default = "yes")]
    pub encrypted: bool,
    /// The bytes do not leave the host.
    #[serde(default)]
    pub same_host: bool,
    /// SPIFFE id of the client, of a certificate that was verified.
    #[serde(default)]
    pub client: Option<String>,
}

const KEYS: [&str; 9] = [
    "detector",
    "from",
    "to",
    "operation",
    "field",
    "state",
    "encrypted",
    "same_host",
    "client",
];

/// Why a question cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    #[error("unknown part `{0}`{hint}; parts are {parts}, each with = and a value", hint = hint(_0), parts = KEYS.join(", "))]
    Unknown(String),
    #[error("{0}= is given twice")]
    Twice(&'static str),
    #[error("{key}: {message}")]
    Value { key: &'static str, message: String },
    #[error("detector= is missing: which kind of data is asked about?")]
    NoDetector,
}

fn hint(word: &str) -> String {
    let key = word.split('=').next().unwrap_or_default();
    nearest(key, KEYS.into_iter()).map_or_else(String::new, |key| format!(", did you mean `{key}=`?"))
}

impl Query {
    /// The flow.
    pub fn flow(&self) -> Flow<'_> {
        Flow {
            detector: &self.detector,
            extra_regulations: &[],
            source: &self.from,
            destination: &self.to,
            operation: self.operation.as_deref(),
            field: self.field.as_deref(),
            state: self.state,
            encrypted: self.encrypted,
            same_host: self.same_host || naming::same_host(&self.from, &self.to),
            client: self.client.as_deref(),
        }
    }
}

impl FromStr for Query {
    type Err = QueryError;

    /// A value goes on until the next word that begins with a key and `=`, so that operations
    /// need no quotes.
    fn from_str(text: &str) -> Result<Self, QueryError> {
        let mut parts: Vec<(&'static str, String)> = Vec::new();
        for word in text.split_whitespace() {
            let key = KEYS
                .into_iter()
                .find(|key| word.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')));
            if let Some(key) = key
                && parts.iter().any(|(known, _)| *known == key)
            {
                return Err(QueryError::Twice(key));
            }
            match (key, parts.last_mut()) {
                (Some(key), _) => parts.push((key, word[key.len() + 1..].to_owned())),
                (None, Some((key, value)))
                    if !word.contains('=') || matches!(*key, "from" | "to" | "operation" | "field") =>
                {
                    value.push(' ');
                    value.push_str(word);
                }
                (None, _) => return Err(QueryError::Unknown(word.chars().take(60).collect())),
            }
        }
        Self::of(parts)
    }
}

impl Query {
    fn of(parts: Vec<(&'static str, String)>) -> Result<Self, QueryError> {
        let mut query = Self {
            detector: String::new(),
            from: End::default(),
            to: End::default(),
            operation: None,
            field: None,
            state: State::Clear,
            encrypted: true,
            same_host: false,
            client: None,
        };
        for (key, value) in parts {
            let wrong = |message: String| QueryError::Value { key, message };
            match key {
                "detector" => query.detector = value,
                "from" => query.from = read_end(&value).map_err(wrong)?,
                "to" => query.to = read_end(&value).map_err(wrong)?,
                "operation" => query.operation = Some(value),
                "field" => query.field = Some(value),
                "state" => {
                    query.state =
                        serde_json::from_value(value.into()).map_err(|error| wrong(error.to_string()))?;
                }
                "client" => query.client = Some(value),
                "encrypted" => query.encrypted = flag(&value).map_err(wrong)?,
                _ => query.same_host = flag(&value).map_err(wrong)?,
            }
        }
        if query.detector.is_empty() {
            return Err(QueryError::NoDetector);
        }
        Ok(query)
    }
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is neither true nor false"))
}

fn read_end(text: &str) -> Result<End, String> {
    let selector: Selector = text.parse().map_err(|error| format!("{error}"))?;
    describe(&selector).map_err(|error| error.to_string())
}

fn end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<End, D::Error> {
    let text = String::deserialize(deserializer)?;
    read_end(&text).map_err(serde::de::Error::custom)
}

fn clear() -> State {
    State::Clear
}

fn yes() -> bool {
    true
}

/// A value that is read again as it is.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if matches!(c, ',' | '(' | ')' | '*' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What is known of an end, as selectors say it, for people.
pub struct Described<'a>(pub &'a End);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::identity::selector::{Key, attribute, is_external};
        let mut parts = Vec::new();
        if is_external(self.0) {
            parts.push("external".to_owned());
        }
        for key in Key::ALL.into_iter().filter(|key| !matches!(key, Key::Label)) {
            if let Some(value) = attribute(self.0, key, "") {
                parts.push(format!("{}={}", key.name(), escaped(&value)));
            }
        }
        parts.extend(
            self.0
                .labels
                .iter()
                .map(|(key, value)| format!("label={key}:{}", escaped(value))),
        );
        match parts.is_empty() {
            true => f.write_str("any"),
            false => f.write_str(&parts.join(",")),
        }
    }
}
