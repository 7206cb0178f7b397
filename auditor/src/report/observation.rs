//! A detection with everything around it that a finding needs.
//!
//! Goes in: what detection, identity and protocol know about one value. Comes out: the first
//! revision of a [`Finding`]. It never holds a value: [`Detection`] does not either.

use jiff::Timestamp;
use uuid::Uuid;

use super::finding::{End, Finding, Flow, Kind, Location, PolicyVerdict, SCHEMA};
use super::naming;
use crate::detect::{Detection, Severity, State};
use crate::masking::drift::Drift;
use crate::policy::Judged;
use crate::protocol::{Direction, Place};

/// Longest field path and content type kept in a finding, bytes.
const TEXT_LIMIT: usize = 512;

/// One value seen once, with both ends of its flow.
#[derive(Clone, Debug)]
pub struct Observation {
    pub detection: Detection,
    /// From the catalogue.
    pub category: &'static str,
    /// From the catalogue.
    pub regulations: &'static [&'static str],
    /// How bad a clear value of this detector is, before anything raises it.
    pub severity: Severity,
    pub flow: Flow,
    /// The sender of the bytes.
    pub source: End,
    pub destination: End,
    pub place: Place,
    /// Which way the bytes went: both ends may be the same workload, and say the same.
    pub direction: Direction,
    /// Offset of the document in its decoded part, bytes; added to the detection's range.
    pub offset: u64,
    pub content_type: Option<String>,
    /// When the bytes were captured.
    pub time: Timestamp,
}

impl Observation {
    /// True when the bytes crossed a network unprotected: not encrypted, and the two ends are not
    /// known to be on one host. Bytes that stay on a host cannot be read off a wire.
    pub fn plaintext_transport(&self) -> bool {
        !self.flow.encrypted && !naming::same_host(&self.source, &self.destination)
    }

    /// The severity of a finding: of the detector, one higher (at most critical, and one step
    /// however many reasons there are) for a value that was declared masked, one whose mask shows
    /// too much, and one that crossed a network in plaintext. What is protected is low.
    pub fn judged_severity(&self) -> Severity {
        if self.detection.state != State::Clear {
            return Severity::Low;
        }
        let raised =
            self.detection.declared_masked || self.detection.under_masked || self.plaintext_transport();
        if raised {
            one_higher(self.severity)
        } else {
            self.severity
        }
    }

    /// The first revision of the finding this observation opens.
    pub fn into_finding(self, id: String, policy: Option<PolicyVerdict>, now: Timestamp) -> Finding {
        let severity = self.judged_severity();
        let seen = rfc3339(self.time);
        let detection = self.detection;
        let at = |position: usize| self.offset.saturating_add(position as u64);
        Finding {
            schema: SCHEMA,
            id,
            time: rfc3339(now),
            revision: 1,
            kind: if detection.state == State::Clear {
                Kind::Leak
            } else {
                Kind::Observation
            },
            detector: detection.detector,
            category: self.category,
            regulations: [self.regulations, detection.extra_regulations].concat(),
            state: detection.state,
            confidence: detection.confidence,
            score_bits: detection.score_bits,
            severity,
            sample: detection.sample,
            length: detection.length,
            fingerprint: detection.fingerprint,
            count: 1,
            first_seen: seen.clone(),
            last_seen: seen,
            declared_masked: detection.declared_masked,
            under_masked: detection.under_masked,
            location: Location {
                part: self.place.name(),
                field: detection.field.path.map(bounded),
                start: at(detection.range.start),
                end: at(detection.range.end),
                line: None,
                content_type: self.content_type.map(bounded),
            },
            flow: Some(self.flow),
            source: Some(self.source),
            destination: Some(self.destination),
            policy,
            before: None,
            after: None,
            gap: None,
            path: None,
            group: None,
            observer: None,
        }
    }

    /// A finding of its own that says what this value changed. It is one step more severe than the
    /// value would be (at most critical), where it lost what protected it.
    pub fn into_drift(self, judged: Option<&Judged>, drift: Drift, now: Timestamp) -> Finding {
        let lost = matches!(drift.kind, Kind::MaskDrift | Kind::PlaintextTransport);
        let raised = (lost && self.detection.state == State::Clear).then(|| one_higher(self.severity));
        let policy = judged.map(|judged| judged.policy.clone());
        let mut finding = self.into_finding(Uuid::now_v7().to_string(), policy, now);
        finding.severity = judged
            .and_then(|judged| judged.severity)
            .or(drift.severity)
            .or(raised)
            .unwrap_or(finding.severity);
        finding.kind = drift.kind;
        finding.before = Some(Box::new(drift.before));
        finding.after = Some(Box::new(drift.after));
        finding
    }
}

/// RFC 3339 in UTC with milliseconds: the form of every time auditor writes.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

const fn one_higher(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}

/// The text, cut at [`TEXT_LIMIT`] bytes: a peer chooses how deep a path is.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > TEXT_LIMIT {
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
        text.push('…');
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::content::Field;
    use crate::detect::Confidence;
    use crate::report::finding::{Certainty, IdentifiedBy, Process, Workload};

    /// A clear card number from python3 to nginx, on one host over TLS.
    pub(crate) fn card() -> Observation {
        let end = |exe: &str, pid, address: &str| End {
            workload: Some(Workload {
                namespace: None,
                kind: "Process".into(),
                name: exe.into(),
            }),
            process: Some(Process {
                pid,
                exe: Some(exe.into()),
                ..Process::default()
            }),
            address: Some(address.into()),
            node: Some("node-1".into()),
            identified_by: IdentifiedBy::SocketPair,
            certainty: Certainty::Exact,
            ..End::default()
        };
        Observation {
            detection: Detection {
                detector: "payment_card",
                row: crate::detect::catalogue::find("payment_card").unwrap(),
                state: State::Clear,
                confidence: Confidence::High,
                score_bits: 17.4,
                evidence: Vec::new(),
                declared_masked: false,
                under_masked: false,
                extra_regulations: &[],
                sample: "544791******0247".into(),
                length: 16,
                fingerprint: "k1:0123456789abcdef0123456789abcdef".into(),
                range: 23..39,
                field: Field {
                    path: Some("$.customer.card.number".into()),
                    ..Field::default()
                },
            },
            category: "payment",
            regulations: &["pci-dss", "gdpr"],
            severity: Severity::High,
            flow: Flow {
                protocol: "http/1.1",
                operation: Some("POST /v1/charges/{id}".into()),
                status: None,
                encrypted: true,
                captured_by: "openssl",
                connection: "1".into(),
                hops: 0,
            },
            source: end("/usr/bin/python3", 100, "127.0.0.1:40000"),
            destination: end("/usr/sbin/nginx", 200, "127.0.0.1:8443"),
            place: Place::RequestBody,
            direction: Direction::ToServer,
            offset: 100,
            content_type: Some("application/json".into()),
            time: "2026-03-01T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn severity_rises_by_one_step_for_a_broken_promise_or_an_open_wire() {
        let external = End {
            address: Some("203.0.113.9:80".into()),
            ..End::default()
        };
        type Change = fn(&mut Observation);
        let cases: [(Change, Severity); 6] = [
            (|_| (), Severity::High),
            (|o| o.detection.declared_masked = true, Severity::Critical),
            (|o| o.detection.under_masked = true, Severity::Critical),
            (
                |o| {
                    o.severity = Severity::Low;
                    o.detection.under_masked = true;
                    o.detection.declared_masked = true
                },
                Severity::Medium,
            ),
            (|o| o.flow.encrypted = false, Severity::High),
            (|o| o.detection.state = State::Masked, Severity::Low),
        ];
        for (index, (change, expected)) in cases.into_iter().enumerate() {
            let mut observation = card();
            change(&mut observation);
            assert_eq!(observation.judged_severity(), expected, "case {index}");
        }
        let mut open = card();
        open.flow.encrypted = false;
        open.source.address = Some("10.0.0.5:40000".into());
        open.destination = external;
        assert_eq!(open.judged_severity(), Severity::Critical);
    }

    #[test]
    fn a_path_of_any_length_stays_bounded() {
        let mut observation = card();
        observation.detection.field.path = Some("é".repeat(4000));
        let finding = observation.into_finding("id".into(), None, Timestamp::UNIX_EPOCH);
        assert!(finding.location.field.unwrap().len() <= TEXT_LIMIT + '…'.len_utf8());
    }
}
