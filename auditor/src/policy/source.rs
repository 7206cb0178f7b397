//! Policies that change while the daemon runs.
//!
//! Goes in: places. Comes out: what is in them, in [`Live`], soon after each change. Contents are
//! compared, not file names or times: a ConfigMap is swapped by a symbolic link. What cannot be
//! used changes nothing: the last policies that could stay in force, across a restart too, as they
//! are kept in a file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::Live;
use super::compile::{Policies, Problem};
use super::load::{Content, LoadError, Loaded, Places, content, documents, read};
use super::model::Document;
use super::names::Names;

/// Where policies in force come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No policy is configured.
    None,
    /// They are what the places hold.
    Loaded,
    /// The places hold what cannot be used: those of before are in force.
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

/// Keeps [`Live`] as the places are.
pub struct Source {
    places: Places,
    names: Names,
    live: Arc<Live>,
    /// Where the last good policies are kept.
    keep: PathBuf,
    /// What was read last, or why it could not be.
    seen: Result<Content, String>,
    state: State,
}

impl Source {
    /// Reads the places for the first time.
    ///
    /// # Errors
    /// When they cannot be used, and there are none kept of before.
    pub fn start(places: Places, names: Names, keep: PathBuf) -> Result<Self, Refused> {
        let mut source = Self {
            places,
            names,
            live: Arc::default(),
            keep,
            seen: Err(String::new()),
            state: State::None,
        };
        if source.places.is_empty() {
            return Ok(source);
        }
        let Some(refused) = source.read_again() else {
            return Ok(source);
        };
        match source.kept() {
            Some(policies) => {
                tracing::warn!(version = policies.version, "the last good policies stay in force");
                source.live.set(policies);
                source.state = State::Stale;
                Ok(source)
            }
            None => Err(refused),
        }
    }

    /// The policies in force.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Reads the places again; true when something changed.
    pub fn poll(&mut self) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let before = (self.live.generation(), self.state);
        self.read_again();
        before != (self.live.generation(), self.state)
    }

    /// What is new is put in force, or refused.
    fn read_again(&mut self) -> Option<Refused> {
        let read = content(&self.places).map_err(|error| error.to_string());
        if read == self.seen {
            return None;
        }
        self.seen = read;
        let now = Timestamp::now();
        let compiled = match &self.seen {
            Ok(content) => compile(content, &self.places, self.names.clone(), now),
            Err(error) => Err(Refused(vec![error.clone()])),
        };
        match compiled {
            Ok((policies, loaded)) => {
                self.put(policies, &loaded);
                None
            }
            Err(refused) => {
                tracing::error!(errors = %refused, "policies are refused; those of before stay in force");
                self.state = State::Stale;
                Some(refused)
            }
        }
    }

    fn put(&mut self, policies: Policies, loaded: &[Loaded]) {
        self.state = State::Loaded;
        if policies.version == self.live.current().version {
            return;
        }
        tracing::info!(
            version = policies.version,
            rules = policies.rules.len(),
            "policies in force"
        );
        self.live.set(policies);
        if let Err(error) = self.keep(loaded) {
            tracing::warn!(%error, file = %self.keep.display(), "cannot keep the policies for a restart");
        }
    }

    fn keep(&self, loaded: &[Loaded]) -> std::io::Result<()> {
        let documents: Vec<&Document> = loaded.iter().map(|one| &one.document).collect();
        let text = serde_json::to_vec(&documents)?;
        let new = self.keep.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.keep)
    }

    fn kept(&self) -> Option<Policies> {
        let text = read(&self.keep).ok()?;
        let documents: Vec<Document> = serde_json::from_str(&text).ok()?;
        let origin = format!("last good policies in {}", self.keep.display());
        let loaded: Vec<Loaded> = documents
            .into_iter()
            .map(|document| Loaded {
                document,
                origin: origin.clone(),
            })
            .collect();
        Policies::checked(&loaded, self.names.clone(), Timestamp::now()).ok()
    }
}
