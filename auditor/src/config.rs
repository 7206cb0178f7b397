//! The configuration: file, environment and flags become one validated [`Config`].
//!
//! Goes in: YAML, `AUDITOR_SECTION__KEY` variables and flags, each overriding the one before.
//! Comes out: a [`Config`] in which every value is within its bounds, or one sentence that names
//! the key. It never reads a file other than the one it is given and changes nothing.
//!
//! What keys there are, with defaults, units and bounds, is the table in [`keys`].

mod identity;
pub mod keys;
mod masking;
mod sinks;
mod tail;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_norway::{Mapping, Value};

use crate::detect::own::Definition;
use crate::files::{self, Unusable};
use crate::identity::selector::{
    Selector,
    choice::{Choice, ChoiceError},
};
use crate::report::sinks::format::Format;
use crate::report::sinks::journal::Sync;
pub use identity::{Enabled, Identity, KubernetesIdentity, MeshIdentity, Runtimes, Tracking};
use keys::{Key, Kind};
pub use masking::{Drift, Masking};
pub use sinks::{Events, Otlp, Stdout, Webhook};
pub use tail::Tail;

/// Where the configuration is looked for.
pub const DEFAULT_FILE: &str = "/etc/auditor/config.yaml";
/// The socket findings are served on.
pub const DEFAULT_SOCKET: &str = "/run/auditor/auditor.sock";
/// Largest configuration file read, bytes.
const FILE_LIMIT: u64 = 1 << 20;
const PREFIX: &str = "AUDITOR_";

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub state_dir: PathBuf,
    pub scope: Scope,
    pub capture: Capture,
    pub limits: Limits,
    pub content: Content,
    pub detect: Detect,
    pub identity: Identity,
    pub report: Report,
    pub masking: Masking,
    pub drift: Drift,
    pub serve: Serve,
    pub tail: Tail,
    pub policy: Policy,
    /// The user's own, beside those of the catalogue.
    pub detectors: Vec<Definition>,
}

/// What is watched. At least one of them is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub node: bool,
    pub pids: Vec<u32>,
    pub cgroups: Vec<PathBuf>,
    pub containers: Vec<String>,
    /// Processes to watch, by what they are.
    pub select: Vec<Selector>,
    /// Of those, or of the whole node: what is left out.
    pub except: Vec<Selector>,
    /// Names of programs and paths of executables that are left out.
    pub exclude: Vec<String>,
}

impl Scope {
    /// Whether every process is watched, whatever it is.
    pub fn is_node(&self) -> bool {
        self.node && self.except.is_empty()
    }

    /// What selectors choose.
    ///
    /// # Errors
    /// For a selector that chooses nothing.
    pub fn choice(&self) -> Result<Choice, ChoiceError> {
        let include = match self.node && !self.except.is_empty() {
            true => vec![Selector::any()],
            false => self.select.clone(),
        };
        Choice::new(include, self.except.clone())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// Size of each ring buffer, bytes; a power of two.
    pub ring_bytes: u64,
    /// Most bytes copied of one call.
    pub max_call_bytes: u64,
    /// Most bytes copied of one message in one direction; 0: no limit.
    pub max_message_bytes: u64,
    /// `auto`, or a tier by name.
    pub socket_hook: String,
    /// How long a library stays hooked that no watched process uses, seconds.
    pub detach_after_seconds: u64,
    /// Rules: connections that are not read, or not whole.
    pub leave_out: Vec<String>,
}

/// What the daemon may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Of a processor; 0: no ceiling.
    pub cpu_percent: u32,
}

/// How messages are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Files that say how fields of protobuf messages are called.
    pub descriptors: Vec<PathBuf>,
    /// Whether servers' answers to gRPC's reflection say so as well.
    pub reflection: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    pub min_confidence: MinConfidence,
    pub states: States,
    /// Key of the fingerprints; see [`Config::key_file`].
    pub key_file: Option<PathBuf>,
}

/// The lowest confidence that becomes a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MinConfidence {
    Low,
    Medium,
    High,
}

impl From<MinConfidence> for crate::detect::Confidence {
    fn from(least: MinConfidence) -> Self {
        match least {
            MinConfidence::Low => Self::Low,
            MinConfidence::Medium => Self::Medium,
            MinConfidence::High => Self::High,
        }
    }
}

/// Which states become findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum States {
    Clear,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub interval_seconds: u32,
    pub max_live: usize,
    /// Name of the cluster, in findings.
    pub cluster: Option<String>,
    pub journal: Journal,
    pub stdout: Stdout,
    /// Most bytes that wait for one remote sink.
    pub queue_bytes: u64,
    pub otlp: Otlp,
    pub webhook: Webhook,
    pub events: Events,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub enabled: bool,
    /// See [`Config::journal_path`].
    pub path: Option<PathBuf>,
    pub max_bytes: u64,
    pub keep: u32,
    pub format: Format,
    pub sync: Sync,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    pub http: SocketAddr,
    pub socket: PathBuf,
    /// Findings remembered for clients of the socket.
    pub history: usize,
    /// Series each metric with workload labels may have.
    pub max_series: usize,
}

/// What is allowed, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Files, and folders of them.
    pub files: Vec<PathBuf>,
    /// Policies that come with auditor.
    pub presets: Vec<String>,
    /// Whether those of the API server are followed; `auto`: where the cluster is.
    pub kubernetes: Enabled,
}

/// Why a configuration is refused. `origin` is the file, variable or flag.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}; make it readable or give another with --config", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is larger than 1 MiB: it is no configuration of auditor", .0.display())]
    TooLarge(PathBuf),
    #[error("everybody may change the configuration {}, and so what is watched and who is told: chmod o-w", .0.display())]
    Writable(PathBuf),
    #[error("{origin} is not YAML: {source}")]
    Syntax {
        origin: String,
        source: serde_norway::Error,
    },
    #[error(
        "{origin}: unknown key {key}{}; docs/configuration.md lists all keys",
        hint(suggestion)
    )]
    UnknownKey {
        origin: String,
        key: String,
        suggestion: Option<&'static str>,
    },
    #[error("{origin}: detectors: {source}; docs/detectors.md says what a definition holds")]
    Detectors {
        origin: String,
        source: serde_norway::Error,
    },
    #[error("{origin}: {key} must be {expected}, not {found}")]
    Value {
        origin: String,
        key: String,
        expected: String,
        found: String,
    },
    #[error(
        "nothing is watched: set scope.select, scope.pids, scope.cgroups or scope.containers, or scope.node: true for everything on this host"
    )]
    EmptyScope,
    #[error("scope.node: true already watches everything: remove scope.{0}, or scope.node to watch less")]
    NodeAndMore(&'static str),
    #[error("scope.except leaves something out of scope.select or of scope.node: true, and neither is set")]
    ExceptAlone,
    #[error(
        "tail.listen is set, and tail.cert_file or tail.key_file is not: findings are served over TLS only"
    )]
    TailWithoutTls,
    #[error("scope.select and scope.except: {0}")]
    Choice(#[from] ChoiceError),
}

impl Config {
    /// Reads `file` (when there is one), then the environment, then `flags`: pairs of a key path
    /// such as `serve.http` and a YAML value.
    ///
    /// # Errors
    /// For a file that cannot be read, an unknown key, a value out of bounds, an empty scope.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        Effective::load(file, environment, flags).map(|effective| effective.config)
    }

    /// The key of the fingerprints: `detect.key_file`, or `key` in the state directory.
    pub fn key_file(&self) -> PathBuf {
        self.detect
            .key_file
            .clone()
            .unwrap_or_else(|| self.state_dir.join("key"))
    }

    /// The journal: `report.journal.path`, or `findings.jsonl` in the state directory.
    pub fn journal_path(&self) -> PathBuf {
        self.report
            .journal
            .path
            .clone()
            .unwrap_or_else(|| self.state_dir.join("findings.jsonl"))
    }

    /// The masking ledger: `masking.path`, or `masking.redb` in the state directory.
    pub fn masking_path(&self) -> PathBuf {
        let path = self.masking.path.clone();
        path.unwrap_or_else(|| self.state_dir.join("masking.redb"))
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let scope = &self.scope;
        let named = [
            ("pids", !scope.pids.is_empty()),
            ("cgroups", !scope.cgroups.is_empty()),
            ("containers", !scope.containers.is_empty()),
            ("select", !scope.select.is_empty()),
        ];
        if !scope.except.is_empty() && !scope.node && scope.select.is_empty() {
            return Err(ConfigError::ExceptAlone);
        }
        scope.choice()?;
        if self.tail.is_incomplete() {
            return Err(ConfigError::TailWithoutTls);
        }
        match named.iter().find(|(_, set)| *set) {
            Some((name, _)) if scope.node => Err(ConfigError::NodeAndMore(name)),
            None if !scope.node => Err(ConfigError::EmptyScope),
            _ => Ok(self),
        }
    }
}

/// The own detectors of a configuration file; none without a file. What else it says is checked by
/// [`Config::load`] only.
///
/// # Errors
/// For a file that cannot be read or is not YAML, and for a definition of the wrong shape.
pub fn own_detectors(file: Option<&Path>) -> Result<Vec<Definition>, ConfigError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let origin = path.display().to_string();
    let text = read(path)?;
    let root: Value = serde_norway::from_str(&text).map_err(|source| ConfigError::Syntax {
        origin: origin.clone(),
        source,
    })?;
    match root.get("detectors") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => definitions(&origin, list.clone()),
    }
}

fn definitions(origin: &str, list: Value) -> Result<Vec<Definition>, ConfigError> {
    serde_norway::from_value(list).map_err(|source| ConfigError::Detectors {
        origin: origin.to_owned(),
        source,
    })
}

/// A configuration with where each of its values is from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// All keys, in the order they are documented.
    pub entries: Vec<Entry>,
    pub config: Config,
}

/// The value of a key.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: &'static Key,
    pub value: Value,
    /// The file, variable or flag that set it; none for the default.
    pub origin: Option<String>,
}

impl Effective {
    /// As [`Config::load`].
    ///
    /// # Errors
    /// The same.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let mut values = Values::default();
        if let Some(path) = file {
            values.file(&path.display().to_string(), &read(path)?)?;
        }
        values.environment(environment)?;
        for (key, value) in flags {
            values.set(&format!("the flag for {key}"), key, value)?;
        }
        let entries = values.0.clone();
        let config = values.into_config()?;
        Ok(Self { entries, config })
    }

    /// Takes over the values of these keys.
    pub fn take(&mut self, other: &Self, paths: &[&str]) {
        for (own, other) in self.entries.iter_mut().zip(&other.entries) {
            if paths.contains(&own.key.path) {
                own.clone_from(other);
            }
        }
    }

    /// Such entries as a file has them, in sections.
    pub fn nested(&self, entries: &[&Entry]) -> Value {
        let mut root = Mapping::new();
        for entry in entries {
            insert(&mut root, entry.key.path, entry.value.clone());
        }
        Value::Mapping(root)
    }

    /// The keys whose values are others there, in their order.
    pub fn differences(&self, other: &Self) -> Vec<&'static Key> {
        let both = self.entries.iter().zip(&other.entries);
        both.filter(|(own, other)| own.value != other.value)
            .map(|(own, _)| own.key)
            .collect()
    }
}

/// Values by key, each checked when it is set.
struct Values(Vec<Entry>);

impl Default for Values {
    fn default() -> Self {
        let entry = |key: &'static Key| Entry {
            key,
            value: key.default_value(),
            origin: None,
        };
        Self(keys::all().map(entry).collect())
    }
}

impl Values {
    fn file(&mut self, origin: &str, text: &str) -> Result<(), ConfigError> {
        let syntax = |source| ConfigError::Syntax {
            origin: origin.to_owned(),
            source,
        };
        match serde_norway::from_str(text).map_err(syntax)? {
            Value::Null => Ok(()),
            Value::Mapping(mapping) => self.section(origin, "", mapping),
            _ => Err(ConfigError::Value {
                origin: origin.to_owned(),
                key: "the file".to_owned(),
                expected: "sections with keys".to_owned(),
                found: "a single value".to_owned(),
            }),
        }
    }

    fn section(&mut self, origin: &str, prefix: &str, section: Mapping) -> Result<(), ConfigError> {
        for (name, value) in section {
            let name = match name {
                Value::String(name) => name,
                other => keys::shown(&other),
            };
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            let is_section = keys::all().any(|key| key.path.starts_with(&format!("{path}.")));
            match value {
                Value::Mapping(inner) if is_section => self.section(origin, &path, inner)?,
                Value::Null if is_section => (),
                list @ Value::Sequence(_) if path == "detectors" => {
                    // Told here, where the file is known, and not in the merged whole.
                    definitions(origin, list.clone())?;
                    self.put(origin, &path, list)?;
                }
                other if is_section => {
                    return Err(ConfigError::Value {
                        origin: origin.to_owned(),
                        key: path,
                        expected: "a section with keys".to_owned(),
                        found: keys::shown(&other),
                    });
                }
                other => self.put(origin, &path, other)?,
            }
        }
        Ok(())
    }

    /// `AUDITOR_SERVE__HTTP` is `serve.http`. Variables without a section are only taken when they
    /// name a key: others, such as those Kubernetes sets for a service, are not meant for us.
    fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let mut ours: Vec<(String, String)> = variables
            .into_iter()
            .filter_map(|(name, value)| {
                let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
                (path.contains('.') || keys::find(&path).is_some()).then_some((name, value))
            })
            .collect();
        ours.sort();
        for (name, value) in ours {
            let path = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            self.set(&format!("the variable {name}"), &path, &value)?;
        }
        Ok(())
    }

    /// Sets from text: YAML for lists and numbers, as it is for everything else.
    fn set(&mut self, origin: &str, path: &str, text: &str) -> Result<(), ConfigError> {
        let key = find(origin, path)?;
        let value = match key.kind {
            Kind::Text
            | Kind::OptionalText
            | Kind::OptionalAddress
            | Kind::Path
            | Kind::OptionalPath
            | Kind::Address
            | Kind::Choice(_) => Value::String(text.to_owned()),
            Kind::Selectors if !text.trim_start().starts_with('[') => {
                let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
                Value::Sequence(items.map(Value::from).collect())
            }
            Kind::Texts | Kind::Numbers if !text.trim_start().starts_with('[') => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let of_kind = |item: &str| match key.kind {
                    Kind::Numbers => item
                        .parse::<u64>()
                        .map_or_else(|_| Value::from(item), Value::from),
                    _ => Value::from(item),
                };
                Value::Sequence(items.map(of_kind).collect())
            }
            _ => serde_norway::from_str(text).map_err(|source| ConfigError::Syntax {
                origin: origin.to_owned(),
                source,
            })?,
        };
        self.put(origin, path, value)
    }

    fn put(&mut self, origin: &str, path: &str, value: Value) -> Result<(), ConfigError> {
        let key = find(origin, path)?;
        let value = key.checked(value).map_err(|found| ConfigError::Value {
            origin: origin.to_owned(),
            key: path.to_owned(),
            expected: key.expected(),
            found,
        })?;
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.key.path == path) {
            entry.value = value;
            entry.origin = Some(origin.to_owned());
        }
        Ok(())
    }

    fn into_config(self) -> Result<Config, ConfigError> {
        let mut root = Mapping::new();
        for entry in self.0 {
            insert(&mut root, entry.key.path, entry.value);
        }
        // Every value was checked against its key, so this fails only where the table of keys and
        // the types disagree, which a test excludes.
        let config: Config =
            serde_norway::from_value(Value::Mapping(root)).map_err(|source| ConfigError::Syntax {
                origin: "the merged configuration".to_owned(),
                source,
            })?;
        config.checked()
    }
}

fn insert(section: &mut Mapping, path: &str, value: Value) {
    let Some((name, rest)) = path.split_once('.') else {
        section.insert(path.into(), value);
        return;
    };
    let inner = section
        .entry(name.into())
        .or_insert_with(|| Value::Mapping(Mapping::new()));
    if let Value::Mapping(inner) = inner {
        insert(inner, rest, value);
    }
}

fn find(origin: &str, path: &str) -> Result<&'static Key, ConfigError> {
    keys::find(path).ok_or_else(|| ConfigError::UnknownKey {
        origin: origin.to_owned(),
        key: path.to_owned(),
        suggestion: keys::nearest(path),
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let path_of = || path.to_owned();
    files::deciding(path, FILE_LIMIT).map_err(|why| match why {
        Unusable::Read(source) => ConfigError::Read {
            path: path_of(),
            source,
        },
        Unusable::TooLarge => ConfigError::TooLarge(path_of()),
        Unusable::Writable => ConfigError::Writable(path_of()),
    })
}

fn hint(suggestion: &Option<&'static str>) -> String {
    suggestion.map_or_else(String::new, |key| format!(", did you mean {key}?"))
}

#[cfg(test)]
mod tests;
