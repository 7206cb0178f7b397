//! Which policies of the Kubernetes API are in force.
//!
//! Goes in: all objects, the version of each that was in force before, and the policies of files and presets. Comes
//! out: what is in force, and of each object whether it is, in which version, and why not in its newest.
//!
//! One object that is wrong takes nothing from others: its last good version stays. Of objects that conflict, the older
//! stays. What is decided depends on nothing but that, so that all nodes decide the same.

mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::settle::{Candidate, settle};
use super::compile::Policies;
use super::load::{self, Loaded};
use super::model::Document;
use super::names::Names;
use super::objects::Seen;
use crate::identity::kubernetes::policies::{GROUP, Place, VERSION, Written};

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
