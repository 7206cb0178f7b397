use super::table::{WIDEST, percent, short};
use super::*;
use crate::detect::State;
use crate::masking::store::Bytes;
use crate::masking::tests::{Bench, seen};
use crate::report::finding::Verdict;
use crate::report::table::escape;

/// Two senders: `checkout` leaks in one field of two, `billing` sends a clear value that is allowed.
pub(crate) fn snapshot() -> Snapshot {
    let mut bench = Bench::new(100);
    for _ in 0..30 {
        bench.see(&seen("$.card", State::Masked));
        bench.see(&seen("$.items[0].card", State::Tokenised));
    }
    for _ in 0..10 {
        bench.see(&seen("$.items[1].card", State::Clear));
    }
    let mut allowed = seen("$.pan", State::Clear);
    allowed.source.workload.as_mut().unwrap().name = "billing".to_owned();
    for _ in 0..50 {
        bench.judged(&allowed, Some(Verdict::Allowed));
    }
    let bytes = Bytes {
        moved: 1000,
        accounts: [("scanned".to_owned(), 975), ("ring_full".to_owned(), 25)].into(),
    };
    let traffic = Traffic {
        socket: Bytes::default(),
        tls: bytes,
    };
    Snapshot::of(&bench.book, traffic, bench.now)
}

#[test]
fn the_worst_comes_first_and_what_was_not_seen_is_said() {
    let coverage = Coverage::of(&snapshot(), &Filter::default());
    insta::assert_snapshot!(coverage.table(&[], 2));
    let json = serde_json::to_value(&coverage).unwrap();
    assert_eq!(json["total"]["coverage"], 0.5);
    assert_eq!(json["total"]["violations"], 10);
    assert_eq!(json["fields"][0]["field"], "$.items[*].card");
    assert_eq!(json["fields"][0]["coverage"], 0.75);
    assert_eq!(json["fields"][0]["source"]["name"], "checkout");
    assert_eq!(json["fields"][1]["verdict"], "allowed");
    assert_eq!(json["seen"]["share"], 0.975);
}

#[test]
fn what_is_not_asked_for_is_left_out() {
    let count = |filter: Filter| Coverage::of(&snapshot(), &filter).fields.len();
    assert_eq!(count(Filter::default()), 3);
    for (from, to, expected) in [
        (Some("workload=billing"), None, 1),
        (Some("namespace=shop,workload!=billing"), None, 2),
        (None, Some("external"), 0),
        (None, Some("workload=Deployment/orders"), 3),
    ] {
        let selector = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let filter = Filter {
            from: selector(from),
            to: selector(to),
            ..Filter::default()
        };
        assert_eq!(count(filter), expected, "{from:?} {to:?}");
    }
    for (detector, regulation, namespace, expected) in [
        ("payment_card", "pci-dss", "shop", 3),
        ("iban", "pci-dss", "shop", 0),
        ("payment_card", "hipaa", "shop", 0),
        ("payment_card", "gdpr", "pay", 0),
    ] {
        let filter = Filter {
            namespace: Some(namespace.to_owned()),
            detectors: vec![detector.to_owned()],
            regulations: vec![regulation.to_owned()],
            ..Filter::default()
        };
        assert_eq!(count(filter), expected);
    }
}

#[test]
fn nothing_is_rounded_up_to_all() {
    assert_eq!(percent(Some(0.999_999)), "99.9%");
    assert_eq!(percent(Some(1.0)), "100.0%");
    assert_eq!(percent(None), "-");
}

#[test]
fn a_long_name_is_cut_in_the_middle_and_steers_nothing() {
    let long = format!("begin{}end\u{1b}[2J", "é".repeat(100));
    let cell = short(&escape(&long));
    assert!(
        cell.chars().count() <= WIDEST && cell.starts_with("begin"),
        "{cell}"
    );
    assert!(!cell.contains('\u{1b}'));
}
