//! An end as a person describes it, for questions such as "what would policy say".
//!
//! Goes in: a selector without wildcards. Comes out: the end it describes; nothing else of it is
//! known.

use thiserror::Error;

use super::{Key, Selector, Term};
use crate::report::finding::{Certainty, Container, End, Pod, Process, Workload};

/// Any address outside: of those for documentation, RFC 5737.
const OUTSIDE: &str = "203.0.113.1:443";

/// Why a selector describes no end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DescribeError {
    #[error("`{0}` describes no single end: give each key once, with `=` and without a wildcard")]
    NotSingle(String),
    #[error("`{0}` lacks the kind of the workload: write it as Deployment/NAME")]
    NoKind(String),
    #[error("no end is all of `{0}`: its terms contradict each other")]
    Contradiction(String),
}

/// The end that `selector` describes.
///
/// # Errors
/// When there is not exactly one value for each key, or no end has all of them.
pub fn describe(selector: &Selector) -> Result<End, DescribeError> {
    let mut end = End::default();
    let mut namespace = None;
    for (index, term) in selector.terms.iter().enumerate() {
        let again = selector.terms[..index]
            .iter()
            .any(|before| before.key == term.key && before.label == term.label);
        let value = single(term).filter(|_| !again);
        let value = value.ok_or_else(|| match term.key {
            Key::Workload if is_kindless(term) => DescribeError::NoKind(term.to_string()),
            _ => DescribeError::NotSingle(term.to_string()),
        })?;
        match term.key {
            Key::Namespace => namespace = Some(value.to_owned()),
            _ => set(&mut end, term.key, &term.label, value),
        }
    }
    if let Some(namespace) = namespace {
        let workload = end.workload.get_or_insert_with(|| Workload {
            namespace: None,
            kind: "Pod".to_owned(),
            name: "unnamed".to_owned(),
        });
        workload.namespace = Some(namespace);
    }
    if selector.external == Some(true) {
        end.address = Some(OUTSIDE.to_owned());
    }
    if !selector.is_any() {
        end.certainty = Certainty::Exact;
    }
    if selector.external != Some(false) && !selector.matches(&end) {
        return Err(DescribeError::Contradiction(selector.to_string()));
    }
    Ok(end)
}

fn single(term: &Term) -> Option<&str> {
    match &term.values[..] {
        [value] if !term.negated => value.exact(),
        _ => None,
    }
}

fn is_kindless(term: &Term) -> bool {
    matches!(&term.values[..], [value] if value.workload_parts() == (false, true)) && !term.negated
}

/// Makes `value` what is known of `end` under `key`; a workload's is its kind and name.
pub(super) fn set(end: &mut End, key: Key, label: &str, value: &str) {
    let value = value.to_owned();
    match key {
        Key::Namespace => {
            if let Some(workload) = &mut end.workload {
                workload.namespace = Some(value);
            }
        }
        Key::Workload => {
            let (kind, name) = value.split_once('/').unwrap_or(("Pod", &value));
            end.workload = Some(Workload {
                namespace: None,
                kind: kind.to_owned(),
                name: name.to_owned(),
            });
        }
        Key::Pod => {
            end.pod = Some(Pod {
                uid: "unknown".to_owned(),
                name: Some(value),
            });
        }
        Key::Unit => end.unit = Some(value),
        Key::Slice => end.slice = Some(value),
        Key::ServiceAccount => end.service_account = Some(value),
        Key::Label => drop(end.labels.insert(label.to_owned(), value)),
        Key::Image => {
            end.container = Some(Container {
                id: "unknown".to_owned(),
                name: None,
                image: Some(value),
                unnamed: None,
            });
        }
        Key::Exe => {
            end.process = Some(Process {
                pid: 0,
                exe: Some(value),
                ..Process::default()
            });
        }
        Key::Host => end.host = Some(value),
        Key::Node => end.node = Some(value),
    }
}
