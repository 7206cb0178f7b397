//! An end of a flow, as the masking ledger calls it.
//!
//! Goes in: an [`End`]. Comes out: a [`Party`], the same for every connection, pod and client
//! address: ends that nobody names are one party, or every visitor of a public server would be
//! a flow of its own.

use serde::{Deserialize, Serialize};

use crate::identity::selector::{Key, Known, Selector, is_external};
use crate::report::finding::{End, Process, Workload};
use crate::report::naming::Name;

/// Longest part of a name kept, bytes.
const LIMIT: usize = 256;
/// Kind and name of ends outside that have no name.
const EXTERNAL: (&str, &str) = ("External", "external");
/// Kind and name of ends that are not known.
const UNKNOWN: (&str, &str) = ("Unknown", "unresolved");

/// Who sends or receives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    /// Of Kubernetes; empty elsewhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Of the workload, or `External`, `Unknown`.
    pub kind: String,
    pub name: String,
    /// Known to be outside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
}

impl Party {
    /// Who an end is.
    pub fn of(end: &End) -> Self {
        let Name {
            namespace,
            kind,
            name,
        } = Name::of(Some(end));
        let external = is_external(end);
        let nameless = kind == "Address" || kind == "Unknown" || name.starts_with("pid ");
        let (kind, name) = match (nameless, external) {
            (false, _) => (kind, name),
            (true, true) => (EXTERNAL.0.to_owned(), EXTERNAL.1.to_owned()),
            (true, false) => (UNKNOWN.0.to_owned(), UNKNOWN.1.to_owned()),
        };
        Self {
            namespace: cut(namespace),
            kind: cut(kind),
            name: cut(name),
            external,
        }
    }

    /// All that found no row for their ends.
    pub fn other() -> Self {
        Self {
            kind: "Other".to_owned(),
            name: "other".to_owned(),
            ..Self::default()
        }
    }

    /// Whether it is somebody: an end without a name is not.
    pub fn is_known(&self) -> bool {
        self.kind != UNKNOWN.0
    }

    /// Whether it stands for one end alone, not for all that have no name or found no row.
    pub(super) fn is_one(&self) -> bool {
        *self != Self::other()
            && self.kind != UNKNOWN.0
            && (self.kind.as_str(), self.name.as_str()) != EXTERNAL
    }

    /// `shop/Deployment/checkout`, of a program its file name only.
    pub fn short(&self) -> String {
        Name {
            namespace: self.namespace.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
        }
        .short()
    }

    /// Whether a selector means it. What the ledger does not keep is equal to nothing, see
    /// [`not_kept`].
    pub fn is_meant(&self, selector: &Selector) -> bool {
        let end = self.end();
        selector.means(&Known::said(&end, self.external))
    }

    /// As much of the end as is kept.
    fn end(&self) -> End {
        let is_workload = !matches!(self.kind.as_str(), "External" | "Unknown" | "Other");
        End {
            workload: is_workload.then(|| Workload {
                namespace: Some(self.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                kind: self.kind.clone(),
                name: self.name.clone(),
            }),
            process: (self.kind == "Process").then(|| Process {
                exe: Some(self.name.clone()),
                ..Process::default()
            }),
            host: (self.kind == "External").then(|| self.name.clone()),
            ..End::default()
        }
    }
}

/// The first key of a selector that the ledger keeps nothing about.
pub fn not_kept(selector: &Selector) -> Option<&'static str> {
    selector.asks().find_map(|(key, _)| match key {
        Key::Namespace | Key::Workload | Key::Unit | Key::Exe | Key::Host => None,
        other => Some(other.name()),
    })
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LIMIT));
    text
}
