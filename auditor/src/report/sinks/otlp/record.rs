//! A finding as a log record.
//!
//! | attribute | of the finding |
//! |---|---|
//! | `auditor.id`, `auditor.revision` | which tell repetitions, and what is newer |
//! | `auditor.group` | the same on all nodes that see the same leak |
//! | `auditor.kind`, `auditor.detector`, `auditor.category`, `auditor.state`, `auditor.severity`, `auditor.confidence` | what was found |
//! | `auditor.regulations` | a list |
//! | `auditor.fingerprint`, `auditor.count` | which value, how often |
//! | `auditor.part`, `auditor.field`, `auditor.operation`, `auditor.encrypted` | where in which message |
//! | `auditor.source.*`, `auditor.destination.*` | `namespace`, `kind`, `workload`, `pod`, `container`, `host`, `node`, `identified_by`, `certainty` |
//! | `auditor.policy`, `auditor.rule`, `auditor.policy_version`, `auditor.verdict` | what policy says |

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use serde_json::Value;

use crate::report::sinks::format::Format;

/// Attribute → where in the finding its value is.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("auditor.id", "/id"),
    ("auditor.revision", "/revision"),
    ("auditor.group", "/group"),
    ("auditor.kind", "/kind"),
    ("auditor.detector", "/detector"),
    ("auditor.category", "/category"),
    ("auditor.state", "/state"),
    ("auditor.severity", "/severity"),
    ("auditor.confidence", "/confidence"),
    ("auditor.regulations", "/regulations"),
    ("auditor.fingerprint", "/fingerprint"),
    ("auditor.count", "/count"),
    ("auditor.part", "/location/part"),
    ("auditor.field", "/location/field"),
    ("auditor.operation", "/flow/operation"),
    ("auditor.encrypted", "/flow/encrypted"),
    ("auditor.policy", "/policy/name"),
    ("auditor.rule", "/policy/rule"),
    ("auditor.policy_version", "/policy/version"),
    ("auditor.verdict", "/policy/verdict"),
];

/// The same of each end.
const OF_AN_END: &[(&str, &str)] = &[
    ("namespace", "/workload/namespace"),
    ("kind", "/workload/kind"),
    ("workload", "/workload/name"),
    ("pod", "/pod/name"),
    ("container", "/container/name"),
    ("host", "/host"),
    ("node", "/node"),
    ("identified_by", "/identified_by"),
    ("certainty", "/certainty"),
];

/// Which agent says it.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    pub host: Option<String>,
    /// The Kubernetes node.
    pub node: Option<String>,
    pub cluster: Option<String>,
}

impl Resource {
    pub(super) fn request(&self, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut attributes = vec![
            attribute("service.name", text("auditor")),
            attribute("service.version", text(&version)),
        ];
        let known = [
            ("host.name", &self.host),
            ("k8s.node.name", &self.node),
            ("k8s.cluster.name", &self.cluster),
        ];
        for (name, value) in known {
            attributes.extend(value.as_deref().map(|value| attribute(name, text(value))));
        }
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(ProtoResource {
                    attributes,
                    ..ProtoResource::default()
                }),
                scope_logs: vec![ScopeLogs {
                    scope: Some(InstrumentationScope {
                        name: "auditor.findings".to_owned(),
                        version,
                        ..InstrumentationScope::default()
                    }),
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }
}

/// The record of a finding, with its body in this format.
pub(super) fn of(finding: &[u8], format: Format) -> serde_json::Result<LogRecord> {
    let value: Value = serde_json::from_slice(finding)?;
    let time = |name: &str| {
        let time: Option<Timestamp> = value.get(name)?.as_str()?.parse().ok();
        u64::try_from(time?.as_nanosecond()).ok()
    };
    let severity = value.get("severity").and_then(Value::as_str).unwrap_or_default();
    let mut attributes: Vec<KeyValue> = Vec::with_capacity(40);
    for (name, place) in ATTRIBUTES {
        attributes.extend(value.pointer(place).and_then(any).map(|of| attribute(name, of)));
    }
    for end in ["source", "destination"] {
        let Some(of_end) = value.get(end) else { continue };
        for (name, place) in OF_AN_END {
            let found = of_end.pointer(place).and_then(any);
            attributes.extend(found.map(|of| attribute(&format!("auditor.{end}.{name}"), of)));
        }
    }
    Ok(LogRecord {
        time_unix_nano: time("last_seen").or_else(|| time("time")).unwrap_or(0),
        observed_time_unix_nano: time("time").unwrap_or(0),
        severity_number: number(severity).into(),
        severity_text: severity.to_owned(),
        body: Some(text(&format.line(finding)?)),
        attributes,
        event_name: "auditor.finding".to_owned(),
        ..LogRecord::default()
    })
}

/// As the data model of logs ranks them.
fn number(severity: &str) -> SeverityNumber {
    match severity {
        "critical" => SeverityNumber::Fatal,
        "high" => SeverityNumber::Error,
        "medium" => SeverityNumber::Warn,
        "low" => SeverityNumber::Info,
        _ => SeverityNumber::Unspecified,
    }
}

fn attribute(name: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue {
        value: Some(Any::StringValue(value.to_owned())),
    }
}

fn any(value: &Value) -> Option<AnyValue> {
    let value = match value {
        Value::String(text) => Any::StringValue(text.clone()),
        Value::Bool(flag) => Any::BoolValue(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Any::IntValue(number),
            None => Any::DoubleValue(number.as_f64()?),
        },
        Value::Array(values) => Any::ArrayValue(ArrayValue {
            values: values.iter().filter_map(any).collect(),
        }),
        Value::Null | Value::Object(_) => return None,
    };
    Some(AnyValue { value: Some(value) })
}
