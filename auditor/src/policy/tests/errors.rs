use super::super::load::{Loaded, parse};
use super::super::query::Query;
use super::{compiled, policy};

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_what_was_meant() {
    let rule = |rule: &str| policy(&[rule]);
    let cases = [
        (
            "{name: r, actoin: allow}",
            "unknown field `actoin`, did you mean `action`?",
        ),
        ("{name: r, actoin: allow}", "at line 6 column 17"),
        (
            "{name: r, action: alow}",
            "unknown variant `alow`, did you mean `allow`?",
        ),
        (
            "{name: r, action: allow, from: namspace=a}",
            "column 1: unknown key `namspace`, did you mean `namespace`?",
        ),
        (
            "{name: r, action: allow, from: namspace=a}",
            "spec.rules[0]: from: column 1",
        ),
        (
            "{name: r, action: allow, states: [cler]}",
            "unknown variant `cler`, did you mean `clear`?",
        ),
        (
            "{name: r, action: allow, data: {detector: [a]}}",
            "did you mean `detectors`?",
        ),
        ("{name: R_, action: allow}", "is no name: lower case letters"),
        (
            "{name: r, action: allow, fields: ['']}",
            "an empty pattern matches nothing",
        ),
        ("{name: r}", "missing field `action`"),
        (
            "{name: r, action: allow, transport: {identity: required}}",
            "unknown field `identity`",
        ),
        ("{name: r, action: ignore, until: soon}", "until"),
    ];
    for (text, expected) in cases {
        let error = parse(&rule(text), "p.yaml", &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("p.yaml: ") && error.contains(expected),
            "{text}: {error}"
        );
    }
    let second = format!("{}---\n{}", rule("{name: r, action: allow}"), rule("{name: r}"));
    let error = parse(&second, "p.yaml", &mut Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("p.yaml (document 2): "), "{error}");
}

#[test]
fn names_that_are_not_known_and_what_does_not_go_together_are_told_by_rule() {
    let cases = [
        (
            "{name: r, data: {detectors: [payment_crad]}, action: allow}",
            "did you mean payment_card?",
        ),
        (
            "{name: r, data: {categories: [paymant]}, action: allow}",
            "did you mean payment?",
        ),
        (
            "{name: r, data: {regulations: [pci]}, action: allow}",
            "did you mean pci-dss?",
        ),
        ("{name: r, action: ignore}", "needs until:"),
        ("{name: r, action: ignore, until: 2026-01-01}", "needs until:"),
        (
            "{name: r, action: allow, until: 2026-01-01}",
            "belong to action: ignore only",
        ),
        (
            "{name: r, action: allow, states: []}",
            "an empty list matches nothing",
        ),
    ];
    for (text, expected) in cases {
        let problems = compiled(&policy(&[text])).unwrap_err();
        let error = problems[0].to_string();
        assert!(
            error.starts_with("test.yaml: rule p/r: ") && error.contains(expected),
            "{error}"
        );
    }
    let text = policy(&["{name: r, action: allow}", "{name: r, action: allow}"]);
    assert!(
        compiled(&text).unwrap_err()[0]
            .to_string()
            .contains("another rule of this name")
    );
    let both = format!("{0}---\n{0}", policy(&["{name: r, action: allow}"]));
    assert!(
        compiled(&both).unwrap_err()[0]
            .to_string()
            .contains("the same name is used in")
    );
    let spaced = policy(&[])
        .replace("rules:\n", "rules: []\n")
        .replace("{name: p}", "{name: p, namespace: a}");
    assert!(
        compiled(&spaced).unwrap_err()[0]
            .to_string()
            .contains("has no metadata.namespace")
    );
    let bare = policy(&[])
        .replace("rules:\n", "rules: []\n")
        .replace("Cluster", "");
    assert!(
        compiled(&bare).unwrap_err()[0]
            .to_string()
            .contains("needs metadata.namespace")
    );
}

#[test]
fn a_conflict_is_an_error_with_an_example_of_a_flow() {
    let text = policy(&[
        "{name: a, from: 'namespace=shop', operations: ['POST /v1/*'], action: allow}",
        "{name: b, from: 'workload=checkout', operations: ['*v1/charge'], action: report}",
        "{name: c, from: 'namespace=bank', operations: ['*'], action: report}",
    ]);
    let problems = compiled(&text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems[0].to_string();
    let example = problem.split("for example, ").nth(1).unwrap();
    let example = example.split(". Make").next().unwrap();
    assert!(example.parse::<Query>().is_ok(), "{example}");
    insta::assert_snapshot!(problem, @"test.yaml: rule p/a: conflicts with rule p/b in test.yaml: one says allow, the other report, and neither is more specific (data 0, ends 1.1.0.0, operations 9.0, fields -, states 5); both match, for example, from=namespace=shop,workload=Deployment/checkout to=any detector=card_track state=clear operation=POST /v1/charge. Make one of them more specific, or both say the same");
}

#[test]
fn a_question_is_read_without_quotes_and_its_mistakes_are_told() {
    let query: Query = "detector=iban operation=POST /v1/a?x=1 from=namespace=a, workload=Job/b state=masked"
        .parse()
        .unwrap();
    assert_eq!(query.operation.as_deref(), Some("POST /v1/a?x=1"));
    assert_eq!(query.from.workload.as_ref().unwrap().name, "b");
    let cases = [
        (
            "form=any detector=iban",
            "unknown part `form=any`, did you mean `from=`?",
        ),
        ("from=any", "detector= is missing"),
        ("detector=a detector=b", "detector= is given twice"),
        (
            "detector=a from=namespace=a*",
            "from: `namespace=a*` describes no single end",
        ),
        ("detector=a state=open", "state: unknown variant `open`"),
        (
            "detector=a encrypted=maybe",
            "encrypted: \"maybe\" is neither true nor false",
        ),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Query>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn empty_documents_between_separators_are_none() {
    let mut loaded: Vec<Loaded> = Vec::new();
    let text = format!("# nothing\n---\n{}---\n", policy(&["{name: r, action: allow}"]));
    parse(&text, "p.yaml", &mut loaded).unwrap();
    assert_eq!(loaded.len(), 1);
}
