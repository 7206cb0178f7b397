use super::*;
use crate::detect::State;
use crate::masking::record::Counts;
use crate::masking::tests::{Bench, seen};

fn node(sent: u64, received: u64) -> Snapshot {
    let mut bench = Bench::new(10);
    bench.see(&seen("$.card", State::Clear));
    let mut snapshot = Snapshot::of(&bench.book, Traffic::default(), bench.now);
    let record = &mut snapshot.rows[0].record;
    record.sent.clear = sent;
    record.received.clear = received;
    snapshot
}

fn merge(all: Vec<Snapshot>) -> Snapshot {
    let mut merger = Merger::default();
    for snapshot in all {
        assert_eq!(merger.add(snapshot), Ok(None));
    }
    merger.finish()
}

#[test]
fn what_is_written_is_read_again() {
    let mut bench = Bench::new(10);
    for state in Counts::STATES {
        bench.see(&seen("$.card", state));
        bench.see(&seen("$.other", state));
    }
    let snapshot = Snapshot::of(&bench.book, Traffic::default(), bench.now);
    let mut lines = Vec::new();
    snapshot.write(&mut lines).unwrap();
    assert_eq!(Snapshot::read(lines.as_slice()).unwrap(), snapshot);
}

#[test]
fn what_two_nodes_saw_of_one_value_counts_once() {
    let clear = |nodes: &[Snapshot]| {
        let merged = merge(nodes.to_vec());
        assert_eq!(merged.rows.len(), 1);
        merged.rows[0].record.counts().clear
    };
    assert_eq!(clear(&[node(5, 2)]), 7, "one node counts nothing twice itself");
    assert_eq!(clear(&[node(10, 0), node(0, 10)]), 10);
    assert_eq!(clear(&[node(10, 0), node(0, 14)]), 14, "four came from elsewhere");
    assert_eq!(clear(&[node(10, 3), node(4, 8)]), 14);
    assert_eq!(clear(&[node(0, 3), node(0, 4)]), 7);
}

#[test]
fn a_ledger_that_is_given_twice_counts_once_as_it_is_now() {
    let mut bench = Bench::new(10);
    bench.see(&seen("$.card", State::Clear));
    let before = Snapshot::of(&bench.book, Traffic::default(), bench.now);
    bench.see(&seen("$.card", State::Clear));
    bench.pass(5);
    let now = Snapshot::of(&bench.book, Traffic::default(), bench.now);
    let other = node(4, 0);
    for inputs in [[&before, &other, &now], [&now, &other, &before]] {
        let mut merger = Merger::default();
        let told: Vec<_> = inputs.map(|one| merger.add(one.clone())).into();
        assert_eq!(told, [Ok(None), Ok(None), Ok(Some(0))]);
        let merged = merger.finish();
        assert_eq!(merged.rows[0].record.counts().clear, 6);
        assert_eq!(merged.header.totals.observed, 3);
        assert_eq!(merged.header.ledgers.len(), 2);
        // What holds both can be given again, but not beside one of them.
        assert_eq!(merge(vec![merged.clone()]), merged);
        let mut merger = Merger::default();
        assert_eq!(merger.add(merged), Ok(None));
        assert_eq!(merger.add(other.clone()), Err(Twice { other: 0 }));
    }
}

#[test]
fn a_fleet_counts_as_if_all_were_merged_in_any_order() {
    let nodes: Vec<Snapshot> = (0..40).map(|n| node(n % 7, (n * 3) % 5)).collect();
    let forth = merge(nodes.clone());
    let back = merge(nodes.into_iter().rev().collect());
    assert_eq!(forth.header.totals.observed, 40);
    assert_eq!(forth.rows[0].record.counts(), back.rows[0].record.counts());
    assert_eq!(forth.header.ledgers, back.header.ledgers);
}

#[test]
fn what_came_since_is_what_is_more() {
    let mut bench = Bench::new(10);
    bench.see(&seen("$.card", State::Clear));
    bench.see(&seen("$.quiet", State::Clear));
    let before = Snapshot::of(&bench.book, Traffic::default(), bench.now);
    bench.see(&seen("$.card", State::Masked));
    bench.see(&seen("$.new", State::Hashed));
    let after = Snapshot::of(&bench.book, Traffic::default(), bench.now).since(&before);
    let counts: Vec<_> = after.rows.iter().map(|row| row.record.counts()).collect();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(counts.iter().all(|counts| counts.coverage() == Some(1.0)));
    assert_eq!(after.header.totals.observed, 2);
}

#[test]
fn of_a_journal_the_last_revision_counts() {
    let finding = |id: &str, revision: u32, count: u64, state: &str| {
        format!(
            r#"{{"schema":"auditor.finding/v1","id":"{id}","revision":{revision},"kind":"leak","detector":"payment_card","state":"{state}","count":{count},"first_seen":"2026-03-01T10:00:00.000Z","last_seen":"2026-03-01T10:00:05.000Z","regulations":["pci-dss"],"location":{{"part":"request.body","field":"$.a[3].b","start":0,"end":1}}}}"#
        )
    };
    let lines = [
        finding("a", 1, 1, "clear"),
        finding("a", 3, 9, "clear"),
        String::new(),
        finding("a", 2, 5, "clear"),
        finding("b", 1, 3, "masked"),
        r#"{"schema":"auditor.summary/v1"}"#.to_owned(),
        "broken".to_owned(),
    ];
    let snapshot = Snapshot::read(lines.join("\n").as_bytes()).unwrap();
    assert!(snapshot.header.journal);
    assert_eq!(snapshot.rows.len(), 1);
    let counts = snapshot.rows[0].record.counts();
    assert_eq!((counts.clear, counts.masked), (9, 3));
    assert_eq!(snapshot.rows[0].field.field.as_deref(), Some("$.a[*].b"));
    assert_eq!(&*snapshot.rows[0].category, "payment");
}

#[test]
fn what_is_no_ledger_says_so() {
    for (text, expected) in [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("[", "line 1: "),
        ("{}", "line 1: it is neither"),
        (r#"{"error":"no"}"#, "no"),
        ("{\"schema\":\"auditor.masking/v1\"}\n[]", "line 2: "),
    ] {
        let error = Snapshot::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
