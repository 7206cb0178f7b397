use super::*;
use crate::report::finding::{Observer, PolicyVerdict, Verdict};
use crate::report::observation::tests::card;

fn of(change: impl FnOnce(&mut crate::report::finding::Finding)) -> Value {
    let mut finding = card().into_finding("0190-id".into(), None, Timestamp::UNIX_EPOCH);
    change(&mut finding);
    event(&serde_json::to_value(&finding).unwrap())
}

/// tests/tests/sinks.rs holds events against the schema itself.
#[test]
fn an_event_says_what_the_finding_says() {
    let event = of(|finding| {
        finding.revision = 3;
        finding.count = 9;
        finding.group = Some("g".into());
        finding.observer = Some(Observer {
            node: Some("n1".into()),
            cluster: Some("prod".into()),
        });
        finding.policy = Some(PolicyVerdict {
            name: Some("cards".into()),
            version: Some("v7".into()),
            rule: Some("masked".into()),
            action: None,
            verdict: Verdict::Violation,
            client: None,
        });
    });
    for (path, wanted) in [
        ("/class_uid", json!(2006)),
        ("/activity_id", json!(2)),
        ("/type_uid", json!(200_602)),
        ("/count", json!(9)),
        ("/is_alert", json!(true)),
        ("/metadata/uid", json!("0190-id.3")),
        ("/metadata/correlation_uid", json!("g")),
        ("/metadata/reporter/hostname", json!("n1")),
        ("/metadata/tenant_uid", json!("prod")),
        ("/finding_info/uid", json!("0190-id")),
        ("/data_security/category_id", json!(3)),
        ("/data_security/data_lifecycle_state_id", json!(2)),
        ("/data_security/detection_pattern", json!("payment_card")),
        ("/data_security/policy/name", json!("cards")),
        ("/data_security/policy/version", json!("v7")),
        ("/unmapped/verdict", json!("violation")),
        ("/unmapped/kind", json!("leak")),
    ] {
        assert_eq!(event.pointer(path), Some(&wanted), "{path} of {event:#}");
    }
}

#[test]
fn what_is_allowed_or_protected_is_no_alert() {
    let allowed = of(|finding| {
        finding.policy = Some(PolicyVerdict {
            name: None,
            version: None,
            rule: None,
            action: None,
            verdict: Verdict::Allowed,
            client: None,
        });
    });
    assert_eq!(allowed["is_alert"], json!(false));
    assert_eq!(
        of(|finding| finding.kind = crate::report::finding::Kind::Observation)["is_alert"],
        json!(false)
    );
}

proptest::proptest! {
    /// A journal may be read that nobody knows who wrote.
    #[test]
    fn any_json_becomes_an_event(name in "[a-z_]{1,12}", text in "\\PC{0,40}", number in proptest::prelude::any::<i64>()) {
        for value in [json!({(name.clone()): text}), json!({(name.clone()): number}), json!({"source": {(name.clone()): text}}), json!({"policy": {"name": text}, "time": text}), json!(null), json!([text])] {
            let event = event(&value);
            proptest::prop_assert_eq!(&event["class_uid"], &json!(2006));
        }
    }
}
