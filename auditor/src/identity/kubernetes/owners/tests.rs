//! One race each, as in the clusters where they were seen.

use super::*;

const IP: &str = "10.1.2.3";

fn ip() -> IpAddr {
    IP.parse().unwrap()
}

fn pod(uid: &str, started: i64, state: State) -> Sighting {
    Sighting {
        uid: uid.into(),
        ips: vec![ip()],
        host_network: false,
        started,
        state,
    }
}

/// An index whose first, empty list is in at time 0.
fn synced() -> Owners {
    let mut owners = Owners::default();
    owners.list_begins(0);
    owners.list_ends(0);
    owners
}

fn exact(uid: &str) -> Answer {
    Answer::Exact(uid.into())
}

#[test]
fn nothing_is_named_before_the_first_list_is_in() {
    let mut owners = Owners::default();
    owners.list_begins(1_000);
    owners.seen(&pod("a", 0, State::Live), 1_100);
    assert_eq!(owners.at(ip(), 1_200), Answer::Ambiguous);
    owners.list_ends(1_300);
    assert_eq!(owners.at(ip(), 1_200), exact("a"));
    assert_eq!(
        owners.at(ip(), 1_000),
        Answer::Ambiguous,
        "it was not heard of then"
    );
}

#[test]
fn a_late_delete_of_the_former_owner_takes_nothing_from_the_new_one() {
    let mut owners = synced();
    owners.seen(&pod("a", 10_000, State::Live), 11_000);
    owners.seen(&pod("a", 10_000, State::Terminating), 40_000);
    assert_eq!(owners.at(ip(), 37_000), exact("a"));
    assert_eq!(
        owners.at(ip(), 41_000),
        Answer::Likely("a".into()),
        "it may still talk"
    );
    owners.seen(&pod("b", 45_000, State::Live), 46_000);
    owners.deleted("a", 60_000);
    assert_eq!(owners.at(ip(), 59_000), exact("b"));
    assert_eq!(owners.at(ip(), 61_000), exact("b"));
    assert_eq!(owners.at(ip(), 45_500), Answer::Ambiguous, "both may have had it");
    assert_eq!(owners.at(ip(), 37_000), exact("a"), "the past stays as it was");
}

#[test]
fn a_finished_job_has_no_address_though_it_is_still_shown() {
    let mut owners = synced();
    owners.seen(&pod("job", 10_000, State::Live), 11_000);
    owners.seen(&pod("job", 10_000, State::Finished), 20_000);
    assert_eq!(owners.at(ip(), 21_000), Answer::Nobody);
    assert_eq!(owners.at(ip(), 17_000), exact("job"));
    assert_eq!(owners.at(ip(), 19_000), Answer::Ambiguous, "news may be late");
    owners.seen(&pod("new", 22_000, State::Live), 23_000);
    owners.seen(&pod("job", 10_000, State::Finished), 24_000);
    assert_eq!(owners.at(ip(), 25_000), exact("new"));
}

#[test]
fn a_list_in_any_order_gives_the_address_to_the_newest_live_pod() {
    let pods = [
        pod("job", 10_000, State::Finished),
        pod("dead-node", 20_000, State::Live),
        pod("new", 90_000, State::Live),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut owners = Owners::default();
        owners.list_begins(100_000);
        for (delay, at) in (0..).zip(order) {
            owners.seen(&pods[at], 100_000 + delay);
        }
        owners.list_ends(100_010);
        assert_eq!(owners.at(ip(), 100_020), exact("new"), "{order:?}");
    }
}

#[test]
fn a_pod_in_its_nodes_network_owns_no_address() {
    let mut owners = synced();
    let mut host = pod("host", 1_000, State::Live);
    host.host_network = true;
    owners.seen(&host, 2_000);
    assert_eq!(owners.at(ip(), 3_000), Answer::Nobody);
    assert!(owners.is_empty());
}

#[test]
fn both_addresses_of_a_dual_stack_pod_are_its_own_until_one_is_another_pods() {
    let six: IpAddr = "fd00::3".parse().unwrap();
    let mut owners = synced();
    let mut both = pod("both", 1_000, State::Live);
    both.ips.push(six);
    owners.seen(&both, 2_000);
    assert_eq!(owners.at(six, 3_000), exact("both"));
    owners.seen(&pod("four", 60_000, State::Live), 61_000);
    assert_eq!(owners.at(ip(), 62_000), exact("four"));
    assert_eq!(owners.at(six, 62_000), exact("both"));
    owners.seen(&both, 63_000);
    assert_eq!(
        owners.at(ip(), 64_000),
        exact("four"),
        "seen again is not given again"
    );
    owners.deleted("both", 70_000);
    assert_eq!(owners.at(six, 71_000), Answer::Nobody);
    assert_eq!(owners.at(ip(), 71_000), exact("four"));
}

#[test]
fn what_a_lost_watch_hid_is_not_named() {
    let mut owners = synced();
    owners.seen(&pod("a", 1_000, State::Live), 2_000);
    owners.lost(10_000);
    assert_eq!(owners.at(ip(), 9_000), exact("a"));
    assert_eq!(owners.at(ip(), 11_000), Answer::Ambiguous);
    // "a" is gone; so may be others that had its address.
    owners.list_begins(60_000);
    owners.seen(&pod("b", 50_000, State::Live), 60_000);
    owners.list_ends(60_100);
    assert_eq!(owners.at(ip(), 7_000), exact("a"));
    assert_eq!(owners.at(ip(), 30_000), Answer::Ambiguous);
    assert_eq!(owners.at(ip(), 55_000), Answer::Ambiguous);
    assert_eq!(owners.at(ip(), 61_000), exact("b"));
}

#[test]
fn a_pod_that_outlived_a_lost_watch_is_named_for_all_of_it() {
    let mut owners = synced();
    owners.seen(&pod("a", 1_000, State::Live), 2_000);
    owners.lost(10_000);
    owners.list_begins(60_000);
    owners.seen(&pod("a", 1_000, State::Live), 60_000);
    owners.list_ends(60_100);
    assert_eq!(owners.at(ip(), 30_000), exact("a"));
}

#[test]
fn a_list_from_an_old_cache_revives_nobody_and_ends_nobody_for_good() {
    let mut owners = synced();
    owners.seen(&pod("old", 1_000, State::Live), 2_000);
    owners.deleted("old", 10_000);
    owners.seen(&pod("new", 11_000, State::Live), 12_000);
    owners.lost(20_000);
    owners.list_begins(21_000);
    owners.seen(&pod("old", 1_000, State::Live), 21_000);
    owners.list_ends(21_100);
    assert_ne!(owners.at(ip(), 22_000), exact("old"));
    // The watch from there tells the rest again.
    owners.deleted("old", 21_200);
    owners.seen(&pod("new", 11_000, State::Live), 21_300);
    assert_eq!(owners.at(ip(), 40_000), exact("new"));
}

#[test]
fn an_older_pod_that_is_given_an_address_anew_is_not_taken_for_the_pod_that_had_it() {
    let mut owners = synced();
    let mut moved = pod("moved", 1_000, State::Live);
    moved.ips = vec!["10.1.2.99".parse().unwrap()];
    owners.seen(&moved, 2_000);
    owners.seen(&pod("b", 50_000, State::Live), 51_000);
    // Its sandbox was made anew, and that "b" is gone has not been heard.
    owners.seen(&pod("moved", 1_000, State::Live), 100_000);
    assert_eq!(owners.at(ip(), 101_000), Answer::Ambiguous);
    owners.deleted("b", 102_000);
    assert_eq!(owners.at(ip(), 103_000), Answer::Likely("moved".into()));
}

#[test]
fn claims_are_forgotten_after_two_minutes_and_an_address_keeps_sixteen() {
    let mut owners = synced();
    owners.seen(&pod("a", 1_000, State::Live), 2_000);
    owners.deleted("a", 9_000);
    owners.sweep(9_000 + AFTERLIFE - 1);
    assert_eq!(owners.at(ip(), 6_000), exact("a"));
    owners.sweep(9_000 + AFTERLIFE);
    assert!(owners.is_empty());

    for number in 0..100_i64 {
        let at = 200_000 + number * 100;
        owners.seen(&pod(&format!("p{number}"), at, State::Live), at);
        owners.deleted(&format!("p{number}"), at + 50);
    }
    assert!(owners.by_ip[&ip()].claims.len() <= claim::CLAIMS);
    assert_eq!(
        owners.at(ip(), 200_020),
        Answer::Ambiguous,
        "who made room is not replaced"
    );
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut owners = synced();
    for number in 0..=u32::try_from(ADDRESSES).unwrap() {
        let mut sighting = pod(&number.to_string(), 0, State::Live);
        sighting.ips = vec![std::net::Ipv4Addr::from(number).into()];
        owners.seen(&sighting, 1);
    }
    assert_eq!(owners.len(), ADDRESSES);
    assert_eq!(owners.overflow(), 1);
}
