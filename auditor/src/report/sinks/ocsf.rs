//! Findings as events of the Open Cybersecurity Schema Framework (OCSF), version 1.7.0: class 2006, Data
//! Security Finding, with the profile `incident` left out.
//!
//! Goes in: the JSON of a finding, as in docs/finding.schema.json. Comes out: an event. What OCSF has no
//! attribute for is in `unmapped`, so that nothing is lost. Like the finding, it never holds a value: what
//! matched is told by its masked sample.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const VERSION: &str = "1.7.0";
const CATEGORY: u32 = 2;
const CLASS: u32 = 2006;

/// The event of a finding. What the finding does not have is left out.
pub fn event(finding: &Value) -> Value {
    let text = |name: &str| finding.get(name).and_then(Value::as_str);
    let revision = finding.get("revision").and_then(Value::as_u64).unwrap_or(1);
    let (activity, activity_name) = if revision <= 1 {
        (1, "Create")
    } else {
        (2, "Update")
    };
    let (severity, severity_name) = severity(text("severity"));
    let time = |name| text(name).and_then(milliseconds);
    let mut event = object(json!({
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Data Security Finding",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Data Security Finding: {activity_name}"),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": 1,
        "status": "New",
        "is_alert": is_alert(finding),
        "message": title(finding),
        "metadata": metadata(finding, revision),
        "finding_info": finding_info(finding),
        "data_security": data_security(finding),
    }));
    put(&mut event, "time", time("time").or(Some(0)));
    put(&mut event, "start_time", time("first_seen"));
    put(&mut event, "end_time", time("last_seen"));
    put(&mut event, "count", finding.get("count").cloned());
    if let Some((id, name)) = confidence(text("confidence")) {
        put(&mut event, "confidence_id", Some(id));
        put(&mut event, "confidence", Some(name));
    }
    put(&mut event, "actor", finding.get("source").and_then(actor));
    put(
        &mut event,
        "src_endpoint",
        finding.get("source").and_then(endpoint),
    );
    put(
        &mut event,
        "dst_endpoint",
        finding.get("destination").and_then(endpoint),
    );
    let ends = ["source", "destination"].map(|end| finding.get(end).and_then(resource));
    let resources: Vec<_> = ends.into_iter().flatten().collect();
    put(
        &mut event,
        "resources",
        (!resources.is_empty()).then_some(resources),
    );
    if let Some(path) = text("path") {
        let name = path.rsplit('/').next().unwrap_or(path);
        put(
            &mut event,
            "file",
            Some(json!({"type_id": 1, "name": name, "path": path})),
        );
    }
    put(&mut event, "unmapped", Some(unmapped(finding)));
    Value::Object(event)
}

fn metadata(finding: &Value, revision: u64) -> Value {
    let mut metadata = object(json!({
        "version": VERSION,
        "product": {"name": "auditor", "vendor_name": "auditor", "version": env!("CARGO_PKG_VERSION")},
        "log_name": "findings",
        "sequence": revision,
    }));
    if finding.pointer("/source/container").is_some() && finding.pointer("/source/process").is_some() {
        put(&mut metadata, "profiles", Some(["container"]));
    }
    let id = finding.get("id").and_then(Value::as_str).unwrap_or_default();
    put(&mut metadata, "uid", Some(format!("{id}.{revision}")));
    put(&mut metadata, "correlation_uid", finding.get("group").cloned());
    put(&mut metadata, "original_time", finding.get("time").cloned());
    put(
        &mut metadata,
        "tenant_uid",
        finding.pointer("/observer/cluster").cloned(),
    );
    put(
        &mut metadata,
        "reporter",
        finding
            .pointer("/observer/node")
            .map(|node| json!({"hostname": node, "name": node})),
    );
    Value::Object(metadata)
}

fn finding_info(finding: &Value) -> Value {
    let text = |name: &str| finding.get(name).and_then(Value::as_str);
    let mut info = object(json!({
        "uid": text("id").unwrap_or_default(),
        "title": title(finding),
        "types": [text("kind").unwrap_or("leak")],
        "product": {"name": "auditor", "vendor_name": "auditor", "version": env!("CARGO_PKG_VERSION")},
    }));
    if let Some(detector) = text("detector") {
        put(
            &mut info,
            "analytic",
            Some(json!({"type_id": 1, "type": "Rule", "uid": detector, "name": detector})),
        );
    }
    for (name, of) in [
        ("first_seen_time", "first_seen"),
        ("last_seen_time", "last_seen"),
        ("modified_time", "time"),
        ("created_time", "first_seen"),
    ] {
        put(&mut info, name, text(of).and_then(milliseconds));
    }
    let regulations = finding.get("regulations").and_then(Value::as_array);
    if let Some(regulations) = regulations.filter(|regulations| !regulations.is_empty()) {
        put(
            &mut info,
            "tags",
            Some(json!([{"name": "regulations", "values": regulations}])),
        );
    }
    Value::Object(info)
}

fn data_security(finding: &Value) -> Value {
    let text = |name: &str| finding.get(name).and_then(Value::as_str);
    let is_file = finding.get("path").is_some();
    let (lifecycle, lifecycle_name) = if is_file {
        (1, "Data at-Rest")
    } else {
        (2, "Data in-Transit")
    };
    let (category, category_name) = category(text("category"));
    let mut data = object(json!({
        "category_id": category,
        "category": category_name,
        "data_lifecycle_state_id": lifecycle,
        "data_lifecycle_state": lifecycle_name,
        "detection_system_id": 1,
        "detection_system": "Endpoint",
    }));
    put(&mut data, "detection_pattern", text("detector"));
    put(&mut data, "pattern_match", text("sample"));
    put(&mut data, "total", finding.get("count").cloned());
    let policy = |name: &str| {
        finding
            .pointer(&format!("/policy/{name}"))
            .and_then(Value::as_str)
    };
    if let Some(name) = policy("name") {
        let mut of = object(json!({"name": name, "is_applied": true}));
        put(&mut of, "version", policy("version"));
        put(&mut of, "desc", policy("rule").map(|rule| format!("rule {rule}")));
        put(&mut data, "policy", Some(of));
    }
    Value::Object(data)
}

/// The process that sent the bytes, or the account it works under.
fn actor(end: &Value) -> Option<Value> {
    let mut actor = Map::new();
    if let Some(process) = end.get("process").and_then(Value::as_object) {
        let text = |name: &str| process.get(name).and_then(Value::as_str);
        let mut of = Map::new();
        put(&mut of, "pid", process.get("pid").cloned());
        put(&mut of, "name", text("comm"));
        put(&mut of, "path", text("exe"));
        put(&mut of, "created_time", text("start_time").and_then(milliseconds));
        put(&mut of, "user", text("user").map(|user| json!({"name": user})));
        put(&mut of, "container", end.get("container").and_then(container));
        put(&mut actor, "process", Some(of));
    }
    if let Some(account) = end.get("service_account").and_then(Value::as_str) {
        let mut user = object(json!({"name": account}));
        put(&mut user, "uid", end.get("spiffe_id").and_then(Value::as_str));
        put(&mut actor, "user", Some(user));
    }
    (!actor.is_empty()).then_some(Value::Object(actor))
}

fn container(container: &Value) -> Option<Value> {
    let mut of = Map::new();
    put(&mut of, "uid", container.get("id").cloned());
    put(&mut of, "name", container.get("name").cloned());
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        put(&mut of, "image", Some(json!({"name": image, "uid": image})));
    }
    (!of.is_empty()).then_some(Value::Object(of))
}

fn endpoint(end: &Value) -> Option<Value> {
    let text = |path: &str| end.pointer(path).and_then(Value::as_str);
    let mut of = Map::new();
    match text("/address").map(|address| address.parse::<std::net::SocketAddr>()) {
        Some(Ok(address)) => {
            put(&mut of, "ip", Some(address.ip().to_string()));
            put(&mut of, "port", Some(address.port()));
        }
        // A UNIX socket.
        Some(Err(_)) => put(&mut of, "uid", text("/address")),
        None => (),
    }
    put(&mut of, "hostname", text("/host").or_else(|| text("/node")));
    put(
        &mut of,
        "svc_name",
        text("/workload/name").or_else(|| text("/unit")),
    );
    put(
        &mut of,
        "name",
        text("/pod/name").or_else(|| text("/process/comm")),
    );
    put(&mut of, "uid", text("/pod/uid"));
    (!of.is_empty()).then_some(Value::Object(of))
}

fn resource(end: &Value) -> Option<Value> {
    let workload = end.get("workload")?;
    let text = |name: &str| workload.get(name).and_then(Value::as_str);
    let (kind, name, namespace) = (text("kind")?, text("name")?, text("namespace"));
    let mut of = object(json!({"type": kind, "name": name}));
    put(&mut of, "namespace", namespace);
    let uid = namespace.map_or_else(
        || format!("{kind}/{name}"),
        |namespace| format!("{namespace}/{kind}/{name}"),
    );
    put(&mut of, "uid", Some(uid));
    Some(Value::Object(of))
}

/// What the schema has no attribute for.
fn unmapped(finding: &Value) -> Value {
    let names = [
        "schema",
        "kind",
        "state",
        "length",
        "fingerprint",
        "score_bits",
        "location",
        "flow",
        "before",
        "after",
        "declared_masked",
        "under_masked",
        "group",
        "observer",
    ];
    let mut of = Map::new();
    for name in names {
        put(&mut of, name, finding.get(name).cloned());
    }
    for end in ["source", "destination"] {
        let known = |name: &str| finding.get(end).and_then(|end| end.get(name)).cloned();
        let mut rest = Map::new();
        for name in [
            "identified_by",
            "certainty",
            "labels",
            "slice",
            "hop",
            "spiffe_id_source",
        ] {
            put(&mut rest, name, known(name));
        }
        put(&mut of, end, (!rest.is_empty()).then_some(rest));
    }
    put(&mut of, "verdict", finding.pointer("/policy/verdict").cloned());
    Value::Object(of)
}

fn title(finding: &Value) -> String {
    let text = |path: &str| finding.pointer(path).and_then(Value::as_str);
    let detector = text("/detector").unwrap_or("sensitive data");
    let named = |end: &str| {
        ["/workload/name", "/host", "/unit", "/process/comm", "/address"]
            .iter()
            .find_map(|name| text(&format!("/{end}{name}")))
    };
    let what = match text("/kind") {
        Some("leak") | None => format!("{detector} in clear"),
        Some("observation") => format!("{detector}, {}", text("/state").unwrap_or("protected")),
        Some("update") => format!("{detector}: the ends are known now"),
        Some(kind) => format!("{}: {detector}", kind.replace('_', " ")),
    };
    match (named("source"), named("destination"), text("/path")) {
        (Some(source), Some(destination), _) => format!("{what}, from {source} to {destination}"),
        (Some(source), None, _) => format!("{what}, from {source}"),
        (_, _, Some(path)) => format!("{what}, in {path}"),
        _ => what,
    }
}

fn is_alert(finding: &Value) -> bool {
    let kind = finding.get("kind").and_then(Value::as_str);
    let verdict = finding.pointer("/policy/verdict").and_then(Value::as_str);
    !matches!(kind, Some("observation" | "update")) && verdict != Some("allowed")
}

fn severity(name: Option<&str>) -> (u32, &'static str) {
    match name {
        Some("low") => (2, "Low"),
        Some("medium") => (3, "Medium"),
        Some("high") => (4, "High"),
        Some("critical") => (5, "Critical"),
        _ => (0, "Unknown"),
    }
}

fn confidence(name: Option<&str>) -> Option<(u32, &'static str)> {
    match name? {
        "low" => Some((1, "Low")),
        "medium" => Some((2, "Medium")),
        "high" => Some((3, "High")),
        _ => None,
    }
}

/// By the catalogue's categories; own detectors may have others.
fn category(name: Option<&str>) -> (u32, &str) {
    match name {
        Some("payment" | "financial") => (3, "Financial"),
        Some("secret") => (6, "Security"),
        Some("contact" | "health" | "special" | "identity") => (1, "Personal"),
        Some(other) => (99, other),
        None => (0, "Unknown"),
    }
}

fn milliseconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
        map.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
