//! Everything that is emitted validates against the schemas in docs/.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::finding::*;
use super::observation::tests::card;
use super::summary::CommandStatus;
use super::summary::tests::summary;
use crate::detect::State;
use crate::protocol::Place;

fn validator(schema: &str) -> jsonschema::Validator {
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn findings() -> jsonschema::Validator {
    validator(include_str!("../../../docs/finding.schema.json"))
}

fn finding() -> Finding {
    let id = uuid::Uuid::now_v7().to_string();
    let policy = PolicyVerdict {
        name: None,
        version: None,
        rule: None,
        action: None,
        verdict: Verdict::Violation,
        client: None,
    };
    card().into_finding(id, Some(policy), Timestamp::now())
}

/// A finding with every optional field set.
fn full() -> Finding {
    let mut finding = finding();
    finding.declared_masked = true;
    finding.under_masked = true;
    finding.path = Some("a/b".into());
    finding.group = Some(super::group::of(&finding));
    finding.observer = Some(Observer {
        node: Some("n1".into()),
        cluster: Some("east".into()),
    });
    finding.location.line = Some(1);
    finding.flow.as_mut().unwrap().status = Some(200);
    finding.flow.as_mut().unwrap().hops = 2;
    finding.policy = Some(PolicyVerdict {
        name: Some("cards".into()),
        version: Some("1".into()),
        rule: Some("r".into()),
        action: Some(Action::Allow),
        verdict: Verdict::Allowed,
        client: Some(ClientIdentity::Unknown),
    });
    finding.source = Some(End {
        workload: Some(Workload {
            namespace: Some("shop".into()),
            kind: "Deployment".into(),
            name: "a".into(),
        }),
        pod: Some(Pod {
            uid: "u".into(),
            name: Some("p".into()),
        }),
        container: Some(Container {
            id: "c".into(),
            name: Some("n".into()),
            image: Some("i".into()),
            unnamed: Some(crate::identity::container::Unnamed::Pending),
        }),
        service_account: Some("s".into()),
        labels: [("team".to_owned(), "pay".to_owned())].into(),
        spiffe_id: Some("spiffe://a/b".into()),
        spiffe_id_source: Some(SpiffeSource::Derived),
        process: Some(Process {
            pid: 1,
            start_time: Some("2026-03-01T10:00:00.120Z".into()),
            exe: Some("/a".into()),
            comm: Some("a".into()),
            user: Some("www-data".into()),
            uid: Some(33),
        }),
        unit: Some("a.service".into()),
        slice: Some("system.slice".into()),
        address: Some("10.0.0.1:1".into()),
        host: Some("h".into()),
        node: Some("n".into()),
        hop: Some(Hop::Proxy),
        identified_by: IdentifiedBy::Cgroup,
        certainty: Certainty::Likely,
    });
    finding
}

/// A finding with what only `run` knows.
fn of_a_daemon() -> Finding {
    Finding {
        group: full().group,
        observer: full().observer,
        ..finding()
    }
}

/// A finding of this kind, with everything that drift may say.
fn drifted(kind: Kind) -> Finding {
    let facts = Facts {
        state: Some(State::Masked),
        coverage: Some(1.0),
        values: Some(7),
        detectors: Some(vec!["iban".to_owned()]),
        encrypted: Some(true),
        rate: Some(3),
        seconds: Some(5),
        verdict: Some(Verdict::Violation),
        rule: Some("p/r".to_owned()),
    };
    let drift = crate::masking::drift::Drift {
        kind,
        before: facts,
        after: Facts::default(),
        severity: None,
    };
    card().into_drift(None, drift, Timestamp::now())
}

#[test]
fn drift_without_before_and_after_does_not_validate() {
    let validator = findings();
    for name in ["before", "after"] {
        let mut value = serde_json::to_value(drifted(Kind::MaskDrift)).unwrap();
        assert!(validator.is_valid(&value));
        value.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&value), "{name}");
    }
}

fn assert_valid(validator: &jsonschema::Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{value:#}");
}

#[test]
fn findings_of_every_shape_validate() {
    let validator = findings();
    let mut shapes = vec![finding(), full()];
    shapes.push(Finding {
        flow: None,
        source: None,
        destination: None,
        policy: None,
        ..finding()
    });
    shapes.push(Finding {
        source: Some(End::default()),
        ..finding()
    });
    let left_out = super::shortfall::Counted {
        moved: 10,
        left_out: 5,
        rested: std::time::Duration::ZERO,
    };
    let gap = super::shortfall::Shortfall::default().look(left_out, std::time::Duration::ZERO, || None);
    shapes.push(gap.unwrap());
    for kind in [Kind::PlaintextTransport, Kind::CoverageGap, Kind::Update] {
        shapes.push(Finding { kind, ..finding() });
    }
    for kind in [
        Kind::MaskDrift,
        Kind::NewData,
        Kind::NewFlow,
        Kind::RateChange,
        Kind::PlaintextTransport,
    ] {
        shapes.push(drifted(kind));
    }
    for state in [
        State::Masked,
        State::Hashed,
        State::Tokenised,
        State::Encrypted,
        State::Test,
    ] {
        let mut observation = card();
        observation.detection.state = state;
        shapes.push(observation.into_finding(finding().id, None, Timestamp::now()));
    }
    for place in [
        Place::RequestPath,
        Place::RequestQuery,
        Place::RequestHeaders,
        Place::RequestBody,
        Place::RequestTrailers,
        Place::ResponseHeaders,
        Place::ResponseBody,
        Place::ResponseTrailers,
        Place::Stream,
        Place::File,
    ] {
        let mut shape = finding();
        shape.location.part = place.name();
        shapes.push(shape);
    }
    for identified_by in [
        IdentifiedBy::SocketPair,
        IdentifiedBy::PodIp,
        IdentifiedBy::Service,
        IdentifiedBy::Conntrack,
        IdentifiedBy::Node,
        IdentifiedBy::Dns,
        IdentifiedBy::Sni,
        IdentifiedBy::Host,
        IdentifiedBy::Unresolved,
        IdentifiedBy::Ambiguous,
    ] {
        shapes.push(Finding {
            destination: Some(End {
                identified_by,
                ..End::default()
            }),
            ..finding()
        });
    }
    for shape in shapes {
        assert_valid(&validator, &serde_json::to_value(shape).unwrap());
    }
}

#[test]
fn findings_that_break_the_contract_do_not_validate() {
    let validator = findings();
    let cases: [(&str, Value); 16] = [
        ("/schema", json!("auditor.finding/v2")),
        ("/id", json!("7")),
        ("/time", json!("yesterday")),
        ("/revision", json!(0)),
        ("/kind", json!("leek")),
        ("/kind", json!("observation")),
        ("/state", json!("masked")),
        ("/severity", json!("fatal")),
        ("/fingerprint", json!("k1:short")),
        ("/count", json!(0)),
        ("/location/part", json!("body")),
        ("/flow/encrypted", json!("yes")),
        ("/source/certainty", json!(null)),
        ("/policy/verdict", json!("fine")),
        ("/group", json!("of shop")),
        ("/observer/node", json!(1)),
    ];
    for (pointer, wrong) in cases {
        let mut value = serde_json::to_value(of_a_daemon()).unwrap();
        *value.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&value), "{pointer}");
    }
    for object in [
        "",
        "/location",
        "/flow",
        "/source",
        "/source/process",
        "/policy",
        "/observer",
    ] {
        let mut value = serde_json::to_value(of_a_daemon()).unwrap();
        value
            .pointer_mut(object)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert("value".into(), json!("4111"));
        assert!(!validator.is_valid(&value), "an unknown key in {object:?}");
    }
}

#[test]
fn summaries_validate_and_wrong_ones_do_not() {
    let validator = validator(include_str!("../../../docs/summary.schema.json"));
    let mut endings = vec![None];
    endings.push(Some(CommandStatus {
        code: Some(1),
        signal: None,
    }));
    endings.push(Some(CommandStatus {
        code: None,
        signal: Some(9),
    }));
    for command in endings {
        let summary = super::summary::Summary { command, ..summary() };
        assert_valid(&validator, &serde_json::to_value(&summary).unwrap());
    }
    let good = serde_json::to_value(summary()).unwrap();
    for (pointer, wrong) in [
        ("/account/socket/moved", json!(-1)),
        ("/command", json!({})),
        ("/bindings/nested", json!("4")),
        ("/time", json!(1)),
    ] {
        let mut value = good.clone();
        *value.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&value), "{pointer}");
    }
    let mut unknown = good;
    unknown["account"]["socket"]["lost"] = json!(1);
    assert!(!validator.is_valid(&unknown));
}

#[test]
fn the_summary_schema_names_every_account() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/summary.schema.json")).unwrap();
    for account in crate::ledger::Account::ALL {
        assert!(
            schema["$defs"]["balance"]["properties"][account.name()].is_object(),
            "{}",
            account.name()
        );
    }
}
