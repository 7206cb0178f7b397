use super::*;
use crate::detect::State;
use crate::report::aggregate::Admission;
use crate::report::finding::Verdict;
use crate::report::observation::tests::card;

pub(crate) fn metrics(series: usize) -> Metrics {
    Metrics::new(Arc::default(), series).unwrap()
}

fn line<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn the_leak_counter_is_born_at_zero_when_the_detector_is_seen_in_any_state() {
    let metrics = metrics(10);
    let mut masked = card();
    masked.detection.state = State::Masked;
    metrics.value(&masked, Admission::NotClear, Reporter::Source);
    let text = metrics.render();
    let leaks = line(&text, "auditor_leaks_total");
    assert_eq!(leaks.len(), 1, "{text}");
    assert!(leaks[0].ends_with(" 0"), "{leaks:?}");
    assert!(line(&text, "auditor_last_leak_timestamp_seconds").is_empty());
    metrics.value(&card(), Admission::Clear(Verdict::Violation), Reporter::Source);
    let text = metrics.render();
    let used = ["auditor_leaks_total", "auditor_values_total", "auditor_last_leak"];
    let lines: Vec<&str> = used.iter().flat_map(|name| line(&text, name)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    auditor_leaks_total{category="payment",destination_kind="Process",destination_namespace="",destination_workload="nginx",detector="payment_card",reporter="source",source_kind="Process",source_namespace="",source_workload="python3",verdict="violation"} 1
    auditor_values_total{destination_kind="Process",destination_namespace="",destination_workload="nginx",detector="payment_card",source_kind="Process",source_namespace="",source_workload="python3",state="clear"} 1
    auditor_values_total{destination_kind="Process",destination_namespace="",destination_workload="nginx",detector="payment_card",source_kind="Process",source_namespace="",source_workload="python3",state="masked"} 1
    auditor_last_leak_timestamp_seconds{category="payment",destination_kind="Process",destination_namespace="",destination_workload="nginx",detector="payment_card",reporter="source",source_kind="Process",source_namespace="",source_workload="python3",verdict="violation"} 1772359200
    "#);
}

#[test]
fn no_address_process_id_or_path_is_a_label() {
    let metrics = metrics(10);
    let mut observation = card();
    observation.source.workload = None;
    observation.destination.workload = None;
    observation.destination.process.as_mut().unwrap().exe = None;
    metrics.value(
        &observation,
        Admission::Clear(Verdict::Violation),
        Reporter::Source,
    );
    let text = metrics.render();
    let leak = line(&text, "auditor_leaks_total")[0];
    assert!(leak.contains(r#"source_workload="python3""#), "{leak}");
    assert!(leak.contains(r#"destination_workload="unresolved""#), "{leak}");
    assert!(!text.contains("127.0.0.1") && !text.contains("/usr/"), "{text}");
}

#[test]
fn hostile_workload_names_fill_no_more_than_the_limit() {
    let metrics = metrics(5);
    for number in 0..50 {
        let mut observation = card();
        observation.source.workload.as_mut().unwrap().name = format!("evil\"\n{number}");
        metrics.value(
            &observation,
            Admission::Clear(Verdict::Violation),
            Reporter::Source,
        );
    }
    let text = metrics.render();
    assert_eq!(line(&text, "auditor_leaks_total").len(), 6, "{text}");
    assert_eq!(
        line(&text, r#"auditor_series_overflow_total{metric="leaks_total"} 45"#).len(),
        1,
        "{text}"
    );
}

#[test]
fn the_byte_accounts_add_up_to_the_bytes_moved() {
    let ledger = Arc::new(ByteLedger::default());
    ledger.set_moved(Ledger::Socket, 100);
    ledger.settle(Ledger::Socket, Account::Scanned, 90);
    ledger.settle(Ledger::Socket, Account::Gap, 10);
    let metrics = Metrics::new(ledger, 10).unwrap();
    for _ in 0..2 {
        let text = metrics.render();
        let sum: u64 = line(&text, "auditor_bytes_total")
            .iter()
            .filter(|l| l.contains("socket"))
            .map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, 100);
        assert!(
            text.contains("auditor_bytes_moved_total{ledger=\"socket\"} 100"),
            "{text}"
        );
    }
}

#[test]
fn every_metric_is_rendered_under_its_name_once_it_is_used() {
    let metrics = metrics(10);
    metrics.value(&card(), Admission::Clear(Verdict::Violation), Reporter::Source);
    metrics.events_so_far("capture", 1);
    metrics.lost("stream", "queue_full", 1);
    metrics.protocol_so_far("http/2", 5, 1);
    metrics.lost_so_far("capture", "ring_full", 3);
    metrics.lost_so_far("capture", "ring_full", 2);
    metrics.attach("openssl", "ok");
    metrics.set_attached("openssl", 1);
    metrics.attribution("source", "cgroup");
    metrics.sink_dropped_so_far("journal", 4);
    metrics.set_map("sockets", 1, 2);
    metrics.set_policies([("cards", "file", "loaded")].into_iter());
    metrics.set_refused_policies(["conflict", "limit"].into_iter(), 2);
    metrics.scanned(Duration::from_micros(20));
    let text = metrics.render();
    for name in [
        "leaks_total",
        "last_leak_timestamp_seconds",
        "values_total",
        "bytes_total",
        "bytes_moved_total",
        "events_total",
        "events_lost_total",
        "protocol_bytes_total",
        "protocol_lost_sync_total",
        "attach_total",
        "attached",
        "attribution_total",
        "sink_dropped_total",
        "series_overflow_total",
        "map_entries",
        "map_capacity",
        "scan_seconds_bucket",
        "build_info",
        "policy_loaded",
        "policies_refused",
    ] {
        assert!(
            !line(&text, &format!("auditor_{name}{{")).is_empty(),
            "{name}\n{text}"
        );
    }
    assert!(
        text.contains("auditor_events_lost_total{reason=\"ring_full\",stage=\"capture\"} 3"),
        "{text}"
    );
    for refused in ["conflict\"} 1", "invalid\"} 0", "limit\"} 3"] {
        assert!(
            text.contains(&format!("auditor_policies_refused{{reason=\"{refused}")),
            "{text}"
        );
    }
}

#[test]
fn masking_is_shown_by_workload_and_every_drift_is_born_at_zero() {
    use crate::masking::book::Totals;
    use crate::masking::keeper::Status;
    use crate::masking::{Counts, Party};

    let metrics = metrics(1);
    let party = |name: &str| Party {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
        external: false,
    };
    let (a, b) = (party("a"), party("b"));
    let counts = Counts {
        clear: 1,
        masked: 3,
        ..Counts::default()
    };
    let none = Counts::default();
    let covered = |detector, source, destination, counts, target| Covered {
        detector,
        source,
        destination,
        counts,
        target,
    };
    let edges = [
        covered("payment_card", &a, &b, &counts, Some(0.99)),
        covered("iban", &a, &b, &none, Some(1.0)),
        covered("iban", &b, &a, &counts, None),
    ];
    metrics.set_coverage(edges.into_iter());
    let status = Status {
        failing: Some("no room".to_owned()),
        failures: [("io", 3), ("full", 2)].into(),
        room: Some(4096),
        ..Status::default()
    };
    let totals = Totals {
        evicted: 7,
        ..Totals::default()
    };
    metrics.set_masking(5, &totals, &status);
    metrics.drift(crate::report::finding::Kind::MaskDrift);
    let text = metrics.render();
    for expected in [
        r#"auditor_masking_coverage_ratio{destination_kind="Deployment",destination_namespace="shop",destination_workload="b",detector="payment_card",source_kind="Deployment",source_namespace="shop",source_workload="a"} 0.75"#,
        r#"auditor_masking_coverage_ratio{destination_kind="other",destination_namespace="other",destination_workload="other",detector="iban",source_kind="other",source_namespace="other",source_workload="other"} 0.75"#,
        r#"auditor_masking_coverage_target_ratio{destination_kind="Deployment",destination_namespace="shop",destination_workload="b",detector="payment_card",source_kind="Deployment",source_namespace="shop",source_workload="a"} 0.99"#,
        "auditor_masking_fields 5",
        "auditor_masking_failing 1",
        "auditor_masking_set_aside 0",
        r#"auditor_masking_failures_total{reason="io"} 3"#,
        r#"auditor_masking_failures_total{reason="full"} 2"#,
        r#"auditor_masking_failures_total{reason="read_only"} 0"#,
        "auditor_masking_disk_free_bytes 4096",
        r#"auditor_masking_overflow_total{what="field"} 7"#,
        r#"auditor_drifts_total{kind="mask_drift"} 1"#,
        r#"auditor_drifts_total{kind="new_flow"} 0"#,
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let targets = line(&text, "auditor_masking_coverage_target_ratio{");
    assert_eq!(
        targets.len(),
        1,
        "no values and no target make no series: {targets:?}"
    );
}

#[test]
fn names_that_others_choose_fill_no_more_series_than_their_bounds() {
    let metrics = metrics(3);
    let names: Vec<String> = (0..1000).map(|number| format!("team-{number}/cards")).collect();
    let policies = || names.iter().map(|name| (name.as_str(), "file", "loaded"));
    for _ in 0..2 {
        metrics.set_policies(policies());
        metrics.set_runtimes(names.iter().map(|name| (name.as_str(), true)));
    }
    metrics.set_policies(policies().skip(500));
    let text = metrics.render();
    let loaded = line(&text, "auditor_policy_loaded{");
    assert_eq!(loaded.len(), 2 * MOST_POLICIES);
    let is_gone = |line: &&str| !line.contains("team-499/") && !line.contains("team-0/");
    assert!(
        loaded.iter().all(is_gone),
        "those that are not in force any more go"
    );
    assert_eq!(line(&text, "auditor_runtime_up{").len(), MOST_RUNTIMES);
}

#[test]
fn every_family_of_workloads_is_bounded_and_counts_what_found_no_room() {
    use crate::masking::{Counts, Party};

    let (metrics, most) = (metrics(3), 3);
    let counts = Counts {
        masked: 1,
        ..Counts::default()
    };
    for number in 0..20 {
        let mut observation = card();
        observation.destination.workload.as_mut().unwrap().name = format!("shop-{number}");
        metrics.value(
            &observation,
            Admission::Clear(Verdict::Violation),
            Reporter::Source,
        );
        let party = Party {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: format!("shop-{number}"),
            external: false,
        };
        let covered = Covered {
            detector: "iban",
            source: &party,
            destination: &party,
            counts: &counts,
            target: Some(0.9),
        };
        metrics.set_coverage([covered].into_iter());
    }
    let text = metrics.render();
    for family in [
        "leaks_total",
        "last_leak_timestamp_seconds",
        "values_total",
        "masking_coverage_ratio",
        "masking_coverage_target_ratio",
    ] {
        let series = line(&text, &format!("auditor_{family}{{"));
        assert_eq!(series.len(), most + 1, "{text}");
        let other = |line: &&&str| {
            line.contains("source_workload=\"other\"") && line.contains("destination_workload=\"other\"")
        };
        assert_eq!(series.iter().filter(other).count(), 1, "{series:?}");
        let overflow = format!("auditor_series_overflow_total{{metric=\"{family}\"}} 17");
        assert_eq!(line(&text, &overflow).len(), 1, "{text}");
    }
}
