//! What is printed of one value of a file.
//!
//! Goes in: an occurrence, and policies. Comes out: what policy says, the finding, its line for people.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::file::{Occurrence, Whereabouts};
use crate::detect::{Severity, State};
use crate::policy::compile::Policies;
use crate::policy::{self, Judged};
use crate::report::finding::{End, Finding, Flow, Kind, Location, SCHEMA, Verdict};

/// What policy says about a value in a file: nobody sends it to anybody.
pub(super) fn judged(policies: &Policies, occurrence: &Occurrence) -> Option<Arc<Judged>> {
    let (detection, nobody) = (&occurrence.detection, End::default());
    let flow = policy::Flow {
        detector: detection.detector,
        extra_regulations: detection.extra_regulations,
        source: &nobody,
        destination: &nobody,
        operation: occurrence.spot.exchange.operation.as_deref(),
        field: detection.field.path.as_deref(),
        state: detection.state,
        encrypted: true,
        same_host: true,
        client: None,
    };
    policy::judge(policies, &flow, Timestamp::now())
}

pub(super) fn finding(path: &str, occurrence: Occurrence) -> Finding {
    let Occurrence { detection, spot } = occurrence;
    let Whereabouts {
        place,
        content_type,
        exchange,
        start,
        end,
        line,
    } = spot;
    let row = detection.row;
    let clear = detection.state == State::Clear;
    let severity = match row.severity {
        _ if !clear => Severity::Low,
        severity if detection.declared_masked || detection.under_masked => raised(severity),
        severity => severity,
    };
    let now = Timestamp::now().to_string();
    let flow = (!exchange.protocol.is_empty()).then(|| Flow {
        protocol: exchange.protocol,
        operation: exchange.operation.clone(),
        status: exchange.status,
        encrypted: false,
        captured_by: "file",
        connection: String::new(),
        hops: 0,
    });
    Finding {
        schema: SCHEMA,
        id: Uuid::now_v7().to_string(),
        time: now.clone(),
        revision: 1,
        kind: if clear { Kind::Leak } else { Kind::Observation },
        detector: detection.detector,
        category: row.category,
        regulations: [row.regulations, detection.extra_regulations].concat(),
        state: detection.state,
        confidence: detection.confidence,
        score_bits: detection.score_bits,
        severity,
        sample: detection.sample,
        length: detection.length,
        fingerprint: detection.fingerprint,
        count: 1,
        first_seen: now.clone(),
        last_seen: now,
        declared_masked: detection.declared_masked,
        under_masked: detection.under_masked,
        location: Location {
            part: place.name(),
            field: detection.field.path,
            start,
            end,
            line,
            content_type: content_type.as_deref().map(str::to_owned),
        },
        flow,
        source: None,
        destination: None,
        policy: None,
        before: None,
        after: None,
        gap: None,
        path: Some(path.to_owned()),
        group: None,
        observer: None,
    }
}

/// `path:line  severity detector sample field`.
pub(super) fn text_line(finding: &Finding) -> String {
    let path = finding.path.as_deref().unwrap_or_default();
    let line = finding
        .location
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let severity = match finding.severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    };
    let state = match finding.state {
        State::Clear => "",
        State::Masked => " (masked)",
        State::Hashed => " (hashed)",
        State::Tokenised => " (tokenised)",
        State::Encrypted => " (encrypted)",
        State::Test => " (test)",
    };
    let place = match finding.location.part {
        "file" => String::new(),
        part => format!("{part} "),
    };
    let field = finding.location.field.as_deref().unwrap_or("");
    let (detector, sample) = (finding.detector, &finding.sample);
    let allowed = match &finding.policy {
        Some(policy) if policy.verdict == Verdict::Allowed => "  (allowed)",
        _ => "",
    };
    format!("{path}{line}  {severity:<8} {detector:<20} {sample}{state}  {place}{field}{allowed}")
        .trim_end()
        .to_owned()
}

fn raised(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}
