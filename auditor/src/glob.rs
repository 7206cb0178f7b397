//! Patterns with wildcards, as selectors and policies write them.
//!
//! Goes in: a pattern as text. Comes out: whether it matches a text, how specific it is, and, in
//! [`overlap`], a text that several patterns match. Memory is bounded by the length of the pattern,
//! time by that times the length of the text.
//!
//! In all of them a backslash before a sign takes away its meaning: `\*` is a star. Before a letter
//! or digit it stands for itself, as in names of systemd units.

pub mod overlap;
mod positions;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use positions::Positions;

/// Longest pattern, characters.
pub const MOST: usize = 256;

/// What wildcards mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// `*` is any text, also none.
    Text,
    /// Of the path of a field: `*` is any text without `.`, `[` and `]`, `**` is any text.
    Path,
    /// `Kind/name`: `*` in the kind is any text without `/`, in the name any text. Without a kind
    /// any kind is meant.
    Workload,
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    #[error("an empty pattern matches nothing; `*` matches everything")]
    Empty,
    #[error("a pattern of more than {MOST} characters")]
    TooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Token {
    Literal(char),
    /// Any text without a separator.
    Segment,
    /// Any text.
    Any,
}

/// How narrow a pattern is; a greater one is narrower. Where one pattern matches all that another
/// does, its rank is not the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// Characters that are given.
    pub literals: usize,
    /// 2: no wildcard, 1: none that passes a separator, 0: others.
    pub closeness: u8,
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob {
    dialect: Dialect,
    tokens: Vec<Token>,
    shape: Shape,
}

/// What most patterns are, and compares quickly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shape {
    Exact(String),
    Prefix(String),
    /// With the longest text that has to be in it.
    Other(String),
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, GlobError> {
        if text.len() > 4 * 2 * MOST {
            return Err(GlobError::TooLong);
        }
        let mut tokens = tokens(text, dialect == Dialect::Path);
        if tokens.is_empty() {
            return Err(GlobError::Empty);
        }
        if dialect == Dialect::Workload {
            tokens = of_workload(tokens);
        }
        Self::of(tokens, dialect)
    }

    /// The pattern that matches this text only.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn exactly(text: &str, dialect: Dialect) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        Self::of(text.chars().map(Token::Literal).collect(), dialect)
    }

    fn of(tokens: Vec<Token>, dialect: Dialect) -> Result<Self, GlobError> {
        if tokens.len() > MOST {
            return Err(GlobError::TooLong);
        }
        let literal = |tokens: &[Token]| -> Option<String> {
            let each = |token: &Token| match token {
                Token::Literal(c) => Some(*c),
                _ => None,
            };
            tokens.iter().map(each).collect()
        };
        let shape = match (literal(&tokens), tokens.split_last()) {
            (Some(text), _) => Shape::Exact(text),
            (None, Some((Token::Any, before))) => match literal(before) {
                Some(text) => Shape::Prefix(text),
                None => Shape::Other(longest(&tokens)),
            },
            _ => Shape::Other(longest(&tokens)),
        };
        Ok(Self {
            dialect,
            tokens,
            shape,
        })
    }

    /// Whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Exact(exact) => exact == text,
            Shape::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Shape::Other(part) if !text.contains(part.as_str()) => false,
            Shape::Other(_) => {
                let mut at = self.start();
                for c in text.chars() {
                    at = self.step(&at, c);
                    if at.is_empty() {
                        return false;
                    }
                }
                self.accepts(&at)
            }
        }
    }

    /// How many characters and wildcards it has.
    pub fn length(&self) -> usize {
        self.tokens.len()
    }

    /// The text, where there is no wildcard.
    pub fn exact(&self) -> Option<&str> {
        match &self.shape {
            Shape::Exact(text) => Some(text),
            _ => None,
        }
    }

    /// The text before the only wildcard, which is at the end and takes any text; or the whole.
    fn beginning(&self) -> Option<&str> {
        match &self.shape {
            Shape::Exact(text) | Shape::Prefix(text) => Some(text),
            Shape::Other(_) => None,
        }
    }

    /// Texts each of which is in all that it matches: what is between wildcards.
    pub fn needles(&self) -> Vec<String> {
        let runs = self.tokens.split(|token| !matches!(token, Token::Literal(_)));
        runs.map(literals).filter(|text| !text.is_empty()).collect()
    }

    /// How narrow it is.
    pub fn rank(&self) -> Rank {
        let count = |of: fn(&Token) -> bool| self.tokens.iter().filter(|token| of(token)).count();
        let closeness = match count(|token| *token == Token::Any) {
            0 if self.exact().is_some() => 2,
            0 => 1,
            _ => 0,
        };
        Rank {
            literals: count(|token| matches!(token, Token::Literal(_))),
            closeness,
        }
    }

    /// Of a workload: whether a kind is given, and whether the name has no wildcard.
    pub fn workload_parts(&self) -> (bool, bool) {
        let slash = self.tokens.iter().position(|token| *token == Token::Literal('/'));
        let (kind, name) = self.tokens.split_at(slash.unwrap_or(0));
        let literal = |token: &Token| matches!(token, Token::Literal(_));
        (kind != [Token::Segment], name.iter().all(literal))
    }

    /// Writes it so that it is read as the same; `escape` takes more characters than it has to.
    pub fn write(&self, out: &mut impl fmt::Write, escape: fn(char) -> bool) -> fmt::Result {
        let any_kind = [Token::Segment, Token::Literal('/')];
        let tokens = match self.dialect {
            // `a/b` would read as a name with a kind, so only names without a slash lose theirs; an
            // empty one would not read at all.
            Dialect::Workload
                if self.tokens.len() > any_kind.len()
                    && self.tokens.starts_with(&any_kind)
                    && !self.tokens[2..].contains(&any_kind[1]) =>
            {
                &self.tokens[2..]
            }
            _ => &self.tokens[..],
        };
        for token in tokens {
            match token {
                Token::Literal(c) if matches!(c, '*' | '\\') || escape(*c) => write!(out, "\\{c}")?,
                Token::Literal(c) => out.write_char(*c)?,
                Token::Any if self.dialect == Dialect::Path => out.write_str("**")?,
                Token::Segment | Token::Any => out.write_char('*')?,
            }
        }
        Ok(())
    }

    fn start(&self) -> Positions {
        let mut at = Positions::default();
        self.reach(&mut at, 0);
        at
    }

    fn accepts(&self, at: &Positions) -> bool {
        at.has(self.tokens.len())
    }

    fn step(&self, at: &Positions, c: char) -> Positions {
        let mut next = Positions::default();
        for position in at.each() {
            match self.tokens.get(position) {
                Some(Token::Literal(literal)) if *literal == c => self.reach(&mut next, position + 1),
                Some(Token::Any) => self.reach(&mut next, position),
                Some(Token::Segment) if !is_separator(self.dialect, c) => self.reach(&mut next, position),
                _ => (),
            }
        }
        // Whatever an earlier position accepts, the last `Any` does as well.
        let last_any = next
            .each()
            .filter(|at| self.tokens.get(*at) == Some(&Token::Any))
            .last();
        if let Some(last) = last_any {
            next.forget_below(last);
        }
        next
    }

    /// Adds a position and those behind wildcards that may be empty.
    fn reach(&self, at: &mut Positions, mut position: usize) {
        at.add(position);
        while matches!(self.tokens.get(position), Some(Token::Any | Token::Segment)) {
            position += 1;
            at.add(position);
        }
    }
}

/// As it is read again: `Glob::parse(&glob.to_string(), dialect)` is the same.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |_| false)
    }
}

/// The longest run of characters that are given.
fn longest(tokens: &[Token]) -> String {
    let runs = tokens.split(|token| !matches!(token, Token::Literal(_)));
    literals(runs.max_by_key(|run| run.len()).unwrap_or_default())
}

fn literals(tokens: &[Token]) -> String {
    let literal = |token: &Token| match token {
        Token::Literal(c) => Some(*c),
        _ => None,
    };
    tokens.iter().filter_map(literal).collect()
}

fn is_separator(dialect: Dialect, c: char) -> bool {
    match dialect {
        Dialect::Text => false,
        Dialect::Path => matches!(c, '.' | '[' | ']'),
        Dialect::Workload => c == '/',
    }
}

fn tokens(text: &str, segments: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some(next)) if !next.is_alphanumeric() => {
                chars.next();
                tokens.push(Token::Literal(next));
            }
            ('*', _) => {
                let mut several = false;
                while chars.next_if_eq(&'*').is_some() {
                    several = true;
                }
                tokens.push(if several || !segments {
                    Token::Any
                } else {
                    Token::Segment
                });
            }
            (c, _) => tokens.push(Token::Literal(c)),
        }
    }
    tokens
}

/// Kinds that may be written in any case.
const KINDS: [&str; 12] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "Job",
    "CronJob",
    "Pod",
    "Service",
    "Node",
    "SystemdUnit",
    "Container",
    "Process",
];

/// `Kind/name`; a slash in front, as of an executable, is part of the name.
fn of_workload(tokens: Vec<Token>) -> Vec<Token> {
    let slash = tokens.iter().position(|token| *token == Token::Literal('/'));
    let (kind, name) = match slash {
        Some(at) if at > 0 => (&tokens[..at], &tokens[at + 1..]),
        _ => (&[Token::Segment][..], &tokens[..]),
    };
    let written: Option<String> = kind
        .iter()
        .map(|token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        })
        .collect();
    let known = written.and_then(|kind| KINDS.iter().find(|known| known.eq_ignore_ascii_case(&kind)));
    let mut whole: Vec<Token> = match known {
        Some(known) => known.chars().map(Token::Literal).collect(),
        None => kind
            .iter()
            .map(|token| match token {
                Token::Literal(_) => *token,
                _ => Token::Segment,
            })
            .collect(),
    };
    whole.push(Token::Literal('/'));
    whole.extend_from_slice(name);
    whole
}

/// Reads `Text`.
impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        Self::parse(text, Dialect::Text)
    }
}

#[cfg(test)]
mod tests;
