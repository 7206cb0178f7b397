use proptest::prelude::*;

use super::describe::{DescribeError, describe};
use super::overlap::{common_end, covers};
use super::*;
use crate::glob::overlap::Overlap;
use crate::report::finding::{Container, Pod, Process, Workload};

fn selector(text: &str) -> Selector {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn checkout() -> End {
    End {
        workload: Some(Workload {
            namespace: Some("shop".into()),
            kind: "Deployment".into(),
            name: "checkout".into(),
        }),
        pod: Some(Pod {
            uid: "u".into(),
            name: Some("checkout-abc".into()),
        }),
        container: Some(Container {
            id: "c".into(),
            name: None,
            image: Some("registry/checkout:1.2".into()),
            unnamed: None,
        }),
        service_account: Some("checkout".into()),
        labels: [("team", "pay"), ("app.kubernetes.io/name", "checkout")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        process: Some(Process {
            pid: 7,
            exe: Some("/usr/bin/python3.13".into()),
            ..Process::default()
        }),
        address: Some("10.0.0.5:4123".into()),
        ..End::default()
    }
}

#[test]
fn a_selector_means_the_ends_it_names() {
    let unit = End {
        workload: Some(Workload {
            namespace: None,
            kind: "SystemdUnit".into(),
            name: "nginx.service".into(),
        }),
        unit: Some("nginx.service".into()),
        slice: Some("system.slice".into()),
        ..End::default()
    };
    let stripe = End {
        address: Some("203.0.113.9:443".into()),
        host: Some("api.stripe.com".into()),
        ..End::default()
    };
    let unresolved = End {
        address: Some("10.0.0.9:443".into()),
        host: Some("orders".into()),
        ..End::default()
    };
    // Which of the four ends above are meant.
    let cases = [
        ("any", "1111"),
        ("external", "0010"),
        ("!external", "1101"),
        ("external,host=*.stripe.com", "0010"),
        ("namespace=shop", "1000"),
        ("namespace!=shop", "0111"),
        ("namespace in (pay, shop)", "1000"),
        ("namespace notin (pay, shop)", "0111"),
        ("namespace == shop , workload = deployment/checkout", "1000"),
        ("workload=checkout", "1000"),
        ("workload=StatefulSet/checkout", "0000"),
        ("workload=*", "1100"),
        ("label=team:pay", "1000"),
        ("label=team:*,label=app.kubernetes.io/name:check*", "1000"),
        ("label!=team:pay", "0111"),
        ("label=team:pay,label=team:ops", "0000"),
        ("service_account=checkout,pod=checkout-*", "1000"),
        ("unit=nginx.service", "0100"),
        ("unit=*", "0100"),
        ("unit!=nginx.service", "1011"),
        ("slice=system.slice", "0100"),
        ("slice!=*.slice", "1011"),
        ("image=registry/checkout:*", "1000"),
        ("exe=/usr/bin/python3*", "1000"),
        ("host=orders", "0001"),
    ];
    for (text, expected) in cases {
        let ends = [&checkout(), &unit, &stripe, &unresolved];
        let meant: String = ends
            .map(|end| if selector(text).matches(end) { '1' } else { '0' })
            .iter()
            .collect();
        assert_eq!(meant, expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_column_and_what_was_meant() {
    let cases = [
        ("", "column 1: a selector is empty; `any` means every end"),
        (
            "namespace=a,namepsace=b",
            "column 13: unknown key `namepsace`, did you mean `namespace`?",
        ),
        (
            "extern",
            "column 1: unknown key `extern`, did you mean `external`?",
        ),
        (
            "colour=red",
            "column 1: unknown key `colour`; keys are namespace, workload",
        ),
        (
            "namespace",
            "column 1: `namespace` has no value; write namespace=VALUE",
        ),
        ("namespace=", "column 11: an empty pattern matches nothing"),
        ("label=team", "column 7: a label is KEY:VALUE"),
        ("namespace in (a", "column 15: the list after `in` has no `)`"),
        ("namespace in (a) b", "column 18: nothing but a comma may follow"),
        (
            "label in (a:1,b:2)",
            "column 15: the values of one term have to be of one label",
        ),
        (
            "external,namespace=a",
            "column 1: an external end has no namespace",
        ),
        (
            "external,!external",
            "column 10: `external` and `!external` exclude each other",
        ),
        ("a,", "column 1: unknown key `a`"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Selector>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn a_selector_without_wildcards_describes_one_end() {
    let text = "namespace=shop,workload=Deployment/checkout,label=team:pay,exe=/bin/a";
    let end = describe(&selector(text)).unwrap();
    assert!(selector(text).matches(&end));
    assert!(is_external(&describe(&selector("external,host=a.com")).unwrap()));
    assert_eq!(describe(&selector("any")).unwrap(), End::default());
    assert!(selector("unit=a.service").matches(&describe(&selector("unit=a.service")).unwrap()));
    assert!(matches!(
        describe(&selector("workload=a")),
        Err(DescribeError::NoKind(_))
    ));
    for text in [
        "namespace=a*",
        "namespace!=a",
        "namespace in (a,b)",
        "label=a:1,label=a:2",
    ] {
        assert!(
            matches!(describe(&selector(text)), Err(DescribeError::NotSingle(_))),
            "{text}"
        );
    }
}

#[test]
fn narrower_selectors_have_more_narrowness() {
    let order = [
        "any",
        "namespace!=a",
        "namespace=a*",
        "namespace=ab*",
        "namespace=abc",
        "workload=Deployment/a*",
        "workload=Deployment/a",
        "namespace=abc,workload=Deployment/a",
    ];
    assert!(order.map(|text| selector(text).narrowness()).is_sorted());
    let equal = ["namespace=shop", "workload=checkout", "external", "exe=/bin/a"];
    let narrowness = equal.map(|text| selector(text).narrowness());
    assert!(narrowness.iter().all(|n| *n == narrowness[0]), "{narrowness:?}");
}

fn values(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 1..3).prop_map(|values| match &values[..] {
        [one] => format!("={one}"),
        [two, three] if two == three => format!("!={two}"),
        several => format!(" in ({})", several.join(",")),
    })
}

/// Selectors over few names, so that they meet.
pub(crate) fn any_selector() -> impl Strategy<Value = Selector> {
    let names: &[&str] = &["a", "b", "ab", "a*", "*b", "*"];
    let workloads: &[&str] = &[
        "a",
        "Deployment/a",
        "Deployment/*",
        "SystemdUnit/a",
        "*/b",
        "Process//a",
    ];
    let labels: &[&str] = &["t:a", "t:b", "t:*"];
    let term = prop_oneof![
        values(names).prop_map(|values| format!("namespace{values}")),
        values(workloads).prop_map(|values| format!("workload{values}")),
        values(names).prop_map(|values| format!("unit{values}")),
        values(names).prop_map(|values| format!("slice{values}")),
        values(labels).prop_map(|values| format!("label{values}")),
        values(names).prop_map(|values| format!("host{values}")),
        prop::sample::select(&["external", "!external", "any"][..]).prop_map(str::to_owned),
    ];
    prop::collection::vec(term, 0..4).prop_filter_map("excludes itself", |terms| {
        let text = if terms.is_empty() {
            "any".to_owned()
        } else {
            terms.join(",")
        };
        text.parse().ok()
    })
}

/// Ends with the names those selectors are about.
pub(crate) fn any_end() -> impl Strategy<Value = End> {
    let name = || prop::sample::select(&["a", "b", "ab", "x"][..]).prop_map(str::to_owned);
    let kind = prop::sample::select(&["Deployment", "SystemdUnit", "Process"][..]).prop_map(str::to_owned);
    let workload = (prop::option::of(name()), kind, name());
    let address = prop::sample::select(&["10.0.0.1:1", "203.0.113.1:1"][..]).prop_map(str::to_owned);
    (
        prop::option::of(workload),
        prop::option::of(name()),
        prop::option::of(name()),
        prop::option::of(address),
        prop::option::of(name()),
        prop::option::of(name()),
    )
        .prop_map(|(workload, label, host, address, unit, slice)| End {
            workload: workload.map(|(namespace, kind, name)| Workload {
                namespace,
                kind,
                name,
            }),
            labels: label.map(|value| ("t".to_owned(), value)).into_iter().collect(),
            host,
            address,
            unit,
            slice,
            ..End::default()
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(selector in any_selector()) {
        prop_assert_eq!(&selector.to_string().parse::<Selector>().unwrap(), &selector);
    }

    #[test]
    fn any_text_is_refused_or_means_the_same_when_it_is_written(text in r"(namespace|workload|unit|label|exe)?( |!|=|in \(|a|:|,|\)|\\|\*|/|\PC){0,12}") {
        if let Ok(selector) = text.parse::<Selector>() {
            let written = selector.to_string();
            prop_assert_eq!(written.parse::<Selector>(), Ok(selector), "{}", written);
        }
    }

    #[test]
    fn the_common_end_is_meant_by_both_and_there_is_one_whenever_any_end_is(
        a in any_selector(), b in any_selector(), ends in prop::collection::vec(any_end(), 100),
    ) {
        match common_end(&[&a, &b]) {
            Overlap::Something(end) => prop_assert!(a.matches(&end) && b.matches(&end), "{} {} {:?}", a, b, end),
            Overlap::Nothing => {
                let both = ends.iter().find(|end| a.matches(end) && b.matches(end));
                prop_assert!(both.is_none(), "{} {} {:?}", a, b, both);
            }
            Overlap::Undecided => prop_assert!(false, "{} {}", a, b),
        }
    }

    #[test]
    fn what_covers_a_selector_means_all_its_ends(
        a in any_selector(), b in any_selector(), ends in prop::collection::vec(any_end(), 100),
    ) {
        if covers(&a, &b) {
            prop_assert!(ends.iter().all(|end| a.matches(end) || !b.matches(end)), "{} {}", a, b);
        }
    }
}
