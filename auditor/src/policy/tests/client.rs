//! Rules that require a client's certificate.

use super::super::compile::Policies;
use super::super::judge;
use super::super::query::Query;
use super::{compiled, explain, now, policy};
use crate::report::finding::{ClientIdentity, Hop, SpiffeSource, Verdict};
use crate::report::observation::tests::card;

use ClientIdentity::{Other, Unknown, Verified};
use Verdict::{Allowed, Violation};

const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

fn asking(unknown: &str) -> Policies {
    let rule = format!(
        "{{name: r, transport: {{client: ['spiffe://cluster.local/ns/shop/*']{unknown}}}, action: allow}}"
    );
    compiled(&policy(&[&rule])).unwrap()
}

fn says(policies: &Policies, question: &str) -> (Verdict, Option<ClientIdentity>, bool) {
    let query: Query = format!("detector=payment_card {question}").parse().unwrap();
    let judged = judge(policies, &query.flow(), now()).unwrap();
    (judged.policy.verdict, judged.policy.client, judged.plaintext)
}

#[test]
fn who_is_not_known_is_neither_accused_nor_taken_for_somebody() {
    let web = format!("client={WEB}");
    let other = "client=spiffe://cluster.local/ns/bank/sa/web";
    let cases = [
        (&*web, Allowed, Some(Verified), false),
        (other, Violation, Some(Other), false),
        ("", Allowed, Some(Unknown), false),
        // Nobody shows a certificate without encryption.
        ("encrypted=false", Violation, None, true),
        // What stays on a host needs none, but what a proxy was told there is believed.
        ("encrypted=false same_host=true", Allowed, None, false),
        (
            &*format!("encrypted=false same_host=true {other}"),
            Violation,
            Some(Other),
            false,
        ),
    ];
    let [quiet, loud] = ["", ", unknown_client: report"].map(asking);
    for (question, verdict, client, plaintext) in cases {
        assert_eq!(says(&quiet, question), (verdict, client, plaintext), "{question}");
        let verdict = if client == Some(Unknown) {
            Violation
        } else {
            verdict
        };
        assert_eq!(says(&loud, question), (verdict, client, plaintext), "{question}");
    }
}

#[test]
fn what_a_proxy_passes_on_without_a_word_of_its_client_is_unknown() {
    let policies = asking("");
    let mut observation = card();
    observation.flow.encrypted = false;
    let [source, destination] = [&mut observation.source, &mut observation.destination];
    for end in [source, destination] {
        *end = "detector=iban from=node=n1,pod=p".parse::<Query>().unwrap().from;
    }
    observation.source.hop = Some(Hop::Proxy);
    let mut remembering = super::Judge::new(super::Live::new(policies).into());
    let mut ask = |observation| remembering.judge(observation, now()).unwrap().policy.client;
    // An id that nobody attested is none.
    observation.source.spiffe_id = Some(WEB.to_owned());
    observation.source.spiffe_id_source = Some(SpiffeSource::Derived);
    let derived = observation.clone();
    observation.source.spiffe_id_source = Some(SpiffeSource::Xfcc);
    let answers = [ask(&derived), ask(&observation), ask(&derived)];
    assert_eq!(answers, [Some(Unknown), Some(Verified), Some(Unknown)]);
}

#[test]
fn what_a_rule_reports_or_counts_stays_so_whoever_the_client_is() {
    let rule = |action: &str| {
        let rule = format!("{{name: r, transport: {{client: ['*']}}, action: {action}}}");
        compiled(&policy(&[&rule])).unwrap()
    };
    let web = format!("client={WEB}");
    assert_eq!(says(&rule("report"), &web), (Violation, Some(Verified), false));
    let counted = rule("count");
    let query: Query = "detector=payment_card".parse().unwrap();
    let judged = judge(&counted, &query.flow(), now()).unwrap();
    assert!(judged.silent && judged.policy.client == Some(Unknown));
}

#[test]
fn rules_that_want_other_clients_conflict_and_an_unknown_one_alone_means_nothing() {
    let problems = |rules: &[&str]| {
        let problems = compiled(&policy(rules)).unwrap_err();
        problems[0].to_string()
    };
    let conflict = problems(&[
        "{name: a, transport: {client: ['spiffe://a/*']}, action: allow}",
        "{name: b, transport: {client: ['spiffe://b/*'], unknown_client: report}, action: allow}",
    ]);
    assert!(
        conflict.contains("allow with encryption required with client spiffe://a/* (if unknown: allow)"),
        "{conflict}"
    );
    let alone = problems(&["{name: a, transport: {unknown_client: report}, action: allow}"]);
    assert!(alone.contains("belongs to client:"), "{alone}");
}

#[test]
fn an_explanation_says_what_is_known_of_the_client() {
    let policies = asking("");
    for (question, words) in [
        (format!("client={WEB}"), "is one that it requires"),
        ("client=spiffe://x/y".to_owned(), "requires another client"),
        (String::new(), "is not known"),
    ] {
        let query = format!("detector=payment_card {question}").parse().unwrap();
        let why = explain(&policies, &query, now()).why;
        assert!(why.contains(words), "{why}");
    }
}
