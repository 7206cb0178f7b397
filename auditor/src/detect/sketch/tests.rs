use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::trials::STATES;
use super::*;
use crate::content::{Document, Field, FieldLookup, Format};
use crate::detect::catalogue;
use crate::detect::checksum::luhn;
use crate::detect::{Evidence, Fingerprinter, Scanner};

const KEY: u128 = 77;

fn place(n: u64) -> FieldRef {
    let field = Field {
        path: Some(format!("$.field{n}")),
        key: Some(format!("field{n}")),
        ..Field::default()
    };
    let spot = Spot::of(Some("POST /orders"), "request.body", &field).unwrap();
    FieldRef::of(&Fingerprinter::new([7; 32]), &["a", "b"], spot)
}

/// Uniform hashes, as a keyed fingerprint gives.
fn hash(n: u64) -> u64 {
    let mut mixed = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// A card number by itself: 5.4 bits.
fn detection(value: u64, state: State) -> Detection {
    let score_bits = if state == State::Clear { 5.4 } else { 7.0 };
    Detection {
        detector: "payment_card",
        row: &catalogue::DetectorInfo::BASE,
        state,
        confidence: Confidence::of_bits(score_bits),
        score_bits,
        evidence: vec![Evidence {
            bits: score_bits,
            reason: "passes".into(),
        }],
        declared_masked: false,
        under_masked: false,
        extra_regulations: &[],
        sample: String::new(),
        length: 16,
        fingerprint: format!("k1:{:032x}", hash(value)),
        range: 0..16,
        field: Field::default(),
    }
}

fn pass(value: u64, lead: u64) -> Candidate<u64> {
    Candidate {
        detection: detection(value, State::Clear),
        lead: Some(hash(lead)),
        watched: true,
        at: 1,
        held: value,
    }
}

/// What draws attention to the field; it does not count.
fn first(sketches: &mut Sketches<u64>, field: &FieldRef) {
    let unwatched = Candidate {
        watched: false,
        ..pass(u64::MAX, u64::MAX)
    };
    assert!(matches!(sketches.observe(field, unwatched), Verdict::Hold));
    assert!(sketches.is_suspect(field));
}

fn kept(verdict: Verdict<u64>) -> Vec<(Detection, u64)> {
    match verdict {
        Verdict::Keep(detection, held) => vec![(detection, held)],
        Verdict::Hold => Vec::new(),
        Verdict::Release(all) => all,
    }
}

#[test]
fn five_cards_of_an_unnamed_field_make_all_of_them_sure() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    first(&mut sketches, &field);
    for value in 0..4 {
        let verdict = sketches.observe(&field, pass(value, value));
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    }
    let Verdict::Release(all) = sketches.observe(&field, pass(4, 4)) else {
        panic!("not released");
    };
    let order: Vec<u64> = all.iter().map(|(_, held)| *held).collect();
    assert_eq!(order, [u64::MAX, 0, 1, 2, 3, 4]);
    for (detection, _) in &all {
        assert_eq!(detection.confidence, Confidence::High, "{}", detection.score_bits);
        assert_eq!(
            detection.evidence[0].reason,
            "5 different values of this field passed, none failed"
        );
    }
    let later = kept(sketches.observe(&field, pass(5, 5)));
    assert_eq!(later[0].0.confidence, Confidence::High);
    assert!(sketches.finish().is_empty());
}

#[test]
fn one_card_seen_a_thousand_times_is_one_card() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    first(&mut sketches, &field);
    for _ in 0..1000 {
        assert!(kept(sketches.observe(&field, pass(3, 3))).is_empty());
        assert!(sketches.take_spilled().len() <= 1);
    }
}

#[test]
fn cards_that_nobody_counted_failures_beside_say_nothing() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    for value in 0..1000 {
        let unwatched = Candidate {
            watched: false,
            ..pass(value, value)
        };
        assert!(kept(sketches.observe(&field, unwatched)).is_empty());
    }
}

/// Feeds numbers of one field until `count`; returns how many became more than low.
fn become_sure(field: u64, count: u64, number: impl Fn(u64) -> (u64, u64, bool)) -> usize {
    let (mut sketches, field) = (Sketches::default(), place(field));
    first(&mut sketches, &field);
    let mut sure = 0;
    for n in 0..count {
        let (value, lead, passes) = number(n);
        if passes {
            let kept = kept(sketches.observe(&field, pass(value, lead)));
            sure += kept
                .iter()
                .filter(|(d, _)| d.confidence > Confidence::Low)
                .count();
        } else {
            sketches.miss(&field, "payment_card", hash(lead), 2);
        }
    }
    sure
}

#[test]
fn ids_of_which_one_in_ten_passes_stay_low_in_99_of_100_fields() {
    let fields = 1000;
    let mistaken = (0..fields)
        .filter(|field| {
            become_sure(*field, 1000, |n| {
                let value = field * 1_000_003 + n;
                (value, value, hash(value ^ 0xABCD_EF01).is_multiple_of(10))
            }) > 0
        })
        .count();
    assert!(mistaken < 10, "{mistaken} of {fields}");
}

#[test]
fn numbers_that_count_up_never_become_cards() {
    for (start, step) in [
        (4_000_000_000_000_000u64, 1),
        (4_000_000_123_456_789, 1),
        (5_100_000_000_009_990, 7),
        (4_000_000_000_000_000, 10),
        (6_200_000_000_999_000, 137),
    ] {
        for field in 0..20 {
            let sure = become_sure(field, 5000, |n| {
                let value = start + field * 1_000_000_000 + n * step;
                (value, value / 10_000, luhn(value.to_string().as_bytes()))
            });
            assert_eq!(sure, 0, "{start} {step}");
        }
    }
    // Whoever counts in numbers that all pass gets no further.
    assert_eq!(become_sure(1, 1000, |n| (n, 7, true)), 0);
}

#[test]
fn a_card_field_with_a_typing_error_in_fifty_stays_a_card_field() {
    let mistaken = (0..200)
        .filter(|field| {
            become_sure(*field, 1000, |n| {
                let value = field * 1_000_003 + n;
                (value, value, !hash(value ^ 0x1234_5678).is_multiple_of(50))
            }) < 900
        })
        .count();
    assert!(mistaken < 4, "{mistaken} of 200");
}

#[test]
fn a_field_that_was_masked_is_found_at_once() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    let masked = Candidate {
        detection: detection(1, State::Masked),
        lead: None,
        ..pass(1, 1)
    };
    assert!(matches!(sketches.observe(&field, masked), Verdict::Keep(..)));
    let clear = kept(sketches.observe(&field, pass(2, 2)));
    assert_eq!(clear.len(), 1);
    assert_eq!(clear[0].0.confidence, Confidence::High);
    assert_eq!(
        clear[0].0.evidence[0].reason,
        "the field has carried masked values of this kind"
    );
    assert!(kept(sketches.observe(&place(2), pass(2, 2))).is_empty());
}

#[test]
fn a_masked_value_makes_the_clear_one_before_it_sure() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    assert!(kept(sketches.observe(&field, pass(2, 2))).is_empty());
    let masked = Candidate {
        detection: detection(1, State::Masked),
        lead: None,
        ..pass(1, 1)
    };
    let released = kept(sketches.observe(&field, masked));
    assert_eq!(released.len(), 2);
    assert_eq!(released[0].0.confidence, Confidence::High);
    assert_eq!(released[1].0.state, State::Masked);
}

#[test]
fn a_value_that_would_be_medium_alone_is_low_among_ids() {
    let (mut sketches, field) = (Sketches::default(), place(1));
    first(&mut sketches, &field);
    for n in 0..9 {
        sketches.miss(&field, "payment_card", hash(n), 1);
    }
    assert!(!sketches.is_suspect(&field));
    let medium = |bits| {
        let mut candidate = pass(50, 50);
        candidate.detection.score_bits = bits;
        candidate.detection.confidence = Confidence::of_bits(bits);
        candidate
    };
    let low = kept(sketches.observe(&field, medium(7.0)));
    assert_eq!(low[0].0.confidence, Confidence::Low);
    let high = kept(sketches.observe(&field, medium(12.0)));
    assert_eq!(
        high[0].0.score_bits, 12.0,
        "what is sure by itself stays as it is"
    );
    let waited = sketches.finish();
    assert_eq!(waited.len(), 1);
    assert_eq!(waited[0].0.confidence, Confidence::Low);
}

#[test]
fn at_the_limit_the_field_unseen_for_longest_makes_room() {
    let mut sketches = Sketches::new(Limits {
        fields: 3,
        held_per_field: 2,
        held: 4,
    });
    for field in [1, 2, 3, 1, 4] {
        let _ = sketches.observe(&place(field), pass(field, field));
    }
    assert_eq!(
        (sketches.len(), sketches.capacity(), sketches.evicted()),
        (3, 3, 1)
    );
    let spilled: Vec<u64> = sketches.take_spilled().iter().map(|(_, held)| *held).collect();
    assert_eq!(spilled, [2]);
    assert_eq!(sketches.finish().len(), 4);
}

#[test]
fn who_wants_low_findings_waits_for_none() {
    let mut sketches = Sketches::new(Limits {
        held_per_field: 0,
        ..Limits::default()
    });
    let kept = kept(sketches.observe(&place(1), pass(1, 1)));
    assert_eq!(kept[0].0.confidence, Confidence::Low);
}

#[test]
fn suspects_are_the_fields_whose_failures_count() {
    let mut sketches = Sketches::default();
    assert!(sketches.changed_suspects().is_none());
    first(&mut sketches, &place(1));
    let suspects = sketches.changed_suspects().unwrap();
    assert!(suspects.has(&place(1).spot) && !suspects.has(&place(2).spot));
    assert!(suspects.may_be_named(b"field1") && !suspects.may_be_named(b"field2"));
    assert!(sketches.changed_suspects().is_none());
    for n in 0..10 {
        sketches.miss(&place(1), "payment_card", hash(n), 1);
    }
    assert!(sketches.changed_suspects().unwrap().is_empty());
}

/// Fields of JSON: the name before the value, which ends with a quote, a comma or a brace.
struct Flat;

impl FieldLookup for Flat {
    fn field_at(&self, bytes: &[u8], at: std::ops::Range<usize>) -> Field {
        let is_edge = |b: &u8| b"\",}:".contains(b);
        let start = bytes[..at.start].iter().rposition(is_edge).map_or(0, |n| n + 1);
        let end = bytes[at.end..]
            .iter()
            .position(is_edge)
            .map_or(bytes.len(), |n| at.end + n);
        let before = String::from_utf8_lossy(&bytes[..start]).into_owned();
        let key = before
            .trim_end_matches(['"', ':'])
            .rsplit('"')
            .next()
            .map(str::to_owned);
        Field {
            path: key.clone(),
            key,
            value: start..end,
            ..Field::default()
        }
    }
}

#[test]
fn a_scanner_reports_the_failures_of_suspects_only() {
    let scanner = Scanner::new(Fingerprinter::new([7; 32]));
    let text = br#"{"field1":"4000000000000003","field2":4000000000000003,"field1":"x4000000000000003","a":{"field1":4000000000000002},"field1":"40000000000"}"#;
    let document = Document::whole(text, Format::Json, &Flat);
    let (mut found, mut misses) = (Vec::new(), Vec::new());
    scanner.scan_with(&document, &Suspects::default(), &mut found, &mut misses);
    assert!(misses.is_empty());
    let suspects = Suspects::of([place(1).spot].into_iter());
    scanner.scan_with(&document, &suspects, &mut found, &mut misses);
    let cards: Vec<_> = misses
        .iter()
        .filter(|miss| miss.detectors.contains(&"payment_card"))
        .collect();
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0].range, 11..27);
    let passed = found
        .iter()
        .find(|found| found.detector == "payment_card")
        .unwrap();
    assert_eq!(scanner.lead(&document, passed), Some(cards[0].lead));
}

#[derive(Clone, Debug)]
enum Event {
    Pass(u64, u64, u64, bool),
    Miss(u64, u64),
    State(u64, usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..6u64, 0..40u64, 0..40u64, any::<bool>()).prop_map(|(f, v, l, w)| Event::Pass(f, v, l, w)),
        (0..6u64, 0..40u64).prop_map(|(f, l)| Event::Miss(f, l)),
        (0..6u64, 0..STATES.len()).prop_map(|(f, s)| Event::State(f, s)),
    ];
    prop::collection::vec(event, 0..120)
}

fn play(sketches: &mut Sketches<u64>, events: &[Event]) {
    for event in events {
        match *event {
            Event::Pass(field, value, lead, watched) => {
                let candidate = Candidate {
                    watched,
                    at: value as i64,
                    ..pass(value, lead)
                };
                let _ = sketches.observe(&place(field), candidate);
            }
            Event::Miss(field, lead) => sketches.miss(&place(field), "payment_card", hash(lead), 9),
            Event::State(field, state) => {
                let candidate = Candidate {
                    detection: detection(3, STATES[state]),
                    lead: None,
                    ..pass(3, 3)
                };
                let _ = sketches.observe(&place(field), candidate);
            }
        }
    }
}

fn played(events: &[Event]) -> Sketches<u64> {
    let mut sketches = Sketches::default();
    play(&mut sketches, events);
    sketches
}

/// What was learned, whatever the order.
fn learned(sketches: &Sketches<u64>) -> BTreeMap<u128, Vec<Trials>> {
    let fields = sketches.fields.iter();
    fields.map(|(key, live)| (*key, live.trials.clone())).collect()
}

proptest! {
    #[test]
    fn merging_is_commutative_and_associative(a in events(), b in events(), c in events()) {
        let merged = |order: [&Vec<Event>; 3]| {
            let mut sketches = played(order[0]);
            sketches.merge(&played(order[1]));
            sketches.merge(&played(order[2]));
            learned(&sketches)
        };
        let one = merged([&a, &b, &c]);
        prop_assert_eq!(&one, &merged([&c, &b, &a]));
        let mut right = played(&b);
        right.merge(&played(&c));
        let mut left = played(&a);
        left.merge(&right);
        prop_assert_eq!(one, learned(&left));
    }

    #[test]
    fn no_bound_is_ever_passed_and_nothing_gets_lost(all in events(), fields in 1..4usize, held in 0..6usize, per_field in 0..4usize) {
        let limits = Limits { fields, held_per_field: per_field, held };
        let mut sketches = Sketches::new(limits);
        let (mut out, mut seen) = (0, 0);
        for event in &all {
            let (field, candidate) = match *event {
                Event::Pass(field, value, lead, watched) => (field, Candidate { watched, ..pass(value, lead) }),
                Event::State(field, state) => (field, Candidate { detection: detection(3, STATES[state]), lead: None, ..pass(3, 3) }),
                Event::Miss(field, lead) => {
                    sketches.miss(&place(field), "payment_card", hash(lead), 1);
                    continue;
                }
            };
            seen += 1;
            out += kept(sketches.observe(&place(field), candidate)).len();
            out += sketches.take_spilled().len();
            prop_assert!(sketches.len() <= fields);
            prop_assert_eq!(sketches.order.len(), sketches.len());
            let waiting: usize = sketches.fields.values().map(|live| live.held.len()).sum();
            prop_assert_eq!(waiting, sketches.held);
            prop_assert!(waiting <= held);
            prop_assert!(sketches.fields.values().all(|live| live.held.len() <= per_field));
        }
        prop_assert_eq!(out + sketches.finish().len(), seen);
    }

    #[test]
    fn a_file_gives_back_what_was_learned(all in events()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sketches");
        let before = played(&all);
        store(&before, KEY).write(&path).unwrap();
        let mut after = Sketches::default();
        load(&mut after, KEY, &path).unwrap();
        prop_assert_eq!(learned(&before), learned(&after));
        prop_assert!(store(&before, KEY) == store(&after, KEY), "the order is kept, too");
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..400), all in events(), at in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sketches");
        std::fs::write(&path, &bytes).unwrap();
        prop_assert!(load(&mut Sketches::<()>::default(), KEY, &path).is_err());
        store(&played(&all), KEY).write(&path).unwrap();
        bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let mut sketches = Sketches::<()>::default();
        prop_assert!(load(&mut sketches, KEY, &path).is_err());
        prop_assert!(sketches.is_empty());
    }
}

#[test]
fn a_file_of_no_use_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sketches");
    let mut sketches = Sketches::<u64>::default();
    load(&mut sketches, KEY, &path).expect("no file is no error");
    let some = played(&[Event::Pass(1, 1, 1, false)]);

    store(&some, KEY + 1).write(&path).unwrap();
    let refused = load(&mut sketches, KEY, &path).unwrap_err();
    assert!(
        refused.to_string().contains("another fingerprint key"),
        "{refused}"
    );

    store(&some, KEY).write(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut newer = std::fs::read(&path).unwrap();
    newer[8] = 2;
    std::fs::write(&path, &newer).unwrap();
    let refused = load(&mut sketches, KEY, &path).unwrap_err();
    assert!(refused.to_string().contains("version 2"), "{refused}");
    assert!(!path.exists() && folder.path().join("sketches.bad").exists());
    assert!(sketches.is_empty());
}

#[test]
fn every_detector_is_known_by_its_own_id() {
    let mut all = Vec::new();
    for row in catalogue::all().iter().take(DETECTORS) {
        assert!(trials_of(&mut all, row.id).is_some());
    }
    assert!(trials_of(&mut all, "one_more").is_none());
    assert!(
        all.iter()
            .all(|trials| catalogue::find(trials.detector).is_some())
    );
}
