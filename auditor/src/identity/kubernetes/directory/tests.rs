//! Names as a cluster gives them, from objects as its API server shows them.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::*;

/// Wall clock of time 0 on the clock of these tests.
const WALL: i64 = 1_767_225_600_000;

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn pod(name: &str, ip: &str, owner: Option<(&str, &str)>) -> Pod {
    let owners = owner.map(|(kind, name)| {
        json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "o", "controller": true}])
    });
    object(json!({
        "metadata": {
            "uid": format!("uid-{name}"), "name": name, "namespace": "shop", "ownerReferences": owners,
            "labels": {"pod-template-hash": "7d4b9", "team": "pay"},
        },
        "spec": {"nodeName": "node-1", "serviceAccountName": "till"},
        "status": {"phase": "Running", "podIP": ip, "hostIP": "192.0.2.1", "startTime": "2026-01-01T00:00:01Z"},
    }))
}

fn web(name: &str, ip: &str) -> Pod {
    pod(name, ip, Some(("ReplicaSet", "web-7d4b9")))
}

fn service(name: &str, ip: &str) -> Service {
    object(json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"clusterIP": ip, "ports": [{"port": 443, "nodePort": 30443}]},
    }))
}

fn slice(service: &str, pods: &[&str]) -> EndpointSlice {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| json!({"addresses": ["10.1.0.1"], "targetRef": {"kind": "Pod", "uid": format!("uid-{pod}")}}))
        .collect();
    object(json!({
        "metadata": {
            "name": format!("{service}-x"), "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": endpoints,
    }))
}

fn node(name: &str, ip: &str) -> Node {
    object(json!({"metadata": {"name": name}, "status": {"addresses": [
        {"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}]}}))
}

/// A directory whose lists are in at 10 s, with what `fill` puts in.
fn directory(fill: impl Fn(&Directory)) -> Directory {
    let directory = Directory::new(&["team".to_owned(), "tier".to_owned()]);
    Kind::ALL
        .iter()
        .for_each(|kind| directory.list_begins(*kind, 9_000));
    fill(&directory);
    Kind::ALL
        .iter()
        .for_each(|kind| directory.list_ends(*kind, 10_000));
    directory
}

fn see(directory: &Directory, pod: &Pod) {
    directory.pod_seen(pod, 9_500, WALL + 9_500);
}

/// `kind namespace/name, method, certainty`.
fn at(directory: &Directory, address: &str, time: i64) -> String {
    let Some(named) = directory.at(address.parse().unwrap(), time) else {
        return "none".to_owned();
    };
    let workload = named.workload.map_or_else(String::new, |workload| {
        let namespace = workload.namespace.unwrap_or_default();
        format!("{} {namespace}/{}, ", workload.kind, workload.name)
    });
    format!("{workload}{}, {:?}", named.identified_by.name(), named.certainty)
}

#[test]
fn addresses_are_named_by_what_is_known_best() {
    let directory = directory(|directory| {
        see(directory, &web("web-1", "10.1.0.1"));
        see(directory, &web("web-2", "10.1.0.2"));
        see(directory, &pod("db-0", "10.1.0.3", Some(("StatefulSet", "db"))));
        let mut host = web("host", "192.0.2.1");
        host.spec.host_network = true;
        see(directory, &host);
        directory.service_seen(&service("web", "10.96.0.1"), 9_500);
        directory.slice_seen(&slice("web", &["web-1", "web-2"]), 9_500);
        directory.service_seen(&service("mixed", "10.96.0.2"), 9_500);
        directory.slice_seen(&slice("mixed", &["web-1", "db-0"]), 9_500);
        directory.service_seen(&service("empty", "10.96.0.3"), 9_500);
        directory.service_seen(&service("headless", "None"), 9_500);
        directory.node_seen(&node("node-1", "192.0.2.1"), 9_500);
    });
    let web = "Deployment shop/web";
    let table = [
        ("10.1.0.1:8443", format!("{web}, pod_ip, Exact")),
        ("[::ffff:10.1.0.1]:8443", format!("{web}, pod_ip, Exact")),
        ("10.1.0.3:5432", "StatefulSet shop/db, pod_ip, Exact".to_owned()),
        ("10.96.0.1:443", format!("{web}, service, Exact")),
        ("10.96.0.2:443", "Service shop/mixed, service, Likely".to_owned()),
        ("10.96.0.3:443", "Service shop/empty, service, Likely".to_owned()),
        ("192.0.2.1:40000", "Node /node-1, node, Exact".to_owned()),
        ("203.0.113.1:443", "none".to_owned()),
    ];
    for (address, expected) in table {
        assert_eq!(at(&directory, address, 11_000), expected, "{address}");
    }
}

#[test]
fn a_port_of_a_node_leads_to_its_service_and_an_address_behind_one_that_is_no_pod_to_that() {
    let directory = directory(|directory| {
        directory.service_seen(&service("web", "10.96.0.1"), 9_500);
        directory.node_seen(&node("node-1", "192.0.2.1"), 9_500);
        let mut outside = slice("web", &["x"]);
        outside.endpoints.as_mut().unwrap()[0].target_ref = None;
        directory.slice_seen(&outside, 9_500);
    });
    assert_eq!(
        at(&directory, "192.0.2.1:30443", 11_000),
        "Service shop/web, service, Likely"
    );
    assert_eq!(
        at(&directory, "10.1.0.1:443", 11_000),
        "Service shop/web, service, Likely"
    );
    assert_eq!(
        at(&directory, "192.0.2.7:30443", 11_000),
        "none",
        "no node's address"
    );
}

#[test]
fn a_workload_behind_a_service_is_named_from_when_it_alone_is_behind_it() {
    let directory = directory(|directory| {
        see(directory, &web("web-1", "10.1.0.1"));
        see(directory, &pod("db-0", "10.1.0.3", Some(("StatefulSet", "db"))));
        directory.service_seen(&service("web", "10.96.0.1"), 9_500);
        directory.slice_seen(&slice("web", &["web-1"]), 9_500);
    });
    directory.slice_seen(&slice("web", &["db-0"]), 20_000);
    assert_eq!(
        at(&directory, "10.96.0.1:443", 19_000),
        "Service shop/web, service, Likely"
    );
    assert_eq!(
        at(&directory, "10.96.0.1:443", 21_000),
        "StatefulSet shop/db, service, Exact"
    );
    directory.service_deleted(&service("web", ""));
    assert_eq!(at(&directory, "10.96.0.1:443", 22_000), "none");
}

#[test]
fn while_a_watch_is_lost_nothing_that_may_have_changed_is_named() {
    let directory = directory(|directory| {
        see(directory, &web("web-1", "10.1.0.1"));
        directory.service_seen(&service("web", "10.96.0.1"), 9_500);
        directory.slice_seen(&slice("web", &["web-1"]), 9_500);
        directory.node_seen(&node("node-1", "192.0.2.1"), 9_500);
    });
    Kind::ALL.iter().for_each(|kind| directory.lost(*kind, 20_000));
    for address in ["10.1.0.1:1", "10.96.0.1:443", "192.0.2.1:1"] {
        assert_eq!(at(&directory, address, 30_000), "ambiguous, None", "{address}");
        assert_ne!(at(&directory, address, 19_000), "ambiguous, None", "{address}");
    }
    assert!(directory.pod("uid-web-1").is_some(), "a uid is nobody else's");
    Kind::ALL.iter().for_each(|kind| directory.resumed(*kind, 40_000));
    assert_eq!(
        at(&directory, "10.1.0.1:1", 30_000),
        "Deployment shop/web, pod_ip, Exact"
    );
}

#[test]
fn a_list_forgets_what_it_does_not_name() {
    let directory = directory(|directory| {
        see(directory, &web("web-1", "10.1.0.1"));
        directory.service_seen(&service("web", "10.96.0.1"), 9_500);
        directory.slice_seen(&slice("web", &["web-1"]), 9_500);
        directory.node_seen(&node("node-1", "192.0.2.1"), 9_500);
    });
    Kind::ALL
        .iter()
        .for_each(|kind| directory.list_begins(*kind, 20_000));
    Kind::ALL
        .iter()
        .for_each(|kind| directory.list_ends(*kind, 21_000));
    directory.sweep(21_000 + 120_000);
    for kind in Kind::ALL {
        assert_eq!(directory.count(kind), 0, "{}", kind.name());
    }
}

#[test]
fn labels_that_were_asked_for_come_from_the_pod_and_else_from_its_namespace() {
    let directory = directory(|directory| see(directory, &web("web-1", "10.1.0.1")));
    let namespace: ObjectMeta = object(json!({"name": "shop", "labels":
        {"team": "everybody", "tier": "front", "other": "x"}}));
    directory.namespace_seen(&namespace);
    let pod = directory.pod("uid-web-1").unwrap();
    let labels: Vec<_> = directory.labels(&pod).into_iter().collect();
    let expected = [("team", "pay"), ("tier", "front")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(labels, expected);
}

#[test]
fn a_static_pod_is_known_by_the_uid_on_its_node() {
    let mirror: Pod = object(json!({
        "metadata": {"uid": "in-the-api", "name": "etcd-node-1", "namespace": "kube-system",
            "annotations": {"kubernetes.io/config.mirror": "0123abcd"}},
        "spec": {"nodeName": "node-1", "hostNetwork": true},
        "status": {"phase": "Running"},
    }));
    let directory = directory(|directory| see(directory, &mirror));
    let workload = directory.pod("0123abcd").unwrap().workload();
    assert_eq!(
        (workload.kind.as_str(), workload.name.as_str()),
        ("StaticPod", "etcd")
    );
}

/// The cluster of the goal: 10,000 pods, 5,000 services, 200 nodes.
fn fill(directory: &Directory) {
    for number in 0..10_000_u32 {
        let mut pod = web(
            &format!("web-{}-7d4b9-{number:05}", number / 10),
            &Ipv4Addr::from(0x0a01_0000 + number).to_string(),
        );
        let owners = pod.metadata.owner_references.as_mut().unwrap();
        owners[0].name = format!("web-{}-7d4b9", number / 10);
        pod.metadata.uid = Some(format!("{number:08x}-0000-4000-8000-000000000000"));
        pod.metadata.namespace = Some(format!("team-{}", number / 100));
        see(directory, &pod);
    }
    for number in 0..5_000_u32 {
        let name = format!("service-{number}");
        directory.service_seen(
            &service(&name, &Ipv4Addr::from(0x0a60_0000 + number).to_string()),
            9_500,
        );
        let mut slice = slice(&name, &["a", "b"]);
        for (at, endpoint) in slice.endpoints.as_mut().unwrap().iter_mut().enumerate() {
            let pod = number as usize * 2 + at;
            endpoint.target_ref.as_mut().unwrap().uid =
                Some(format!("{pod:08x}-0000-4000-8000-000000000000"));
        }
        directory.slice_seen(&slice, 9_500);
    }
    for number in 0..200_u32 {
        let ip = Ipv4Addr::from(0xc000_0200 + number).to_string();
        directory.node_seen(&node(&format!("node-{number}"), &ip), 9_500);
    }
}

#[test]
fn ten_thousand_pods_and_five_thousand_services_fit_into_forty_mebibytes() {
    let mut kept = None;
    let used = allocation_counter::measure(|| kept = Some(directory(fill)));
    let directory = kept.unwrap();
    assert_eq!(directory.count(Kind::Pods), 10_000);
    assert_eq!(directory.count(Kind::EndpointSlices), 5_000);
    assert_eq!(directory.overflow(), 0);
    assert_eq!(
        at(&directory, "10.96.0.1:443", 11_000),
        "Deployment team-0/web-0, service, Exact"
    );
    let most = used.bytes_max / (1 << 20);
    assert!(most < 40, "{most} MiB at most");
}

#[test]
fn a_day_of_churn_leaves_no_more_than_two_minutes_of_it() {
    let directory = directory(|_| ());
    for number in 0..20_000_i64 {
        // A hundred changes a second, on a thousand addresses.
        let now = 20_000 + number * 10;
        let ip = Ipv4Addr::from(0x0a01_0000 + u32::try_from(number % 1_000).unwrap());
        let mut job = pod(
            &format!("job-{number}"),
            &ip.to_string(),
            Some(("Job", "night-27839220")),
        );
        directory.pod_seen(&job, now, WALL + now);
        job.status.phase = Some("Succeeded".to_owned());
        directory.pod_seen(&job, now + 5, WALL + now + 5);
        directory.pod_deleted(&job, now + 6);
        directory.sweep(now);
    }
    assert!(
        directory.count(Kind::Pods) <= 12_001,
        "{}",
        directory.count(Kind::Pods)
    );
}
