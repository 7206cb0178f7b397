//! Peers made of the regex crate.

use std::time::Duration;

use anyhow::Context as _;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::{Engine, Pass, over_windows};
use crate::corpus::Corpus;

/// Row of [`Set`].
pub const SET: &str = "RegexSet + regex";
/// Row of [`OnePerRule`].
pub const ONE_PER_RULE: &str = "one regex per rule";

/// Bytes a compiled set may take, and its lazy automaton: enough for the whole catalogue.
const SET_SIZE: usize = 256 << 20;

/// All patterns at once; those that match somewhere in a window are searched for one by one.
pub struct Set {
    set: RegexSet,
    regexes: Vec<Regex>,
}

impl Set {
    /// # Errors
    /// When a pattern is no regular expression or all are too large together.
    pub fn new(patterns: &[&str]) -> anyhow::Result<Self> {
        Ok(Self {
            set: set(patterns)?,
            regexes: compile(patterns)?,
        })
    }
}

/// All patterns in one set.
///
/// # Errors
/// As [`Set::new`].
pub fn set(patterns: &[&str]) -> anyhow::Result<RegexSet> {
    RegexSetBuilder::new(patterns)
        .unicode(false)
        .size_limit(SET_SIZE)
        .dfa_size_limit(SET_SIZE)
        .build()
        .context("the set of patterns")
}

impl Engine for Set {
    fn rows(&self) -> &[&'static str] {
        &[SET]
    }

    fn pass(&mut self, corpus: &Corpus, limit: Duration) -> Vec<Pass> {
        let pass = over_windows(corpus, limit, |window| {
            let matched = self.set.matches(window);
            matched
                .iter()
                .map(|at| self.regexes[at].find_iter(window).count() as u64)
                .sum()
        });
        vec![pass]
    }
}

/// Each pattern searched for on its own, one after the other.
pub struct OnePerRule(Vec<Regex>);

impl OnePerRule {
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(patterns: &[&str]) -> anyhow::Result<Self> {
        Ok(Self(compile(patterns)?))
    }
}

impl Engine for OnePerRule {
    fn rows(&self) -> &[&'static str] {
        &[ONE_PER_RULE]
    }

    fn pass(&mut self, corpus: &Corpus, limit: Duration) -> Vec<Pass> {
        let pass = over_windows(corpus, limit, |window| {
            let count = |regex: &Regex| regex.find_iter(window).count() as u64;
            self.0.iter().map(count).sum()
        });
        vec![pass]
    }
}

fn compile(patterns: &[&str]) -> anyhow::Result<Vec<Regex>> {
    patterns
        .iter()
        .map(|pattern| {
            RegexBuilder::new(pattern)
                .unicode(false)
                .build()
                .with_context(|| format!("pattern {pattern}"))
        })
        .collect()
}
