//! Objects of an API server in any order, and any bytes in their place, leave a directory that answers.
//!
//! A line of input is one thing that is heard: its first byte says what and how long after the one before, the rest is
//! the object.

use auditor::identity::kubernetes::{
    directory::{Directory, Kind},
    objects::{EndpointSlice, Node, Pod, Service},
};

const ADDRESSES: [&str; 4] = ["10.1.0.1:443", "[fd00::1]:1", "10.96.0.1:443", "192.0.2.1:30443"];

pub fn run(input: &[u8]) {
    let directory = Directory::new(&["app".to_owned()]);
    let mut now = 0_i64;
    let mut pods = 0;
    for line in input.split(|byte| *byte == b'\n').take(200) {
        let Some((&what, object)) = line.split_first() else {
            continue;
        };
        now += i64::from(what >> 4) * 700;
        let kind = Kind::ALL[usize::from(what) % Kind::ALL.len()];
        match what % 16 {
            0 => directory.lost(kind, now),
            1 => directory.resumed(kind, now),
            2 => directory.list_begins(kind, now),
            3 => directory.list_ends(kind, now),
            4 => directory.sweep(now),
            5..=7 => {
                if let Ok(pod) = serde_json::from_slice::<Pod>(object) {
                    directory.pod_seen(&pod, now, now);
                    pods += 1;
                }
            }
            8 => {
                if let Ok(pod) = serde_json::from_slice::<Pod>(object) {
                    directory.pod_deleted(&pod, now);
                }
            }
            9 => drop(serde_json::from_slice::<Service>(object).map(|it| directory.service_seen(&it, now))),
            10 => drop(serde_json::from_slice::<Service>(object).map(|it| directory.service_deleted(&it))),
            11 => {
                drop(serde_json::from_slice::<EndpointSlice>(object).map(|it| directory.slice_seen(&it, now)))
            }
            12 => drop(
                serde_json::from_slice::<EndpointSlice>(object).map(|it| directory.slice_deleted(&it, now)),
            ),
            13 => drop(serde_json::from_slice::<Node>(object).map(|it| directory.node_seen(&it, now))),
            14 => drop(serde_json::from_slice::<Node>(object).map(|it| directory.node_deleted(&it))),
            _ => {
                if let Ok(pod) = serde_json::from_slice::<Pod>(object) {
                    directory.namespace_seen(&pod.metadata);
                }
            }
        }
        for address in ADDRESSES {
            let named = directory.at(address.parse().expect("an address"), now);
            let pod = named.and_then(|named| named.pod);
            // Whoever is named can be asked for.
            assert!(pod.is_none_or(|pod| directory.pod(&pod.uid).is_some()));
        }
    }
    assert!(directory.count(Kind::Pods) <= pods);
}
