//! All that is known of the cluster, and the names made of it.
//!
//! Goes in: objects, one change at a time, from the thread of the watches. Comes out: names of pods by uid, and of
//! addresses at a time. Look-ups hold a read lock for some microseconds, changes a write lock for as long; a list comes in
//! object by object, so no look-up waits for it.

mod known;
mod listing;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use self::known::{Known, Labels};
use super::{
    objects::{EndpointSlice, Node, Pod, Service},
    owners::{Answer, State},
};
use crate::report::finding::{Certainty, IdentifiedBy, Workload};

/// Most pods remembered.
const PODS: usize = 65_536;

/// Most nodes, and most namespaces, remembered.
const SMALL: usize = 16_384;

/// What is kept of a pod.
#[derive(Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub uid: Arc<str>,
    pub namespace: Arc<str>,
    pub name: Box<str>,
    kind: Arc<str>,
    workload: Arc<str>,
    pub service_account: Option<Arc<str>>,
    pub node: Option<Arc<str>>,
    /// The uid on its node of the static pod that it stands for.
    mirrors: Option<Arc<str>>,
    /// Only those that were asked for.
    labels: Labels,
}

impl PodFacts {
    pub fn workload(&self) -> Workload {
        Workload {
            namespace: Some(self.namespace.to_string()),
            kind: self.kind.to_string(),
            name: self.workload.to_string(),
        }
    }

    fn shares_workload(&self, other: &Self) -> bool {
        (&self.namespace, &self.kind, &self.workload) == (&other.namespace, &other.kind, &other.workload)
    }
}

/// Who an address belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub pod: Option<Arc<PodFacts>>,
    pub workload: Option<Workload>,
    pub node: Option<String>,
    pub service_account: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub identified_by: IdentifiedBy,
    pub certainty: Certainty,
}

impl Named {
    fn ambiguous() -> Self {
        Self {
            identified_by: IdentifiedBy::Ambiguous,
            ..Self::default()
        }
    }
}

/// The kinds of objects that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Pods,
    Services,
    EndpointSlices,
    Nodes,
    Namespaces,
    /// No names, but what [`super::policies`] takes in.
    DataFlowPolicies,
    ClusterDataFlowPolicies,
}

impl Kind {
    /// Those that names are made of.
    pub const ALL: [Self; 5] = [
        Self::Pods,
        Self::Services,
        Self::EndpointSlices,
        Self::Nodes,
        Self::Namespaces,
    ];

    /// Those of custom resources that hold policies; a server may not have them.
    pub const POLICIES: [Self; 2] = [Self::DataFlowPolicies, Self::ClusterDataFlowPolicies];

    /// Whether it is one of [`Self::POLICIES`].
    pub const fn is_policy(self) -> bool {
        matches!(self, Self::DataFlowPolicies | Self::ClusterDataFlowPolicies)
    }

    /// As in metrics, in the log and in paths of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::Nodes => "nodes",
            Self::Namespaces => "namespaces",
            Self::DataFlowPolicies => "dataflowpolicies",
            Self::ClusterDataFlowPolicies => "clusterdataflowpolicies",
        }
    }
}

/// The directory. Shared by all threads.
#[derive(Debug)]
pub struct Directory {
    known: RwLock<Known>,
    /// How often it was changed.
    changes: AtomicU64,
    /// Names of labels that findings carry.
    labels: Vec<Arc<str>>,
}

impl Directory {
    /// Knows nothing yet. `labels` are the names of those that findings carry.
    pub fn new(labels: &[String]) -> Self {
        Self {
            known: RwLock::default(),
            changes: AtomicU64::new(0),
            labels: labels.iter().map(|label| label.as_str().into()).collect(),
        }
    }

    /// A pod appeared or changed. `wall` is the wall-clock time of `now`, both in milliseconds.
    pub fn pod_seen(&self, pod: &Pod, now: i64, wall: i64) {
        let Some(uid) = pod.metadata.uid.as_deref() else {
            return;
        };
        let mut known = self.write();
        if known.pod(uid).is_none() && known.pods() >= PODS {
            known.overflow += 1;
            return;
        }
        let facts = Arc::new(known.facts(pod, uid, &self.labels));
        known.listing.saw(Kind::Pods, &facts.uid, &facts.uid);
        let sighting = known::sighting(pod, &facts.uid, now, wall);
        known.owners.seen(&sighting, now);
        if let Some(mirrored) = &facts.mirrors {
            known
                .mirrored
                .insert(Arc::clone(mirrored), Arc::clone(&facts.uid));
        }
        known.keep(facts);
        if sighting.state == State::Finished {
            known.forget_later(uid, now);
        }
    }

    pub fn pod_deleted(&self, pod: &Pod, now: i64) {
        let Some(uid) = pod.metadata.uid.as_deref() else {
            return;
        };
        let mut known = self.write();
        known.owners.deleted(uid, now);
        known.forget_later(uid, now);
    }

    pub fn service_seen(&self, service: &Service, now: i64) {
        let mut known = self.write();
        let key = known.key(&service.metadata);
        known.listing.saw(Kind::Services, &key.0, &key.1);
        known.services.seen(&key, known::front(service), now);
    }

    pub fn service_deleted(&self, service: &Service) {
        let mut known = self.write();
        let key = known.key(&service.metadata);
        known.services.deleted(&key);
    }

    pub fn slice_seen(&self, slice: &EndpointSlice, now: i64) {
        const SERVICE: &str = "kubernetes.io/service-name";
        let mut known = self.write();
        let key = known.key(&slice.metadata);
        known.listing.saw(Kind::EndpointSlices, &key.0, &key.1);
        let labels = slice.metadata.labels.as_ref();
        let Some(service) = labels.and_then(|labels| labels.get(SERVICE)) else {
            known.services.slice_deleted(&key, now);
            return;
        };
        let service = (Arc::clone(&key.0), known.intern(service));
        let backends = known.backends(slice);
        known.services.slice_seen(&key, service, backends, now);
    }

    pub fn slice_deleted(&self, slice: &EndpointSlice, now: i64) {
        let mut known = self.write();
        let key = known.key(&slice.metadata);
        known.services.slice_deleted(&key, now);
    }

    pub fn node_seen(&self, node: &Node, now: i64) {
        let mut known = self.write();
        let name = known.intern(node.metadata.name.as_deref().unwrap_or_default());
        known.listing.saw(Kind::Nodes, &name, &name);
        let addresses = node.status.addresses.as_deref().unwrap_or_default();
        let ips = known::parsed(addresses.iter().filter_map(|address| address.address.as_deref()));
        if known.nodes.get(&name) == Some(&ips) {
            return;
        }
        known.node_gone(&name);
        if known.nodes.len() >= SMALL {
            known.overflow += 1;
            return;
        }
        known.node_seen(name, ips, now);
    }

    pub fn node_deleted(&self, node: &Node) {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        self.write().node_gone(name);
    }

    pub fn namespace_seen(&self, namespace: &ObjectMeta) {
        let mut known = self.write();
        let name = known.intern(namespace.name.as_deref().unwrap_or_default());
        known.listing.saw(Kind::Namespaces, &name, &name);
        let labels = known.selected(namespace, &self.labels);
        if labels.is_empty() || known.namespaces.len() >= SMALL {
            known.namespaces.remove(&name);
        } else {
            known.namespaces.insert(name, labels);
        }
    }

    pub fn namespace_deleted(&self, namespace: &ObjectMeta) {
        let name = namespace.name.as_deref().unwrap_or_default();
        self.write().namespaces.remove(name);
    }

    /// Nothing is heard of this kind any more.
    pub fn lost(&self, kind: Kind, now: i64) {
        let mut known = self.write();
        known.listing.lost(kind, now);
        if kind == Kind::Pods {
            known.owners.lost(now);
        }
    }

    /// The watch goes on where it broke.
    pub fn resumed(&self, kind: Kind, now: i64) {
        let mut known = self.write();
        if known.listing.resumed(kind) && kind == Kind::Pods {
            known.owners.resumed(now);
        }
    }

    /// A list of this kind begins.
    pub fn list_begins(&self, kind: Kind, now: i64) {
        let mut known = self.write();
        known.listing.begins(kind, now);
        if kind == Kind::Pods {
            known.owners.list_begins(now);
        }
    }

    /// The list is complete: what it did not name is gone.
    pub fn list_ends(&self, kind: Kind, now: i64) {
        let mut known = self.write();
        let named = known.listing.ends(kind);
        let is_gone = |name: &Arc<str>| !named.contains(&(Arc::clone(name), Arc::clone(name)));
        match kind {
            Kind::Pods => {
                known.owners.list_ends(now);
                let gone = known.unlisted(is_gone);
                gone.iter().for_each(|uid| known.forget_later(uid, now));
            }
            Kind::Services => known.services.keep(&named),
            Kind::EndpointSlices => known.services.keep_slices(&named, now),
            Kind::Nodes => {
                let gone: Vec<_> = known.nodes.keys().filter(|name| is_gone(name)).cloned().collect();
                gone.iter().for_each(|name| known.node_gone(name));
            }
            Kind::Namespaces => known.namespaces.retain(|name, _| !is_gone(name)),
            Kind::DataFlowPolicies | Kind::ClusterDataFlowPolicies => (),
        }
    }

    /// Forgets what was gone two minutes ago; call it every few seconds.
    pub fn sweep(&self, now: i64) {
        let mut known = self.write();
        known.owners.sweep(now);
        known.forget(now);
    }

    /// The pod with this uid, which may be that of a static pod on its node.
    pub fn pod(&self, uid: &str) -> Option<Arc<PodFacts>> {
        let known = self.read();
        let uid = known.mirrored.get(uid).map_or(uid, |mirror| &**mirror);
        known.pod(uid).cloned()
    }

    /// The labels of a pod that findings carry, and those of its namespace where it has none of that name.
    pub fn labels(&self, pod: &PodFacts) -> BTreeMap<String, String> {
        self.read().labels(pod)
    }

    /// Who had an address at a time; `None` when the cluster has no such address.
    pub fn at(&self, address: SocketAddr, time: i64) -> Option<Named> {
        let known = self.read();
        let ip = address.ip().to_canonical();
        let (uid, certainty) = match known.owners.at(ip, time) {
            Answer::Exact(uid) => (uid, Certainty::Exact),
            Answer::Likely(uid) => (uid, Certainty::Likely),
            Answer::Ambiguous => return Some(Named::ambiguous()),
            Answer::Nobody => {
                return known
                    .service_at(ip, address.port(), time)
                    .or_else(|| known.node_at(ip, time));
            }
        };
        let pod = known.pod(&uid)?;
        Some(Named {
            workload: Some(pod.workload()),
            node: pod.node.as_deref().map(str::to_owned),
            service_account: pod.service_account.as_deref().map(str::to_owned),
            labels: known.labels(pod),
            pod: Some(Arc::clone(pod)),
            identified_by: IdentifiedBy::PodIp,
            certainty,
        })
    }

    /// How many are known of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        let known = self.read();
        match kind {
            Kind::Pods => known.pods(),
            Kind::Services => known.services.len(),
            Kind::EndpointSlices => known.services.slices(),
            Kind::Nodes => known.nodes.len(),
            Kind::Namespaces => known.namespaces.len(),
            Kind::DataFlowPolicies | Kind::ClusterDataFlowPolicies => 0,
        }
    }

    /// What found no room.
    pub fn overflow(&self) -> u64 {
        let known = self.read();
        known.overflow + known.owners.overflow() + known.services.overflow()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows with every change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        let known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Who sees the number then waits for the change.
        self.changes.fetch_add(1, Ordering::Relaxed);
        known
    }
}
