//! Objects of the crowd, as large as those of real clusters: a pod is some 7 KiB in JSON once the server has filled it in.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Pods of one workload.
pub const OF_WORKLOAD: usize = 10;

/// Workloads of one namespace.
const OF_NAMESPACE: usize = 10;

/// Pods behind a service.
pub const BEHIND: usize = 2;

/// A pod that is in a place: an address, which its successors have too.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Which place.
    pub place: usize,
    /// How many had it before.
    pub generation: usize,
    /// The server's name for it.
    pub uid: String,
}

impl Placed {
    pub fn new(place: usize, generation: usize) -> Self {
        Self {
            place,
            generation,
            uid: String::new(),
        }
    }

    pub fn ip(&self) -> Ipv4Addr {
        ip(Ipv4Addr::new(10, 128, 0, 1), self.place)
    }

    pub fn namespace(&self) -> String {
        namespace(self.place)
    }

    /// Its Deployment. One that got the address of another is of another.
    pub fn workload(&self) -> String {
        let number = self.place / OF_WORKLOAD;
        match self.generation {
            0 => format!("application-{number}"),
            generation => format!("application-{number}-{generation}"),
        }
    }

    pub fn name(&self) -> String {
        format!("{}-{HASH}-{:05}", self.workload(), self.place)
    }
}

/// The hash of a pod's template, in the names of a ReplicaSet and its pods.
const HASH: &str = "7d4b9c8f6";

fn ip(first: Ipv4Addr, number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    Ipv4Addr::from(u32::from(first).saturating_add(number))
}

pub fn namespace(place: usize) -> String {
    format!("team-{}", place / OF_WORKLOAD / OF_NAMESPACE)
}

pub fn node(number: usize) -> Value {
    let labels = json!({"kubernetes.io/hostname": format!("node-{number}"), "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": "zone-a", "node.kubernetes.io/instance-type": "large"});
    json!({"metadata": {"name": format!("node-{number}"), "labels": labels}})
}

pub fn node_status(number: usize) -> Value {
    let image = |at: usize| {
        json!({"names": [format!("registry.example/team/image-{at}@sha256:{at:064x}"),
            format!("registry.example/team/image-{at}:1.{at}")], "sizeBytes": 100_000_000 + at})
    };
    json!({"status": {
        "addresses": [{"type": "InternalIP", "address": ip(Ipv4Addr::new(198, 18, 0, 1), number)},
            {"type": "Hostname", "address": format!("node-{number}")}],
        "images": (0..50).map(image).collect::<Vec<_>>(),
    }})
}

pub fn pod(placed: &Placed, nodes: usize) -> Value {
    let workload = placed.workload();
    let variable = |at: usize| json!({"name": format!("SETTING_{at}"), "value": format!("https://configuration-{at}.{workload}.example/path?key={at}")});
    let mounts = json!([
        {"name": "configuration", "mountPath": "/etc/application", "readOnly": true},
        {"name": "temporary", "mountPath": "/tmp"},
        {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true},
    ]);
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example/team/{workload}-{name}:1.2.3"),
            "args": ["--listen=:8443", "--log-format=json"],
            "ports": [{"name": "https", "containerPort": 8443}, {"name": "metrics", "containerPort": 9090}],
            "env": (0..12).map(variable).collect::<Vec<_>>(),
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 9090}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9090}, "periodSeconds": 5},
            "volumeMounts": mounts, "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true},
        })
    };
    json!({
        "metadata": {
            "name": placed.name(),
            "labels": {"app": workload, "pod-template-hash": HASH, "app.kubernetes.io/part-of": "crowd"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090",
                "checksum/configuration": format!("{:064x}", placed.place)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "blockOwnerDeletion": true, "name": format!("{workload}-{HASH}"), "uid": format!("{:032x}", placed.place)}],
        },
        "spec": {
            "nodeName": format!("node-{}", placed.place % nodes), "serviceAccountName": workload,
            "containers": [container("main"), container("agent")],
            "volumes": [
                {"name": "configuration", "configMap": {"name": workload}},
                {"name": "temporary", "emptyDir": {}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}},
            ],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300}],
        },
    })
}

/// The status that a kubelet writes. `beat` makes it differ from the last.
pub fn status(placed: &Placed, nodes: usize, beat: u64) -> Value {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let container = |name: &str| {
        json!({
            "name": name, "ready": true, "started": true, "restartCount": beat,
            "image": format!("registry.example/team/{}-{name}:1.2.3", placed.workload()),
            "imageID": format!("registry.example/team/{name}@sha256:{:064x}", placed.place),
            "containerID": format!("containerd://{:064x}", placed.place),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        })
    };
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    let containers = ["main", "agent"].map(container);
    json!({"status": {
        "phase": "Running", "hostIP": ip(Ipv4Addr::new(198, 18, 0, 1), placed.place % nodes),
        "podIP": placed.ip(), "podIPs": [{"ip": placed.ip()}],
        "conditions": conditions,
        "containerStatuses": containers, "qosClass": "Burstable",
    }})
}

/// The name of a service, and the places of the pods behind it.
pub fn service_name(number: usize) -> String {
    format!("service-{number}")
}

/// Namespace of a service: that of its pods.
pub fn service_namespace(number: usize) -> String {
    namespace(number * BEHIND)
}

pub fn service(number: usize) -> Value {
    json!({
        "metadata": {"name": service_name(number), "labels": {"app.kubernetes.io/part-of": "crowd"},
            "annotations": {"service.example/owner": "team", "service.example/description": "a service of the crowd"}},
        "spec": {
            "clusterIP": ip(Ipv4Addr::new(10, 96, 16, 0), number),
            "selector": {"app": service_name(number)},
            "ports": [{"name": "https", "port": 443, "targetPort": 8443}, {"name": "metrics", "port": 9090}],
        },
    })
}

pub fn slice(number: usize, pods: &[Placed]) -> Value {
    json!({
        "metadata": {"name": format!("{}-x", service_name(number)),
            "labels": {"kubernetes.io/service-name": service_name(number),
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
        "addressType": "IPv4", "endpoints": endpoints(pods),
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}, {"name": "metrics", "port": 9090, "protocol": "TCP"}],
    })
}

pub fn endpoints(pods: &[Placed]) -> Value {
    let endpoint = |pod: &Placed| {
        json!({"addresses": [pod.ip()], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "uid": pod.uid, "name": pod.name(), "namespace": pod.namespace()},
            "topology": {"kubernetes.io/hostname": "node", "topology.kubernetes.io/zone": "zone-a"}})
    };
    pods.iter().map(endpoint).collect()
}
