//! Policies that change while the daemon runs.
//!
//! Goes in: places, and objects of the Kubernetes API. Comes out: what is in them, in [`Live`], soon
//! after each change. Contents are compared, not file names or times: a ConfigMap is swapped by a
//! symbolic link. What cannot be used changes nothing: the last policies that could stay in force,
//! across a restart too, as they are kept in a file. Files are good or not as a whole, objects each
//! by itself ([`super::admission`]).

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::Live;
use super::admission::{Admission, Decision, Reason, Standing};
use super::compile::{Policies, Problem};
use super::kept::Kept;
use super::load::{Content, LoadError, Loaded, Places, content, documents};
use super::model::Document;
use super::names::Names;
use super::objects::Objects;

/// How far policies in force are what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No policy is configured.
    None,
    /// They are what is written.
    Loaded,
    /// What is written cannot be used, or is not known: those of before are in force.
    Stale,
}

impl State {
    /// As in `/readyz` and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Loaded => "loaded",
            Self::Stale => "stale",
        }
    }
}

/// Why policies cannot be used: all errors.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct Refused(pub Vec<String>);

impl Refused {
    fn of<E: ToString>(errors: &[E]) -> Self {
        Self(errors.iter().map(ToString::to_string).collect())
    }
}

/// Reads and compiles what is in `places`.
///
/// # Errors
/// Every error, conflicts among them.
pub fn load(places: &Places, names: Names, now: Timestamp) -> Result<Policies, Refused> {
    let content = content(places).map_err(|error| Refused::of::<LoadError>(&[error]))?;
    compile(&content, places, names, now).map(|(policies, _)| policies)
}

fn compile(
    content: &Content,
    places: &Places,
    names: Names,
    now: Timestamp,
) -> Result<(Policies, Vec<Loaded>), Refused> {
    let loaded = documents(content, &places.presets).map_err(|errors| Refused::of(&errors))?;
    let policies =
        Policies::checked(&loaded, names, now).map_err(|problems| Refused::of::<Problem>(&problems))?;
    Ok((policies, loaded))
}

/// Whether the API server can be believed to have told of all its policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// All that there is.
    All,
    /// It is down, refuses, or has not answered yet; or it has no such kinds.
    Before,
}

/// Keeps [`Live`] as what is written is.
pub struct Source {
    places: Places,
    names: Names,
    live: Arc<Live>,
    /// Where the last good policies are kept.
    keep: PathBuf,
    /// What was read last, or why it could not be.
    seen: Result<Content, String>,
    /// Of files and presets: the last good ones.
    base: Vec<Loaded>,
    base_state: State,
    cluster: Option<Cluster>,
    /// What the file holds.
    kept: Option<Kept>,
}

/// Policies of the Kubernetes API.
struct Cluster {
    objects: Arc<Objects>,
    /// How many changes are in what is in force.
    changes: Option<u64>,
    told: Told,
    admission: Admission,
    standings: Vec<Standing>,
    overflow: usize,
}

/// One policy in force, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// `name`, or `namespace/name`.
    pub policy: String,
    /// `file`, `preset` or `kubernetes`.
    pub source: &'static str,
    pub state: State,
}

impl Source {
    /// Reads the places for the first time, and takes in the objects that are known.
    ///
    /// # Errors
    /// When files cannot be used, and there are none kept of before.
    pub fn start(
        places: Places,
        names: Names,
        keep: PathBuf,
        objects: Option<(Arc<Objects>, Told)>,
    ) -> Result<Self, Refused> {
        let kept = Kept::read(&keep);
        let good = kept.as_ref().map_or_else(Vec::new, |kept| kept.objects.clone());
        let mut source = Self {
            places,
            names,
            live: Arc::default(),
            keep,
            seen: Err(String::new()),
            base: Vec::new(),
            base_state: State::None,
            cluster: objects.map(|(objects, told)| Cluster {
                objects,
                changes: None,
                told,
                admission: Admission::after(good),
                standings: Vec::new(),
                overflow: 0,
            }),
            kept: None,
        };
        if source.places.is_empty() && source.cluster.is_none() {
            return Ok(source);
        }
        if !source.places.is_empty()
            && let Some(refused) = source.read_again()
        {
            let documents = kept.map(|kept| kept.documents).unwrap_or_default();
            let Some(base) = source.usable(documents) else {
                return Err(refused);
            };
            tracing::warn!("the last good policies stay in force");
            source.base = base;
        }
        source.decide();
        Ok(source)
    }

    /// The policies in force.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Of all of them together.
    pub fn state(&self) -> State {
        let states = self.in_force().map(|one| one.state);
        let worst = states.fold(self.base_state, |worst, state| match (worst, state) {
            (State::Stale, _) | (_, State::Stale) => State::Stale,
            (State::Loaded, _) | (_, State::Loaded) => State::Loaded,
            _ => State::None,
        });
        match worst {
            State::None if self.live.current().rules.is_empty() => State::None,
            State::None => State::Loaded,
            worst => worst,
        }
    }

    /// Every policy in force.
    pub fn in_force(&self) -> impl Iterator<Item = InForce> {
        let of_base = self.base.iter().map(|one| {
            let metadata = &one.document.metadata;
            let name = metadata.name.as_str();
            InForce {
                policy: match &metadata.namespace {
                    Some(namespace) => format!("{}/{name}", namespace.as_str()),
                    None => name.to_owned(),
                },
                source: if one.origin.starts_with("preset ") {
                    "preset"
                } else {
                    "file"
                },
                state: self.base_state,
            }
        });
        let of_cluster = self.cluster.iter().flat_map(|cluster| {
            let in_force = cluster.standings.iter().filter(|one| one.in_force.is_some());
            in_force.map(|one| InForce {
                policy: one.policy.clone(),
                source: "kubernetes",
                state: match one.refused {
                    None if cluster.told == Told::All => State::Loaded,
                    _ => State::Stale,
                },
            })
        });
        of_base.chain(of_cluster)
    }

    /// Objects whose newest version is not in force.
    pub fn refused(&self) -> impl Iterator<Item = (&str, Reason)> {
        let standings = self.cluster.iter().flat_map(|cluster| &cluster.standings);
        standings.filter_map(|one| Some((one.policy.as_str(), one.refused?)))
    }

    /// Objects that found no room, and are not known by name.
    pub fn overflow(&self) -> usize {
        self.cluster.as_ref().map_or(0, |cluster| cluster.overflow)
    }

    /// Policies are in other places from now on; true when something changed. Where these cannot be used, those of
    /// before stay in force.
    pub fn set_places(&mut self, places: Places) -> bool {
        if self.places == places {
            return false;
        }
        self.places = places;
        self.seen = Err(String::new());
        if !self.places.is_empty() {
            return self.poll();
        }
        (self.base, self.base_state) = (Vec::new(), State::None);
        self.decide();
        true
    }

    /// Reads the places again; true when something changed.
    pub fn poll(&mut self) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let before = self.base_state;
        let seen = self.seen.clone();
        self.read_again();
        if seen == self.seen {
            return false;
        }
        let version = self.live.generation();
        self.decide();
        before != self.base_state || version != self.live.generation()
    }

    /// Takes in what is new of the objects; true when something changed.
    pub fn poll_objects(&mut self, told: Told) -> bool {
        let Some(cluster) = &mut self.cluster else {
            return false;
        };
        let told_before = std::mem::replace(&mut cluster.told, told);
        if cluster.changes == Some(cluster.objects.changes()) {
            return told_before != told;
        }
        self.decide();
        true
    }

    /// What is new in the places becomes the base, or is refused.
    fn read_again(&mut self) -> Option<Refused> {
        let read = content(&self.places).map_err(|error| error.to_string());
        if read == self.seen {
            return None;
        }
        self.seen = read;
        let compiled = match &self.seen {
            Ok(content) => compile(content, &self.places, self.names.clone(), Timestamp::now()),
            Err(error) => Err(Refused(vec![error.clone()])),
        };
        match compiled {
            Ok((_, loaded)) => {
                self.base = loaded;
                self.base_state = State::Loaded;
                None
            }
            Err(refused) => {
                tracing::error!(errors = %refused, "policies are refused; those of before stay in force");
                self.base_state = State::Stale;
                Some(refused)
            }
        }
    }

    /// Puts together what is in force.
    fn decide(&mut self) {
        let now = Timestamp::now();
        let policies = match &mut self.cluster {
            None => Policies::compile(&self.base, self.names.clone()),
            Some(cluster) => {
                // Read before the objects: what comes in between is looked at next time.
                cluster.changes = Some(cluster.objects.changes());
                let seen = cluster.objects.all();
                cluster.overflow = seen.overflow;
                let Decision { policies, standings } =
                    cluster.admission.decide(&self.base, &seen, &self.names, now);
                tell(&cluster.standings, &standings);
                cluster.standings = standings;
                Ok(policies)
            }
        };
        match policies {
            Ok(policies) => self.put(policies),
            // The base was good when it was read, and is the same.
            Err(problems) => {
                tracing::error!(errors = %Refused::of(&problems), "policies cannot be put together");
            }
        }
    }

    fn put(&mut self, policies: Policies) {
        if policies.version != self.live.current().version {
            tracing::info!(
                version = policies.version,
                rules = policies.rules.len(),
                "policies in force"
            );
            self.live.set(policies);
        }
        let kept = Kept {
            documents: self.base.iter().map(|one| one.document.clone()).collect(),
            objects: self
                .cluster
                .as_ref()
                .map_or_else(Vec::new, |cluster| cluster.admission.good()),
        };
        if self.kept.as_ref() == Some(&kept) {
            return;
        }
        if let Err(error) = kept.write(&self.keep) {
            tracing::warn!(%error, file = %self.keep.display(), "cannot keep the policies for a restart");
        }
        self.kept = Some(kept);
    }

    /// Documents of before, if they are some and can still be used.
    fn usable(&self, documents: Vec<Document>) -> Option<Vec<Loaded>> {
        let origin = format!("last good policies in {}", self.keep.display());
        let loaded: Vec<Loaded> = documents
            .into_iter()
            .map(|document| Loaded {
                document,
                origin: origin.clone(),
            })
            .collect();
        let is_usable = Policies::checked(&loaded, self.names.clone(), Timestamp::now()).is_ok();
        (is_usable && !loaded.is_empty()).then_some(loaded)
    }
}

/// Says once of each object what is new about it.
fn tell(before: &[Standing], now: &[Standing]) {
    let told: HashSet<(&str, i64, Option<&str>)> = before
        .iter()
        .map(|one| (one.policy.as_str(), one.generation, one.why.as_deref()))
        .collect();
    for one in now {
        let Some(why) = one.why.as_deref() else {
            continue;
        };
        if told.contains(&(one.policy.as_str(), one.generation, Some(why))) {
            continue;
        }
        let stays = match one.in_force {
            Some(generation) => format!("generation {generation} stays in force"),
            None => "it is not in force".to_owned(),
        };
        // Who writes it may be anybody: quoted, so that it can not look like another line of the log.
        tracing::error!(policy = %one.policy, generation = one.generation, why = ?why, "a policy of the API server is refused; {stays}");
    }
}
