use super::*;
use crate::identity::container::Unnamed;
use crate::report::finding::{Container, Kind};
use crate::report::observation::tests::card;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn aggregator(settings: Settings) -> Aggregator {
    Aggregator::new(settings, Judge::default())
}

#[test]
fn a_finding_goes_out_at_first_sight_then_at_most_every_interval_and_at_the_end() {
    let mut aggregator = aggregator(Settings::default());
    let first = aggregator.offer(card(), at(0));
    assert_eq!(first.admission, Admission::Clear(Verdict::Violation));
    let [first] = <[Finding; 1]>::try_from(first.findings).unwrap();
    assert_eq!((first.revision, first.count), (1, 1));
    assert!(aggregator.due(at(60)).is_empty(), "nothing changed");
    assert!(aggregator.offer(card(), at(61)).findings.is_empty());
    assert!(aggregator.offer(card(), at(62)).findings.is_empty());
    let second = aggregator.due(at(63)).pop().unwrap();
    assert_eq!((second.revision, second.count, &second.id), (2, 3, &first.id));
    aggregator.offer(card(), at(64));
    assert!(aggregator.due(at(72)).is_empty(), "too early");
    assert_eq!(aggregator.due(at(73)).len(), 1);
    aggregator.offer(card(), at(74));
    let last = aggregator.finish().pop().unwrap();
    assert_eq!((last.revision, last.count), (4, 5));
    assert!(aggregator.finish().is_empty());
}

#[test]
fn short_lived_processes_of_one_program_share_a_finding_that_names_the_latest() {
    let mut aggregator = aggregator(Settings::default());
    for pid in 1..=20 {
        let mut observation = card();
        observation.source.process.as_mut().unwrap().pid = pid;
        observation.source.address = Some(format!("127.0.0.1:{}", 40_000 + pid));
        aggregator.offer(observation, at(0));
    }
    assert_eq!(aggregator.live(), 1);
    let finding = aggregator.finish().pop().unwrap();
    assert_eq!(finding.count, 20);
    assert_eq!(finding.source.unwrap().process.unwrap().pid, 20);
}

#[test]
fn every_part_of_the_key_opens_its_own_finding() {
    type Change = fn(&mut Observation);
    let changes: [Change; 6] = [
        |_| (),
        |o| o.source.workload.as_mut().unwrap().name = "curl".into(),
        |o| o.destination.workload.as_mut().unwrap().name = "app".into(),
        |o| o.flow.operation = Some("GET /".into()),
        |o| o.place = crate::protocol::Place::ResponseBody,
        |o| o.detection.field.path = Some("$.other".into()),
    ];
    let mut aggregator = aggregator(Settings::default());
    for change in changes {
        let mut observation = card();
        change(&mut observation);
        assert_eq!(aggregator.offer(observation, at(0)).findings.len(), 1);
    }
    assert_eq!(aggregator.live(), changes.len());
}

#[test]
fn protected_values_are_counted_and_become_observations_only_when_asked_for() {
    let mut masked = card();
    masked.detection.state = State::Masked;
    let mut quiet = aggregator(Settings::default());
    let offered = quiet.offer(masked.clone(), at(0));
    assert_eq!(
        (offered.admission, offered.findings.len()),
        (Admission::NotClear, 0)
    );
    assert_eq!(
        quiet.values(),
        [ValueTally {
            detector: "payment_card",
            state: State::Masked,
            values: 1
        }]
    );
    assert!(quiet.findings().is_empty());
    let mut all = aggregator(Settings {
        all_states: true,
        ..Settings::default()
    });
    let finding = all.offer(masked, at(0)).findings.pop().unwrap();
    assert_eq!((finding.kind, finding.policy), (Kind::Observation, None));
    assert!(all.findings().is_empty(), "an observation is not a leak");
}

#[test]
fn what_is_below_the_confidence_asked_for_is_only_counted() {
    let mut low = card();
    low.detection.confidence = Confidence::Low;
    let mut aggregator = aggregator(Settings::default());
    assert_eq!(aggregator.offer(low, at(0)).admission, Admission::LowConfidence);
    assert_eq!((aggregator.low_confidence(), aggregator.live()), (1, 0));
}

#[test]
fn at_the_limit_the_finding_unseen_for_longest_leaves_with_its_final_revision() {
    let mut aggregator = aggregator(Settings {
        max_live: 2,
        ..Settings::default()
    });
    let operation = |name: &str| {
        let mut observation = card();
        observation.flow.operation = Some(name.into());
        observation
    };
    let first = aggregator.offer(operation("a"), at(0)).findings.pop().unwrap();
    aggregator.offer(operation("b"), at(0));
    aggregator.offer(operation("b"), at(1));
    aggregator.offer(operation("a"), at(2));
    let offered = aggregator.offer(operation("c"), at(3)).findings;
    assert_eq!(offered.len(), 2);
    assert_eq!(
        (offered[0].count, offered[0].revision),
        (2, 2),
        "b leaves: a was touched later"
    );
    assert_ne!(offered[0].id, first.id);
    assert_eq!((aggregator.live(), aggregator.evicted()), (2, 1));
    let values: u64 = aggregator.finish().iter().map(|f| f.count).sum();
    assert_eq!(values, 2, "only a still has something to say");
}

#[test]
fn a_clock_that_is_set_back_does_not_silence_a_finding() {
    let mut aggregator = aggregator(Settings::default());
    aggregator.offer(card(), at(1000));
    aggregator.offer(card(), at(10));
    assert_eq!(aggregator.due(at(11)).len(), 1);
}

#[test]
fn a_worse_sight_raises_the_finding() {
    let mut aggregator = aggregator(Settings::default());
    aggregator.offer(card(), at(0));
    let mut declared = card();
    declared.detection.declared_masked = true;
    aggregator.offer(declared, at(1));
    let finding = aggregator.finish().pop().unwrap();
    assert!(finding.declared_masked);
    assert_eq!(finding.severity, crate::detect::Severity::Critical);
}

#[test]
fn many_findings_that_are_due_go_out_in_batches_and_none_twice() {
    let mut aggregator = aggregator(Settings::default());
    for _ in 0..2 {
        for number in 0..2500 {
            let mut observation = card();
            observation.detection.field.path = Some(format!("$.{number}"));
            aggregator.offer(observation, at(0));
        }
    }
    let sizes: Vec<usize> = (0..4).map(|look| aggregator.due(at(20 + look)).len()).collect();
    assert_eq!(sizes, [1000, 1000, 500, 0]);
    assert!(aggregator.due(at(23)).is_empty() && aggregator.finish().is_empty());
}

#[test]
fn a_service_with_ever_new_operations_has_a_bounded_number_of_findings() {
    let mut aggregator = aggregator(Settings::default());
    for page in 0..1_000 {
        let mut observation = card();
        observation.flow.operation = Some(format!("GET /page-{page}"));
        aggregator.offer(observation, at(0));
    }
    assert_eq!(aggregator.live(), 257);
    assert_eq!(aggregator.other_operations(), 1_000 - 256);
    let last = aggregator.finish();
    let other = |finding: &&Finding| {
        let operation = finding.flow.as_ref().and_then(|flow| flow.operation.as_deref());
        operation == Some("GET {other}")
    };
    assert_eq!(last.iter().find(other).map(|other| other.count), Some(744));
}

/// A card that goes to a container whose runtime has not answered; `name` is that of the container, once it is known.
fn to_container(name: Option<&str>) -> Observation {
    let mut observation = card();
    let end = &mut observation.destination;
    end.container = Some(Container {
        id: "0123".into(),
        name: None,
        image: None,
        unnamed: Some(Unnamed::Pending),
    });
    end.workload.as_mut().unwrap().name = "0123".into();
    if let Some(name) = name {
        named(end, name);
    }
    observation
}

fn named(end: &mut End, name: &str) {
    let Some(container) = &mut end.container else {
        return;
    };
    container.name = Some(name.into());
    container.unnamed = None;
    end.workload.as_mut().unwrap().name = name.into();
}

#[test]
fn a_finding_that_went_out_without_a_name_is_corrected_once_and_counts_on() {
    let mut aggregator = aggregator(Settings::default());
    let first = aggregator
        .offer(to_container(None), at(0))
        .findings
        .pop()
        .unwrap();
    assert!(
        aggregator.correct(|_| (), at(1)).is_empty(),
        "nothing is known yet"
    );
    let update = aggregator
        .correct(|end| named(end, "app"), at(2))
        .pop()
        .unwrap()
        .update;
    assert_eq!(
        (update.kind, update.revision, &update.id),
        (Kind::Update, 2, &first.id)
    );
    let container = update.destination.unwrap().container.unwrap();
    assert_eq!(
        (container.name.as_deref(), container.unnamed),
        (Some("app"), None)
    );
    assert!(aggregator.correct(|end| named(end, "app"), at(3)).is_empty());
    assert!(
        aggregator
            .offer(to_container(Some("app")), at(4))
            .findings
            .is_empty()
    );
    let next = aggregator.due(at(60)).pop().unwrap();
    assert_eq!(
        (next.kind, next.revision, next.count, next.id),
        (Kind::Leak, 3, 2, first.id)
    );
}

#[test]
fn a_finding_whose_right_name_has_one_already_is_corrected_and_ends() {
    let mut aggregator = aggregator(Settings::default());
    let early = aggregator
        .offer(to_container(None), at(0))
        .findings
        .pop()
        .unwrap();
    aggregator.offer(to_container(None), at(0));
    let known = aggregator
        .offer(to_container(Some("app")), at(1))
        .findings
        .pop()
        .unwrap();
    let update = aggregator
        .correct(|end| named(end, "app"), at(2))
        .pop()
        .unwrap()
        .update;
    assert_eq!((&update.id, update.count), (&early.id, 2));
    assert_eq!(aggregator.live(), 1);
    aggregator.offer(to_container(Some("app")), at(3));
    let rest = aggregator.finish();
    assert_eq!(rest.len(), 1);
    assert_eq!((&rest[0].id, rest[0].count), (&known.id, 2));
}

/// The card as a proxy passed it on.
fn from_proxy() -> Observation {
    let mut observation = card();
    let source = &mut observation.source;
    source.workload.as_mut().unwrap().name = "/usr/local/bin/envoy".into();
    source.hop = Some(crate::report::finding::Hop::Proxy);
    observation
}

#[test]
fn a_value_that_turns_out_to_be_anothers_is_corrected_under_its_id_and_counts_on() {
    let mut aggregator = aggregator(Settings::default());
    let first = aggregator.offer(from_proxy(), at(0)).findings.pop().unwrap();
    let update = aggregator.amend(&from_proxy(), &card(), at(1)).unwrap().findings;
    let [update] = <[Finding; 1]>::try_from(update).unwrap();
    assert_eq!((update.kind, update.revision, update.count), (Kind::Update, 2, 1));
    assert_eq!(update.id, first.id);
    assert_eq!(update.source, Some(card().source));
    assert!(aggregator.offer(card(), at(2)).findings.is_empty());
    let last = aggregator.finish().pop().unwrap();
    assert_eq!((last.kind, last.count, last.id), (Kind::Leak, 2, first.id));
    assert_eq!(aggregator.live(), 1);
}

#[test]
fn one_of_several_values_leaves_the_finding_that_keeps_the_others() {
    let mut aggregator = aggregator(Settings::default());
    let first = aggregator.offer(from_proxy(), at(0)).findings.pop().unwrap();
    aggregator.offer(from_proxy(), at(0));
    let opened = aggregator.amend(&from_proxy(), &card(), at(1)).unwrap().findings;
    assert_eq!(
        (opened[0].count, opened[0].source.clone()),
        (1, Some(card().source))
    );
    let rest = aggregator.finish();
    assert_eq!(rest.len(), 1);
    assert_eq!((&rest[0].id, rest[0].count), (&first.id, 1));
    let counted: u64 = aggregator.values().iter().map(|tally| tally.values).sum();
    assert_eq!(counted, 2, "values are counted once");
    let reported: u64 = aggregator.findings().iter().map(|tally| tally.values).sum();
    assert_eq!(reported, 2);
}

#[test]
fn what_is_in_no_finding_is_amended_without_being_counted_twice() {
    let mut aggregator = aggregator(Settings::default());
    let mut masked = [from_proxy(), card()];
    for observation in &mut masked {
        observation.detection.state = State::Masked;
    }
    aggregator.offer(masked[0].clone(), at(0));
    let amended = aggregator.amend(&masked[0], &masked[1], at(1)).unwrap();
    assert!(amended.findings.is_empty() && amended.turned.is_none());
    let counted: u64 = aggregator.values().iter().map(|tally| tally.values).sum();
    assert_eq!((aggregator.live(), counted), (0, 1));
}

#[test]
fn times_follow_a_clock_that_is_set_back_and_not_what_comes_late() {
    let mut aggregator = aggregator(Settings::default());
    let mut see = |second: i64| {
        let mut observation = card();
        observation.time = at(second);
        aggregator.offer(observation, at(second));
        let finding = aggregator.finish().pop();
        finding.map(|finding| (finding.first_seen, finding.last_seen))
    };
    let year = 31_536_000;
    see(year);
    assert_eq!(see(year - 5), Some((rfc3339(at(year)), rfc3339(at(year)))));
    assert_eq!(see(0), Some((rfc3339(at(0)), rfc3339(at(0)))));
    assert_eq!(see(9), Some((rfc3339(at(0)), rfc3339(at(9)))));
}
