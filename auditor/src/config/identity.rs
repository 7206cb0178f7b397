//! What names are made of, as it is configured.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub runtimes: Runtimes,
    /// Where container runtimes listen; none for the usual places.
    pub sockets: Vec<String>,
    /// Labels of pods, else of their namespaces, and of containers that ends show.
    pub labels: Vec<String>,
    /// How long an observation waits for a name, seconds.
    pub wait_seconds: u64,
    /// In it, SPIFFE ids are derived of service accounts; not set: none are.
    pub trust_domain: Option<String>,
    pub conntrack: Tracking,
    pub kubernetes: KubernetesIdentity,
    pub mesh: MeshIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshIdentity {
    /// Rules, see [`crate::identity::mesh::Proxy`].
    pub proxies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesIdentity {
    pub enabled: Enabled,
    /// Not set: what Kubernetes puts into a pod.
    pub kubeconfig: Option<PathBuf>,
    /// See [`KubernetesIdentity::node_name`].
    pub node_name: Option<String>,
}

/// Whether container runtimes are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtimes {
    Ask,
    Off,
}

/// Whose connection tracking is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracking {
    /// The host's, if that is permitted.
    Auto,
    /// That of the network namespace auditor runs in.
    Own,
    Off,
}

/// Whether something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enabled {
    /// If it is there.
    Auto,
    True,
    False,
}

impl KubernetesIdentity {
    /// The name of this node: what is set, or what the downward API puts into `NODE_NAME`.
    pub fn node_name(&self) -> Option<String> {
        let from_pod = || std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
        self.node_name.clone().or_else(from_pod)
    }
}
