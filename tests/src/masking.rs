//! Values for masking ledgers without a conversation they were in.

use anyhow::Context as _;
use auditor::{
    content::Field,
    detect::{Confidence, Detection, State, catalogue},
    protocol::{Direction, Place},
    report::{
        finding::{End, Flow, Workload},
        observation::Observation,
    },
};

/// A masked card on its way from `shop/checkout` to `shop/orders`.
///
/// # Errors
/// Never: the detector is known.
pub fn observation() -> anyhow::Result<Observation> {
    let row = catalogue::find("payment_card").context("no detector of cards")?;
    let workload = |name: &str| End {
        workload: Some(Workload {
            namespace: Some("shop".to_owned()),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
        }),
        ..End::default()
    };
    Ok(Observation {
        detection: Detection {
            detector: row.id,
            row,
            state: State::Masked,
            confidence: Confidence::High,
            score_bits: 12.0,
            evidence: Vec::new(),
            declared_masked: false,
            under_masked: false,
            extra_regulations: &[],
            sample: "544791******0247".to_owned(),
            length: 16,
            fingerprint: String::new(),
            range: 0..16,
            field: Field::default(),
        },
        category: row.category,
        regulations: row.regulations,
        severity: row.severity,
        flow: Flow {
            protocol: "http/1.1",
            operation: Some("POST /v1/charges".to_owned()),
            status: None,
            encrypted: true,
            captured_by: "openssl",
            connection: "1".to_owned(),
            hops: 0,
        },
        source: workload("checkout"),
        destination: workload("orders"),
        place: Place::RequestBody,
        direction: Direction::ToServer,
        offset: 0,
        content_type: None,
        time: jiff::Timestamp::now(),
    })
}
