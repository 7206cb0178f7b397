//! Ends, as findings show them.

use serde_json::json;

use super::*;
use crate::{
    identity::{kubernetes::directory::Kind, remote_end},
    report::finding::{Certainty, IdentifiedBy},
};

const UID: &str = "12345678-90ab-cdef-1234-567890abcdef";

fn kubernetes(settings: &Settings) -> Kubernetes {
    let kubernetes = Kubernetes::new(settings);
    let pod = json!({
        "metadata": {"uid": UID, "name": "till-7d4b9-x", "namespace": "shop", "labels": {"pod-template-hash": "7d4b9"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "till-7d4b9", "uid": "r",
                "controller": true}]},
        "spec": {"nodeName": "node-2", "serviceAccountName": "till"},
        "status": {"phase": "Running", "podIP": "10.1.0.1", "hostIP": "192.0.2.1"},
    });
    let directory = &kubernetes.directory;
    directory.list_begins(Kind::Pods, 1_000);
    directory.pod_seen(&serde_json::from_value(pod).unwrap(), 1_000, 1_000);
    directory.list_ends(Kind::Pods, 1_000);
    kubernetes
}

#[test]
fn a_process_in_a_pod_gets_its_pods_names_and_a_derived_spiffe_id() {
    let kubernetes = kubernetes(&Settings {
        node_name: Some("node-1".to_owned()),
        trust_domain: Some("example.org".to_owned()),
        ..Settings::default()
    });
    let mut end = End {
        identified_by: IdentifiedBy::Cgroup,
        certainty: Certainty::Exact,
        ..End::default()
    };
    kubernetes.enrich(&mut end, UID);
    let workload = end.workload.unwrap();
    assert_eq!(
        (
            workload.namespace.as_deref(),
            workload.kind.as_str(),
            workload.name.as_str()
        ),
        (Some("shop"), "Deployment", "till")
    );
    assert_eq!(end.service_account.as_deref(), Some("till"));
    assert_eq!(
        end.spiffe_id.as_deref(),
        Some("spiffe://example.org/ns/shop/sa/till")
    );
    assert_eq!(end.spiffe_id_source, Some(SpiffeSource::Derived));
    assert_eq!(end.node.as_deref(), Some("node-1"));
    assert_eq!(end.identified_by, IdentifiedBy::Cgroup);
}

#[test]
fn a_pod_that_is_not_known_changes_nothing_and_no_trust_domain_derives_nothing() {
    let kubernetes = kubernetes(&Settings::default());
    let mut end = End::default();
    kubernetes.enrich(&mut end, "another");
    assert_eq!(end, End::default());
    kubernetes.enrich(&mut end, UID);
    assert_eq!((end.spiffe_id, end.spiffe_id_source), (None, None));
    assert_eq!(end.node.as_deref(), Some("node-2"));
}

#[test]
fn a_remote_end_is_named_by_the_cluster_before_the_host_that_the_client_asked_for() {
    let kubernetes = kubernetes(&Settings::default());
    let pod = remote_end(
        Some("10.1.0.1:443".parse().unwrap()),
        Some("evil.example"),
        Some(&kubernetes),
        2_000_000_000,
        &["evil.example".into()],
    );
    assert_eq!(pod.identified_by, IdentifiedBy::PodIp);
    assert_eq!(pod.host, None);
    let outside = remote_end(
        Some("203.0.113.1:443".parse().unwrap()),
        Some("api.example"),
        Some(&kubernetes),
        2_000_000_000,
        &["edge.example".into()],
    );
    assert_eq!(outside.identified_by, IdentifiedBy::Host);
    assert_eq!(outside.host.as_deref(), Some("api.example"));
}
