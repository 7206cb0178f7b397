//! Which versions of objects are in force together.
//!
//! Goes in: candidates, the oldest first, and the policies of files and presets. Comes out: of each the version that is
//! taken, or none, with why the newest is not; and all of it put together. It never takes from an older object for the sake
//! of a newer one.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::{Good, Reason, Standing, origin, place_of, title};
use crate::identity::kubernetes::policies::{Place, Written};
use crate::policy::check;
use crate::policy::compile::{self, Policies};
use crate::policy::load::Loaded;
use crate::policy::model::{Document, Rule};
use crate::policy::names::Names;
use crate::policy::schema::MOST_RULES;

/// Most characters of operations, fields and clients in all objects of a namespace. Looking for conflicts takes time in
/// proportion to its square, on every node, and who writes it may be anybody.
const MOST_CHARACTERS: usize = 32_768;
/// Rounds in which older versions take the place of newer ones that conflict.
const ROUNDS: usize = 8;

/// An object while it is decided about.
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) uid: String,
    pub(super) created: i64,
    generation: i64,
    /// The newest version, and the one before that was in force, if it is another.
    versions: [Option<(i64, Document)>; 2],
    /// Which of them is taken; 2: none.
    choice: usize,
    refused: Option<(Reason, String)>,
}

impl Candidate {
    pub(super) fn of(object: &Written, document: Result<Document, String>, good: Option<&Good>) -> Self {
        let (newest, refused) = match document {
            Ok(document) => (Some((object.generation, document)), None),
            Err(why) => {
                let reason = if object.spec.is_empty() {
                    Reason::Limit
                } else {
                    Reason::Invalid
                };
                (None, Some((reason, why)))
            }
        };
        let before = good
            .map(|good| (good.generation, good.document.clone()))
            .filter(|before| Some(before) != newest.as_ref());
        let mut candidate = Self {
            place: object.place.clone(),
            uid: object.uid.clone(),
            created: object.created,
            generation: object.generation,
            versions: [newest, before],
            choice: 0,
            refused,
        };
        if candidate.versions[0].is_none() {
            candidate.fall_back();
        }
        candidate
    }

    pub(super) fn kept(place: &Place, good: &Good) -> Self {
        Self {
            place: place.clone(),
            uid: good.uid.clone(),
            created: good.created,
            generation: good.generation,
            versions: [Some((good.generation, good.document.clone())), None],
            choice: 0,
            refused: None,
        }
    }

    pub(super) fn chosen(&self) -> Option<(i64, &Document)> {
        let version = self.versions.get(self.choice)?.as_ref()?;
        Some((version.0, &version.1))
    }

    /// Takes the version before, or none.
    fn fall_back(&mut self) {
        self.choice = match (self.choice, &self.versions[1]) {
            (0, Some(_)) => 1,
            _ => self.versions.len(),
        };
    }

    fn refuse(&mut self, reason: Reason, why: String) {
        // Why the newest is refused is what its author wants to know.
        self.refused.get_or_insert((reason, why));
        self.fall_back();
    }

    pub(super) fn standing(self) -> Standing {
        let in_force = self.chosen().map(|(generation, _)| generation);
        let (refused, why) = self.refused.unzip();
        Standing {
            policy: title(&self.place),
            generation: self.generation,
            in_force,
            refused,
            why,
        }
    }
}

/// Chooses versions until no two conflict, and puts all together.
pub(super) fn settle(
    base: &[Loaded],
    candidates: &mut [Candidate],
    names: &Names,
    now: Timestamp,
) -> Policies {
    let titles: HashSet<String> = base.iter().map(|one| title(&place_of(&one.document))).collect();
    // Three are enough but for chains of versions of before; after that no version of before is taken, and one ends it.
    for round in 0..=ROUNDS + 2 {
        limit(base, &titles, candidates);
        let policies = match compiled(base, candidates, names) {
            Ok(policies) => policies,
            // Each was good by itself and all are within limits: this does not happen, and must not stop anything.
            Err(why) => return without(base, candidates, names, &why),
        };
        let conflicts = check::conflicts_of_policies(&policies, now);
        if !drop_newer(&policies, &conflicts, candidates, round >= ROUNDS) {
            return policies;
        }
    }
    without(
        base,
        candidates,
        names,
        "it cannot be settled which policies are in force",
    )
}

/// Policies of files and presets alone.
fn without(base: &[Loaded], candidates: &mut [Candidate], names: &Names, why: &str) -> Policies {
    for one in candidates.iter_mut() {
        one.refused = Some((Reason::Invalid, why.to_owned()));
        one.choice = one.versions.len();
    }
    compiled(base, candidates, names).unwrap_or_else(|_| Policies::none())
}

fn compiled(base: &[Loaded], candidates: &[Candidate], names: &Names) -> Result<Policies, String> {
    let chosen = candidates.iter().filter_map(|one| {
        let (_, document) = one.chosen()?;
        Some(Loaded {
            document: document.clone(),
            origin: origin(&one.place),
        })
    });
    let loaded: Vec<Loaded> = base.iter().cloned().chain(chosen).collect();
    Policies::compile(&loaded, names.clone()).map_err(|problems| {
        let first = problems.first();
        first.map(ToString::to_string).unwrap_or_default()
    })
}

/// Refuses what has the name of a policy in a file, and what is too much.
fn limit(base: &[Loaded], titles: &HashSet<String>, candidates: &mut [Candidate]) {
    let mut all: usize = base.iter().map(|one| one.document.spec.rules.len()).sum();
    let mut of_namespaces: HashMap<String, (usize, usize)> = HashMap::new();
    for one in candidates {
        if titles.contains(&title(&one.place)) {
            one.refuse(
                Reason::Conflict,
                format!("{}: a policy in a file has the same name", origin(&one.place)),
            );
            one.choice = one.versions.len();
        }
        while let Some((_, document)) = one.chosen() {
            let rules = document.spec.rules.len();
            let namespace = one.place.namespace.clone().unwrap_or_default();
            let before = of_namespaces.get(&namespace).copied().unwrap_or_default();
            let after = (before.0 + rules, before.1 + characters(&document.spec.rules));
            let is_too_much =
                one.place.namespace.is_some() && (after.0 > MOST_RULES || after.1 > MOST_CHARACTERS);
            if !is_too_much && all + rules <= compile::MOST_RULES {
                all += rules;
                of_namespaces.insert(namespace, after);
                break;
            }
            one.refuse(
                Reason::Limit,
                format!(
                    "{}: older objects leave no room for it; at most {MOST_RULES} rules and {MOST_CHARACTERS} characters of operations, fields and clients in a namespace, and {} rules in all",
                    origin(&one.place),
                    compile::MOST_RULES
                ),
            );
        }
    }
}

fn characters(rules: &[Rule]) -> usize {
    let of_rule = |rule: &Rule| {
        let operations = rule.operations.iter().map(|pattern| pattern.0.length());
        operations
            .chain(rule.fields.iter().map(|pattern| pattern.0.length()))
            .chain(rule.transport.client.iter().map(|pattern| pattern.0.length()))
            .sum::<usize>()
    };
    rules.iter().map(of_rule).sum()
}

/// Of two that conflict, the newer falls back; false when there were none. At the `last`, it is not in force at all.
fn drop_newer(
    policies: &Policies,
    conflicts: &[check::Conflict],
    candidates: &mut [Candidate],
    last: bool,
) -> bool {
    // Only of those that are taken: a policy of a file may have the name of one that is not.
    let taken = (0..)
        .zip(candidates.iter())
        .filter(|(_, one)| one.chosen().is_some());
    let numbers: HashMap<String, usize> = taken.map(|(number, one)| (title(&one.place), number)).collect();
    // By the newer one: the older, which is none for a policy of a file.
    let mut against: BTreeMap<usize, Vec<(Option<usize>, String)>> = BTreeMap::new();
    for conflict in conflicts {
        let [a, b] = conflict
            .rules
            .map(|rule| numbers.get(&policies.rules[rule].policy).copied());
        let (older, Some(newer)) = (a.min(b), a.max(b)) else {
            continue;
        };
        let mut conflict = conflict.clone();
        // As an error of the one that gives way.
        if a < b {
            conflict.rules.reverse();
        }
        let why = conflict.problem(policies).to_string();
        against.entry(newer).or_default().push((older, why));
    }
    let mut dropped = HashSet::new();
    for (newer, olders) in against {
        let wins = |older: &Option<usize>| older.is_none_or(|older| !dropped.contains(&older));
        if let Some((_, why)) = olders.into_iter().find(|(older, _)| wins(older)) {
            dropped.insert(newer);
            let one = &mut candidates[newer];
            one.refuse(Reason::Conflict, why);
            if last {
                one.choice = one.versions.len();
            }
        }
    }
    !dropped.is_empty()
}
