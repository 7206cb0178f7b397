//! Every key there is: its kind, default, unit, bounds and meaning.
//!
//! This table drives what is accepted, from file, environment and flags alike, and what
//! docs/configuration.md says.

use std::net::SocketAddr;
use std::path::Path;

use serde_norway::Value;

use crate::identity::selector::Selector;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Sections and name, joined by points: `report.journal.keep`.
    pub path: &'static str,
    pub kind: Kind,
    /// As it would be written in YAML; empty for none.
    pub default: &'static str,
    /// Of a number; empty where there is none.
    pub unit: &'static str,
    /// One sentence.
    pub meaning: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flag,
    /// A whole number within bounds, both included.
    Number(u64, u64),
    /// The same, and a power of two.
    PowerOfTwo(u64, u64),
    Text,
    /// A text, or not set.
    OptionalText,
    /// Absolute.
    Path,
    /// Absolute, or not set.
    OptionalPath,
    Address,
    /// An address and port, or not set.
    OptionalAddress,
    Choice(&'static [&'static str]),
    /// Process ids.
    Numbers,
    Texts,
    /// Selectors; as text with semicolons between them.
    Selectors,
    /// Own detectors; their shape is checked where the list is read.
    Detectors,
}

mod sinks;
mod tail;

const MAX_PID: u64 = 4_194_304;
/// Longest list and longest text.
const LENGTH_LIMIT: usize = 4096;

/// All keys, in the order they are documented.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(tail::KEYS).chain(sinks::KEYS)
}

const KEYS: &[Key] = &[
    Key {
        path: "state_dir",
        kind: Kind::Path,
        default: "/var/lib/auditor",
        unit: "",
        meaning: "Folder of the journal, the fingerprint key, the sketches of fields, the masking ledger and the queues of sinks.",
    },
    Key {
        path: "scope.node",
        kind: Kind::Flag,
        default: "false",
        unit: "",
        meaning: "Watch every process of this host, auditor itself left out.",
    },
    Key {
        path: "scope.pids",
        kind: Kind::Numbers,
        default: "[]",
        unit: "",
        meaning: "Processes to watch, with their descendants.",
    },
    Key {
        path: "scope.cgroups",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Cgroups to watch, with those below them: paths under the cgroup file system.",
    },
    Key {
        path: "scope.containers",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Containers to watch: ids, or the start of an id that is unique.",
    },
    Key {
        path: "scope.select",
        kind: Kind::Selectors,
        default: "[]",
        unit: "",
        meaning: "Processes to watch, as they come and go: those that one of these selectors means. See policy.md.",
    },
    Key {
        path: "scope.except",
        kind: Kind::Selectors,
        default: "[]",
        unit: "",
        meaning: "Of those, or of the whole node, leave out what one of these selectors means.",
    },
    Key {
        path: "scope.exclude",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Programs that are never hooked or watched: names, or absolute paths of executables.",
    },
    Key {
        path: "capture.ring_bytes",
        kind: Kind::PowerOfTwo(1 << 18, 1 << 30),
        default: "4194304",
        unit: "bytes",
        meaning: "Size of each ring buffer between kernel and daemon.",
    },
    Key {
        path: "capture.max_call_bytes",
        kind: Kind::Number(4096, 16 << 20),
        default: "1048576",
        unit: "bytes",
        meaning: "Most bytes copied of one call; the rest is accounted as `over_budget`.",
    },
    Key {
        path: "capture.max_message_bytes",
        kind: Kind::Number(0, 1 << 31),
        default: "1048576",
        unit: "bytes",
        meaning: "Most bytes copied of one message in one direction, and of one that goes on in a second; the rest is accounted as `over_budget`. 0 is no limit.",
    },
    Key {
        path: "capture.socket_hook",
        kind: Kind::Choice(&["auto", "tracepoint", "fexit", "syscall"]),
        default: "auto",
        unit: "",
        meaning: "How sockets are seen; `auto` takes the best that this kernel loads.",
    },
    Key {
        path: "capture.detach_after_seconds",
        kind: Kind::Number(0, 86_400),
        default: "120",
        unit: "seconds",
        meaning: "How long a library stays hooked after the last watched process that uses it; the host's own always are.",
    },
    Key {
        path: "capture.leave_out",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Connections whose bytes are not read and accounted as `muted`: rules of `peer=ADDRESS[/BITS]`, `peer_port=N`, `own_port=N` and `exe=PATH` with spaces between them, all of which have to be true. With `first=BYTES` so much of each message is read.",
    },
    Key {
        path: "limits.cpu_percent",
        kind: Kind::Number(0, 100_000),
        default: "0",
        unit: "percent of a processor",
        meaning: "Processor time that the daemon keeps to, by reading less: what it does not read is accounted as `ring_full`. 0 is no ceiling; see overload.md.",
    },
    Key {
        path: "content.descriptors",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Descriptor sets that name the fields of protobuf messages: paths of files that `protoc --include_imports --descriptor_set_out=FILE` wrote; see content.md.",
    },
    Key {
        path: "content.reflection",
        kind: Kind::Flag,
        default: "true",
        unit: "",
        meaning: "Learn such names from what gRPC servers answer to reflection; the descriptor sets come first.",
    },
    Key {
        path: "detect.min_confidence",
        kind: Kind::Choice(&["low", "medium", "high"]),
        default: "medium",
        unit: "",
        meaning: "Lowest confidence that becomes a finding.",
    },
    Key {
        path: "detect.states",
        kind: Kind::Choice(&["clear", "all"]),
        default: "clear",
        unit: "",
        meaning: "With `all`, protected and test values become findings of kind `observation`.",
    },
    Key {
        path: "detect.key_file",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "Key of the fingerprints; not set: `key` in `state_dir`.",
    },
    Key {
        path: "detectors",
        kind: Kind::Detectors,
        default: "[]",
        unit: "",
        meaning: "Own detectors, beside those of the catalogue; see detectors.md.",
    },
    Key {
        path: "identity.runtimes",
        kind: Kind::Choice(&["ask", "off"]),
        default: "ask",
        unit: "",
        meaning: "Ask container runtimes for the name, image and pod of a container; `off` leaves its id.",
    },
    Key {
        path: "identity.sockets",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Sockets of container runtimes: `cri:PATH` (containerd, CRI-O, cri-dockerd) or `docker:PATH` (Docker, Podman); none: the usual places that are there.",
    },
    Key {
        path: "identity.labels",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Labels of pods, else of their namespaces, and of containers that findings show.",
    },
    Key {
        path: "identity.wait_seconds",
        kind: Kind::Number(0, 30),
        default: "5",
        unit: "seconds",
        meaning: "How long what was seen waits for the names of its ends; then it goes out without, and is corrected later.",
    },
    Key {
        path: "report.interval_seconds",
        kind: Kind::Number(1, 3600),
        default: "10",
        unit: "seconds",
        meaning: "Shortest time between two revisions of one finding.",
    },
    Key {
        path: "report.max_live",
        kind: Kind::Number(1, 1_000_000),
        default: "10000",
        unit: "findings",
        meaning: "Findings counted at once; the one unseen for longest makes room.",
    },
    Key {
        path: "report.journal.enabled",
        kind: Kind::Flag,
        default: "true",
        unit: "",
        meaning: "Write findings to the journal.",
    },
    Key {
        path: "report.journal.path",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "The journal; not set: `findings.jsonl` in `state_dir`.",
    },
    Key {
        path: "report.journal.max_bytes",
        kind: Kind::Number(4096, 1 << 40),
        default: "67108864",
        unit: "bytes",
        meaning: "Size at which the journal is rotated.",
    },
    Key {
        path: "report.journal.keep",
        kind: Kind::Number(0, 1000),
        default: "5",
        unit: "files",
        meaning: "Rotated journals kept beside the current one.",
    },
    Key {
        path: "masking.path",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "The masking ledger; not set: `masking.redb` in `state_dir`. See masking.md.",
    },
    Key {
        path: "masking.max_fields",
        kind: Kind::Number(64, 65_536),
        default: "32768",
        unit: "fields",
        meaning: "Fields with a row of their own; the rest is counted together by sender, receiver and kind of data.",
    },
    Key {
        path: "masking.max_age_days",
        kind: Kind::Number(1, 3650),
        default: "90",
        unit: "days",
        meaning: "A field that was not seen for so long is forgotten. Only time in which the daemon runs counts.",
    },
    Key {
        path: "masking.max_bytes",
        kind: Kind::Number(8 << 20, 1 << 40),
        default: "268435456",
        unit: "bytes",
        meaning: "A larger ledger is compacted; one that is larger even then loses rows, those with clear values last.",
    },
    Key {
        path: "masking.targets",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "What masking coverage has to be between two ends, such as `payment_card masked >= 99% in namespace shop`: a metric, and an alert below it. See masking.md.",
    },
    Key {
        path: "drift.enabled",
        kind: Kind::Flag,
        default: "true",
        unit: "",
        meaning: "Report what changes: lost masks, new kinds of data, new flows, lost encryption, bursts, flows that stop.",
    },
    Key {
        path: "drift.learning_seconds",
        kind: Kind::Number(0, 31_536_000),
        default: "86400",
        unit: "seconds",
        meaning: "Nothing is told of a field or of two ends that are known for less.",
    },
    Key {
        path: "drift.rate_factor",
        kind: Kind::Number(2, 1_000_000),
        default: "10",
        unit: "",
        meaning: "So many times the usual number of values within five seconds are a burst, and so many times the longest wait a fall.",
    },
    Key {
        path: "policy.files",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Policies: files, and folders of them. A change is in force within two seconds; see policy.md.",
    },
    Key {
        path: "policy.presets",
        kind: Kind::Texts,
        default: "[]",
        unit: "",
        meaning: "Policies that come with auditor: `ccpa`, `gdpr`, `hipaa`, `pci-dss`, `secrets-only`.",
    },
    Key {
        path: "policy.kubernetes",
        kind: Kind::Choice(&["auto", "true", "false"]),
        default: "auto",
        unit: "",
        meaning: "Follow the policies of the API server; `auto`: where names are, see identity.kubernetes. A change is in force within two seconds.",
    },
    Key {
        path: "identity.trust_domain",
        kind: Kind::OptionalText,
        default: "",
        unit: "",
        meaning: "SPIFFE ids are derived of service accounts, in this trust domain; not set: none are.",
    },
    Key {
        path: "identity.conntrack",
        kind: Kind::Choice(&["auto", "own", "off"]),
        default: "auto",
        unit: "",
        meaning: "Ask the kernel's connection tracking who is behind a translated address; `auto`: the host's, if that is permitted; `own`: that of the network namespace auditor runs in. See identity.md.",
    },
    Key {
        path: "identity.kubernetes.enabled",
        kind: Kind::Choice(&["auto", "true", "false"]),
        default: "auto",
        unit: "",
        meaning: "Name pods, services and nodes; `auto`: in a pod with a token, or with a kubeconfig. See identity.md.",
    },
    Key {
        path: "identity.kubernetes.kubeconfig",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "How to reach the API server; not set: as a pod does, with its service account.",
    },
    Key {
        path: "identity.kubernetes.node_name",
        kind: Kind::OptionalText,
        default: "",
        unit: "",
        meaning: "Name of this node; not set: that in the variable `NODE_NAME`.",
    },
    Key {
        path: "identity.mesh.proxies",
        kind: Kind::Texts,
        default: r#"["container=istio-proxy xfcc", "container=linkerd-proxy", "container=kuma-sidecar", "container=consul-dataplane", "exe=/usr/local/bin/envoy uid=1337 xfcc", "exe=/usr/lib/linkerd/linkerd2-proxy uid=2102", "exe=/usr/local/bin/ztunnel"]"#,
        unit: "",
        meaning: "Proxies of a service mesh: rules of `container=NAME` (in a pod), `exe=PATH` and `uid=N` with spaces between them, all of which have to be true. With `xfcc` its `x-forwarded-client-cert` is believed. See identity.md.",
    },
    Key {
        path: "serve.http",
        kind: Kind::Address,
        default: "127.0.0.1:9478",
        unit: "",
        meaning: "Where `/metrics`, `/healthz` and `/readyz` are served.",
    },
    Key {
        path: "serve.socket",
        kind: Kind::Path,
        default: super::DEFAULT_SOCKET,
        unit: "",
        meaning: "Unix socket of `auditor tail`.",
    },
    Key {
        path: "serve.history",
        kind: Kind::Number(1, 100_000),
        default: "1000",
        unit: "findings",
        meaning: "Findings remembered for `auditor tail --last`.",
    },
    Key {
        path: "serve.max_series",
        kind: Kind::Number(1, 1_000_000),
        default: "2000",
        unit: "series",
        meaning: "Series each metric with workload labels may have; the rest says `other`.",
    },
];

/// Keys that a running daemon takes another value of, without a restart.
pub const LIVE: &[&str] = &[
    "capture.leave_out",
    "detect.min_confidence",
    "detect.states",
    "drift.enabled",
    "drift.learning_seconds",
    "drift.rate_factor",
    "limits.cpu_percent",
    "policy.files",
    "policy.presets",
    "report.interval_seconds",
    "report.max_live",
    "scope.exclude",
];

/// The key with this path.
pub fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// The key or section that was probably meant.
pub fn nearest(path: &str) -> Option<&'static str> {
    if path.len() > 100 {
        return None;
    }
    let levels = path.matches('.').count();
    let candidates = all().flat_map(|key| {
        // The key, and every section it is in.
        let ends = key
            .path
            .match_indices('.')
            .map(|(at, _)| at)
            .chain([key.path.len()]);
        ends.map(|end| &key.path[..end])
    });
    candidates
        .filter(|candidate| candidate.matches('.').count() == levels)
        .map(|candidate| (distance(path, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(2, 4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A value as an error shows it: short, and quoted if it is text.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > 60 => {
            format!("{:?}…", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("{text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) | Value::Tagged(_) => "a section".to_owned(),
    }
}

impl Key {
    /// The default as a value.
    pub fn default_value(&self) -> Value {
        match self.kind {
            Kind::OptionalPath | Kind::OptionalText | Kind::OptionalAddress => Value::Null,
            // A test reads all of them.
            Kind::Numbers | Kind::Texts | Kind::Selectors | Kind::Detectors => {
                serde_norway::from_str(self.default).unwrap_or_default()
            }
            Kind::Flag => Value::Bool(self.default == "true"),
            Kind::Number(..) | Kind::PowerOfTwo(..) => {
                self.default.parse::<u64>().map_or(Value::Null, Value::from)
            }
            Kind::Text | Kind::Path | Kind::Address | Kind::Choice(_) => Value::from(self.default),
        }
    }

    /// The value, if it is one this key takes.
    ///
    /// # Errors
    /// What was found instead, for people.
    pub fn checked(&self, value: Value) -> Result<Value, String> {
        // YAML takes `true` for a truth value where it stands among other words.
        let value = match (value, self.kind) {
            (Value::Bool(flag), Kind::Choice(_)) => Value::String(flag.to_string()),
            (value, _) => value,
        };
        let fits = match (&value, self.kind) {
            (Value::Bool(_), Kind::Flag)
            | (Value::Null, Kind::OptionalPath | Kind::OptionalText | Kind::OptionalAddress)
            | (Value::Sequence(_), Kind::Detectors) => true,
            (Value::Number(_), Kind::Number(least, most)) => within(&value, least, most),
            (Value::Number(_), Kind::PowerOfTwo(least, most)) => {
                within(&value, least, most) && value.as_u64().is_some_and(u64::is_power_of_two)
            }
            (Value::String(text), kind) => fits_text(text, kind),
            (Value::Sequence(items), Kind::Numbers | Kind::Texts | Kind::Selectors) => {
                return self.checked_list(items).map(|()| value);
            }
            _ => false,
        };
        if fits { Ok(value) } else { Err(shown(&value)) }
    }

    /// Whether a running daemon takes another value at once, see [`LIVE`].
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.path)
    }

    /// What the key takes, for people.
    pub fn expected(&self) -> String {
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.unit)
        };
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Number(least, most) => format!("a whole number from {least} to {most}{unit}"),
            Kind::PowerOfTwo(least, most) => format!("a power of two from {least} to {most}{unit}"),
            Kind::Text | Kind::OptionalText => "a text".to_owned(),
            Kind::Path | Kind::OptionalPath => "an absolute path".to_owned(),
            Kind::Address => format!("an address and port such as {}", self.default),
            Kind::OptionalAddress => "an address and port such as 0.0.0.0:9479".to_owned(),
            Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
            Kind::Numbers => format!("a list of whole numbers from 1 to {MAX_PID}"),
            Kind::Texts => "a list of texts".to_owned(),
            Kind::Selectors => "a list of selectors".to_owned(),
            Kind::Detectors => "a list of definitions".to_owned(),
        }
    }

    /// Its row in docs/configuration.md.
    pub fn row(&self) -> String {
        let default = if self.default.is_empty() {
            "not set".to_owned()
        } else {
            format!("`{}`", self.default)
        };
        let variable = self.path.to_uppercase().replace('.', "__");
        format!(
            "| `{}` | `AUDITOR_{variable}` | {default} | {} | {} |",
            self.path,
            self.expected(),
            self.meaning
        )
    }

    fn checked_list(&self, items: &[Value]) -> Result<(), String> {
        if items.len() > LENGTH_LIMIT {
            return Err(format!(
                "a list of {}: at most {LENGTH_LIMIT} are taken",
                items.len()
            ));
        }
        let wrong = items.iter().find(|item| match (self.kind, item) {
            (Kind::Numbers, item) => !within(item, 1, MAX_PID),
            (_, Value::String(text)) => !fits_text(text, Kind::Text),
            _ => true,
        });
        if let Some(wrong) = wrong {
            return Err(shown(wrong));
        }
        let selectors = items.iter().filter(|_| self.kind == Kind::Selectors);
        for item in selectors {
            if let Err(error) = item.as_str().unwrap_or_default().parse::<Selector>() {
                return Err(format!("{} ({error})", shown(item)));
            }
        }
        Ok(())
    }
}

fn within(value: &Value, least: u64, most: u64) -> bool {
    value
        .as_u64()
        .is_some_and(|number| (least..=most).contains(&number))
}

fn fits_text(text: &str, kind: Kind) -> bool {
    if text.is_empty() || text.len() > LENGTH_LIMIT || text.contains('\0') {
        return false;
    }
    match kind {
        Kind::Text | Kind::OptionalText => true,
        Kind::Path | Kind::OptionalPath => Path::new(text).is_absolute(),
        Kind::Address | Kind::OptionalAddress => text.parse::<SocketAddr>().is_ok(),
        Kind::Choice(choices) => choices.contains(&text),
        Kind::Flag
        | Kind::Number(..)
        | Kind::PowerOfTwo(..)
        | Kind::Numbers
        | Kind::Texts
        | Kind::Selectors
        | Kind::Detectors => false,
    }
}

/// Edits between two names (Levenshtein): insert, delete or replace one character.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
