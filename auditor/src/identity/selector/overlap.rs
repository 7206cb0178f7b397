//! An end that several selectors mean.
//!
//! Goes in: selectors. Comes out: such an end, or that there is none. Each key is decided for
//! itself, which is exact: the keys of an end are independent, but that a namespace needs a
//! workload, and an external end has nothing but a host. Patterns are decided by
//! [`crate::glob::overlap`], with its limit.

use std::collections::BTreeSet;

use super::describe::set;
use super::{Key, Selector, Term, is_external};
use crate::glob::overlap::{Overlap, common, fits};
use crate::glob::{Dialect, Glob};
use crate::report::finding::End;

/// A workload of no importance.
const UNNAMED: &str = "Pod/unnamed";
/// Not external: RFC 1918.
const INSIDE: &str = "10.0.0.1:443";
/// External: one for documentation, RFC 5737.
const OUTSIDE: &str = "203.0.113.1:443";

/// An end that all `selectors` mean.
pub fn common_end(selectors: &[&Selector]) -> Overlap<Box<End>> {
    let mut external = None;
    for selector in selectors {
        match (external, selector.external) {
            (Some(a), Some(b)) if a != b => return Overlap::Nothing,
            (None, Some(b)) => external = Some(b),
            _ => (),
        }
    }
    let terms: Vec<&Term> = selectors.iter().flat_map(|selector| &selector.terms).collect();
    let asked: BTreeSet<(Key, &str)> = terms.iter().map(|term| (term.key, term.label.as_str())).collect();
    let mut end = Box::<End>::default();
    let mut undecided = false;
    let in_namespace = terms
        .iter()
        .any(|term| term.key == Key::Namespace && !term.negated);
    // The workload comes before its namespace: `Key` is in another order, so two rounds.
    for round in [false, true] {
        for &(key, label) in asked.iter().filter(|(key, _)| (*key == Key::Namespace) == round) {
            let named = key == Key::Workload && in_namespace;
            match value(&terms, key, label, named) {
                Value::Absent => (),
                Value::Nothing => return Overlap::Nothing,
                Value::Undecided => undecided = true,
                Value::Text(text) => set(&mut end, key, label, &text),
            }
        }
        if !round && in_namespace && end.workload.is_none() {
            set(&mut end, Key::Workload, "", UNNAMED);
        }
    }
    place(&mut end, external);
    match external {
        _ if undecided => Overlap::Undecided,
        Some(external) if external != is_external(&end) => Overlap::Nothing,
        _ => Overlap::Something(end),
    }
}

fn place(end: &mut End, external: Option<bool>) {
    let address = match external {
        Some(true) => OUTSIDE,
        Some(false) if end.host.is_some() => INSIDE,
        _ => return,
    };
    end.address = Some(address.to_owned());
}

enum Value {
    /// May be missing, and is.
    Absent,
    Text(String),
    Nothing,
    Undecided,
}

/// A value under one key for which all terms hold. `named`: it may not be missing.
fn value(terms: &[&Term], key: Key, label: &str, named: bool) -> Value {
    let of_key = |negated: bool| {
        terms
            .iter()
            .filter(move |term| term.key == key && term.label == label && term.negated == negated)
    };
    let mut all: Vec<&[Glob]> = of_key(false).map(|term| &term.values[..]).collect();
    let none: Vec<&Glob> = of_key(true).flat_map(|term| &term.values).collect();
    if all.is_empty() && !named {
        return Value::Absent;
    }
    let anything = Glob::parse("*/*", Dialect::Workload).ok();
    if all.is_empty() {
        if !none.iter().any(|glob| glob.matches(UNNAMED)) {
            return Value::Text(UNNAMED.to_owned());
        }
        all.extend(anything.as_slice().chunks(1));
    }
    match common(&all, &none) {
        Overlap::Nothing => Value::Nothing,
        Overlap::Something(text) if key == Key::Workload && text.starts_with('/') => {
            // Any kind would do: one that there is.
            let whole = format!("Deployment{text}");
            Value::Text(if fits(&all, &none, &whole) { whole } else { text })
        }
        Overlap::Something(text) => Value::Text(text),
        Overlap::Undecided => Value::Undecided,
    }
}

/// Whether every end that `inner` means is meant by `outer`.
pub fn covers(outer: &Selector, inner: &Selector) -> bool {
    let external = outer.external.is_none_or(|external| {
        let opposite = Selector {
            external: Some(!external),
            terms: Vec::new(),
        };
        common_end(&[inner, &opposite]) == Overlap::Nothing
    });
    external && outer.terms.iter().all(|term| is_implied(term, inner))
}

/// Whether `term` holds for every end that `inner` means: its opposite never does.
fn is_implied(term: &Term, inner: &Selector) -> bool {
    let opposite = Selector {
        external: None,
        terms: vec![Term {
            negated: !term.negated,
            ..term.clone()
        }],
    };
    common_end(&[inner, &opposite]) == Overlap::Nothing
}
