mod admitted;
mod client;
mod errors;
mod order;
mod reload;
mod resources;

use jiff::Timestamp;

use super::compile::{Policies, Problem};
use super::expect::{Test, run};
use super::explain::explain;
use super::load::{Loaded, parse};
use super::names::Names;
use super::query::Query;
use super::{Judge, Live, check, judge, presets, replay};
use crate::detect::State;
use crate::report::finding::{Action, Verdict};
use crate::report::observation::tests::card;

pub(super) const NOW: &str = "2026-06-15T12:00:00Z";

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(super) fn loaded(text: &str) -> Vec<Loaded> {
    let mut loaded = Vec::new();
    parse(text, "test.yaml", &mut loaded).unwrap();
    loaded
}

pub(super) fn compiled(text: &str) -> Result<Policies, Vec<Problem>> {
    Policies::checked(&loaded(text), Names::new(&[]), now())
}

/// A cluster policy `p` with these rules, as YAML flow mappings.
pub(super) fn policy(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("    - {rule}\n")).collect();
    format!(
        "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n{rules}"
    )
}

/// Which rule of `policies` decides, and the verdict.
fn decided(policies: &Policies, question: &str) -> (String, Verdict) {
    let query: Query = question.parse().unwrap();
    let judged = judge(policies, &query.flow(), now()).unwrap();
    (
        judged.policy.rule.clone().unwrap_or_default(),
        judged.policy.verdict,
    )
}

const CONTRACT: &str = r#"
apiVersion: auditor.dev/v1alpha1
kind: ClusterDataFlowPolicy
metadata: {name: cards}
spec:
  rules:
    - name: checkout-to-psp
      data: {detectors: [payment_card], categories: [], regulations: []}
      from: namespace=shop,workload=Deployment/checkout
      to: external
      operations: ["POST /v1/charges*"]
      fields: ["$.card.number"]
      states: [clear]
      transport: {encrypted: required}
      severity: high
      action: allow
    - name: cards-in-the-shop
      data: {categories: [payment]}
      from: namespace=shop
      action: report
      severity: critical
    - name: migration
      data: {detectors: [iban]}
      from: namespace=shop,workload=Deployment/old
      action: ignore
      until: 2026-06-20
      reason: replaced with the new billing
    - name: masked-is-not-enough
      data: {detectors: [payment_card]}
      states: [masked]
      to: external,host=*.example.com
      action: report
"#;

#[test]
fn the_most_specific_rule_that_matches_decides() {
    let policies = compiled(CONTRACT).unwrap();
    let flow = "from=namespace=shop,workload=Deployment/checkout to=external detector=payment_card operation=POST /v1/charges/{id} field=$.card.number";
    use Verdict::*;
    let cases = [
        (flow.to_owned(), "checkout-to-psp", Allowed),
        (format!("{flow} encrypted=false"), "checkout-to-psp", Violation),
        (
            format!("{flow} encrypted=false same_host=true"),
            "checkout-to-psp",
            Allowed,
        ),
        (
            flow.replace("field=$.card", "field=$.debug"),
            "cards-in-the-shop",
            Violation,
        ),
        (
            flow.replace("to=external", "to=namespace=bank"),
            "cards-in-the-shop",
            Violation,
        ),
        (
            flow.replace("detector=payment_card", "detector=iban"),
            "cards-in-the-shop",
            Violation,
        ),
        (
            flow.replace("detector=payment_card", "detector=email_address"),
            "",
            Violation,
        ),
        (
            "detector=iban from=namespace=shop,workload=Deployment/old".to_owned(),
            "migration",
            Allowed,
        ),
    ];
    for (question, rule, verdict) in cases {
        assert_eq!(
            decided(&policies, &question),
            (rule.to_owned(), verdict),
            "{question}"
        );
    }
    let broken: Query = format!("{flow} encrypted=false").parse().unwrap();
    assert!(judge(&policies, &broken.flow(), now()).unwrap().plaintext);
}

#[test]
fn a_rule_that_is_over_is_as_if_it_were_not_there() {
    let policies = compiled(CONTRACT).unwrap();
    let query: Query = "detector=iban from=namespace=shop,workload=Deployment/old"
        .parse()
        .unwrap();
    let rule = |time: &str| {
        let judged = judge(&policies, &query.flow(), time.parse().unwrap()).unwrap();
        judged.policy.rule.clone()
    };
    assert_eq!(rule("2026-06-20T23:59:59Z").as_deref(), Some("migration"));
    assert_eq!(rule("2026-06-21T00:00:00Z").as_deref(), Some("cards-in-the-shop"));
    let mut judge = Judge::new(Live::new(compiled(CONTRACT).unwrap()).into());
    let mut observation = card();
    observation.source = query.from.clone();
    observation.detection.detector = "iban";
    let mut rule = |time: &str| {
        let judged = judge.judge(&observation, time.parse().unwrap()).unwrap();
        judged.policy.rule.clone()
    };
    assert_eq!(rule("2026-06-20T23:59:59Z").as_deref(), Some("migration"));
    assert_eq!(
        rule("2026-06-21T00:00:00Z").as_deref(),
        Some("cards-in-the-shop"),
        "the memory is forgotten"
    );
    let ending = check::ending(&policies, now());
    assert_eq!((ending.len(), ending[0].is_over), (1, false));
    assert!(check::ending(&policies, "2026-06-05T00:00:00Z".parse().unwrap()).is_empty());
    assert!(check::ending(&policies, "2026-07-05T00:00:00Z".parse().unwrap())[0].is_over);
}

#[test]
fn of_protected_values_policy_says_only_what_a_rule_says() {
    let policies = compiled(CONTRACT).unwrap();
    let query: Query = "detector=payment_card state=masked to=external,host=a.example.com"
        .parse()
        .unwrap();
    assert_eq!(
        judge(&policies, &query.flow(), now()).unwrap().policy.verdict,
        Verdict::Violation
    );
    let query: Query = "detector=payment_card state=hashed".parse().unwrap();
    assert!(judge(&policies, &query.flow(), now()).is_none());
}

#[test]
fn a_policy_of_a_namespace_is_about_what_its_workloads_send() {
    let text = policy(&["{name: r, action: allow}"])
        .replace("ClusterDataFlowPolicy", "DataFlowPolicy")
        .replace("{name: p}", "{name: p, namespace: shop}");
    let policies = compiled(&text).unwrap();
    let verdict = |question: &str| decided(&policies, question).1;
    assert_eq!(verdict("detector=iban from=namespace=shop"), Verdict::Allowed);
    assert_eq!(
        verdict("detector=iban from=namespace=pay to=namespace=shop"),
        Verdict::Violation
    );
    let judged = judge(
        &policies,
        &"detector=iban from=namespace=shop"
            .parse::<Query>()
            .unwrap()
            .flow(),
        now(),
    );
    assert_eq!(judged.unwrap().policy.name.as_deref(), Some("shop/p"));
}

#[test]
fn without_a_rule_a_clear_value_between_two_workloads_is_a_violation() {
    let policies = Policies::none();
    let within = "detector=iban from=namespace=a,workload=Deployment/x to=namespace=a,workload=Deployment/x";
    assert_eq!(decided(&policies, within).1, Verdict::Allowed);
    let unit = "detector=iban from=unit=x.service to=unit=x.service";
    assert_eq!(
        decided(&policies, unit).1,
        Verdict::Violation,
        "two processes of a host are two"
    );
    assert_eq!(decided(&policies, "detector=iban").1, Verdict::Violation);
}

#[test]
fn an_explanation_says_which_rules_match_which_wins_and_why() {
    let policies = compiled(CONTRACT).unwrap();
    let question = "from=namespace=shop,workload=Deployment/checkout to=external detector=payment_card operation=POST /v1/charges field=$.card.number encrypted=false";
    let text = explain(&policies, &question.parse().unwrap(), now()).text();
    insta::assert_snapshot!(text, @r"
    verdict  violation (plaintext_transport)
    why      cards/checkout-to-psp is more specific than cards/cards-in-the-shop by how it names the data; it requires encryption, which this flow lacks
    matches  cards/checkout-to-psp allow (data 2, ends 4.4.0.0, operations 16.0, fields 13.2, states 5), test.yaml
    matches  cards/cards-in-the-shop report (data 1, ends 1.1.0.0, operations -, fields -, states 5), test.yaml
    ");
}

#[test]
fn a_test_says_what_differs_from_what_is_expected() {
    let policies = compiled(CONTRACT).unwrap();
    let outcome = |text: &str| {
        let test: Test = serde_norway::from_str(text).unwrap();
        run(&policies, &test, now())
    };
    let flow = "name: t\nflow: {detector: iban, from: namespace=shop, to: external}\n";
    assert!(outcome(&format!("{flow}expect: {{verdict: violation, rule: cards/cards-in-the-shop, severity: critical, kind: leak, finding: true}}")).passed);
    let failed = outcome(&format!("{flow}expect: {{verdict: allowed, rule: none}}"));
    assert_eq!(
        failed.wrong,
        [
            "verdict: expected allowed, is violation",
            "rule: expected none, is cards/cards-in-the-shop",
            "cards/cards-in-the-shop is the only rule that matches"
        ]
    );
    let unknown = outcome("name: t\nflow: {detector: ibn}\nexpect: {verdict: violation}");
    assert!(
        unknown.wrong[0].contains("did you mean iban?"),
        "{:?}",
        unknown.wrong
    );
}

#[test]
fn a_replay_counts_what_would_be_said_otherwise() {
    let mut finding = card().into_finding("a".into(), None, now());
    finding.revision = 2;
    finding.count = 5;
    let late = serde_json::to_string(&finding).unwrap();
    finding.revision = 1;
    finding.count = 1;
    let early = serde_json::to_string(&finding).unwrap();
    let journal = format!("{late}\n{early}\nno finding\n");
    let rule = "{name: r, data: {detectors: [payment_card]}, from: workload=Process/*, action: allow}";
    let policies = compiled(&policy(&[rule])).unwrap();
    let replayed = replay::replay(&policies, journal.as_bytes(), now()).unwrap();
    assert_eq!(
        (replayed.findings, replayed.unreadable, replayed.unchanged),
        (1, 1, 0)
    );
    let change = &replayed.changes[0];
    assert_eq!(
        (change.before.as_str(), change.after.as_str()),
        ("nothing", "allowed by p/r")
    );
    assert_eq!((change.findings, change.values), (1, 5));
    assert!(change.example.parse::<Query>().is_ok(), "{}", change.example);
}

#[test]
fn the_presets_have_no_conflict_together_and_each_rule_cites_what_it_serves() {
    let mut all = Vec::new();
    for (name, text) in presets::ALL {
        parse(text, name, &mut all).unwrap();
    }
    assert_eq!(all.len(), 5);
    let policies =
        Policies::checked(&all, Names::new(&[]), now()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(policies.rules.iter().all(|rule| !rule.cites.is_empty()));
    for (name, text) in presets::ALL {
        let mut one = Vec::new();
        parse(text, name, &mut one).unwrap();
        let policies = Policies::checked(&one, Names::new(&[]), now()).unwrap();
        assert_eq!(check::dead(&policies), [], "{name}");
        let other = policies.rules.last().unwrap();
        assert_eq!(
            (other.action, other.states.contains(State::Clear)),
            (Action::Count, true),
            "{name}"
        );
    }
}

#[test]
fn a_dead_rule_is_found_with_what_takes_everything_from_it() {
    let text = policy(&[
        "{name: a, from: namespace=x, states: [clear], action: allow}",
        "{name: b, from: namespace=x, states: [masked], action: report}",
        "{name: c, from: namespace=x, states: [clear, masked], action: count}",
        "{name: d, from: 'namespace=x,namespace=y', action: count}",
        "{name: e, from: namespace=z, action: count}",
    ]);
    let policies = compiled(&text).unwrap();
    let dead: Vec<(String, String)> = check::dead(&policies)
        .into_iter()
        .map(|dead| (policies.rules[dead.rule].name.clone(), dead.why))
        .collect();
    let expected = [
        ("d", "no end matches from: namespace=x,namespace=y"),
        ("c", "what it matches is always decided by p/a and p/b"),
    ]
    .map(|(rule, why)| (rule.to_owned(), why.to_owned()));
    assert_eq!(dead, expected);
}

#[test]
fn a_rule_that_ended_decides_again_when_the_clock_was_only_wrong() {
    let rule =
        "{name: r, data: {detectors: [payment_card]}, action: ignore, until: 2026-06-20, reason: soon gone}";
    let mut judge = Judge::new(Live::new(compiled(&policy(&[rule])).unwrap()).into());
    for (at, expected) in [
        (NOW, Verdict::Allowed),
        ("2027-06-15T12:00:00Z", Verdict::Violation),
        (NOW, Verdict::Allowed),
        ("2026-06-21T00:00:00Z", Verdict::Violation),
    ] {
        let judged = judge.judge(&card(), at.parse().unwrap()).unwrap();
        assert_eq!(judged.policy.verdict, expected, "{at}");
    }
}
