//! Which rules are about a field, without asking each of them.
//!
//! Goes in: rules, and the path of a field. Comes out: the first rule of a [`Place`] that decides about it. A pattern of
//! fields is known by a text that is in all it matches: of several the one that the fewest rules have, so that a text such
//! as `.card` leads to no more of them than it must. One pass over the path finds those texts, whatever their number, and
//! only rules with one of them are asked. It decides nothing else than asking all would.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use jiff::Timestamp;

use super::Flow;
use super::compile::Policies;
use super::rule::CompiledRule;
use crate::glob::Glob;

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
struct Place {
    /// Asked each time.
    each: Box<[u32]>,
    /// Asked when the path has one of their texts.
    told: Box<[u32]>,
}

/// The same of the cluster's rules and of the namespace's, of which each has one that wins.
#[derive(Debug, Default)]
pub(super) struct Places {
    of_cluster: Place,
    of_namespace: Place,
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
        let mut by_text: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut told = Vec::new();
        let mut bytes = 0;
        let shared = shared(rules);
        for (number, rule) in (0..).zip(rules) {
            let texts = rule.fields.iter().map(|glob| rarest(glob.needles(), &shared));
            let Some(texts) = texts.collect::<Option<Vec<String>>>() else {
                continue;
            };
            bytes += texts.iter().map(String::len).sum::<usize>();
            if texts.is_empty() || bytes > MOST_BYTES {
                continue;
            }
            told.push(number);
            for text in texts {
                by_text.entry(text).or_default().insert(number);
            }
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
    pub(super) fn places(&self, rules: &[CompiledRule], candidates: &[u32], flow: &Flow<'_>) -> Places {
        let is_of_cluster = |number: &u32| rules[*number as usize].namespace.is_none();
        let (cluster, namespace): (Vec<u32>, Vec<u32>) =
            candidates.iter().partition(|number| is_of_cluster(number));
        Places {
            of_cluster: self.place(rules, &cluster, flow),
            of_namespace: self.place(rules, &namespace, flow),
        }
    }

    fn place(&self, rules: &[CompiledRule], candidates: &[u32], flow: &Flow<'_>) -> Place {
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

/// By text between wildcards: how many patterns have it.
fn shared(rules: &[CompiledRule]) -> HashMap<String, u32> {
    let mut shared = HashMap::new();
    for text in rules.iter().flat_map(|rule| &rule.fields).flat_map(Glob::needles) {
        *shared.entry(text).or_default() += 1;
    }
    shared
}

/// That text which the fewest patterns have, of several the longest.
fn rarest(texts: Vec<String>, shared: &HashMap<String, u32>) -> Option<String> {
    let rank = |text: &String| (shared.get(text).copied(), Reverse(text.len()));
    texts.into_iter().min_by_key(rank)
}

impl Places {
    /// The number of the rule that decides about a flow.
    pub(super) fn decide(
        &self,
        policies: &Policies,
        flow: &Flow<'_>,
        found: &mut Found,
        now: Timestamp,
    ) -> Option<usize> {
        let of_cluster = self.of_cluster.decide(policies, flow.field, found, now);
        let of_namespace = self.of_namespace.decide(policies, flow.field, found, now);
        policies.of_both(of_cluster, of_namespace, flow)
    }

    /// Rules in it.
    pub(super) fn len(&self) -> usize {
        self.of_cluster.len() + self.of_namespace.len()
    }
}

impl Place {
    /// The number of the rule that decides about a field.
    fn decide(
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
                // Those that are in both lists: the shorter one is gone through.
                let (short, long) = match &rules[text] {
                    rules if rules.len() < self.told.len() => (&**rules, &*self.told),
                    rules => (&*self.told, &**rules),
                };
                let mut better = short.iter().copied().take_while(|number| can_win(*number, first));
                let is_it = |number: &u32| long.binary_search(number).is_ok() && matches(*number);
                first = better.find(is_it).or(first);
            }
        }
        first.map(|number| number as usize)
    }

    fn len(&self) -> usize {
        self.each.len() + self.told.len()
    }
}
