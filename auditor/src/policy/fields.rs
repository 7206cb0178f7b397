//! Which rules are about a field, without asking each of them.
//!
//! Goes in: rules, and the path of a field. Comes out: the first rule of a [`Place`] that decides about it. Patterns of
//! fields are known by the longest text that is in all they match. One pass over the path finds those texts, whatever
//! their number, and only rules with one of them are asked. It decides nothing else than asking all would.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use jiff::Timestamp;

use super::Flow;
use super::compile::Policies;
use super::rule::CompiledRule;

/// Most bytes of all texts together; rules beyond are asked one by one.
const MOST_BYTES: usize = 1 << 20;
/// With fewer bytes the automaton that takes more memory and less time is used: up to some 30 MB.
const FEW_BYTES: usize = 1 << 15;

/// The texts of all rules' patterns of fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    texts: Option<AhoCorasick>,
    /// By text: the rules with a pattern that has it, in the order in which they win.
    rules: Vec<Box<[u32]>>,
    /// Rules that some text tells, in the same order.
    told: Vec<u32>,
}

/// Rules that can decide where all but the field is known: ends, kind of data, state and operation. All in the order in
/// which they win.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Asked each time.
    each: Box<[u32]>,
    /// Asked when the path has one of their texts.
    told: Box<[u32]>,
}

/// Texts that were found in one path, so that a path that repeats one costs no more than one that has it once.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By text: the last round in which it was found.
    rounds: Vec<u32>,
    round: u32,
}

impl Found {
    fn begin(&mut self, texts: usize) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.rounds.len() != texts {
            self.rounds = vec![0; texts];
            self.round = 1;
        }
    }

    /// True the first time.
    fn is_new(&mut self, text: usize) -> bool {
        std::mem::replace(&mut self.rounds[text], self.round) != self.round
    }
}

impl Fields {
    /// Rules are numbered from 0 on.
    pub(super) fn of(rules: &[CompiledRule]) -> Self {
        let mut by_text: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        let mut told = Vec::new();
        let mut bytes = 0;
        for (number, rule) in (0..).zip(rules) {
            let texts = rule.fields.iter().map(|glob| glob.needle());
            bytes += texts.clone().map(str::len).sum::<usize>();
            let is_told = !rule.fields.is_empty() && texts.clone().all(|text| !text.is_empty());
            if !is_told || bytes > MOST_BYTES {
                continue;
            }
            told.push(number);
            texts.for_each(|text| _ = by_text.entry(text).or_default().insert(number));
        }
        let kind = if bytes <= FEW_BYTES {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).kind(Some(kind));
        match builder.build(by_text.keys()) {
            Ok(texts) if !by_text.is_empty() => Self {
                texts: Some(texts),
                rules: by_text
                    .into_values()
                    .map(|rules| rules.into_iter().collect())
                    .collect(),
                told,
            },
            // Without it every rule is asked.
            _ => Self::default(),
        }
    }

    /// Of `candidates`, in the order in which they win, those that can decide in the place of a flow.
    pub(super) fn place(&self, rules: &[CompiledRule], candidates: &[u32], flow: &Flow<'_>) -> Place {
        let (mut each, mut told) = (Vec::new(), Vec::new());
        for &number in candidates {
            let rule = &rules[number as usize];
            if !rule.is_of(flow) {
                continue;
            }
            if self.told.binary_search(&number).is_ok() {
                told.push(number);
                continue;
            }
            each.push(number);
            if rule.fields.is_empty() && rule.expires().is_none() {
                // It decides about whatever those before it do not.
                break;
            }
        }
        Place {
            each: each.into(),
            told: told.into(),
        }
    }
}

impl Place {
    /// The number of the rule that decides about a field.
    pub(super) fn decide(
        &self,
        policies: &Policies,
        field: Option<&str>,
        found: &mut Found,
        now: Timestamp,
    ) -> Option<usize> {
        let matches = |number: u32| {
            let rule = &policies.rules[number as usize];
            !rule.is_expired(now) && rule.is_in(field)
        };
        let mut first = self.each.iter().copied().find(|&number| matches(number));
        let can_win = |number: u32, first: Option<u32>| first.is_none_or(|first| number < first);
        let Fields { texts, rules, .. } = &policies.fields;
        if let (Some(field), Some(texts), Some(&winner)) = (field, texts, self.told.first())
            && can_win(winner, first)
        {
            found.begin(rules.len());
            for text in texts.find_overlapping_iter(field) {
                let text = text.pattern().as_usize();
                if !found.is_new(text) {
                    continue;
                }
                for &number in &rules[text] {
                    if !can_win(number, first) {
                        break;
                    }
                    if self.told.binary_search(&number).is_ok() && matches(number) {
                        first = Some(number);
                    }
                }
            }
        }
        first.map(|number| number as usize)
    }

    /// Rules in it.
    pub(super) fn len(&self) -> usize {
        self.each.len() + self.told.len()
    }
}
