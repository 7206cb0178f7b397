//! Ends of findings in words, to compare them with who it really was.

use serde_json::Value;

/// Kind, namespace and name of the workload, method, certainty.
pub fn shown(end: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let workload = &end["workload"];
    [
        &workload["kind"],
        &workload["namespace"],
        &workload["name"],
        &end["identified_by"],
        &end["certainty"],
    ]
    .map(text)
    .join(" ")
}
