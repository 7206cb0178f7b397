//! A text that several patterns match, and others do not.
//!
//! Goes in: patterns. Comes out: such a text, or that there is none. It walks through all patterns
//! at once, a character at a time, and looks at each combination of positions once. There can be
//! many in contrived patterns: after [`STATES`] of them it gives up and says so.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Dialect, Glob, Positions, Token, is_separator};

/// Most combinations of positions that are looked at.
pub const STATES: usize = 10_000;
/// What stands for any text.
const EXAMPLE: &str = "x";

/// What patterns have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap<T> {
    Nothing,
    /// An example.
    Something(T),
    /// Too many combinations.
    Undecided,
}

/// A text that of each group of `all` one pattern matches, and no pattern of `none`.
pub fn common(all: &[&[Glob]], none: &[&Glob]) -> Overlap<String> {
    match shortest(all, none) {
        // A name is a better example than none.
        Overlap::Something(text) if text.is_empty() && fits(all, none, EXAMPLE) => {
            Overlap::Something(EXAMPLE.to_owned())
        }
        found => found,
    }
}

/// Whether of each group of `all` one pattern matches a text, and no pattern of `none`.
pub fn fits(all: &[&[Glob]], none: &[&Glob], text: &str) -> bool {
    all.iter()
        .all(|group| group.iter().any(|glob| glob.matches(text)))
        && !none.iter().any(|glob| glob.matches(text))
}

fn shortest(all: &[&[Glob]], none: &[&Glob]) -> Overlap<String> {
    for group in all {
        let exact: Option<Vec<&str>> = group.iter().map(Glob::exact).collect();
        if let Some(texts) = exact {
            return texts
                .into_iter()
                .find(|text| fits(all, none, text))
                .map_or(Overlap::Nothing, |text| Overlap::Something(text.to_owned()));
        }
    }
    if let ([a, b], []) = (all, none)
        && let Some(decided) = beginnings(a, b)
    {
        return decided;
    }
    if let ([a, b], []) = (all, none)
        && a.iter().all(|a| b.iter().all(|b| are_apart(a, b)))
    {
        return Overlap::Nothing;
    }
    search(all, none)
}

/// True when two patterns plainly have nothing in common: they begin or end with other characters, or one of the parts
/// between separators does, as far as no wildcard passes those.
pub(super) fn are_apart(a: &Glob, b: &Glob) -> bool {
    if differ_at_an_end(&a.tokens, &b.tokens) {
        return true;
    }
    let (mut a, mut b) = (Parts::of(a), Parts::of(b));
    loop {
        match (a.next(), b.next()) {
            (Some((a, end)), Some((b, other))) => {
                if end != other || differ_at_an_end(a, b) {
                    return true;
                }
            }
            _ => return false,
        }
    }
}

/// True when texts that these match begin, or end, with characters that are not the same.
fn differ_at_an_end(a: &[Token], b: &[Token]) -> bool {
    let differ = |(a, b): (&Token, &Token)| match (a, b) {
        (Token::Literal(a), Token::Literal(b)) => Some(a != b),
        _ => None,
    };
    let front = a.iter().zip(b).map_while(differ);
    let back = a.iter().rev().zip(b.iter().rev()).map_while(differ);
    front.chain(back).any(|differ| differ)
}

/// The parts of a pattern that end with a separator, and that separator. In all that it matches they are the parts before
/// the same separators, up to the first wildcard that passes them.
struct Parts<'a> {
    dialect: Dialect,
    tokens: &'a [Token],
}

impl<'a> Parts<'a> {
    fn of(glob: &'a Glob) -> Self {
        let any = glob.tokens.iter().position(|token| *token == Token::Any);
        Self {
            dialect: glob.dialect,
            tokens: &glob.tokens[..any.unwrap_or(glob.tokens.len())],
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (&'a [Token], char);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, end) = (0..).zip(self.tokens).find_map(|(at, token)| match token {
            Token::Literal(c) if is_separator(self.dialect, *c) => Some((at, *c)),
            _ => None,
        })?;
        let (part, rest) = self.tokens.split_at(at);
        self.tokens = &rest[1..];
        Some((part, end))
    }
}

/// The same for two groups of patterns that are only a beginning, or a text: one of them has to
/// begin with the other.
fn beginnings(a: &[Glob], b: &[Glob]) -> Option<Overlap<String>> {
    let known = |group: &[Glob]| group.iter().all(|glob| glob.beginning().is_some());
    if !known(a) || !known(b) {
        return None;
    }
    let longer = |a: &Glob, b: &Glob| {
        let (x, y) = (a.beginning()?, b.beginning()?);
        let longer = if x.len() >= y.len() { x } else { y };
        (a.matches(longer) && b.matches(longer)).then(|| longer.to_owned())
    };
    let found = a.iter().find_map(|a| b.iter().find_map(|b| longer(a, b)));
    Some(found.map_or(Overlap::Nothing, Overlap::Something))
}

/// Whether every text that `inner` matches is matched by one of `outer`.
pub fn covers(outer: &[Glob], inner: &[Glob]) -> bool {
    let outer: Vec<&Glob> = outer.iter().collect();
    common(&[inner], &outer) == Overlap::Nothing
}

type State = Vec<Positions>;
type Known = HashMap<State, Option<(usize, char)>, foldhash::fast::RandomState>;

pub(super) fn search(all: &[&[Glob]], none: &[&Glob]) -> Overlap<String> {
    let globs: Vec<&Glob> = all
        .iter()
        .flat_map(|group| group.iter())
        .chain(none.iter().copied())
        .collect();
    let others = others(&globs);
    let start: State = globs.iter().map(|glob| glob.start()).collect();
    // Where each state was reached from, and by which character.
    let mut known: Known = Known::default();
    let mut order: Vec<State> = vec![start.clone()];
    known.insert(start, None);
    let mut open = VecDeque::from([0]);
    while let Some(at) = open.pop_front() {
        if is_accepted(all, none, &order[at]) {
            return Overlap::Something(spell(&known, &order, at));
        }
        for c in letters(&globs, &order[at], &others) {
            let next: State = globs
                .iter()
                .zip(&order[at])
                .map(|(glob, positions)| glob.step(positions, c))
                .collect();
            if is_dead(all, &next) || known.contains_key(&next) {
                continue;
            }
            if order.len() >= STATES {
                return Overlap::Undecided;
            }
            known.insert(next.clone(), Some((at, c)));
            open.push_back(order.len());
            order.push(next);
        }
    }
    Overlap::Nothing
}

fn is_accepted(all: &[&[Glob]], none: &[&Glob], state: &State) -> bool {
    let mut positions = state.iter();
    let mut accepted = true;
    for group in all {
        // Every pattern takes its positions, whether or not one accepted before.
        let any = group
            .iter()
            .zip(positions.by_ref().take(group.len()))
            .fold(false, |any, (glob, at)| any | glob.accepts(at));
        accepted &= any;
    }
    accepted && !none.iter().zip(positions).any(|(glob, at)| glob.accepts(at))
}

/// True when of a group no pattern can match any more.
fn is_dead(all: &[&[Glob]], state: &State) -> bool {
    let mut from = 0;
    all.iter().any(|group| {
        let positions = &state[from..from + group.len()];
        from += group.len();
        positions.iter().all(Positions::is_empty)
    })
}

fn spell(known: &Known, order: &[State], mut at: usize) -> String {
    let mut letters = Vec::new();
    while let Some(Some((before, c))) = known.get(&order[at]) {
        letters.push(*c);
        at = *before;
    }
    letters.iter().rev().collect()
}

/// A character that no pattern gives, and the separators: what wildcards take.
fn others(globs: &[&Glob]) -> Vec<char> {
    let given: BTreeSet<char> = globs
        .iter()
        .flat_map(|glob| &glob.tokens)
        .filter_map(|token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        })
        .collect();
    let dialect = globs.first().map_or(Dialect::Text, |glob| glob.dialect);
    let mut other = ('a'..='z').chain('0'..='9').chain('\u{4e00}'..'\u{9fff}');
    let other = other.find(|c| !given.contains(c));
    let separators = ['.', '[', ']', '/'];
    let separators = separators.into_iter().filter(|c| is_separator(dialect, *c));
    other.into_iter().chain(separators).collect()
}

/// The characters that some pattern can take next, and the others. Any that is not among them does
/// what one of the others does.
fn letters(globs: &[&Glob], state: &State, others: &[char]) -> BTreeSet<char> {
    let next = globs.iter().zip(state).flat_map(|(glob, positions)| {
        positions.each().filter_map(|at| match glob.tokens.get(at) {
            Some(Token::Literal(c)) => Some(*c),
            _ => None,
        })
    });
    next.chain(others.iter().copied()).collect()
}
