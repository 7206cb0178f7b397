//! Regular expressions of own detectors: bounded in size, linear in time, with the literals that
//! every match begins with.
//!
//! Goes in: the text of a pattern. Comes out: where it matches. Never backtracks: the engine is
//! linear in the text for every pattern it accepts.

use std::ops::Range;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::literal::{ExtractKind, Extractor};

/// Longest value a pattern can match, bytes.
const LONGEST: usize = 4096;
/// Size of a compiled pattern, bytes.
const SIZE: usize = 1 << 20;
/// Longest text of a pattern, bytes.
const LONGEST_TEXT: usize = 4096;
/// Literals of one pattern.
const MOST_LITERALS: usize = 64;
/// Shortest literal, bytes.
const SHORTEST_LITERAL: usize = 3;

/// Why a pattern is refused.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    #[error("the pattern is no regular expression: {0}")]
    Syntax(String),
    #[error("the pattern is too large: {0}; use smaller repetitions or fewer alternatives")]
    TooLarge(String),
    #[error("the pattern matches the empty text: require at least one character")]
    Empty,
}

/// A compiled pattern.
pub(super) struct Pattern {
    regex: Regex,
    literals: Option<Vec<(String, usize)>>,
}

impl Pattern {
    pub(super) fn read(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST_TEXT {
            return Err(PatternError::TooLarge(format!(
                "its text is longer than {LONGEST_TEXT} bytes"
            )));
        }
        let options = syntax::Config::new().utf8(false).nest_limit(50);
        let hir =
            syntax::parse_with(text, &options).map_err(|error| PatternError::Syntax(last_line(&error)))?;
        if hir.properties().minimum_len().is_none_or(|least| least == 0) {
            return Err(PatternError::Empty);
        }
        let regex = Regex::builder()
            .configure(
                Regex::config()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(SIZE))
                    .hybrid_cache_capacity(SIZE),
            )
            .build_from_hir(&hir)
            .map_err(|error| PatternError::TooLarge(last_line(&error)))?;
        Ok(Self {
            literals: literals(&hir),
            regex,
        })
    }

    /// What every match begins with, and how many bytes of the match stand before it; `None` when
    /// there is no such text. Literals begin with a letter or digit that begins a word.
    pub(super) fn literals(&self) -> Option<Vec<(String, usize)>> {
        self.literals.clone()
    }

    /// The match that begins at `start`, and the part of it that a validator gets.
    pub(super) fn at(&self, bytes: &[u8], start: usize) -> Option<(Range<usize>, Range<usize>)> {
        let end = bytes.len().min(start + LONGEST);
        let input = Input::new(bytes).range(start..end).anchored(Anchored::Yes);
        self.groups(input)
    }

    /// The part of `text` that a validator gets, when all of it matches.
    pub(super) fn whole(&self, text: &[u8]) -> Option<Range<usize>> {
        let (range, checked) = self.groups(Input::new(text).anchored(Anchored::Yes))?;
        (range == (0..text.len())).then_some(checked)
    }

    /// All matches, one behind the other.
    pub(super) fn everywhere(&self, bytes: &[u8], mut found: impl FnMut(Range<usize>, Range<usize>)) {
        let mut at = 0;
        while at < bytes.len() {
            let Some((range, checked)) = self.groups(Input::new(bytes).range(at..)) else {
                return;
            };
            at = range.end.max(at + 1);
            if range.len() <= LONGEST {
                found(range, checked);
            }
        }
    }

    fn groups(&self, input: Input<'_>) -> Option<(Range<usize>, Range<usize>)> {
        let whole = self.regex.find(input.clone())?;
        if self.regex.captures_len() < 2 {
            return Some((whole.range(), whole.range()));
        }
        let mut groups = self.regex.create_captures();
        let input = input.range(whole.range()).anchored(Anchored::Yes);
        self.regex.captures(input, &mut groups);
        let checked = groups.get_group(1).map_or(whole.range(), Range::from);
        Some((whole.range(), checked))
    }
}

/// The engine's messages draw the pattern over several lines and end with the reason.
fn last_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .trim_start_matches("error: ")
        .to_owned()
}

/// The beginnings that all matches have, from where their first word starts.
fn literals(hir: &regex_syntax::hir::Hir) -> Option<Vec<(String, usize)>> {
    let mut found = Extractor::new()
        .kind(ExtractKind::Prefix)
        .limit_class(4)
        .limit_total(MOST_LITERALS)
        .extract(hir);
    found.dedup();
    let literals = found.literals()?;
    let words = literals
        .iter()
        .map(|literal| {
            let text = literal.as_bytes();
            let starts = |at: usize| {
                text[at].is_ascii_alphanumeric() && (at == 0 || !text[at - 1].is_ascii_alphanumeric())
            };
            let at = (0..text.len()).find(|at| starts(*at))?;
            let word = &text[at..text.len().min(at + 16)];
            let word = str::from_utf8(word).ok()?;
            (word.len() >= SHORTEST_LITERAL).then(|| (word.to_owned(), at))
        })
        .collect::<Option<Vec<_>>>()?;
    (!words.is_empty() && words.len() <= MOST_LITERALS).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_says_what_its_matches_begin_with() {
        for (text, expected) in [
            (r"ACME-[0-9]{8}", Some(vec![("ACME-", 0)])),
            (r"\bACME-[0-9]{8}\b", Some(vec![("ACME-", 0)])),
            (r"#case-\d+", Some(vec![("case-", 1)])),
            (r"(?:emp|ctr)_\d+", Some(vec![("emp_", 0), ("ctr_", 0)])),
            (r"[0-9]{8}", None),
            (r"AB\d+", None),
            (r"\w+@corp", None),
        ] {
            let literals = Pattern::read(text).unwrap().literals();
            let expected: Option<Vec<_>> =
                expected.map(|list| list.into_iter().map(|(word, at)| (word.to_owned(), at)).collect());
            assert_eq!(literals, expected, "{text}");
        }
    }

    #[test]
    fn what_would_be_too_slow_or_too_large_is_refused_with_the_reason() {
        for (text, expected) in [
            ("(", "unclosed group"),
            ("a*", "empty"),
            ("", "empty"),
            (r"(?:\w{100}){100}", "too large"),
            (r"(?<=a)b", "look-around"),
            (r"(a)\1", "backreferences"),
        ] {
            let error = Pattern::read(text).err().unwrap().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_first_group_is_what_a_validator_gets() {
        let pattern = Pattern::read(r"ACME-(\d+)-X").unwrap();
        assert_eq!(pattern.at(b"  ACME-123-X ", 2), Some((2..12, 7..10)));
        assert_eq!(pattern.at(b"  ACME-123-X ", 1), None);
        assert_eq!(pattern.whole(b"ACME-123-X"), Some(5..8));
        assert_eq!(pattern.whole(b"ACME-123-XY"), None);
        let mut all = Vec::new();
        pattern.everywhere(b"ACME-1-X ACME-2-X", |range, _| all.push(range));
        assert_eq!(all, [0..8, 9..17]);
    }
}
