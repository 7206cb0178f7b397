use super::*;
use crate::{
    identity::container::Unnamed,
    policy::{Live as Policy, compile::Policies, load::parse, names::Names},
    report::{
        aggregate::{Offered, Settings},
        finding::{Container, End, Workload},
        observation::tests::card,
    },
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// One that judges by this rule.
fn aggregator(rule: &str) -> Aggregator {
    let text = format!(
        "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n    - {{name: r, {rule}}}\n"
    );
    let mut loaded = Vec::new();
    parse(&text, "test", &mut loaded).unwrap();
    let policies = Policies::checked(&loaded, Names::new(&[]), at(0)).unwrap();
    let judge = Judge::new(Policy::new(policies).into());
    Aggregator::new(Settings::default(), judge)
}

/// A card to a container that the runtime has not told of, or has.
fn to(name: Option<&str>) -> Observation {
    let mut observation = card();
    observation.destination.container = Some(Container {
        id: "c".repeat(64),
        name: None,
        image: None,
        unnamed: Some(Unnamed::Pending),
    });
    observation.destination.workload = Some(Workload {
        namespace: None,
        kind: "Container".into(),
        name: "cccc".into(),
    });
    if let Some(name) = name {
        named(&mut observation.destination, name);
    }
    observation
}

fn named(end: &mut End, name: &str) {
    if let Some(container) = &mut end.container {
        (container.name, container.unnamed) = (Some(name.into()), None);
        end.workload.as_mut().unwrap().name = name.into();
    }
}

fn sums(aggregator: &Aggregator) -> Vec<(Verdict, u64, u64)> {
    let of = aggregator.findings().into_iter();
    of.map(|tally| (tally.verdict, tally.findings, tally.values))
        .collect()
}

#[test]
fn an_end_that_gets_its_name_is_judged_anew_and_the_update_says_what_changed() {
    let mut aggregator =
        aggregator("to: workload=Container/vault, operations: ['POST /v1/charges/*'], action: allow");
    let Offered { findings, .. } = aggregator.offer(to(None), at(0));
    aggregator.offer(to(None), at(0));
    assert_eq!(findings[0].policy.as_ref().unwrap().verdict, Verdict::Violation);
    let corrected = aggregator
        .correct(|end| named(end, "vault"), at(1))
        .pop()
        .unwrap();
    let update = &corrected.update;
    assert_eq!(
        (update.kind, &update.id, update.count),
        (Kind::Update, &findings[0].id, 2)
    );
    assert_eq!(update.policy.as_ref().unwrap().verdict, Verdict::Allowed);
    let fact = |facts: &Option<Box<Facts>>| {
        let facts = facts.as_ref().unwrap();
        (facts.verdict, facts.rule.clone())
    };
    assert_eq!(fact(&update.before), (Some(Verdict::Violation), None));
    assert_eq!(
        fact(&update.after),
        (Some(Verdict::Allowed), Some("p/r".to_owned()))
    );
    let turned = Turned {
        before: Some(Verdict::Violation),
        after: Some(Verdict::Allowed),
        values: 2,
    };
    assert_eq!(corrected.turned, Some(turned));
    assert_eq!(
        sums(&aggregator),
        [(Verdict::Allowed, 1, 2), (Verdict::Violation, 0, 0)]
    );
    // It is counted on under its name and verdict.
    assert!(aggregator.offer(to(Some("vault")), at(2)).findings.is_empty());
    let last = aggregator.finish().pop().unwrap();
    assert_eq!((last.kind, last.count, last.before), (Kind::Leak, 3, None));
}

#[test]
fn what_policy_counts_silently_ends_with_the_update_that_says_so() {
    let mut aggregator = aggregator("to: workload=Container/vault, action: count");
    aggregator.offer(to(None), at(0));
    let corrected = aggregator
        .correct(|end| named(end, "vault"), at(1))
        .pop()
        .unwrap();
    assert_eq!(corrected.update.after.unwrap().verdict, Some(Verdict::Allowed));
    assert_eq!(aggregator.live(), 0);
    assert!(aggregator.offer(to(Some("vault")), at(2)).findings.is_empty());
    assert!(aggregator.finish().is_empty());
}

#[test]
fn a_name_that_changes_no_verdict_says_nothing_of_it_and_severity_follows_the_rule() {
    let mut aggregator = aggregator("to: workload=Container/vault, severity: low, action: report");
    aggregator.offer(to(None), at(0));
    let corrected = aggregator
        .correct(|end| named(end, "vault"), at(1))
        .pop()
        .unwrap();
    let update = corrected.update;
    assert_eq!((update.before, corrected.turned), (None, None));
    assert_eq!(update.severity, Severity::Low);
    assert_eq!(update.policy.unwrap().rule.as_deref(), Some("r"));
}

#[test]
fn a_value_that_is_anothers_is_judged_for_that_one() {
    let rule = "to: workload=Container/vault, action: allow";
    let mut alone = aggregator(rule);
    alone.offer(to(None), at(0));
    let amended = alone.amend(&to(None), &to(Some("vault")), at(1)).unwrap();
    assert_eq!(amended.findings[0].kind, Kind::Update);
    assert_eq!(
        amended.findings[0].after.as_ref().unwrap().verdict,
        Some(Verdict::Allowed)
    );
    assert_eq!(
        sums(&alone),
        [(Verdict::Allowed, 1, 1), (Verdict::Violation, 0, 0)]
    );

    let mut shared = aggregator(rule);
    shared.offer(to(None), at(0));
    shared.offer(to(None), at(0));
    let amended = shared.amend(&to(None), &to(Some("vault")), at(1)).unwrap();
    assert_eq!(amended.findings[0].kind, Kind::Leak);
    assert_eq!(amended.turned.unwrap().values, 1);
    assert_eq!(
        sums(&shared),
        [(Verdict::Allowed, 1, 1), (Verdict::Violation, 1, 1)]
    );
}
