//! The ledger in memory: what it counts, who gets a row, and how much memory that takes.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::drift::{Drift, Settings};
use super::*;
use crate::detect::State;
use crate::report::finding::{Kind, Verdict, Workload};
use crate::report::observation::{Observation, tests::card};

/// A ledger, and the time it is asked at.
pub(crate) struct Bench {
    pub(crate) book: Book,
    pub(crate) now: Instant,
}

impl Bench {
    pub(crate) fn new(fields: usize) -> Self {
        let limits = Limits {
            fields,
            ..Limits::default()
        };
        Self::with(limits, Settings::default())
    }

    pub(crate) fn with(limits: Limits, settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            book: Book::new(limits, settings, now),
            now,
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    pub(crate) fn see(&mut self, observation: &Observation) -> Vec<Drift> {
        let is_clear = observation.detection.state == State::Clear;
        self.judged(observation, is_clear.then_some(Verdict::Violation))
    }

    pub(crate) fn judged(&mut self, observation: &Observation, verdict: Option<Verdict>) -> Vec<Drift> {
        let sighting = Sighting {
            observation,
            verdict,
            is_silent: false,
            side: Side::Sender,
        };
        self.book.observe(
            &sighting,
            self.now,
            Timestamp::from_second(1_800_000_000).unwrap(),
        )
    }

    fn total(&self) -> u64 {
        self.book.rows().map(|row| row.record.counts().total()).sum()
    }

    fn row(&self, field: &str) -> Option<Row> {
        self.book
            .rows()
            .find(|row| row.field.field.as_deref() == Some(field))
    }
}

/// A card in this field, in this state, in a request of `shop/checkout` to `shop/orders`.
pub(crate) fn seen(field: &str, state: State) -> Observation {
    let mut observation = card();
    observation.detection.field.path = Some(field.to_owned());
    observation.detection.state = state;
    let workload = |name: &str| {
        Some(Workload {
            namespace: Some("shop".into()),
            kind: "Deployment".into(),
            name: name.into(),
        })
    };
    observation.source.workload = workload("checkout");
    observation.destination.workload = workload("orders");
    observation
}

fn kinds(drifts: &[Drift]) -> Vec<Kind> {
    drifts.iter().map(|drift| drift.kind).collect()
}

#[test]
fn every_state_is_counted_also_of_a_field_that_was_never_clear() {
    let mut bench = Bench::new(10);
    for state in Counts::STATES {
        bench.see(&seen("$.card", state));
    }
    bench.see(&seen("$.token", State::Tokenised));
    let counts = bench.row("$.card").unwrap().record.counts();
    assert!(
        Counts::STATES.iter().all(|&state| counts.of(state) == 1),
        "{counts:?}"
    );
    assert_eq!(counts.coverage(), Some(0.8), "a test value counts in neither");
    let token = bench.row("$.token").unwrap();
    assert_eq!(token.record.counts().coverage(), Some(1.0));
    assert_eq!(
        (token.record.verdict, &*token.record.sample),
        (None, "544791******0247")
    );
    assert_eq!(&*token.field.source.name, "checkout");
    assert_eq!(token.record.first_seen, 1_800_000_000_000);
}

#[test]
fn a_flood_of_harmless_fields_takes_no_row_of_a_leak_and_no_count_is_lost() {
    let mut bench = Bench::new(100);
    for leak in 0..60 {
        for _ in 0..=leak {
            bench.see(&seen(&format!("$.leak{leak}"), State::Clear));
        }
    }
    let flood = 20_000_u64;
    for n in 0..flood {
        bench.see(&seen(&format!("$.masked{n}"), State::Masked));
        bench.judged(
            &seen(&format!("$.allowed{n}"), State::Clear),
            Some(Verdict::Allowed),
        );
    }
    for leak in 0..60 {
        let row = bench.row(&format!("$.leak{leak}")).unwrap();
        assert_eq!(row.record.sent.clear, leak + 1);
        assert!(!row.record.partial);
    }
    let leaks: u64 = (1..=60).sum();
    assert_eq!(bench.total(), leaks + 2 * flood);
    let totals = bench.book.totals(bench.now);
    assert_eq!(totals.observed, leaks + 2 * flood);
    assert_eq!(totals.evicted, 2 * flood + 60 - 100);
    assert_eq!(bench.book.fields(), 100);
}

#[test]
fn a_flood_of_clear_fields_leaves_the_worst_ones_and_the_masked_ones_that_matter() {
    let mut bench = Bench::new(400);
    for n in 0..100 {
        for _ in 0..20 {
            bench.see(&seen(&format!("$.masked{n}"), State::Masked));
        }
    }
    let mut worst = 0;
    for n in 0..20_000 {
        bench.see(&seen(&format!("$.flood{n}"), State::Clear));
        if n % 20 == 0 {
            bench.see(&seen("$.worst", State::Clear));
            worst += 1;
        }
    }
    let row = bench.row("$.worst").unwrap();
    assert_eq!((row.record.sent.clear, row.record.partial), (worst, false));
    assert!((0..100).all(|n| {
        let row = bench.row(&format!("$.masked{n}"));
        row.is_some_and(|row| row.record.sent.masked == 20)
    }));
    assert_eq!(bench.total(), bench.book.totals(bench.now).observed);
}

#[test]
fn a_field_that_comes_back_says_that_its_row_is_not_all() {
    let mut bench = Bench::new(1);
    bench.see(&seen("$.a", State::Clear));
    bench.see(&seen("$.b", State::Clear));
    assert!(bench.row("$.a").is_none());
    bench.see(&seen("$.a", State::Clear));
    let row = bench.row("$.a").unwrap();
    assert_eq!((row.record.sent.clear, row.record.partial), (1, true));
    assert_eq!(bench.total(), 3);
}

#[test]
fn rows_of_the_rest_and_edges_are_bounded_too() {
    let limits = Limits {
        fields: 4,
        rests: 5,
        edges: 6,
    };
    let mut bench = Bench::with(limits, Settings::default());
    for n in 0..100 {
        let mut observation = seen("$.card", State::Clear);
        observation.source.workload.as_mut().unwrap().name = format!("w{n}");
        bench.see(&observation);
    }
    let rests = bench.book.rows().filter(Row::is_rest).count();
    assert!(rests <= 5 + 1, "{rests}");
    assert_eq!(bench.total(), 100);
    assert_eq!(bench.book.totals(bench.now).edges_lost, 94);
}

#[test]
fn a_million_distinct_fields_take_less_than_100_mib_and_the_worst_leaks_are_exact() {
    let mut worst = [0_u64; 100];
    let mut bench = None;
    let info = allocation_counter::measure(|| {
        let limits = Limits::default();
        let bench = bench.insert(Bench::with(limits, Settings::default()));
        let mut observation = seen("", State::Masked);
        for n in 0..1_000_000_usize {
            let text = observation.detection.field.path.get_or_insert_default();
            text.clear();
            // As long as they may be.
            text.push_str(&format!("$.{n}.{}", "long".repeat(60)));
            observation.detection.state = [State::Clear, State::Masked][n % 2];
            bench.see(&observation);
            if n % 50 == 0 {
                let at = n / 50 % 100;
                worst[at] += 1;
                bench.see(&seen(&format!("$.worst{at}"), State::Clear));
            }
        }
    });
    let bench = bench.unwrap();
    println!(
        "{} MiB at most, {} fields",
        info.bytes_max >> 20,
        bench.book.fields()
    );
    assert!(info.bytes_max < 100 << 20, "{}", info.bytes_max);
    for (at, count) in worst.iter().enumerate() {
        let row = bench.row(&format!("$.worst{at}")).unwrap();
        assert_eq!(
            (row.record.sent.clear, row.record.partial),
            (*count, false),
            "{at}"
        );
    }
    let totals = bench.book.totals(bench.now);
    assert_eq!((bench.total(), totals.observed), (1_020_000, 1_020_000));
    // Each of them had no row at least once, but for those that have one now.
    assert_eq!(bench.book.fields(), 32_768);
    assert!(totals.evicted >= 1_000_100 - 32_768, "{}", totals.evicted);
}

#[test]
fn a_field_that_loses_its_mask_is_told_at_its_first_clear_value() {
    let mut bench = Bench::new(100);
    for _ in 0..10 {
        assert!(bench.see(&seen("$.card", State::Masked)).is_empty());
        bench.pass(400);
    }
    let drifts = bench.see(&seen("$.card", State::Clear));
    assert_eq!(kinds(&drifts), [Kind::MaskDrift]);
    assert_eq!(drifts[0].before.state, Some(State::Masked));
    assert_eq!(drifts[0].before.coverage, Some(1.0));
    assert_eq!(drifts[0].after.state, Some(State::Clear));
    assert_eq!(drifts[0].after.values, Some(11));
    assert!(bench.see(&seen("$.card", State::Clear)).is_empty());
}

#[test]
fn a_new_kind_of_data_and_a_new_flow_are_told_after_learning_and_only_then() {
    let mut bench = Bench::new(100);
    let mut iban = seen("$.card", State::Clear);
    iban.detection.detector = "iban";
    let other = |name: &str| {
        let mut observation = seen("$.card", State::Masked);
        observation.destination.workload.as_mut().unwrap().name = name.to_owned();
        observation
    };
    assert!(bench.see(&seen("$.card", State::Masked)).is_empty());
    assert!(bench.see(&other("early")).is_empty());
    bench.pass(3601);
    let drifts = bench.see(&iban);
    assert_eq!(kinds(&drifts), [Kind::NewData]);
    assert_eq!(drifts[0].before.detectors, Some(vec!["payment_card".to_owned()]));
    assert_eq!(drifts[0].after.detectors, Some(vec!["iban".to_owned()]));
    assert!(bench.see(&iban).is_empty());
    assert_eq!(kinds(&bench.see(&other("late"))), [Kind::NewFlow]);
    assert!(bench.see(&other("late")).is_empty());
    // An edge that is new itself learns first.
    let mut more = other("late");
    more.detection.detector = "iban";
    assert!(bench.see(&more).is_empty());
    let mut test = other("for tests");
    test.detection.state = State::Test;
    assert!(bench.see(&test).is_empty());
}

#[test]
fn ends_that_nobody_names_are_no_new_flows_each() {
    let mut bench = Bench::new(100);
    bench.see(&seen("$.card", State::Clear));
    bench.pass(3601);
    let mut told = Vec::new();
    for visitor in 1..200 {
        let mut observation = seen("$.card", State::Clear);
        observation.source = crate::report::finding::End {
            address: Some(format!("198.18.7.{visitor}:4000")),
            ..Default::default()
        };
        told.extend(bench.see(&observation));
    }
    assert!(told.len() <= 1, "{told:?}");
    assert_eq!(bench.book.fields(), 2);
}

#[test]
fn what_policy_is_silent_about_or_that_is_not_sure_tells_nothing() {
    for change in [
        |sighting: &mut Sighting<'_>| sighting.is_silent = true,
        |sighting: &mut Sighting<'_>| sighting.verdict = Some(Verdict::Allowed),
    ] {
        let mut bench = Bench::new(100);
        for _ in 0..10 {
            bench.see(&seen("$.card", State::Masked));
            bench.pass(400);
        }
        let clear = seen("$.card", State::Clear);
        let mut sighting = Sighting {
            observation: &clear,
            verdict: Some(Verdict::Violation),
            is_silent: false,
            side: Side::Sender,
        };
        change(&mut sighting);
        let drifts = bench.book.observe(&sighting, bench.now, Timestamp::UNIX_EPOCH);
        assert!(drifts.is_empty(), "{drifts:?}");
        assert_eq!(bench.row("$.card").unwrap().record.sent.clear, 1);
    }
}

#[test]
fn new_kinds_of_data_of_one_edge_are_told_a_few_times_a_minute() {
    let mut bench = Bench::new(1000);
    bench.see(&seen("$.card", State::Clear));
    bench.pass(3601);
    let told = |bench: &mut Bench, from: usize| {
        let each = (from..from + 100).map(|n| bench.see(&seen(&format!("$.{n}"), State::Clear)).len());
        each.sum::<usize>()
    };
    assert_eq!(told(&mut bench, 0), 10);
    assert_eq!(bench.book.totals(bench.now).untold, 90);
    bench.pass(60);
    assert_eq!(told(&mut bench, 100), 10);
}

#[test]
fn what_is_old_goes_and_is_counted_as_gone() {
    let mut bench = Bench::new(100);
    bench.see(&seen("$.old", State::Clear));
    bench.pass(1000);
    bench.see(&seen("$.new", State::Clear));
    bench.book.expire(Duration::from_secs(999), bench.now);
    assert!(bench.row("$.old").is_none() && bench.row("$.new").is_some());
    let totals = bench.book.totals(bench.now);
    assert_eq!((totals.observed, totals.expired, bench.total()), (2, 1, 1));
    bench.see(&seen("$.old", State::Clear));
    assert_eq!(bench.row("$.old").unwrap().record.sent.clear, 1);
}

proptest::proptest! {
    /// Whatever comes in whichever order, every value is in exactly one row.
    #[test]
    fn no_count_is_lost_and_none_is_counted_twice(
        seen_fields in proptest::collection::vec((0_usize..40, 0_usize..6, 0_u64..30), 1..400),
        fields in 1_usize..20,
    ) {
        let mut bench = Bench::new(fields);
        let mut states = [0_u64; 6];
        for &(field, state, seconds) in &seen_fields {
            bench.see(&seen(&format!("$.{field}"), Counts::STATES[state]));
            states[state] += 1;
            bench.pass(seconds);
        }
        let mut all = Counts::default();
        for row in bench.book.rows() {
            all.add(&row.record.counts());
        }
        for (state, expected) in Counts::STATES.into_iter().zip(states) {
            proptest::prop_assert_eq!(all.of(state), expected);
        }
        proptest::prop_assert!(bench.book.fields() <= fields);
    }
}
