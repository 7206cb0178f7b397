//! Which findings a client of the socket wants.
//!
//! Goes in: the client's first line. Comes out: a [`Request`], or the sentence the client is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::detect::Severity;
use crate::identity::selector::{Selector, SelectorError};
use crate::report::finding::{End, Finding};
use crate::report::naming::Name;

/// The first line a client sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    pub filters: Filters,
    /// Findings to replay first, newest last; bounded by what the daemon remembers.
    pub last: usize,
    /// Go on with new findings, instead of closing after the replay.
    pub follow: bool,
    /// The masking ledger instead of findings; nothing else of the request counts then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masking: bool,
}

impl Request {
    /// Reads it from JSON, over whichever way it came.
    ///
    /// # Errors
    /// Why it is no request.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        // A list would be taken for an object's values in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err("the request is not understood: it is no JSON object".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| format!("the request is not understood: {error}"))
    }
}

/// All that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Any of these detectors; all, when empty.
    pub detector: Vec<String>,
    /// This severity or worse: `low`, `medium`, `high`, `critical`.
    pub severity: Option<String>,
    /// Kubernetes namespaces, any of them, of either end: one as text, or a list. All, when empty.
    #[serde(with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub namespace: Vec<String>,
    /// Senders that are meant.
    pub from: Option<String>,
    /// Receivers that are meant.
    pub to: Option<String>,
    /// Part of the name, executable, host, pod or address of the sender, in any case.
    pub source: Option<String>,
    /// The same of the receiver.
    pub destination: Option<String>,
    /// Last seen at or after this time, RFC 3339.
    pub since: Option<String>,
}

/// [`Filters`] that were checked.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    detector: Vec<String>,
    severity: Option<Severity>,
    namespace: Vec<String>,
    from: Option<Selector>,
    to: Option<Selector>,
    source: Option<String>,
    destination: Option<String>,
    since: Option<Timestamp>,
}

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("unknown severity {0:?}: use low, medium, high or critical")]
    Severity(String),
    #[error("unreadable time {0:?} in since: use RFC 3339, such as 2026-01-31T12:00:00Z")]
    Since(String),
    #[error("{key} is no selector: {source}; see docs/policy.md")]
    Selector {
        key: &'static str,
        source: SelectorError,
    },
}

impl Matcher {
    /// Checks what the client sent.
    ///
    /// # Errors
    /// For a severity or a time that cannot be read.
    pub fn new(filters: Filters) -> Result<Self, FilterError> {
        let severity = match &filters.severity {
            Some(text) => Some(severity(text).ok_or_else(|| FilterError::Severity(text.clone()))?),
            None => None,
        };
        let since = match filters.since {
            Some(text) => Some(text.parse().map_err(|_| FilterError::Since(text))?),
            None => None,
        };
        let selector = |key, text: Option<String>| {
            let read = text.map(|text| text.parse::<Selector>()).transpose();
            read.map_err(|source| FilterError::Selector { key, source })
        };
        Ok(Self {
            from: selector("from", filters.from)?,
            to: selector("to", filters.to)?,
            detector: filters.detector,
            severity,
            namespace: filters.namespace,
            source: filters.source.map(|text| text.to_lowercase()),
            destination: filters.destination.map(|text| text.to_lowercase()),
            since,
        })
    }

    /// True when the client wants this finding.
    pub fn matches(&self, finding: &Finding) -> bool {
        let in_namespace = |end: &Option<End>| self.namespace.contains(&Name::of(end.as_ref()).namespace);
        (self.detector.is_empty() || self.detector.iter().any(|d| d == finding.detector))
            && self.severity.is_none_or(|least| finding.severity >= least)
            && (self.namespace.is_empty()
                || in_namespace(&finding.source)
                || in_namespace(&finding.destination))
            && meant(self.from.as_ref(), finding.source.as_ref())
            && meant(self.to.as_ref(), finding.destination.as_ref())
            && self
                .source
                .as_deref()
                .is_none_or(|part| mentions(finding.source.as_ref(), part))
            && self
                .destination
                .as_deref()
                .is_none_or(|part| mentions(finding.destination.as_ref(), part))
            && self.since.is_none_or(|since| {
                finding
                    .last_seen
                    .parse::<Timestamp>()
                    .is_ok_and(|seen| seen >= since)
            })
    }
}

/// A list that is a text where it has one item, as daemons before lists take it.
mod one_or_more {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a namespace or a list of them")]
    enum OneOrMore {
        One(Option<String>),
        More(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(items: &[String], to: S) -> Result<S::Ok, S::Error> {
        match items {
            [one] => one.serialize(to),
            more => more.serialize(to),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(match OneOrMore::deserialize(from)? {
            OneOrMore::One(one) => one.into_iter().collect(),
            OneOrMore::More(more) => more,
        })
    }
}

/// A severity by its name in findings.
pub fn severity(text: &str) -> Option<Severity> {
    match text {
        "low" => Some(Severity::Low),
        "medium" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

fn meant(selector: Option<&Selector>, end: Option<&End>) -> bool {
    selector.is_none_or(|selector| selector.matches(end.unwrap_or(&End::default())))
}

/// `part` is in lower case.
fn mentions(end: Option<&End>, part: &str) -> bool {
    let Some(end) = end else { return false };
    let name = Name::of(Some(end));
    let whole = if name.namespace.is_empty() {
        name.name
    } else {
        format!("{}/{}", name.namespace, name.name)
    };
    let process = end.process.as_ref();
    let texts = [
        Some(whole.as_str()),
        process.and_then(|p| p.exe.as_deref()),
        process.and_then(|p| p.comm.as_deref()),
        end.host.as_deref(),
        end.pod.as_ref().and_then(|p| p.name.as_deref()),
        end.address.as_deref(),
    ];
    texts
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::observation::tests::card;

    #[test]
    fn a_filter_matches_what_it_names() {
        let mut finding = card().into_finding("id".into(), None, Timestamp::UNIX_EPOCH);
        finding
            .source
            .as_mut()
            .unwrap()
            .workload
            .as_mut()
            .unwrap()
            .namespace = Some("shop".into());
        let cases = [
            (r#"{}"#, true),
            (r#"{"detector":["iban","payment_card"]}"#, true),
            (r#"{"detector":["iban"]}"#, false),
            (r#"{"severity":"high"}"#, true),
            (r#"{"severity":"critical"}"#, false),
            (r#"{"namespace":"shop"}"#, true),
            (r#"{"namespace":"sho"}"#, false),
            (r#"{"namespace":null}"#, true),
            (r#"{"namespace":[]}"#, true),
            (r#"{"namespace":["bank","shop"]}"#, true),
            (r#"{"namespace":["bank"]}"#, false),
            (r#"{"from":"namespace=shop,workload=Process/*"}"#, true),
            (r#"{"from":"namespace!=shop"}"#, false),
            (r#"{"to":"namespace!=shop"}"#, true),
            (r#"{"to":"external"}"#, false),
            (r#"{"source":"PYTHON"}"#, true),
            (r#"{"source":"nginx"}"#, false),
            (r#"{"destination":"nginx","source":"shop/"}"#, true),
            (r#"{"destination":"8443"}"#, true),
            (r#"{"since":"2026-03-01T10:00:00Z"}"#, true),
            (r#"{"since":"2026-03-01T10:00:01Z"}"#, false),
        ];
        for (filters, expected) in cases {
            let matcher = Matcher::new(serde_json::from_str(filters).unwrap()).unwrap();
            assert_eq!(matcher.matches(&finding), expected, "{filters}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error_that_says_what_can() {
        for (filters, says) in [
            (r#"{"severity":"bad"}"#, "critical"),
            (r#"{"since":"now"}"#, "RFC 3339"),
            (
                r#"{"from":"namspace=a"}"#,
                "from is no selector: column 1: unknown key `namspace`, did you mean",
            ),
        ] {
            let error = Matcher::new(serde_json::from_str(filters).unwrap())
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(serde_json::from_str::<Request>(r#"{"filter":{}}"#).is_err());
    }
}
