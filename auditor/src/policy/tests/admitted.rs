//! Objects of the API server: each stands for itself, and a namespace can not speak for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::admission::{Admission, Reason, Standing};
use super::super::load::{Loaded, Places};
use super::super::names::Names;
use super::super::objects::{Objects, Seen};
use super::super::source::{Source, State, Told};
use super::super::{Flow, Judge, Live, check, compile::Policies, judge};
use super::{card, compiled, decided, loaded, now, policy};
use crate::identity::kubernetes::directory::Kind;
use crate::identity::kubernetes::policies::{Place, PolicyObjects as _, Written};
use crate::report::finding::{End, IdentifiedBy, Verdict};

/// An object `namespace/name`, or `name`, with these rules.
fn object(title: &str, created: i64, generation: i64, rules: &[&str]) -> Written {
    let (namespace, name) = match title.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, title),
    };
    let spec = policy(rules);
    let spec: serde_json::Value = serde_norway::from_str(spec.split_once("spec:").unwrap().1).unwrap();
    Written {
        place: Place {
            namespace,
            name: name.to_owned(),
        },
        uid: format!("{title} of {created}"),
        created,
        generation,
        spec: spec.to_string(),
    }
}

fn seen(objects: &[Written]) -> Seen {
    Seen {
        objects: objects.iter().cloned().map(Arc::new).collect(),
        cluster_is_known: true,
        namespaces_are_known: true,
        overflow: 0,
    }
}

/// `title: generation that is in force, reason of refusal`.
fn shown(standings: &[Standing]) -> Vec<String> {
    let shown = standings.iter().map(|one| {
        let generation = one
            .in_force
            .map_or("-".to_owned(), |generation| generation.to_string());
        format!(
            "{}: {generation} {}",
            one.policy,
            one.refused.map_or("", Reason::name)
        )
    });
    shown.collect()
}

fn decide(admission: &mut Admission, base: &[Loaded], objects: &[Written]) -> (Vec<String>, Policies) {
    let decision = admission.decide(base, &seen(objects), &Names::new(&[]), now());
    assert!(check::conflicts(&decision.policies, now()).is_empty());
    (shown(&decision.standings), decision.policies)
}

const ALLOW: &str = "{name: r, action: allow}";
const REPORT: &str = "{name: r, action: report}";
const COUNT: &str = "{name: r, action: count}";

#[test]
fn an_object_that_is_wrong_keeps_its_last_good_version_and_takes_nothing_from_others() {
    let mut admission = Admission::default();
    let good = object("shop/cards", 1, 1, &[ALLOW]);
    let other = object("bank/cards", 2, 1, &[ALLOW]);
    let (standings, policies) = decide(&mut admission, &[], &[good.clone(), other.clone()]);
    assert_eq!(standings, ["shop/cards: 1 ", "bank/cards: 1 "]);
    let wrong = [
        object(
            "shop/cards",
            1,
            2,
            &["{name: r, data: {detectors: [payment_crad]}, action: allow}"],
        ),
        object(
            "shop/cards",
            1,
            3,
            &["{name: r, operatons: ['*'], action: allow}"],
        ),
        object("shop/cards", 1, 4, &[ALLOW, "{name: s, action: report}"]),
        Written {
            spec: "[3".to_owned(),
            ..good.clone()
        },
        Written {
            spec: "null".to_owned(),
            generation: 9,
            ..good.clone()
        },
    ];
    let names = [
        "did you mean payment_card?",
        "did you mean `operations`?",
        "conflicts with rule shop/cards/s",
        "",
        "",
    ];
    for (wrong, name) in wrong.into_iter().zip(names) {
        let decision = admission.decide(&[], &seen(&[wrong, other.clone()]), &Names::new(&[]), now());
        assert_eq!(
            shown(&decision.standings),
            ["shop/cards: 1 invalid", "bank/cards: 1 "]
        );
        assert_eq!(decision.policies.version, policies.version);
        let why = decision.standings[0].why.as_deref().unwrap();
        assert!(
            why.contains(name) && why.contains("shop/cards") && !why.contains("line 1"),
            "{why}"
        );
    }
    // Made anew it is another object, of which nothing was good.
    let anew = Written {
        spec: "{}".to_owned(),
        ..object("shop/cards", 5, 1, &[])
    };
    let (standings, _) = decide(&mut admission, &[], &[anew, other]);
    assert_eq!(standings, ["bank/cards: 1 ", "shop/cards: - invalid"]);
}

#[test]
fn of_objects_that_conflict_the_older_is_in_force_in_whatever_order_they_come() {
    let (old, new) = (object("b", 1, 1, &[ALLOW]), object("a", 2, 1, &[REPORT]));
    let third = object("d", 3, 1, &[REPORT]);
    for objects in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        let (standings, _) = decide(&mut Admission::default(), &[], &objects);
        assert_eq!(standings, ["b: 1 ", "a: - conflict"]);
    }
    // What conflicts only with what is refused is not refused.
    let agrees = object("c", 3, 1, &[ALLOW]);
    let mut admission = Admission::default();
    let (standings, _) = decide(&mut admission, &[], &[old.clone(), new.clone(), agrees.clone()]);
    assert_eq!(standings, ["b: 1 ", "a: - conflict", "c: 1 "]);
    // A newer one that is edited into a conflict keeps its version of before.
    let edited = object("c", 3, 2, &[COUNT]);
    let (standings, _) = decide(&mut admission, &[], &[old.clone(), new.clone(), edited]);
    assert_eq!(standings, ["b: 1 ", "a: - conflict", "c: 1 conflict"]);
    // Without the oldest, the next is.
    let (standings, _) = decide(&mut admission, &[], &[new, agrees, third]);
    assert_eq!(standings, ["a: 1 ", "c: - conflict", "d: 1 "]);
    // Policies of files come before all objects.
    let base = loaded(&policy(&[REPORT]));
    let (standings, _) = decide(
        &mut Admission::default(),
        &base,
        &[old, object("p", 1, 1, &[REPORT])],
    );
    assert_eq!(standings, ["b: - conflict", "p: - conflict"]);
}

#[test]
fn objects_of_a_namespace_take_room_from_nobody_else() {
    let rules: Vec<String> = (0..400)
        .map(|n| format!("{{name: r{n}, action: allow}}"))
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let long = format!(
        "{{name: r, operations: [{}], action: allow}}",
        vec!["a".repeat(200); 200].join(", ")
    );
    let objects = [
        object("a/one", 1, 1, &rules),
        object("a/two", 2, 1, &rules),
        object("a/three", 3, 1, &[ALLOW]),
        object("b/one", 4, 1, &rules),
        object("b/long", 5, 1, &[&long]),
        object("cluster", 6, 1, &[COUNT]),
    ];
    let (standings, policies) = decide(&mut Admission::default(), &[], &objects);
    assert_eq!(
        standings,
        [
            "a/one: 1 ",
            "a/two: - limit",
            "a/three: 1 ",
            "b/one: 1 ",
            "b/long: - limit",
            "cluster: 1 "
        ]
    );
    assert_eq!(policies.rules.len(), 802);
}

#[test]
fn a_namespace_can_only_add_violations_to_what_the_cluster_says() {
    let cluster = |rules: &[&str]| policy(rules);
    let of = |namespace: &str, rules: &[&str]| {
        let text = policy(rules).replace("ClusterDataFlowPolicy", "DataFlowPolicy");
        text.replace("{name: p}", &format!("{{name: p, namespace: {namespace}}}"))
    };
    let verdict = |texts: &[String], question: &str| {
        let policies = compiled(&texts.join("\n---\n")).unwrap();
        decided(&policies, question).1
    };
    let (sends, receives, apart) = (
        "detector=iban from=namespace=shop to=external encrypted=false",
        "detector=iban from=namespace=bank to=namespace=shop",
        "detector=iban from=namespace=bank to=external",
    );
    // However specific: what the cluster reports stays a violation.
    let exact = "{name: r, data: {detectors: [iban]}, from: namespace=shop, to: external, action: allow}";
    for (of_cluster, expected) in [
        (REPORT, Verdict::Violation),
        (
            "{name: r, transport: {encrypted: required}, action: allow}",
            Verdict::Violation,
        ),
        (COUNT, Verdict::Allowed),
    ] {
        assert_eq!(
            verdict(&[cluster(&[of_cluster]), of("shop", &[exact])], sends),
            expected
        );
    }
    // Where the cluster says nothing, a namespace may allow what its own workloads send, and no more.
    let own = [of("shop", &[ALLOW])];
    assert_eq!(verdict(&own, sends), Verdict::Allowed);
    assert_eq!(verdict(&own, receives), Verdict::Violation);
    assert_eq!(verdict(&own, apart), Verdict::Violation);
    let foreign = [of("shop", &["{name: r, from: 'namespace=bank', action: allow}"])];
    for question in [sends, receives, apart] {
        assert_eq!(verdict(&foreign, question), Verdict::Violation, "{question}");
    }
    // It may be stricter with itself, and not with others.
    let strict = [cluster(&[ALLOW]), of("shop", &[REPORT])];
    assert_eq!(verdict(&strict, sends), Verdict::Violation);
    assert_eq!(verdict(&strict, receives), Verdict::Allowed);
    assert_eq!(verdict(&strict, apart), Verdict::Allowed);
    // Nor does it hide what the cluster shows: `count` makes no finding.
    let hides = compiled(&[cluster(&[ALLOW]), of("shop", &[COUNT])].join("\n---\n")).unwrap();
    let query: super::Query = sends.parse().unwrap();
    assert!(!judge(&hides, &query.flow(), now()).unwrap().silent);
}

#[test]
fn one_change_among_a_thousand_objects_is_decided_at_once() {
    let rule = "{name: r, data: {detectors: [payment_card]}, to: external, operations: ['POST /v1/charges/*'], fields: ['$.card.*'], action: allow}";
    let number = 1_000_u32;
    let mut objects: Vec<Written> = (0..number)
        .map(|number| {
            object(
                &format!("n{}/p{number}", number / 5),
                i64::from(number),
                1,
                &[rule],
            )
        })
        .collect();
    let mut admission = Admission::default();
    let mut shared = seen(&objects);
    let names = Names::new(&[]);
    let all = admission.decide(&[], &shared, &names, now());
    assert!(all.standings.iter().all(|one| one.in_force == Some(1)));
    objects[500] = object("n100/p500", 500, 2, &["{name: r, action: report}"]);
    shared.objects[500] = Arc::new(objects[500].clone());
    let began = Instant::now();
    let changed = admission.decide(&[], &shared, &names, now());
    let took = began.elapsed();
    println!("{took:?}");
    assert_eq!(changed.standings[500].in_force, Some(2));
    assert_ne!(changed.policies.version, all.policies.version);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_address_that_a_service_of_a_namespace_names_is_no_sender_of_that_namespace() {
    let text = policy(&[ALLOW]).replace("ClusterDataFlowPolicy", "DataFlowPolicy");
    let text = text.replace("{name: p}", "{name: p, namespace: shop}");
    let policies = compiled(&text).unwrap();
    let mut remembering = Judge::new(Live::new(policies.clone()).into());
    let query: super::Query = "detector=payment_card from=namespace=shop".parse().unwrap();
    for (by, expected) in [
        (IdentifiedBy::PodIp, Verdict::Allowed),
        (IdentifiedBy::Service, Verdict::Violation),
        (IdentifiedBy::Cgroup, Verdict::Allowed),
    ] {
        let source = End {
            identified_by: by,
            ..query.flow().source.clone()
        };
        let flow = Flow {
            source: &source,
            ..query.flow()
        };
        assert_eq!(judge(&policies, &flow, now()).unwrap().policy.verdict, expected);
        let mut observation = card();
        observation.source = source.clone();
        assert_eq!(
            remembering.judge(&observation, now()).unwrap().policy.verdict,
            expected
        );
    }
}

#[test]
fn what_the_server_told_is_in_force_after_a_restart_until_it_tells_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(
        &file,
        policy(&["{name: file, data: {detectors: [iban]}, action: allow}"]),
    )
    .unwrap();
    let start = |objects: &Arc<Objects>, told| {
        let places = Places {
            paths: vec![file.clone()],
            presets: Vec::new(),
        };
        let objects = Some((Arc::clone(objects), told));
        Source::start(
            places,
            Names::new(&[]),
            folder.path().join("policy.json"),
            objects,
        )
        .unwrap()
    };
    let server = Arc::new(Objects::default());
    let mut source = start(&server, Told::Before);
    let alone = source.live().current().version.clone();
    Kind::POLICIES.iter().for_each(|kind| server.list_begins(*kind));
    server.seen(object("shop/cards", 1, 1, &[ALLOW]));
    server.seen(object(
        "all",
        2,
        1,
        &["{name: r, data: {categories: [payment]}, action: count}"],
    ));
    assert!(
        !source.poll_objects(Told::Before) || source.live().current().version == alone,
        "a list counts as a whole"
    );
    let counts = Kind::POLICIES.map(|kind| server.list_ends(kind));
    assert_eq!(counts, [1, 1]);
    assert!(source.poll_objects(Told::All));
    let both = source.live().current().version.clone();
    assert_ne!(both, alone);
    assert_eq!((source.state(), source.refused().count()), (State::Loaded, 0));
    server.seen(object("shop/cards", 1, 2, &["{name: r, action: alow}"]));
    assert!(source.poll_objects(Told::All));
    assert_eq!(source.live().current().version, both);
    assert_eq!(
        source.refused().collect::<Vec<_>>(),
        [("shop/cards", Reason::Invalid)]
    );

    // The server is down at the start.
    let nothing = Arc::new(Objects::default());
    let mut source = start(&nothing, Told::Before);
    assert_eq!(
        (source.live().current().version.clone(), source.state()),
        (both, State::Stale)
    );
    // One kind is told of: the other stays as it was.
    nothing.list_begins(Kind::DataFlowPolicies);
    nothing.list_ends(Kind::DataFlowPolicies);
    source.poll_objects(Told::Before);
    let policies: Vec<String> = source
        .in_force()
        .map(|one| format!("{} {}", one.policy, one.source))
        .collect();
    assert_eq!(policies, ["p file", "all kubernetes"]);
    // The server has none.
    nothing.list_begins(Kind::ClusterDataFlowPolicies);
    nothing.list_ends(Kind::ClusterDataFlowPolicies);
    source.poll_objects(Told::All);
    assert_eq!(
        (source.live().current().version.clone(), source.state()),
        (alone, State::Loaded)
    );
}
