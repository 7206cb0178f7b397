//! Properties: order decides nothing, conflicts are exactly those there are, dead rules are dead.

use proptest::prelude::*;

use super::super::check::{self, Example};
use super::super::compile::Policies;
use super::super::load::Loaded;
use super::super::model::*;
use super::super::names::Names;
use super::super::{Flow, Judge, Live, judge};
use super::{loaded, now, policy};
use crate::detect::{Severity, State};
use crate::glob::{Dialect, Glob};
use crate::identity::selector::tests::{any_end, any_selector};
use crate::report::finding::{End, SpiffeSource};
use crate::report::observation::tests::card;

const DETECTORS: [&str; 4] = ["payment_card", "iban", "jwt", "email_address"];

fn some<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(prop::sample::select(of), 0..3)
}

fn any_data() -> impl Strategy<Value = Data> {
    (
        some(&DETECTORS),
        some(&["payment", "contact"]),
        some(&["gdpr", "pci-dss"]),
    )
        .prop_map(|(detectors, categories, regulations)| {
            let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
            Data {
                detectors: owned(detectors),
                categories: owned(categories),
                regulations: owned(regulations),
            }
        })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let pattern = |texts: &'static [&'static str], dialect| {
        prop::collection::vec(prop::sample::select(texts), 0..3).prop_map(move |texts| {
            texts
                .iter()
                .map(|text| Glob::parse(text, dialect).unwrap())
                .collect::<Vec<_>>()
        })
    };
    let states = prop::sample::subsequence(vec![State::Clear, State::Masked], 1..3);
    let encrypted = prop::sample::select(&[Encrypted::Any, Encrypted::Required][..]);
    let client = pattern(&["spiffe://a/*", "spiffe://*/web"], Dialect::Text);
    let unknown = prop::option::of(Just(UnknownClient::Report));
    let transport = (encrypted, client, unknown).prop_map(|(encrypted, client, unknown)| Transport {
        encrypted,
        unknown_client: unknown.filter(|_| !client.is_empty()),
        client: client.into_iter().map(OperationPattern).collect(),
    });
    let action = prop::sample::select(&[Action::Report, Action::Allow, Action::Count][..]);
    let severity = prop::option::of(Just(Severity::Low));
    (
        any_data(),
        any_selector(),
        any_selector(),
        pattern(&["GET *", "* /a", "GET /a", "*"], Dialect::Text),
        pattern(
            &["$.*", "$.a.**", "$.**", "$.*.b", "**", "$.a.b", "*"],
            Dialect::Path,
        ),
        states,
        (transport, action, severity),
    )
        .prop_map(
            |(data, from, to, operations, fields, states, (transport, action, severity))| Rule {
                name: serde_json::from_str("\"r\"").unwrap(),
                description: String::new(),
                cites: Vec::new(),
                data,
                from,
                to,
                operations: operations.into_iter().map(OperationPattern).collect(),
                fields: fields.into_iter().map(FieldPattern).collect(),
                states,
                transport,
                severity,
                action,
                until: None,
                reason: None,
            },
        )
}

/// Rules with names, in one document.
fn documents(rules: Vec<Rule>) -> Vec<Loaded> {
    let mut documents = loaded(&policy(&["{name: r, action: allow}"]));
    documents[0].document.spec.rules = rules
        .into_iter()
        .enumerate()
        .map(|(number, rule)| Rule {
            name: serde_json::from_value(format!("r{number}").into()).unwrap(),
            ..rule
        })
        .collect();
    documents
}

#[derive(Clone, Debug)]
struct Sampled {
    detector: &'static str,
    extra: bool,
    from: End,
    to: End,
    operation: Option<&'static str>,
    field: Option<&'static str>,
    state: State,
    encrypted: bool,
    client: Option<&'static str>,
}

impl Sampled {
    fn flow(&self) -> Flow<'_> {
        Flow {
            detector: self.detector,
            extra_regulations: if self.extra && self.detector == "jwt" {
                &["gdpr"]
            } else {
                &[]
            },
            source: &self.from,
            destination: &self.to,
            operation: self.operation,
            field: self.field,
            state: self.state,
            encrypted: self.encrypted,
            same_host: false,
            client: self.client,
        }
    }
}

fn any_flow() -> impl Strategy<Value = Sampled> {
    let operations: &[&str] = &["GET /a", "GET /b", "POST /a", "x"];
    let fields: &[&str] = &["$.a", "$.a.b", "$.a.b.c", "$.c.b"];
    (
        prop::sample::select(&DETECTORS[..]),
        any::<bool>(),
        any_end(),
        any_end(),
        prop::option::of(prop::sample::select(operations)),
        prop::option::of(prop::sample::select(fields)),
        prop::sample::select(&[State::Clear, State::Masked][..]),
        any::<bool>(),
        prop::option::of(prop::sample::select(&["spiffe://a/web", "spiffe://b/web"][..])),
    )
        .prop_map(
            |(detector, extra, from, to, operation, field, state, encrypted, client)| Sampled {
                detector,
                extra,
                from,
                to,
                operation,
                field,
                state,
                encrypted,
                client,
            },
        )
}

fn policies(rules: Vec<Rule>) -> Policies {
    Policies::compile(&documents(rules), Names::new(&[])).unwrap()
}

fn matches(policies: &Policies, rule: usize, flow: &Flow<'_>) -> bool {
    policies.candidates(flow).contains(&(rule as u32)) && policies.rules[rule].is_at(flow)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_rules_changes_no_verdict_and_no_version(
        rules in prop::collection::vec(any_rule(), 1..8),
        flows in prop::collection::vec(any_flow(), 30),
        order in any::<prop::sample::Index>(),
    ) {
        let sorted = documents(rules);
        let mut turned = sorted.clone();
        let turned_rules = &mut turned[0].document.spec.rules;
        turned_rules.reverse();
        let middle = order.index(turned_rules.len());
        turned_rules.rotate_left(middle);
        let [a, b] = [sorted, turned].map(|documents| Policies::compile(&documents, Names::new(&[])).unwrap());
        prop_assert_eq!(&a.version, &b.version);
        for flow in &flows {
            let [a, b] = [&a, &b].map(|policies| judge(policies, &flow.flow(), now()));
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn what_is_remembered_is_what_would_be_judged(
        rules in prop::collection::vec((any_rule(), prop::option::of(prop::sample::select(&["2026-06-01", "2026-07-01"][..]))), 1..8),
        flows in prop::collection::vec(any_flow(), 30),
    ) {
        let ending = |(rule, until): (Rule, Option<&str>)| match until {
            None => rule,
            Some(until) => Rule {
                action: Action::Ignore,
                until: Some(until.parse().unwrap()),
                reason: Some("r".to_owned()),
                ..rule
            },
        };
        let policies = policies(rules.into_iter().map(ending).collect());
        let mut remembering = Judge::new(Live::new(policies.clone()).into());
        for flow in flows.iter().chain(&flows) {
            let mut observation = card();
            observation.detection.detector = flow.detector;
            observation.detection.state = flow.state;
            observation.detection.extra_regulations = flow.flow().extra_regulations.iter().map(|_| "gdpr").next().map_or(&[], |_| &["gdpr"]);
            observation.detection.field.path = flow.field.map(str::to_owned);
            observation.flow.operation = flow.operation.map(str::to_owned);
            observation.flow.encrypted = flow.encrypted;
            observation.source = flow.from.clone();
            observation.destination = flow.to.clone();
            // What is derived is no certificate.
            observation.source.spiffe_id_source = flow.client.map(|_| SpiffeSource::Xfcc);
            observation.source.spiffe_id = flow.client.or(Some("spiffe://a/derived")).map(str::to_owned);
            let same_host = !flow.encrypted && crate::report::naming::same_host(&flow.from, &flow.to);
            let expected = judge(&policies, &Flow { same_host, ..flow.flow() }, now());
            prop_assert_eq!(remembering.judge(&observation, now()), expected);
        }
    }

    #[test]
    fn conflicts_are_exactly_those_that_flows_show(
        rules in prop::collection::vec(any_rule(), 2..6),
        flows in prop::collection::vec(any_flow(), 200),
    ) {
        let policies = policies(rules);
        let found = check::conflicts(&policies, now());
        for conflict in &found {
            let [a, b] = conflict.rules;
            prop_assert_eq!(policies.rules[a].specificity, policies.rules[b].specificity);
            let example = conflict.example.as_ref().expect("no pattern here is contrived");
            let extra: Vec<&str> = example.extra.as_deref().into_iter().collect();
            let flow = flow_of(example, &policies, &extra);
            prop_assert!(matches(&policies, a, &flow) && matches(&policies, b, &flow), "{:?}", example);
        }
        for flow in &flows {
            let flow = flow.flow();
            let matching: Vec<usize> = (0..policies.rules.len()).filter(|rule| matches(&policies, *rule, &flow)).collect();
            for (index, &a) in matching.iter().enumerate() {
                for &b in &matching[index + 1..] {
                    let [one, other] = [&policies.rules[a], &policies.rules[b]];
                    if one.specificity == other.specificity && one.outcome() != other.outcome() {
                        prop_assert!(found.iter().any(|conflict| conflict.rules == [a, b]), "{} {}", one.name, other.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_dead_rule_decides_about_no_flow(
        rules in prop::collection::vec(any_rule(), 2..8),
        flows in prop::collection::vec(any_flow(), 200),
    ) {
        let policies = policies(rules);
        let dead = check::dead(&policies);
        for flow in &flows {
            let decides = policies.decide(&flow.flow(), now());
            prop_assert!(!dead.iter().any(|dead| Some(dead.rule) == decides), "{:?} {:?}", dead, flow);
        }
    }

    #[test]
    fn a_policy_that_is_written_is_read_as_the_same(rules in prop::collection::vec(any_rule(), 0..5)) {
        let documents = documents(rules);
        let text = serde_norway::to_string(&documents[0].document).unwrap();
        prop_assert_eq!(&loaded(&text)[0].document, &documents[0].document);
        let json = serde_json::to_string(&documents[0].document).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Document>(&json).unwrap(), &documents[0].document);
    }
}

fn flow_of<'a>(example: &'a Example, policies: &'a Policies, extra: &'a [&'a str]) -> Flow<'a> {
    Flow {
        detector: policies.names.id(example.detector),
        extra_regulations: extra,
        source: &example.from,
        destination: &example.to,
        operation: example.operation.as_deref(),
        field: example.field.as_deref(),
        state: example.state,
        encrypted: true,
        same_host: false,
        client: None,
    }
}

#[test]
fn the_version_is_of_what_is_said_and_not_of_how() {
    let version = |text: &str| Policies::compile(&loaded(text), Names::new(&[])).unwrap().version;
    let one = version(&policy(&[
        "{name: r, data: {detectors: [iban, jwt]}, action: allow}",
    ]));
    let same = version(&policy(&[
        "{name: r, description: why, data: {detectors: [jwt, iban]}, from: any, states: [clear], action: allow}",
    ]));
    assert_eq!(one, same);
    assert_ne!(
        one,
        version(&policy(&["{name: r, data: {detectors: [iban]}, action: allow}"]))
    );
    assert_ne!(
        one,
        version(&policy(&[
            "{name: r, data: {detectors: [iban, jwt]}, action: count}"
        ]))
    );
    assert_eq!(one.len(), 16);
}
