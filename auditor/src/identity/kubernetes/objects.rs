//! The objects of the API server, with the fields that names are made of and no more.
//!
//! Goes in: JSON. Comes out: structs for lists and watches. A full `Pod` is some 30 times as large, and a field that is
//! unknown here can not make a list fail.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pod {
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PodSpec,
    #[serde(default)]
    pub status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub node_name: Option<String>,
    pub service_account_name: Option<String>,
    pub host_network: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    pub phase: Option<String>,
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pub pod_ips: Option<Vec<PodIp>>,
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
    pub start_time: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodIp {
    pub ip: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: ServiceSpec,
    #[serde(default)]
    pub status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `None` for a headless service, in those words.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Option<Vec<String>>,
    #[serde(rename = "externalIPs")]
    pub external_ips: Option<Vec<String>>,
    pub ports: Option<Vec<ServicePort>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    pub port: i32,
    pub node_port: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    pub load_balancer: Option<LoadBalancer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    pub ingress: Option<Vec<PodIp>>,
}

/// `discovery.k8s.io`: v1, or v1beta1 of servers before 1.21; what is read here is the same in both.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EndpointSlice {
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub endpoints: Option<Vec<Endpoint>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    pub addresses: Option<Vec<String>>,
    pub target_ref: Option<Target>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Target {
    pub kind: Option<String>,
    pub uid: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Node {
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    pub addresses: Option<Vec<NodeAddress>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    pub address: Option<String>,
}

/// Only its metadata is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Namespace {
    #[serde(deserialize_with = "slim")]
    pub metadata: ObjectMeta,
}

/// The version of `discovery.k8s.io` that the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    #[default]
    V1,
    V1Beta1,
}

macro_rules! resource {
    ($type:ty, $kind:literal, $plural:literal, $scope:ty) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;
            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                "".into()
            }
            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(Pod, "Pod", "pods", NamespaceResourceScope);
resource!(Service, "Service", "services", NamespaceResourceScope);
resource!(Node, "Node", "nodes", ClusterResourceScope);
resource!(Namespace, "Namespace", "namespaces", ClusterResourceScope);

impl Resource for EndpointSlice {
    type DynamicType = Discovery;
    type Scope = NamespaceResourceScope;

    fn kind(_: &Discovery) -> Cow<'_, str> {
        "EndpointSlice".into()
    }

    fn group(_: &Discovery) -> Cow<'_, str> {
        "discovery.k8s.io".into()
    }

    fn version(discovery: &Discovery) -> Cow<'_, str> {
        match discovery {
            Discovery::V1 => "v1".into(),
            Discovery::V1Beta1 => "v1beta1".into(),
        }
    }

    fn plural(_: &Discovery) -> Cow<'_, str> {
        "endpointslices".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Metadata without what is large and says nothing here, such as who manages which field.
fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Slim {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        creation_timestamp: Option<Time>,
        deletion_timestamp: Option<Time>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<Annotations>,
        owner_references: Option<Vec<OwnerReference>>,
    }
    let slim = Slim::deserialize(deserializer)?;
    let mirror = slim.annotations.and_then(|annotations| annotations.mirror);
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        creation_timestamp: slim.creation_timestamp,
        deletion_timestamp: slim.deletion_timestamp,
        labels: slim.labels,
        annotations: mirror.map(|mirror| BTreeMap::from([(MIRROR.to_owned(), mirror)])),
        owner_references: slim.owner_references,
        ..ObjectMeta::default()
    })
}

/// Says of a pod that it only mirrors a static one, which has this uid.
pub const MIRROR: &str = "kubernetes.io/config.mirror";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "kubernetes.io/config.mirror")]
    mirror: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_fields_may_be_null_or_unknown() {
        let slice: EndpointSlice =
            serde_json::from_str(r#"{"metadata":{"name":"a"},"endpoints":null,"ports":null}"#).unwrap();
        assert!(slice.endpoints.is_none());
        let pod: Pod = serde_json::from_str(
            r#"{"metadata":{"name":"a","annotations":{"x":"y","kubernetes.io/config.mirror":"u"},
                "managedFields":[{"fieldsV1":{"f:a":{}}}]},"spec":{"containers":[{}]},"status":{"phase":"Running",
                "podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}],"startTime":"2026-01-02T03:04:05Z"}}"#,
        )
        .unwrap();
        assert_eq!(pod.metadata.annotations.unwrap()[MIRROR], "u");
        assert_eq!(pod.status.pod_ips.unwrap().len(), 2);
        assert!(pod.status.start_time.is_some() && pod.metadata.managed_fields.is_none());
    }

    #[test]
    fn the_version_of_discovery_is_in_the_path() {
        assert_eq!(
            EndpointSlice::url_path(&Discovery::V1Beta1, None),
            "/apis/discovery.k8s.io/v1beta1/endpointslices"
        );
        assert_eq!(Pod::url_path(&(), None), "/api/v1/pods");
    }
}
