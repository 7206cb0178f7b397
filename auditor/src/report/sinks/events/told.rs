//! What an Event says of a finding.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::report::table::steers;

/// Longest note: 1 kB, as the API has it.
const LONGEST: usize = 1000;

/// A finding, as an Event tells it.
#[derive(Debug)]
pub(super) struct Told {
    /// Of the Event: the same for the same leak of the same pod.
    pub name: String,
    pub namespace: String,
    /// Of the finding.
    pub id: String,
    pub values: u64,
    regarding: Value,
    reason: &'static str,
    note: String,
    time: Timestamp,
    reporter: String,
}

impl Told {
    /// `None` when it is about nothing that an Event can regard.
    pub(super) fn of(finding: &Value) -> Option<Self> {
        let text = |place: &str| finding.pointer(place).and_then(Value::as_str);
        let node = text("/observer/node").filter(|name| is_name(name, 253));
        let pod = pod(finding);
        let (namespace, regarding) = match (pod, node) {
            (Some((namespace, pod)), _) => (namespace, pod),
            // What has no namespace is told of in that one.
            (None, Some(node)) => (
                "default".to_owned(),
                json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": node}),
            ),
            (None, None) => return None,
        };
        let reason = reason(text("/kind"));
        let note = note(finding);
        let mut hash = Sha256::new();
        for part in [&namespace, &regarding.to_string(), reason, &note] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let hex: String = hash
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Self {
            name: format!("auditor.{hex}"),
            namespace,
            id: text("/id").unwrap_or_default().to_owned(),
            values: finding.get("count").and_then(Value::as_u64).unwrap_or(1),
            regarding,
            reason,
            note,
            time: text("/time")
                .and_then(|time| time.parse().ok())
                .unwrap_or_else(Timestamp::now),
            reporter: node.unwrap_or("unknown").chars().take(128).collect(),
        })
    }

    /// The Event as it is first told.
    pub(super) fn event(&self, total: u64) -> Value {
        let mut event = json!({
            "metadata": {"name": self.name, "namespace": self.namespace},
            "eventTime": micro(self.time),
            "reportingController": "auditor.dev/agent",
            "reportingInstance": self.reporter,
            "action": "Observed",
            "reason": self.reason,
            "type": "Warning",
            "regarding": self.regarding,
            "note": self.note,
        });
        if total > 1 {
            event["series"] = super::series(total);
        }
        event
    }
}

/// With the six digits that the API wants.
pub(super) fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// The namespace of the pod that sends, and a reference to it. Names of a container runtime's labels are not those of
/// the API server: they must not lead a request elsewhere.
fn pod(finding: &Value) -> Option<(String, Value)> {
    let text = |place: &str| finding.pointer(place).and_then(Value::as_str);
    let name = text("/source/pod/name").filter(|name| is_name(name, 253))?;
    let namespace = text("/source/workload/namespace").filter(|name| is_name(name, 63))?;
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name});
    if let Some(uid) = text("/source/pod/uid").filter(|uid| is_name(uid, 63)) {
        pod["uid"] = json!(uid);
    }
    Some((namespace.to_owned(), pod))
}

/// As names of objects are (RFC 1123): small letters, digits, hyphens, points.
fn is_name(name: &str, longest: usize) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= longest
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(is_inner))
}

fn reason(kind: Option<&str>) -> &'static str {
    match kind {
        Some("mask_drift") => "MaskDrift",
        Some("new_data") => "NewData",
        Some("new_flow") => "NewFlow",
        Some("rate_change") => "RateChange",
        Some("plaintext_transport") => "PlaintextTransport",
        Some("coverage_gap") => "CoverageGap",
        _ => "UnmaskedData",
    }
}

/// Nothing of it changes while the leak goes on: the note of an Event can not be changed.
fn note(finding: &Value) -> String {
    let text = |place: &str| finding.pointer(place).and_then(Value::as_str);
    let detector = text("/detector").unwrap_or("sensitive data");
    let mut note = match text("/kind") {
        Some(kind @ ("mask_drift" | "new_data" | "new_flow" | "rate_change" | "coverage_gap")) => {
            format!("{}: {detector}", kind.replace('_', " "))
        }
        _ => format!("{detector} in clear"),
    };
    if let Some(field) = text("/location/field") {
        _ = write!(note, " in {field}");
    }
    if let Some(part) = text("/location/part") {
        _ = write!(note, " ({part})");
    }
    if let Some(operation) = text("/flow/operation") {
        _ = write!(note, " of {operation}");
    }
    if let Some(destination) = destination(finding) {
        _ = write!(note, " to {destination}");
    }
    match (text("/policy/name"), text("/policy/rule")) {
        (Some(policy), Some(rule)) => _ = write!(note, "; policy {policy}, rule {rule}"),
        (None, Some(rule)) => _ = write!(note, "; rule {rule}"),
        _ => note.push_str("; no rule allows it"),
    }
    let mut note: String = note.chars().map(|c| if steers(c) { '?' } else { c }).collect();
    let mut end = note.len().min(LONGEST);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}

fn destination(finding: &Value) -> Option<String> {
    let text = |place: &str| {
        finding
            .pointer(&format!("/destination{place}"))
            .and_then(Value::as_str)
    };
    let kind = text("/workload/kind");
    match (kind, text("/workload/namespace"), text("/workload/name")) {
        (Some(kind), Some(namespace), Some(name)) => Some(format!("{kind} {namespace}/{name}")),
        (Some(kind), None, Some(name)) => Some(format!("{kind} {name}")),
        _ => text("/host").or_else(|| text("/unit")).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Value {
        json!({
            "id": "1", "kind": "leak", "detector": "iban", "count": 3, "time": "2026-03-01T10:00:00.120Z",
            "sample": "DE89************3000", "observer": {"node": "n1"},
            "location": {"part": "request.body", "field": "$.iban"}, "flow": {"operation": "POST /v1/orders"},
            "source": {"pod": {"name": "till-7f", "uid": "0a-1"}, "workload": {"namespace": "shop", "kind": "Deployment", "name": "till"}},
            "destination": {"workload": {"namespace": "bank", "kind": "Deployment", "name": "vault"}},
            "policy": {"name": "money", "rule": "none", "verdict": "violation"},
        })
    }

    #[test]
    fn a_note_names_field_destination_and_rule_and_no_sample() {
        let told = Told::of(&finding()).unwrap();
        let event = told.event(3);
        assert_eq!(
            event["note"],
            "iban in clear in $.iban (request.body) of POST /v1/orders to Deployment bank/vault; policy money, rule none"
        );
        assert_eq!(
            (&event["reason"], &event["type"]),
            (&json!("UnmaskedData"), &json!("Warning"))
        );
        assert_eq!(event["eventTime"], "2026-03-01T10:00:00.120000Z");
        assert_eq!(
            (&event["series"]["count"], &event["regarding"]["name"]),
            (&json!(3), &json!("till-7f"))
        );
        assert!(!event.to_string().contains("3000"));
        assert_eq!(told.namespace, "shop");
    }

    #[test]
    fn the_same_leak_has_the_same_name_and_another_pod_or_field_another_one() {
        let name = |place: &str, value: Value| {
            let mut other = finding();
            *other.pointer_mut(place).unwrap() = value;
            Told::of(&other).unwrap().name
        };
        let known = name("/id", json!("1"));
        for (place, same) in [
            ("/id", json!("2")),
            ("/count", json!(9)),
            ("/time", json!("2027-03-01T10:00:00Z")),
        ] {
            assert_eq!(name(place, same), known);
        }
        for (place, other) in [
            ("/source/pod/name", json!("till-8")),
            ("/source/workload/namespace", json!("other")),
            ("/location/field", json!("$.b")),
            ("/kind", json!("mask_drift")),
        ] {
            assert_ne!(name(place, other), known, "{place}");
        }
    }

    #[test]
    fn a_pod_that_is_not_named_as_pods_are_is_told_of_at_its_node() {
        for (place, wrong) in [
            ("/source/workload/namespace", "../../secrets"),
            ("/source/workload/namespace", "a.b/c"),
            ("/source/workload/namespace", ""),
            ("/source/pod/name", "a/b"),
            ("/source/pod/name", "A%2e"),
            ("/source/pod/name", "."),
        ] {
            let mut hostile = finding();
            *hostile.pointer_mut(place).unwrap() = json!(wrong);
            let told = Told::of(&hostile).unwrap();
            assert_eq!(
                (told.namespace.as_str(), &told.regarding["kind"]),
                ("default", &json!("Node"))
            );
        }
        assert!(Told::of(&json!({"source": {}})).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_makes_a_note_that_is_short_and_steers_nothing(field in ".{0,2000}", part in "\\PC{0,40}", namespace in ".{0,70}") {
            let mut any = finding();
            any["location"] = json!({"field": field, "part": part});
            any["source"]["workload"]["namespace"] = json!(namespace);
            let told = Told::of(&any).unwrap();
            proptest::prop_assert!(told.note.len() <= LONGEST && !told.note.chars().any(steers));
            proptest::prop_assert!(is_name(&told.namespace, 63) && is_name(&told.name, 253));
        }
    }
}
