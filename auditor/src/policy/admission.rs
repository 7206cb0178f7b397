//! Which policies of the Kubernetes API are in force.
//!
//! Goes in: all objects, the version of each that was in force before, and the policies of files and presets. Comes
//! out: what is in force, and of each object whether it is, in which version, and why not in its newest.
//!
//! One object that is wrong takes nothing from others: its last good version stays. Of objects that conflict, the older
//! stays. What is decided depends on nothing but that, so that all nodes decide the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check;
use super::compile::{self, Policies};
use super::load::{self, Loaded};
use super::model::{Document, Rule};
use super::names::Names;
use super::objects::Seen;
use super::schema::MOST_RULES;
use crate::identity::kubernetes::policies::{GROUP, Place, VERSION, Written};

/// Most characters of operations and fields in all objects of a namespace. Looking for conflicts takes time in
/// proportion to its square, on every node, and who writes it may be anybody.
const MOST_CHARACTERS: usize = 32_768;
/// Rounds in which older versions take the place of newer ones that conflict.
const ROUNDS: usize = 8;

/// The version of an object that was in force last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    pub uid: String,
    pub created: i64,
    pub generation: i64,
    pub document: Document,
}

/// Why an object's newest version is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It cannot be read, or names what is not known.
    Invalid,
    /// It conflicts with a policy of a file, or with an older object.
    Conflict,
    /// There is too much.
    Limit,
}

impl Reason {
    pub const ALL: [Self; 3] = [Self::Invalid, Self::Conflict, Self::Limit];

    /// As in metrics and `/readyz`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Limit => "limit",
        }
    }
}

/// How one object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// `name`, or `namespace/name`.
    pub policy: String,
    pub generation: i64,
    /// The generation that is in force, if any is.
    pub in_force: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    pub policies: Policies,
    pub standings: Vec<Standing>,
}

/// Decides, and remembers what was good.
#[derive(Debug, Default)]
pub struct Admission {
    good: BTreeMap<Place, Good>,
    /// What was read of an object, so that it is read once.
    read: HashMap<Place, (Arc<Written>, Result<Document, String>)>,
}

/// `name`, or `namespace/name`.
pub fn title(place: &Place) -> String {
    match &place.namespace {
        Some(namespace) => format!("{namespace}/{}", place.name),
        None => place.name.clone(),
    }
}

/// Where the API has a document.
pub fn place_of(document: &Document) -> Place {
    Place {
        namespace: document
            .metadata
            .namespace
            .as_ref()
            .map(|name| name.as_str().to_owned()),
        name: document.metadata.name.as_str().to_owned(),
    }
}

impl Admission {
    /// Goes on from what was in force before a restart.
    pub fn after(good: Vec<Good>) -> Self {
        let good = good.into_iter().map(|good| (place_of(&good.document), good));
        Self {
            good: good.collect(),
            read: HashMap::new(),
        }
    }

    /// The last good versions.
    pub fn good(&self) -> Vec<Good> {
        self.good.values().cloned().collect()
    }

    /// Decides about what is there. `base` are policies of files and presets, which can be used together.
    pub fn decide(&mut self, base: &[Loaded], seen: &Seen, names: &Names, now: Timestamp) -> Decision {
        let mut candidates = self.candidates(seen, names, now);
        // The oldest first; the order of two of one second is that of their names.
        candidates.sort_by(|a, b| (a.created, &a.place).cmp(&(b.created, &b.place)));
        let policies = settle(base, &mut candidates, names, now);
        self.remember(&candidates, seen);
        Decision {
            policies,
            standings: candidates.into_iter().map(Candidate::standing).collect(),
        }
    }

    fn candidates(&mut self, seen: &Seen, names: &Names, now: Timestamp) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut read = HashMap::new();
        for object in &seen.objects {
            let before = self.read.remove(&object.place);
            let document = match before {
                Some((same, document)) if Arc::ptr_eq(&same, object) => document,
                _ => document(object, names, now),
            };
            read.insert(object.place.clone(), (Arc::clone(object), document.clone()));
            let good = self.good.get(&object.place).filter(|good| good.uid == object.uid);
            candidates.push(Candidate::of(object, document, good));
        }
        self.read = read;
        // Those of before, of which the server has not told yet.
        let untold = self.good.iter().filter(|(place, _)| !seen.is_known(place));
        candidates.extend(untold.map(|(place, good)| Candidate::kept(place, good)));
        candidates
    }

    fn remember(&mut self, candidates: &[Candidate], seen: &Seen) {
        let present: BTreeSet<(&Place, &str)> = candidates
            .iter()
            .map(|one| (&one.place, one.uid.as_str()))
            .collect();
        self.good
            .retain(|place, good| !seen.is_known(place) || present.contains(&(place, good.uid.as_str())));
        for one in candidates {
            if let Some((generation, document)) = one.chosen() {
                let good = Good {
                    uid: one.uid.clone(),
                    created: one.created,
                    generation,
                    document: document.clone(),
                };
                self.good.insert(one.place.clone(), good);
            }
        }
    }
}

/// What an object says, if it can be used without others.
fn document(object: &Written, names: &Names, now: Timestamp) -> Result<Document, String> {
    if object.spec.is_empty() {
        return Err("there are too many policies to keep its text".to_owned());
    }
    let kind = match object.place.namespace {
        Some(_) => "DataFlowPolicy",
        None => "ClusterDataFlowPolicy",
    };
    let metadata = serde_json::json!({"name": object.place.name, "namespace": object.place.namespace});
    let text = format!(
        r#"{{"apiVersion": "{GROUP}/{VERSION}", "kind": "{kind}", "metadata": {metadata}, "spec": {}}}"#,
        object.spec
    );
    let origin = origin(&object.place);
    let mut loaded = Vec::new();
    load::parse(&text, &origin, &mut loaded).map_err(|error| without_column(&error.to_string()))?;
    Policies::checked(&loaded, names.clone(), now).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })?;
    match loaded.pop() {
        Some(one) => Ok(one.document),
        None => Err(format!("{origin}: it says nothing")),
    }
}

/// The text is on one line that nobody has written so.
fn without_column(message: &str) -> String {
    match message.rsplit_once(" at line 1 column ") {
        Some((before, column)) if column.bytes().all(|byte| byte.is_ascii_digit()) => before.to_owned(),
        _ => message.to_owned(),
    }
}

fn origin(place: &Place) -> String {
    format!("kubernetes {}", title(place))
}

/// An object while it is decided about.
struct Candidate {
    place: Place,
    uid: String,
    created: i64,
    generation: i64,
    /// The newest version, and the one before that was in force, if it is another.
    versions: [Option<(i64, Document)>; 2],
    /// Which of them is taken; 2: none.
    choice: usize,
    refused: Option<(Reason, String)>,
}

impl Candidate {
    fn of(object: &Written, document: Result<Document, String>, good: Option<&Good>) -> Self {
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

    fn kept(place: &Place, good: &Good) -> Self {
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

    fn chosen(&self) -> Option<(i64, &Document)> {
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

    fn standing(self) -> Standing {
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
fn settle(base: &[Loaded], candidates: &mut [Candidate], names: &Names, now: Timestamp) -> Policies {
    let titles: HashSet<String> = base.iter().map(|one| title(&place_of(&one.document))).collect();
    for round in 0.. {
        limit(base, &titles, candidates);
        let policies = match compiled(base, candidates, names) {
            Ok(policies) => policies,
            // Each was good by itself and all are within limits: this does not happen, and must not stop anything.
            Err(why) => {
                for one in candidates.iter_mut() {
                    one.refused = Some((Reason::Invalid, why.clone()));
                    one.choice = one.versions.len();
                }
                return compiled(base, candidates, names).unwrap_or_else(|_| Policies::none());
            }
        };
        let conflicts = check::conflicts_of_policies(&policies, now);
        if !drop_newer(&policies, &conflicts, candidates, round >= ROUNDS) {
            return policies;
        }
    }
    // The loop ends: every round takes a version from someone.
    Policies::none()
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
                    "{}: older objects leave no room for it; at most {MOST_RULES} rules and {MOST_CHARACTERS} characters of operations and fields in a namespace, and {} rules in all",
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
    let numbers: HashMap<String, usize> = (0..)
        .zip(candidates.iter())
        .map(|(number, one)| (title(&one.place), number))
        .collect();
    // By the newer one: the older, which is none for a policy of a file.
    let mut against: BTreeMap<usize, Vec<(Option<usize>, String)>> = BTreeMap::new();
    for conflict in conflicts {
        let [a, b] = conflict
            .rules
            .map(|rule| numbers.get(&policies.rules[rule].policy).copied());
        let (older, Some(newer)) = (a.min(b), a.max(b)) else {
            continue;
        };
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
