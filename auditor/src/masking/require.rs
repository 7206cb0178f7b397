//! What is required of masking: `payment_card masked >= 100% in namespace shop`.
//!
//! Goes in: one sentence. Comes out: a [`Requirement`], or what is wrong with it, and whether a
//! ledger meets it. A requirement about what was never seen is not met: nothing proves it.
//!
//! ```text
//! requirement = data state operator number "%" [ "in" ("namespace" | "workload" | "unit") NAME ]
//!               [ "from" SELECTOR ] [ "to" SELECTOR ]
//! data        = detector | category | regulation | "everything"
//! state       = "masked" | "protected" | "only" ("masked" | "hashed" | "tokenised" | "encrypted")
//! operator    = ">=" | ">" | "="
//! ```
//!
//! `masked` and `protected` are the same: masked, hashed, tokenised or encrypted. `only hashed` counts
//! one of these, and all others against it. Of `traffic seen >= N%` the share that was searched counts.

use std::fmt;
use std::str::FromStr;

use super::Party;
use super::row::Row;
use super::store::Traffic;
use crate::detect::State;
use crate::detect::catalogue;
use crate::identity::selector::Selector;

/// Longest sentence, bytes.
const LONGEST: usize = 4096;
/// Places behind the point of a percentage.
const PLACES: usize = 6;

/// A sentence that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    text: String,
    subject: Subject,
    operator: Operator,
    /// Millionths of a percent.
    share: u64,
    within: Option<Selector>,
    from: Option<Selector>,
    to: Option<Selector>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// Data by this name, and the state it has to be in; `None`: any that protects.
    Data(Data, Option<State>),
    Traffic,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    Everything,
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    AtLeast,
    More,
    Exactly,
}

/// Why a sentence can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequireError {
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    #[error("it ends too early: expected {0}, as in `payment_card masked >= 100% in namespace shop`")]
    Ends(&'static str),
    #[error("`{found}` is not {expected}")]
    Word { found: String, expected: &'static str },
    #[error("`{0}` is no detector, category or regulation; did you mean `{1}`?")]
    Data(String, String),
    #[error("`{0}` is no percentage from 0 to 100 with at most {PLACES} places behind the point")]
    Percent(String),
    #[error("`{0}`: {1}")]
    Selector(String, String),
    #[error("the ledger does not keep `{0}` of an end, so nothing can be required of it")]
    NotKept(&'static str),
}

/// How a ledger stands to a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub is_met: bool,
    /// Values, or bytes, that count for it, and all that could.
    pub good: u64,
    pub all: u64,
}

/// Words of a text with where they end.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn expect(&mut self, what: &'static str) -> Result<&'a str, RequireError> {
        self.next().ok_or(RequireError::Ends(what))
    }
}

impl Requirement {
    /// Reads a sentence; `known` are own detectors.
    ///
    /// # Errors
    /// What is wrong, by the word.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, RequireError> {
        if text.len() > LONGEST {
            return Err(RequireError::TooLong);
        }
        // `masked>=100%` is three words.
        let spaced = spaced(text);
        let mut words = Words { rest: &spaced };
        let name = words.expect("a detector, a category or a regulation")?;
        let subject = match name {
            "traffic" => {
                word(words.expect("`seen`")?, "seen", "`seen`")?;
                Subject::Traffic
            }
            _ => Subject::Data(data(name, known)?, state(&mut words)?),
        };
        let operator = match words.expect("`>=`")? {
            ">=" => Operator::AtLeast,
            ">" => Operator::More,
            "=" | "==" => Operator::Exactly,
            found => return Err(not(found, "`>=`, `>` or `=`")),
        };
        let share = percent(&mut words)?;
        let mut requirement = Self {
            text: text.trim().to_owned(),
            subject,
            operator,
            share,
            within: None,
            from: None,
            to: None,
        };
        requirement.ends(words)?;
        Ok(requirement)
    }

    /// `in …`, `from …`, `to …`.
    fn ends(&mut self, mut words: Words<'_>) -> Result<(), RequireError> {
        let mut next = words.next();
        if next == Some("in") {
            let key = words.expect("`namespace`, `workload` or `unit`")?;
            if !matches!(key, "namespace" | "workload" | "unit") {
                return Err(not(key, "`namespace`, `workload` or `unit`"));
            }
            let name = words.expect("a name")?;
            self.within = Some(selector(&format!("{key}={name}"))?);
            next = words.next();
        }
        if next == Some("from") {
            let (text, rest) = match words.rest.find(" to ") {
                Some(at) => words.rest.split_at(at),
                None => (words.rest, ""),
            };
            self.from = Some(selector(text)?);
            words.rest = rest;
            next = words.next();
        }
        if next == Some("to") {
            self.to = Some(selector(words.rest)?);
            next = None;
        }
        match next {
            None => Ok(()),
            Some(found) => Err(not(found, "`in`, `from` or `to`, in this order")),
        }
    }

    /// Whether it holds.
    pub fn judge(&self, rows: &[Row], traffic: &Traffic) -> Answer {
        let (good, all) = match &self.subject {
            Subject::Traffic => traffic.looked_at(),
            Subject::Data(data, state) => self.count(data, *state, rows),
        };
        let scale = 100 * 10_u128.pow(PLACES as u32);
        let (is, wanted) = (u128::from(good) * scale, u128::from(self.share) * u128::from(all));
        let is_met = all > 0
            && match self.operator {
                Operator::AtLeast => is >= wanted,
                Operator::More => is > wanted,
                Operator::Exactly => is == wanted,
            };
        Answer { is_met, good, all }
    }

    fn count(&self, data: &Data, state: Option<State>, rows: &[Row]) -> (u64, u64) {
        let mut sums = (0_u64, 0_u64);
        for row in rows.iter().filter(|row| self.is_about(data, row)) {
            let counts = row.record.counts();
            let good = state.map_or(counts.protected(), |state| counts.of(state));
            sums.0 = sums.0.saturating_add(good);
            sums.1 = sums
                .1
                .saturating_add(counts.protected())
                .saturating_add(counts.clear);
        }
        sums
    }

    fn is_about(&self, data: &Data, row: &Row) -> bool {
        let is_named = match data {
            Data::Everything => true,
            Data::Named(name) => {
                *row.field.detector == **name
                    || *row.category == **name
                    || row.regulations.iter().any(|law| **law == **name)
            }
        };
        is_named && self.is_between(&row.field.source, &row.field.destination)
    }

    fn is_between(&self, source: &Party, destination: &Party) -> bool {
        let within = self.within.as_ref();
        within.is_none_or(|within| source.is_meant(within) || destination.is_meant(within))
            && self.from.as_ref().is_none_or(|from| source.is_meant(from))
            && self.to.as_ref().is_none_or(|to| destination.is_meant(to))
    }

    /// Whether it says a least share of protected values, whatever protects them.
    pub(super) fn is_least_share(&self) -> bool {
        matches!(self.subject, Subject::Data(_, None)) && self.operator == Operator::AtLeast
    }

    /// The share it names, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        let whole = 100 * 10_u64.pow(PLACES as u32);
        self.share as f64 / whole as f64
    }

    /// Whether it is about this detector between these ends. An own detector is meant by its name, or by `everything`.
    pub(super) fn is_about_ends(&self, detector: &str, source: &Party, destination: &Party) -> bool {
        let is_named = match &self.subject {
            Subject::Data(Data::Everything, _) => true,
            Subject::Data(Data::Named(name), _) => {
                let row = catalogue::all().iter().find(|row| row.id == detector);
                detector == name
                    || row.is_some_and(|row| row.category == name || row.regulations.contains(&&**name))
            }
            Subject::Traffic => false,
        };
        is_named && self.is_between(source, destination)
    }

    /// Whether it is about bytes.
    pub fn is_about_traffic(&self) -> bool {
        self.subject == Subject::Traffic
    }
}

impl FromStr for Requirement {
    type Err = RequireError;

    fn from_str(text: &str) -> Result<Self, RequireError> {
        Self::parse(text, &[])
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Operators and percent signs up to the first `%` as words of their own.
fn spaced(text: &str) -> String {
    let end = text.find('%').map_or(text.len(), |at| at + 1);
    let (head, rest) = text.split_at(end);
    let mut spaced = String::with_capacity(text.len() + 16);
    let mut is_operator = false;
    for c in head.chars() {
        let is_sign = matches!(c, '>' | '=' | '<');
        if c == '%' || is_sign != is_operator {
            spaced.push(' ');
        }
        is_operator = is_sign;
        spaced.push(c);
    }
    spaced.push(' ');
    spaced + rest
}

fn data(name: &str, known: &[&str]) -> Result<Data, RequireError> {
    if name == "everything" {
        return Ok(Data::Everything);
    }
    let is_known = catalogue::all()
        .iter()
        .any(|row| row.id == name || row.category == name || row.regulations.contains(&name))
        || known.contains(&name);
    if is_known {
        return Ok(Data::Named(name.to_owned()));
    }
    Err(RequireError::Data(
        name.to_owned(),
        catalogue::nearest(name).to_owned(),
    ))
}

fn state(words: &mut Words<'_>) -> Result<Option<State>, RequireError> {
    match words.expect("`masked`")? {
        "masked" | "protected" => Ok(None),
        "only" => match words.expect("a state")? {
            "masked" => Ok(Some(State::Masked)),
            "hashed" => Ok(Some(State::Hashed)),
            "tokenised" => Ok(Some(State::Tokenised)),
            "encrypted" => Ok(Some(State::Encrypted)),
            found => Err(not(found, "`masked`, `hashed`, `tokenised` or `encrypted`")),
        },
        found => Err(not(found, "`masked`, `protected` or `only` with a state")),
    }
}

/// `99.95 %` in millionths of a percent.
fn percent(words: &mut Words<'_>) -> Result<u64, RequireError> {
    let number = words.expect("a percentage")?;
    let wrong = || RequireError::Percent(number.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || fraction.len() > PLACES {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let unit = 10_u64.pow(PLACES as u32);
    let fraction: u64 = format!("{fraction:0<PLACES$}").parse().map_err(|_| wrong())?;
    let share = whole
        .checked_mul(unit)
        .and_then(|whole| whole.checked_add(fraction));
    let share = share.filter(|share| *share <= 100 * unit).ok_or_else(wrong)?;
    word(words.expect("`%`")?, "%", "`%`")?;
    Ok(share)
}

fn selector(text: &str) -> Result<Selector, RequireError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(RequireError::Ends("a selector"));
    }
    let selector: Selector = text
        .parse()
        .map_err(|error| RequireError::Selector(text.to_owned(), format!("{error}")))?;
    match super::party::not_kept(&selector) {
        Some(key) => Err(RequireError::NotKept(key)),
        None => Ok(selector),
    }
}

fn word(found: &str, wanted: &str, expected: &'static str) -> Result<(), RequireError> {
    if found == wanted {
        Ok(())
    } else {
        Err(not(found, expected))
    }
}

fn not(found: &str, expected: &'static str) -> RequireError {
    RequireError::Word {
        found: found.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests;
