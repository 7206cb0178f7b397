//! What names are made of, as it is configured.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// In it, SPIFFE ids are derived of service accounts; not set: none are.
    pub trust_domain: Option<String>,
    pub kubernetes: KubernetesIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesIdentity {
    pub enabled: Enabled,
    /// Not set: what Kubernetes puts into a pod.
    pub kubeconfig: Option<PathBuf>,
    /// See [`KubernetesIdentity::node_name`].
    pub node_name: Option<String>,
    /// Names of labels that findings carry.
    pub labels: Vec<String>,
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
