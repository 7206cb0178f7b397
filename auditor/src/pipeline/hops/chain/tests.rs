use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Milliseconds.
const MS: i64 = 1000;

fn name(of: &str) -> Name {
    Name {
        namespace: String::new(),
        kind: "Process".into(),
        name: of.into(),
    }
}

/// A program: those whose name begins with P are proxies. Its number is its name's.
fn side(program: &str, netns: u32) -> Side {
    let pid = program.bytes().fold(0, |sum, byte| sum * 256 + u32::from(byte));
    Side {
        process: Some((pid, None)),
        is_proxy: program.starts_with('P'),
        netns: Some(netns),
        unseen: None,
    }
}

fn leg(sender: &str, receiver: &str, netns: [u32; 2], at: i64) -> Leg {
    Leg {
        sender: side(sender, netns[0]),
        receiver: side(receiver, netns[1]),
        first: at * MS,
        last: at * MS,
        source: name(sender),
        destination: name(receiver),
        is_reported: false,
        is_through: false,
    }
}

/// The two records of a redirected connection: the sender has not seen the receiver, and neither has the receiver.
fn redirected(sender: &str, receiver: &str, netns: [u32; 2], at: i64, port: u16) -> [Leg; 2] {
    let client = Some(Client {
        address: SocketAddr::from(([10, 0, 0, 1], port)),
        netns: 0,
    });
    let whole = leg(sender, receiver, netns, at);
    let nobody = Side {
        unseen: client,
        ..Side::default()
    };
    let sent = Leg {
        receiver: nobody.clone(),
        destination: name("service"),
        ..whole.clone()
    };
    let received = Leg {
        sender: nobody,
        source: name("address"),
        first: whole.first + MS,
        last: whole.first + MS,
        ..whole
    };
    [sent, received]
}

fn ends(legs: &[Leg]) -> Vec<(String, String)> {
    let mut ends: Vec<_> = chains(legs)
        .iter()
        .map(|chain| {
            let (first, last) = (chain[0], chain[chain.len() - 1]);
            (
                legs[first].source.name.clone(),
                legs[last].destination.name.clone(),
            )
        })
        .collect();
    ends.sort();
    ends
}

fn pairs(ends: &[(&str, &str)]) -> Vec<(String, String)> {
    ends.iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn a_message_through_both_sidecars_is_one_chain_whatever_order_it_is_heard_in() {
    let mut legs = Vec::from(redirected("A", "P1", [1, 1], 0, 40_000));
    legs.push(leg("P1", "P2", [1, 2], 2));
    legs.push(leg("P2", "B", [2, 2], 4));
    assert_eq!(ends(&legs), pairs(&[("A", "B")]));
    legs.reverse();
    assert_eq!(ends(&legs), pairs(&[("A", "B")]));
}

#[test]
fn a_message_around_the_mesh_is_another_one() {
    let mut legs = vec![leg("A", "P1", [1, 1], 0), leg("P1", "B", [1, 2], 2)];
    legs.push(leg("A", "B", [1, 2], 1));
    assert_eq!(ends(&legs), pairs(&[("A", "B"), ("A", "B")]));
    let direct = chains(&legs).into_iter().find(|chain| chain.len() == 1);
    assert_eq!(direct, Some(vec![2]));
}

#[test]
fn what_a_proxy_sends_twice_is_two() {
    let legs = [
        leg("A", "P1", [1, 1], 0),
        leg("P1", "B", [1, 2], 2),
        leg("P1", "C", [1, 3], 9),
    ];
    assert_eq!(ends(&legs), pairs(&[("A", "B"), ("P1", "C")]));
}

#[test]
fn senders_that_can_not_be_told_apart_are_not_given_receivers() {
    let apart = [
        leg("A1", "P1", [1, 1], 0),
        leg("P1", "B1", [1, 2], 2),
        leg("A2", "P1", [1, 1], 1000),
        leg("P1", "B2", [1, 3], 1002),
    ];
    assert_eq!(ends(&apart), pairs(&[("A1", "B1"), ("A2", "B2")]));
    let at_once = [
        leg("A1", "P1", [1, 1], 0),
        leg("A2", "P1", [1, 1], 1),
        leg("P1", "B2", [1, 3], 2),
        leg("P1", "B1", [1, 2], 3),
    ];
    let each: Vec<_> = at_once
        .iter()
        .map(|leg| (leg.source.name.as_str(), leg.destination.name.as_str()))
        .collect();
    let mut each = pairs(&each);
    each.sort();
    assert_eq!(ends(&at_once), each);
}

#[test]
fn senders_of_one_receiver_are_all_named() {
    let legs = [
        leg("A1", "P", [1, 2], 0),
        leg("A2", "P", [3, 2], 1),
        leg("P", "B", [2, 2], 2),
        leg("P", "B", [2, 2], 3),
    ];
    assert_eq!(ends(&legs), pairs(&[("A1", "B"), ("A2", "B")]));
}

#[test]
fn a_proxy_for_the_node_passes_on_within_one_network_namespace() {
    let legs = [
        leg("A1", "P", [1, 1], 0),
        leg("A2", "P", [2, 2], 1),
        leg("P", "B1", [1, 8], 3),
    ];
    let ends = ends(&legs);
    assert!(ends.contains(&("A1".into(), "B1".into())), "{ends:?}");
    assert!(!ends.contains(&("A2".into(), "B1".into())), "{ends:?}");
}

#[test]
fn nothing_is_passed_on_long_before_it_came_or_long_after() {
    for late in [-2000, 9000] {
        let legs = [leg("A", "P", [1, 1], 0), leg("P", "B", [1, 2], late)];
        assert_eq!(ends(&legs), pairs(&[("A", "P"), ("P", "B")]));
    }
}

#[test]
fn two_that_were_reported_stay_two() {
    let reported = |leg| Leg {
        is_reported: true,
        ..leg
    };
    let legs = [
        reported(leg("A", "P", [1, 1], 0)),
        leg("P", "Q", [1, 2], 1),
        reported(leg("Q", "B", [2, 2], 2)),
    ];
    let all = chains(&legs);
    assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 3);
    for chain in all {
        let reported = chain.iter().filter(|&&leg| legs[leg].is_reported);
        assert!(reported.count() <= 1);
    }
}

/// Messages from one of three applications to another, each through its sender's sidecar and its receiver's.
fn messages() -> impl Strategy<Value = Vec<(usize, usize, i64)>> {
    prop::collection::vec((0_usize..3, 0_usize..3, 0_i64..3000), 1..8)
}

const APPLICATIONS: [&str; 6] = ["A1", "A2", "A3", "B1", "B2", "B3"];

proptest! {
    #[test]
    fn nobody_is_named_who_did_not_send_it_there(
        messages in messages(),
        jitter in prop::collection::vec(0_i64..250, 32),
        shared in any::<bool>(),
    ) {
        let mut jitter = jitter.into_iter();
        let mut legs = Vec::new();
        let mut sent = BTreeSet::new();
        for &(from, to, at) in &messages {
            // With one sidecar for all applications of a pod.
            let (first, second) = if shared { ("P1", "P2") } else { (["P1", "P3", "P5"][from], ["P2", "P4", "P6"][to]) };
            let (source, destination) = (APPLICATIONS[from], APPLICATIONS[3 + to]);
            let mut late = || jitter.next().unwrap_or(0);
            legs.push(leg(source, first, [1, 1], at + late()));
            legs.push(leg(first, second, [1, 2], at + late()));
            legs.push(leg(second, destination, [2, 2], at + late()));
            sent.insert((source.to_owned(), destination.to_owned()));
        }
        let all = chains(&legs);
        let mut seen: Vec<usize> = all.iter().flatten().copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..legs.len()).collect::<Vec<_>>());
        for (source, destination) in ends(&legs) {
            let is_whole = !source.starts_with('P') && !destination.starts_with('P');
            prop_assert!(!is_whole || sent.contains(&(source.clone(), destination.clone())), "{} {}", source, destination);
        }
    }

    #[test]
    fn every_leg_is_in_one_chain_whatever_they_are(
        legs in prop::collection::vec((0_usize..5, 0_usize..5, 0_u32..3, 0_i64..800, any::<bool>(), 0_u16..4), 0..24),
    ) {
        let programs = ["A", "P1", "P2", "P3", "B"];
        let legs: Vec<Leg> = legs
            .into_iter()
            .map(|(from, to, netns, at, is_reported, port)| {
                let mut leg = leg(programs[from], programs[to], [netns, netns], at);
                leg.is_reported = is_reported;
                let client = Client { address: SocketAddr::from(([10, 0, 0, 1], port)), netns: 0 };
                match port {
                    0 => leg.sender = Side { unseen: Some(client), ..Side::default() },
                    1 => leg.receiver = Side { unseen: Some(client), ..Side::default() },
                    _ => {}
                }
                leg
            })
            .collect();
        let all = chains(&legs);
        let mut seen: Vec<usize> = all.iter().flatten().copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..legs.len()).collect::<Vec<_>>());
        for chain in &all {
            prop_assert!(chain.iter().filter(|&&leg| legs[leg].is_reported).count() <= 1);
        }
    }
}
