use std::net::SocketAddr;

use super::*;
use crate::{
    identity::pairs::AddressPair,
    protocol::Direction,
    report::{
        finding::{Certainty, End, Hop, IdentifiedBy, Pod, Process, SpiffeSource},
        observation::tests::card,
    },
};

fn end(exe: &str, pid: u32, address: &str) -> End {
    End {
        process: Some(Process {
            pid,
            exe: Some(exe.into()),
            uid: Some(if exe == "/proxy" { 1337 } else { 0 }),
            ..Process::default()
        }),
        address: Some(address.into()),
        hop: (exe == "/proxy").then_some(Hop::Proxy),
        identified_by: IdentifiedBy::SocketPair,
        certainty: Certainty::Exact,
        ..End::default()
    }
}

fn far(address: &str) -> End {
    End {
        address: Some(address.into()),
        ..End::default()
    }
}

/// A sighting at the watched process whose socket has these addresses.
fn sighting(
    source: End,
    destination: End,
    ingress: bool,
    pair: [&str; 2],
    encrypted: bool,
    ms: i64,
) -> Observed {
    let [local, remote]: [SocketAddr; 2] = pair.map(|address| address.parse().unwrap());
    let mut observation = card();
    observation.source = source;
    observation.destination = destination;
    observation.flow.encrypted = encrypted;
    observation.direction = Direction::ToServer;
    observation.time += jiff::SignedDuration::from_millis(ms);
    Observed::Value(Box::new(Seen {
        observation,
        pair: Some(AddressPair::new(local, remote, 7)),
        netns: 7,
        // All of them go to the server.
        client: Some(if ingress { remote } else { local }),
        addressed: None,
        xfcc: None,
        ingress,
        moved_ns: 0,
        spot: None,
        lead: None,
        watched: false,
    }))
}

fn hops() -> Hops {
    let mesh = Mesh::new(["exe=/proxy xfcc".parse().unwrap()]);
    mesh.has_proxy(7);
    Hops::new(Arc::new(mesh))
}

/// A request from the application to its sidecar, to that of the server, to the server.
fn way() -> Vec<Observed> {
    let app = || end("/app", 1, "10.0.0.1:40000");
    let [first, second] = [2, 3].map(|pid| move || end("/proxy", pid, "10.0.0.1:50000"));
    let server = || end("/server", 4, "10.0.0.2:8080");
    vec![
        sighting(
            app(),
            far("10.96.0.1:80"),
            false,
            ["10.0.0.1:40000", "10.96.0.1:80"],
            false,
            0,
        ),
        sighting(
            far("10.0.0.1:40000"),
            first(),
            true,
            ["127.0.0.1:15001", "10.0.0.1:40000"],
            false,
            1,
        ),
        sighting(
            first(),
            far("10.0.0.2:8080"),
            false,
            ["10.0.0.1:50000", "10.0.0.2:8080"],
            true,
            2,
        ),
        sighting(
            far("10.0.0.1:50000"),
            second(),
            true,
            ["10.0.0.2:15006", "10.0.0.1:50000"],
            true,
            3,
        ),
        sighting(
            second(),
            server(),
            false,
            ["127.0.0.6:60000", "10.0.0.2:8080"],
            false,
            4,
        ),
    ]
}

fn values(outcomes: Vec<Outcome>) -> Vec<Seen> {
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Observed(Observed::Value(seen), _) => *seen,
            _ => panic!("no value"),
        })
        .collect()
}

#[test]
fn between_two_pods_of_one_node_it_is_encrypted_as_between_nodes() {
    let pods = [
        ("a", None),
        ("a", Some("a")),
        ("a", Some("b")),
        ("a", Some("b")),
        ("b", Some("b")),
    ];
    for encrypted in [true, false] {
        let mut hops = hops();
        for (observed, (source, destination)) in way().into_iter().zip(pods) {
            let Observed::Value(mut seen) = observed else {
                panic!("a value")
            };
            let observation = &mut seen.observation;
            observation.flow.encrypted &= encrypted;
            for (end, uid) in [
                (&mut observation.source, Some(source)),
                (&mut observation.destination, destination),
            ] {
                end.node = uid.map(|_| "node-1".to_owned());
                end.pod = uid.map(|uid| Pod {
                    uid: uid.to_owned(),
                    name: None,
                });
            }
            assert!(hops.take(Observed::Value(seen), Side::Source).is_empty());
        }
        let [seen] = &values(hops.finish())[..] else {
            panic!("one")
        };
        assert_eq!(seen.observation.flow.encrypted, encrypted);
    }
}

#[test]
fn the_whole_way_is_one_observation_from_application_to_application() {
    let mut hops = hops();
    for observed in way() {
        assert!(hops.take(observed, Side::Source).is_empty());
    }
    let [seen] = &values(hops.finish())[..] else {
        panic!("one")
    };
    let observation = &seen.observation;
    assert_eq!(observation.source, end("/app", 1, "10.0.0.1:40000"));
    assert_eq!(observation.destination, end("/server", 4, "10.0.0.2:8080"));
    assert_eq!(observation.flow.hops, 2);
    assert!(observation.flow.encrypted, "where it left the pods");
    assert!(!observation.plaintext_transport());
    assert_eq!(hops.merged(), 4);
}

#[test]
fn between_sidecars_in_the_open_is_in_the_open() {
    let mut hops = hops();
    for (number, observed) in way().into_iter().enumerate() {
        let Observed::Value(mut seen) = observed else {
            panic!("a value")
        };
        seen.observation.flow.encrypted &= number != 2;
        hops.take(Observed::Value(seen), Side::Source);
    }
    let [seen] = &values(hops.finish())[..] else {
        panic!("one")
    };
    assert!(!seen.observation.flow.encrypted);
    assert!(seen.observation.plaintext_transport());
}

#[test]
fn an_application_alone_goes_to_whom_it_addressed() {
    let mut hops = hops();
    for observed in way().into_iter().take(2) {
        hops.take(observed, Side::Source);
    }
    let [seen] = &values(hops.finish())[..] else {
        panic!("one")
    };
    assert_eq!(seen.observation.source, end("/app", 1, "10.0.0.1:40000"));
    assert_eq!(seen.observation.destination, far("10.96.0.1:80"));
    assert_eq!(seen.observation.flow.hops, 1);
}

#[test]
fn another_value_or_field_or_operation_is_another_message() {
    type Change = fn(&mut Observation);
    let changes: [Change; 4] = [
        |o| o.detection.fingerprint = "k1:00000000000000000000000000000000".into(),
        |o| o.detection.field.path = Some("$.other".into()),
        |o| o.flow.operation = Some("POST /other".into()),
        |o| o.direction = Direction::ToClient,
    ];
    for change in changes {
        let mut hops = hops();
        for (number, observed) in way().into_iter().enumerate() {
            let Observed::Value(mut seen) = observed else {
                panic!("a value")
            };
            if number > 1 {
                change(&mut seen.observation);
            }
            hops.take(Observed::Value(seen), Side::Source);
        }
        let seen = values(hops.finish());
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().any(|seen| seen.observation.source.hop.is_some()));
    }
}

#[test]
fn what_no_proxy_has_to_do_with_does_not_wait() {
    let mut hops = Hops::new(Arc::new(Mesh::new(["exe=/proxy".parse().unwrap()])));
    let (app, server) = (end("/app", 1, "10.0.0.1:1"), end("/server", 2, "10.0.0.2:2"));
    let observed = sighting(app, server, false, ["10.0.0.1:1", "10.0.0.2:2"], false, 0);
    assert_eq!(hops.take(observed, Side::Source).len(), 1);
}

#[test]
fn what_comes_late_amends_what_was_reported() {
    let mut hops = hops();
    let mut way = way();
    let application = way.remove(0);
    for observed in way {
        hops.take(observed, Side::Source);
    }
    let started = Instant::now();
    let first = loop {
        let due = hops.due();
        if !due.is_empty() {
            break due;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(started.elapsed() >= WAIT);
    let [before] = &values(first)[..] else {
        panic!("one")
    };
    assert_eq!(before.observation.source, far("10.0.0.1:40000"));
    hops.take(application, Side::Source);
    let [
        Outcome::Amended {
            before: reported,
            now,
            ..
        },
    ] = &hops.finish()[..]
    else {
        panic!("an amendment")
    };
    assert_eq!(reported.source, before.observation.source);
    assert_eq!(now.observation.source, end("/app", 1, "10.0.0.1:40000"));
    assert_eq!(now.observation.destination, end("/server", 4, "10.0.0.2:8080"));
}

#[test]
fn without_room_nothing_is_lost() {
    let mut hops = hops();
    let mut out = 0;
    let many = CAPACITY + 1000;
    for number in 0..many {
        let Observed::Value(mut seen) = way().remove(4) else {
            panic!("a value")
        };
        // Half of them are one value, the others all differ.
        if number % 2 == 0 {
            seen.observation.detection.fingerprint = format!("k1:{number:032x}");
        }
        out += hops.take(Observed::Value(seen), Side::Source).len();
        assert!(hops.held <= CAPACITY);
        assert!(hops.groups.values().all(|group| group.held.len() < MOST_OF_A_KEY));
    }
    out += hops.finish().len();
    assert_eq!(out, many);
    assert_eq!(hops.held, 0);
}

#[test]
fn who_a_client_is_says_a_proxy_on_loopback_and_nobody_else() {
    const CLIENT: &str = "spiffe://cluster.local/ns/shop/sa/web";
    let server = || end("/server", 4, "10.0.0.2:8080");
    let cases = [
        (end("/proxy", 3, "127.0.0.6:60000"), "127.0.0.6:60000", true),
        (end("/proxy", 3, "10.0.0.3:60000"), "10.0.0.3:60000", false),
        (end("/app", 3, "127.0.0.1:60000"), "127.0.0.1:60000", false),
        (far("127.0.0.1:60000"), "127.0.0.1:60000", false),
    ];
    for (source, remote, is_believed) in cases {
        let mut hops = hops();
        let observed = sighting(source, server(), true, ["10.0.0.2:8080", remote], false, 0);
        let Observed::Value(mut seen) = observed else {
            panic!("a value")
        };
        seen.xfcc = Some(CLIENT.into());
        hops.take(Observed::Value(seen), Side::Source);
        let [seen] = &values(hops.finish())[..] else {
            panic!("one")
        };
        let source = &seen.observation.source;
        assert_eq!(
            source.spiffe_id.as_deref(),
            is_believed.then_some(CLIENT),
            "{remote}"
        );
        assert_eq!(source.spiffe_id_source, is_believed.then_some(SpiffeSource::Xfcc));
        assert_eq!(seen.observation.destination.spiffe_id, None);
    }
}

#[test]
fn who_was_redirected_to_a_proxy_goes_to_whom_it_addressed_also_where_translation_is_known() {
    let mut hops = hops();
    let proxy = end("/proxy", 2, "127.0.0.1:15001");
    let app = end("/app", 1, "10.0.0.1:40000");
    let observed = sighting(app, proxy, false, ["10.0.0.1:40000", "10.96.0.1:80"], false, 0);
    let Observed::Value(mut seen) = observed else {
        panic!("a value")
    };
    let service = End {
        certainty: Certainty::Likely,
        ..far("10.96.0.1:80")
    };
    seen.addressed = Some(Box::new(service.clone()));
    hops.take(Observed::Value(seen), Side::Source);
    let [seen] = &values(hops.finish())[..] else {
        panic!("one")
    };
    assert_eq!(seen.observation.destination, service);
    assert_eq!(seen.observation.flow.hops, 1);
}
