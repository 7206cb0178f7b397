//! Text becomes a [`Selector`]. Goes in: what a person wrote. Comes out: the selector, or a sentence
//! with the column and what was probably meant.

use std::str::FromStr;

use thiserror::Error;

use super::{Key, Selector, Term};
use crate::config::keys::distance;
use crate::glob::{Dialect, Glob, GlobError};

/// Longest selector, bytes.
pub const MOST: usize = 4096;
/// Most values of one term.
const MOST_VALUES: usize = 64;

/// Why a text is no selector. `column` counts characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {wrong}")]
pub struct SelectorError {
    pub column: usize,
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Wrong {
    #[error("a selector is empty; `any` means every end")]
    Empty,
    #[error("a selector of more than {MOST} bytes")]
    TooLong,
    #[error("unknown key `{key}`{}; keys are {}, and `external`", hint(nearest), names())]
    UnknownKey {
        key: String,
        nearest: Option<&'static str>,
    },
    #[error("`{0}` has no value; write {0}=VALUE, {0}!=VALUE, {0} in (A, B) or {0} notin (A, B)")]
    NoValue(&'static str),
    #[error("{0}")]
    Value(GlobError),
    #[error("a label is KEY:VALUE; `label=team:*` means any value of `team`")]
    Label,
    #[error("the values of one term have to be of one label; use a term for each")]
    SeveralLabels,
    #[error("the list after `in` has no `)`")]
    Open,
    #[error("a list of more than {MOST_VALUES} values")]
    TooMany,
    #[error("nothing but a comma may follow")]
    Behind,
    #[error("an external end has no {0}: nothing would match")]
    External(&'static str),
    #[error("`external` and `!external` exclude each other")]
    Both,
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |key| format!(", did you mean `{key}`?"))
}

fn names() -> String {
    Key::ALL.map(Key::name).join(", ")
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let at = |column, wrong| SelectorError { column, wrong };
        if text.len() > MOST {
            return Err(at(1, Wrong::TooLong));
        }
        if text.trim().is_empty() {
            return Err(at(1, Wrong::Empty));
        }
        let mut reader = Reader {
            text: text.chars().collect(),
            at: 0,
        };
        let mut selector = Self::any();
        loop {
            reader.term(&mut selector)?;
            reader.skip_spaces();
            match reader.next() {
                None => break,
                Some(',') => (),
                Some(_) => return Err(at(reader.at, Wrong::Behind)),
            }
        }
        let local = selector
            .terms
            .iter()
            .find(|term| !term.negated && term.key != Key::Host);
        match local {
            Some(term) if selector.external == Some(true) => Err(at(1, Wrong::External(term.key.name()))),
            _ => Ok(selector.sorted()),
        }
    }
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn wrong<T>(&self, from: usize, wrong: Wrong) -> Result<T, SelectorError> {
        Err(SelectorError {
            column: from + 1,
            wrong,
        })
    }

    fn take_word(&mut self) -> String {
        let from = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        {
            self.at += 1;
        }
        self.text[from..self.at].iter().collect()
    }

    fn term(&mut self, selector: &mut Selector) -> Result<(), SelectorError> {
        self.skip_spaces();
        let from = self.at;
        let not = self.peek() == Some('!');
        if not {
            self.at += 1;
        }
        let word = self.take_word();
        match word.as_str() {
            "any" if !not => return Ok(()),
            "external" => {
                return match selector.external.replace(!not) {
                    Some(before) if before == not => self.wrong(from, Wrong::Both),
                    _ => Ok(()),
                };
            }
            _ => (),
        }
        let key = Key::ALL.into_iter().find(|key| key.name() == word);
        let Some(key) = key.filter(|_| !not) else {
            return self.wrong(from, unknown(&word));
        };
        let (negated, list) = self.operator(from, key)?;
        let (label, mut values) = self.values(key, list)?;
        values.sort();
        values.dedup();
        selector.terms.push(Term {
            key,
            label,
            negated,
            values,
        });
        Ok(())
    }

    /// `=`, `==`, `!=`, `in (` or `notin (`.
    fn operator(&mut self, from: usize, key: Key) -> Result<(bool, bool), SelectorError> {
        self.skip_spaces();
        match self.peek() {
            Some('=') => {
                self.at += 1;
                if self.peek() == Some('=') {
                    self.at += 1;
                }
                return Ok((false, false));
            }
            Some('!') if self.text.get(self.at + 1) == Some(&'=') => {
                self.at += 2;
                return Ok((true, false));
            }
            _ => (),
        }
        let word = self.take_word();
        self.skip_spaces();
        match (word.as_str(), self.peek()) {
            ("in" | "notin", Some('(')) => {
                self.at += 1;
                Ok((word == "notin", true))
            }
            _ => self.wrong(from, Wrong::NoValue(key.name())),
        }
    }

    fn values(&mut self, key: Key, list: bool) -> Result<(String, Vec<Glob>), SelectorError> {
        let (mut label, mut values) = (None, Vec::new());
        loop {
            self.skip_spaces();
            let from = self.at;
            let text = self.value(list);
            let (of, value) = self.read_value(from, key, &text)?;
            if values.len() == MOST_VALUES {
                return self.wrong(from, Wrong::TooMany);
            }
            values.push(value);
            if *label.get_or_insert_with(|| of.clone()) != of {
                return self.wrong(from, Wrong::SeveralLabels);
            }
            if !list {
                break;
            }
            match self.next() {
                Some(',') => (),
                Some(')') => break,
                _ => return self.wrong(from, Wrong::Open),
            }
        }
        Ok((label.unwrap_or_default(), values))
    }

    /// Up to the next comma or, in a list, parenthesis; spaces at the end are left out.
    fn value(&mut self, list: bool) -> String {
        let mut text = String::new();
        let mut trimmed = 0;
        while let Some(c) = self.peek() {
            if c == ',' || (list && c == ')') {
                break;
            }
            self.at += 1;
            text.push(c);
            if c == '\\'
                && let Some(next) = self.next()
            {
                text.push(next);
                trimmed = text.len();
            } else if !c.is_whitespace() {
                trimmed = text.len();
            }
        }
        text.truncate(trimmed);
        text
    }

    /// The label, where it is one, and the pattern.
    fn read_value(&self, from: usize, key: Key, text: &str) -> Result<(String, Glob), SelectorError> {
        let glob = |text: &str, dialect| match Glob::parse(text, dialect) {
            Ok(glob) => Ok(glob),
            Err(wrong) => self.wrong(from, Wrong::Value(wrong)),
        };
        match key {
            Key::Label => {
                let is_key = |key: &str| {
                    !key.is_empty()
                        && key
                            .chars()
                            .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
                };
                match text.split_once(':') {
                    Some((label, value)) if is_key(label) => {
                        Ok((label.to_owned(), glob(value, Dialect::Text)?))
                    }
                    _ => self.wrong(from, Wrong::Label),
                }
            }
            _ => Ok((String::new(), glob(text, key.dialect())?)),
        }
    }
}

fn unknown(word: &str) -> Wrong {
    let key: String = word.chars().take(64).collect();
    let names = Key::ALL.map(Key::name);
    let nearest = names
        .into_iter()
        .chain(["external", "any"])
        .map(|name| (distance(&key, name), name))
        .min()
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(2))
        .map(|(_, name)| name);
    Wrong::UnknownKey { key, nearest }
}
