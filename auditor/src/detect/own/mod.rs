//! The user's own detectors: definitions from the configuration become rows like those of the
//! catalogue.
//!
//! Goes in: [`Definition`]s. Comes out: rows, patterns and literals for the scanner, or one sentence
//! that says which definition is refused and why. A pattern is only tried where one of its literals
//! or names stands, so a hundred of them cost next to nothing; what has neither must say `slow`.
//! Rows live as long as the process: they are made once, when it starts.

mod pattern;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::candidate::{Match, Value};
use super::catalogue::{self, Class, Convention, DetectorInfo, Needs};
use super::checksum;
use super::key::Name;
use super::vocabulary::LONGEST as LONGEST_NAME;
use super::{Severity, State};
use pattern::Pattern;
pub use pattern::PatternError;

/// Own detectors there can be.
pub const MOST: usize = 256;
/// Names of one detector.
const MOST_NAMES: usize = 64;
/// Bits of a value that has the form the configuration gives.
const OF_FORM: f32 = 10.0;
/// The same where only a name made us look.
const OF_NAMED_FORM: f32 = 4.0;

/// One detector of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name in findings, metrics and policies: lower case, digits and `_`, 3 to 64 bytes.
    pub id: String,
    /// Regular expression of the value; its first group, when it has one, is what `validator` gets.
    pub pattern: String,
    /// Names of fields that hold such values.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Check digits by name: one of [`validators`].
    #[serde(default)]
    pub validator: Option<String>,
    /// Patterns of values of this kind that are not clear, by state.
    #[serde(default)]
    pub states: BTreeMap<ProtectedState, Vec<String>>,
    #[serde(default)]
    pub regulations: Vec<String>,
    #[serde(default = "own_category")]
    pub category: String,
    #[serde(default)]
    pub severity: DefinedSeverity,
    /// One sentence for `auditor detectors show`.
    #[serde(default)]
    pub explanation: String,
    #[serde(default)]
    pub examples: Examples,
    /// Try the pattern everywhere, whatever that costs.
    #[serde(default)]
    pub slow: bool,
}

/// Values that show what a definition means; checked when it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    #[serde(default, rename = "match")]
    pub matching: Vec<String>,
    #[serde(default)]
    pub no_match: Vec<String>,
}

/// States that a definition can give patterns for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtectedState {
    Masked,
    Hashed,
    Tokenised,
    Encrypted,
    Test,
}

impl From<ProtectedState> for State {
    fn from(state: ProtectedState) -> Self {
        match state {
            ProtectedState::Masked => Self::Masked,
            ProtectedState::Hashed => Self::Hashed,
            ProtectedState::Tokenised => Self::Tokenised,
            ProtectedState::Encrypted => Self::Encrypted,
            ProtectedState::Test => Self::Test,
        }
    }
}

/// Severity of a clear value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefinedSeverity {
    Low,
    Medium,
    #[default]
    High,
    Critical,
}

impl From<DefinedSeverity> for Severity {
    fn from(severity: DefinedSeverity) -> Self {
        match severity {
            DefinedSeverity::Low => Self::Low,
            DefinedSeverity::Medium => Self::Medium,
            DefinedSeverity::High => Self::High,
            DefinedSeverity::Critical => Self::Critical,
        }
    }
}

fn own_category() -> String {
    "own".to_owned()
}

/// Why a definition is refused. No message holds an example: it may be a real value.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error(
        "detector {0:?}: an id has 3 to 64 lower case letters, digits and underscores and begins with a letter"
    )]
    Id(String),
    #[error("detector {0}: the id is taken; choose another one")]
    Taken(String),
    #[error("there are more than {MOST} own detectors; remove some or join their patterns")]
    TooMany,
    #[error("detector {id}: {source}")]
    Pattern { id: String, source: PatternError },
    #[error(
        "detector {0}: its pattern has no literal beginning of three bytes or more and it has no keys, so it would be tried at every byte: begin the pattern with fixed text, add keys, or say slow: true"
    )]
    Unanchored(String),
    #[error(
        "detector {id}: {name:?} is no name of a field: 1 to {LONGEST_NAME} letters and digits, at most {MOST_NAMES} names"
    )]
    Name { id: String, name: String },
    #[error("detector {id}: there is no validator {name:?}; these are known: {known}")]
    Validator { id: String, name: String, known: String },
    #[error("detector {id}: example {number} under {list} {what}; correct the pattern or the example")]
    Example {
        id: String,
        list: &'static str,
        number: usize,
        what: &'static str,
    },
}

/// Names that `validator` takes, in order.
pub fn validators() -> Vec<&'static str> {
    checksum::BY_NAME.iter().map(|(name, _)| *name).collect()
}

/// A definition that was accepted.
pub(crate) struct Own {
    pub(super) info: &'static DetectorInfo,
    pattern: Pattern,
    states: Vec<(State, Pattern)>,
    validator: Option<(&'static str, checksum::Validator)>,
    /// What the pattern or a state begins with, and how far behind its start that stands.
    pub(super) literals: Vec<(&'static str, usize)>,
    pub(super) slow: bool,
}

/// Accepts definitions, or says which one is refused and why. Examples are not looked at here.
pub(crate) fn accept(definitions: &[Definition]) -> Result<Vec<Own>, OwnError> {
    if definitions.len() > MOST {
        return Err(OwnError::TooMany);
    }
    let mut accepted: Vec<Own> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let id = &definition.id;
        if !is_id(id) {
            return Err(OwnError::Id(id.clone()));
        }
        if catalogue::find(id).is_some() || accepted.iter().any(|own| own.info.id == id) {
            return Err(OwnError::Taken(id.clone()));
        }
        accepted.push(Own::of(definition)?);
    }
    Ok(accepted)
}

fn is_id(id: &str) -> bool {
    (3..=64).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

impl Own {
    fn of(definition: &Definition) -> Result<Self, OwnError> {
        let id = &definition.id;
        let read = |text: &str| {
            Pattern::read(text).map_err(|source| OwnError::Pattern {
                id: id.clone(),
                source,
            })
        };
        let pattern = read(&definition.pattern)?;
        let mut states = Vec::new();
        for (state, patterns) in &definition.states {
            for text in patterns {
                states.push((State::from(*state), read(text)?));
            }
        }
        let keys = names(id, &definition.keys)?;
        let mut literals = pattern.literals().unwrap_or_default();
        if literals.is_empty() && keys.is_empty() && !definition.slow {
            return Err(OwnError::Unanchored(id.clone()));
        }
        if !literals.is_empty() {
            let of_states = states.iter().filter_map(|(_, pattern)| pattern.literals());
            literals.extend(of_states.flatten());
            literals.sort_unstable();
            literals.dedup();
        }
        Ok(Self {
            validator: validator(id, definition.validator.as_deref())?,
            info: row(definition, keys),
            literals: literals
                .into_iter()
                .map(|(literal, behind)| (leaked(&literal), behind))
                .collect(),
            slow: definition.slow && pattern.literals().is_none_or(|literals| literals.is_empty()),
            pattern,
            states,
        })
    }

    /// Judges what begins at `start`.
    pub(super) fn at(&self, bytes: &[u8], start: usize) -> Option<Match> {
        if let Some((range, checked)) = self.pattern.at(bytes, start) {
            let found = self.judge(&bytes[range.clone()], &bytes[checked]);
            return found.map(|(state, bits)| self.found(range, state, bits + OF_FORM));
        }
        let (state, range) = self
            .states
            .iter()
            .find_map(|(state, pattern)| Some((*state, pattern.at(bytes, start)?.0)))?;
        Some(self.found(range, state, OF_FORM))
    }

    /// Judges the whole value of a field with one of its names, which begins at `start`.
    pub(super) fn named(&self, value: &Value<'_>, start: usize) -> Option<Match> {
        let text = value.text;
        let whole = start..start + text.len();
        if let Some(state) = self.state_of(text) {
            return Some(self.found(whole, state, OF_NAMED_FORM));
        }
        let checked = self.pattern.whole(text)?;
        let (state, bits) = self.judge(text, &text[checked])?;
        Some(self.found(whole, state, bits + OF_NAMED_FORM))
    }

    /// Everything in `bytes` that has the pattern.
    pub(super) fn everywhere(&self, bytes: &[u8], mut found: impl FnMut(Match)) {
        self.pattern.everywhere(bytes, |range, checked| {
            if let Some((state, bits)) = self.judge(&bytes[range.clone()], &bytes[checked]) {
                found(self.found(range, state, bits + OF_FORM));
            }
        });
    }

    /// The state of a value that has the pattern, and what its check digits are worth.
    fn judge(&self, text: &[u8], checked: &[u8]) -> Option<(State, f32)> {
        if let Some(state) = self.state_of(text) {
            return Some((state, 0.0));
        }
        match self.validator {
            None => Some((State::Clear, 0.0)),
            Some((_, validator)) => {
                let compact: Vec<u8> = checked
                    .iter()
                    .filter(|b| b.is_ascii_alphanumeric())
                    .map(u8::to_ascii_uppercase)
                    .collect();
                validator(&compact).then_some((State::Clear, 3.0))
            }
        }
    }

    fn state_of(&self, text: &[u8]) -> Option<State> {
        self.states
            .iter()
            .find_map(|(state, pattern)| pattern.whole(text).map(|_| *state))
    }

    fn found(&self, range: std::ops::Range<usize>, state: State, bits: f32) -> Match {
        let how = self.validator.filter(|_| state == State::Clear).map_or_else(
            || "has the form that the configuration gives".to_owned(),
            |(name, _)| format!("has the form that the configuration gives and passes {name}"),
        );
        Match::new(range, state).because(bits, how)
    }
}

fn validator(id: &str, name: Option<&str>) -> Result<Option<(&'static str, checksum::Validator)>, OwnError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let found = checksum::BY_NAME
        .iter()
        .copied()
        .find(|(known, _)| *known == name);
    found.map(Some).ok_or_else(|| OwnError::Validator {
        id: id.to_owned(),
        name: name.to_owned(),
        known: validators().join(", "),
    })
}

/// Names in normal form.
fn names(id: &str, keys: &[String]) -> Result<&'static [&'static str], OwnError> {
    let refused = |name: &str| OwnError::Name {
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let mut names = Vec::new();
    for key in keys {
        let name = Name::of(key.as_bytes());
        let normal = String::from_utf8_lossy(name.joined()).into_owned();
        if normal.is_empty() || key.len() > LONGEST_NAME || names.len() == MOST_NAMES {
            return Err(refused(key));
        }
        names.push(leaked(&normal));
    }
    Ok(Vec::leak(names))
}

fn row(definition: &Definition, keys: &'static [&'static str]) -> &'static DetectorInfo {
    let regulations: Vec<&'static str> = definition.regulations.iter().map(|law| leaked(law)).collect();
    let explanation = match definition.explanation.as_str() {
        "" => "A detector of this installation's configuration.",
        text => text,
    };
    Box::leak(Box::new(DetectorInfo {
        id: leaked(&definition.id),
        category: leaked(&definition.category),
        regulations: Vec::leak(regulations),
        class: Class::C,
        severity: definition.severity.into(),
        keys,
        explanation: leaked(explanation),
        source: "the configuration",
        needs: Needs::Nothing,
        convention: Convention::LastFour,
        ..DetectorInfo::BASE
    }))
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

#[cfg(test)]
mod tests;
