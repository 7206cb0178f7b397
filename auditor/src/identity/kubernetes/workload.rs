//! Which workload a pod belongs to, from its owner references and labels alone.
//!
//! A Deployment owns its pods through a ReplicaSet, a CronJob through a Job. Their names are in that of the one between,
//! so no ReplicaSet or Job is read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::objects::MIRROR;

/// Digits that a CronJob puts behind its name: minutes (8) or seconds (10) since 1970.
const SCHEDULED: std::ops::RangeInclusive<usize> = 8..=10;

/// Kind and name of the workload of a pod that runs on `node`.
pub fn of(pod: &ObjectMeta, node: Option<&str>) -> (String, String) {
    let name = pod.name.as_deref().unwrap_or_default();
    if is_static(pod) {
        // The kubelet puts its node's name behind that in the manifest.
        let suffix = node.map(|node| format!("-{node}"));
        let bare = suffix.and_then(|suffix| name.strip_suffix(&suffix));
        return ("StaticPod".to_owned(), bare.unwrap_or(name).to_owned());
    }
    let owners = pod.owner_references.as_deref().unwrap_or_default();
    let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) else {
        return ("Pod".to_owned(), name.to_owned());
    };
    let (kind, name) = match owner.kind.as_str() {
        "ReplicaSet" => behind_replica_set(pod, owner),
        "Job" => behind_job(owner),
        kind => (kind, owner.name.as_str()),
    };
    (kind.to_owned(), name.to_owned())
}

/// The pod stands for one that its node runs from a file.
pub fn is_static(pod: &ObjectMeta) -> bool {
    mirrored(pod).is_some()
}

/// The uid that a static pod has on its node, in the paths of its cgroups.
pub fn mirrored(pod: &ObjectMeta) -> Option<&str> {
    pod.annotations.as_ref()?.get(MIRROR).map(String::as_str)
}

/// The label with the hash in the ReplicaSet's name is set by who made the ReplicaSet.
fn behind_replica_set<'a>(pod: &ObjectMeta, owner: &'a OwnerReference) -> (&'static str, &'a str) {
    let makers = [
        ("pod-template-hash", "Deployment"),
        ("rollouts-pod-template-hash", "Rollout"),
    ];
    for (label, kind) in makers {
        let hash = pod.labels.as_ref().and_then(|labels| labels.get(label));
        let name = hash
            .and_then(|hash| owner.name.strip_suffix(hash.as_str()))
            .and_then(|name| name.strip_suffix('-'));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return (kind, name);
        }
    }
    ("ReplicaSet", &owner.name)
}

fn behind_job(owner: &OwnerReference) -> (&'static str, &str) {
    match owner.name.rsplit_once('-') {
        Some((name, time))
            if !name.is_empty()
                && SCHEDULED.contains(&time.len())
                && time.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            ("CronJob", name)
        }
        _ => ("Job", &owner.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(owner: Option<(&str, &str)>, labels: &[(&str, &str)]) -> ObjectMeta {
        ObjectMeta {
            name: Some("web-7d4b9-x2x".to_owned()),
            labels: Some(
                labels
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            ),
            owner_references: owner.map(|(kind, name)| {
                vec![OwnerReference {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    controller: Some(true),
                    ..OwnerReference::default()
                }]
            }),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_pod_is_named_by_who_controls_it() {
        let hash = [("pod-template-hash", "7d4b9")];
        let rollout = [("rollouts-pod-template-hash", "7d4b9")];
        type Pair<'a> = (&'a str, &'a str);
        let table: &[(Option<Pair<'_>>, &[Pair<'_>], &str, &str)] = &[
            (Some(("ReplicaSet", "web-7d4b9")), &hash, "Deployment", "web"),
            (Some(("ReplicaSet", "web-7d4b9")), &rollout, "Rollout", "web"),
            (Some(("ReplicaSet", "web-7d4b9")), &[], "ReplicaSet", "web-7d4b9"),
            (Some(("ReplicaSet", "other")), &hash, "ReplicaSet", "other"),
            (Some(("ReplicaSet", "7d4b9")), &hash, "ReplicaSet", "7d4b9"),
            (Some(("StatefulSet", "db")), &[], "StatefulSet", "db"),
            (Some(("DaemonSet", "log")), &[], "DaemonSet", "log"),
            (Some(("Job", "night-27839220")), &[], "CronJob", "night"),
            (Some(("Job", "night-1670353200")), &[], "CronJob", "night"),
            (Some(("Job", "import-2024")), &[], "Job", "import-2024"),
            (Some(("Job", "import-2024a678")), &[], "Job", "import-2024a678"),
            (None, &[], "Pod", "web-7d4b9-x2x"),
        ];
        for (owner, labels, kind, name) in table {
            let found = of(&pod(*owner, labels), Some("node-1"));
            assert_eq!(
                found,
                ((*kind).to_owned(), (*name).to_owned()),
                "{owner:?} {labels:?}"
            );
        }
    }

    #[test]
    fn an_owner_that_does_not_control_is_no_workload() {
        let mut meta = pod(Some(("ReplicaSet", "web-7d4b9")), &[]);
        meta.owner_references.as_mut().unwrap()[0].controller = None;
        assert_eq!(of(&meta, None).0, "Pod");
    }

    #[test]
    fn a_static_pod_is_named_without_its_node_and_known_by_the_uid_on_its_node() {
        let mut meta = pod(Some(("Node", "node-1")), &[]);
        meta.name = Some("kube-apiserver-node-1".to_owned());
        meta.annotations = Some([(MIRROR.to_owned(), "0123".to_owned())].into());
        let named = ("StaticPod".to_owned(), "kube-apiserver".to_owned());
        assert_eq!(of(&meta, Some("node-1")), named);
        assert_eq!(mirrored(&meta), Some("0123"));
    }
}
