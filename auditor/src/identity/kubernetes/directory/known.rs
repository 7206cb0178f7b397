//! What the directory keeps, and the names it makes of that.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{Kind, Named, PodFacts, listing::Listing};
use crate::{
    identity::kubernetes::{
        objects::{EndpointSlice, Pod, Service},
        owners::{AFTERLIFE, Owners, Sighting, State},
        services::{Backend, Found, Front, Key, Services},
        workload,
    },
    report::finding::{Certainty, IdentifiedBy, Workload},
};

/// Most backends of a service that are looked at for a workload in common.
const BACKENDS: usize = 2_000;

/// Longest name, and value of a label, kept; the API server takes no longer ones.
const NAME: usize = 253;

/// Names of labels and their values.
pub(super) type Labels = Box<[(Arc<str>, Arc<str>)]>;

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) owners: Owners,
    pods: HashMap<Arc<str>, Entry>,
    /// Static pods by the uid on their node.
    pub(super) mirrored: HashMap<Arc<str>, Arc<str>>,
    /// Pods that are gone, in that order; they are remembered as long as their addresses.
    gone: VecDeque<(i64, Arc<str>)>,
    pub(super) services: Services,
    pub(super) nodes: HashMap<Arc<str>, Vec<IpAddr>>,
    node_ips: HashMap<IpAddr, (Arc<str>, i64)>,
    pub(super) namespaces: HashMap<Arc<str>, Labels>,
    pub(super) listing: Listing,
    /// Each name once.
    names: HashSet<Arc<str>>,
    pub(super) overflow: u64,
}

#[derive(Debug)]
struct Entry {
    facts: Arc<PodFacts>,
    /// When it was heard to be gone, or to have finished.
    gone: Option<i64>,
}

impl Known {
    pub(super) fn pod(&self, uid: &str) -> Option<&Arc<PodFacts>> {
        self.pods.get(uid).map(|entry| &entry.facts)
    }

    pub(super) fn pods(&self) -> usize {
        self.pods.len()
    }

    /// Uids of the pods that a complete list does not name.
    pub(super) fn unlisted(&self, is_gone: impl Fn(&Arc<str>) -> bool) -> Vec<Arc<str>> {
        self.pods.keys().filter(|uid| is_gone(uid)).cloned().collect()
    }

    /// Keeps a pod's facts, which in most changes are those from before.
    pub(super) fn keep(&mut self, facts: Arc<PodFacts>) {
        match self.pods.get_mut(&facts.uid) {
            Some(entry) => {
                entry.gone = None;
                if entry.facts != facts {
                    entry.facts = facts;
                }
            }
            None => {
                self.pods
                    .insert(Arc::clone(&facts.uid), Entry { facts, gone: None });
            }
        }
    }

    /// What is kept of a pod.
    pub(super) fn facts(&mut self, pod: &Pod, uid: &str, wanted: &[Arc<str>]) -> PodFacts {
        let node = pod.spec.node_name.as_deref();
        let (kind, workload) = workload::of(&pod.metadata, node);
        let labels = self.selected(&pod.metadata, wanted);
        let account = pod.spec.service_account_name.as_deref();
        PodFacts {
            uid: self
                .pods
                .get_key_value(uid)
                .map_or_else(|| bounded(uid).into(), |(uid, _)| Arc::clone(uid)),
            namespace: self.intern(pod.metadata.namespace.as_deref().unwrap_or_default()),
            name: bounded(pod.metadata.name.as_deref().unwrap_or_default()).into(),
            kind: self.intern(&kind),
            workload: self.intern(&workload),
            service_account: account.map(|name| self.intern(name)),
            node: node.map(|name| self.intern(name)),
            mirrors: workload::mirrored(&pod.metadata).map(|uid| self.intern(uid)),
            labels,
        }
    }

    pub(super) fn selected(&mut self, object: &ObjectMeta, wanted: &[Arc<str>]) -> Labels {
        let Some(labels) = &object.labels else {
            return Box::default();
        };
        let has = |name: &&Arc<str>| labels.contains_key(&***name);
        let found: Vec<_> = wanted.iter().filter(has).cloned().collect();
        let with_value = |name: Arc<str>| {
            let value = self.intern(&labels[&*name]);
            (name, value)
        };
        found.into_iter().map(with_value).collect()
    }

    pub(super) fn intern(&mut self, name: &str) -> Arc<str> {
        let name = bounded(name);
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        // Names that nobody has any more go when the set would grow.
        if self.names.len() == self.names.capacity() {
            self.names.retain(|name| Arc::strong_count(name) > 1);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    pub(super) fn key(&mut self, object: &ObjectMeta) -> Key {
        (
            self.intern(object.namespace.as_deref().unwrap_or_default()),
            self.intern(object.name.as_deref().unwrap_or_default()),
        )
    }

    pub(super) fn backends(&mut self, slice: &EndpointSlice) -> Vec<Backend> {
        let mut backends = Vec::new();
        for endpoint in slice.endpoints.iter().flatten() {
            let target = endpoint.target_ref.as_ref();
            let pod = target.filter(|target| target.kind.as_deref() == Some("Pod"));
            if let Some(uid) = pod.and_then(|pod| pod.uid.as_deref()) {
                let known = self.pods.get_key_value(uid).map(|(uid, _)| Arc::clone(uid));
                backends.push(Backend::Pod(known.unwrap_or_else(|| bounded(uid).into())));
            } else {
                let addresses = endpoint.addresses.iter().flatten().map(String::as_str);
                backends.extend(parsed(addresses).into_iter().map(Backend::Address));
            }
        }
        backends
    }

    /// Keeps a pod that is gone for a while: events of it may still be on the way.
    pub(super) fn forget_later(&mut self, uid: &str, now: i64) {
        if let Some(entry) = self.pods.get_mut(uid)
            && entry.gone.is_none()
        {
            entry.gone = Some(now);
            self.gone.push_back((now, Arc::clone(&entry.facts.uid)));
        }
    }

    /// Forgets pods that were gone two minutes ago. One that is seen again since then is kept.
    pub(super) fn forget(&mut self, now: i64) {
        while let Some((at, _)) = self.gone.front()
            && at.saturating_add(AFTERLIFE) <= now
        {
            let Some((at, uid)) = self.gone.pop_front() else {
                break;
            };
            if self.pods.get(&uid).is_none_or(|entry| entry.gone != Some(at)) {
                continue;
            }
            let mirrors = self
                .pods
                .remove(&uid)
                .and_then(|entry| entry.facts.mirrors.clone());
            if let Some(mirrored) = mirrors.filter(|mirrored| self.mirrored.get(mirrored) == Some(&uid)) {
                self.mirrored.remove(&mirrored);
            }
        }
    }

    pub(super) fn node_gone(&mut self, name: &str) {
        for ip in self.nodes.remove(name).unwrap_or_default() {
            if self.node_ips.get(&ip).is_some_and(|(owner, _)| &**owner == name) {
                self.node_ips.remove(&ip);
            }
        }
    }

    pub(super) fn node_seen(&mut self, name: Arc<str>, ips: Vec<IpAddr>, now: i64) {
        for ip in &ips {
            self.node_ips.insert(*ip, (Arc::clone(&name), now));
        }
        self.nodes.insert(name, ips);
    }

    pub(super) fn labels(&self, pod: &PodFacts) -> BTreeMap<String, String> {
        let namespace = self.namespaces.get(&pod.namespace).into_iter().flatten();
        namespace
            .chain(&pod.labels)
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// The service that an address leads to, or that it is behind without being a pod's.
    pub(super) fn service_at(&self, ip: IpAddr, port: u16, time: i64) -> Option<Named> {
        let found = self
            .services
            .at(ip, port)
            .or_else(|| self.services.behind(ip))
            .or_else(|| {
                let is_node = self.node_ips.contains_key(&ip);
                is_node.then(|| self.services.at_node_port(port)).flatten()
            })?;
        let Found::One(key, service) = found else {
            return Some(Named::ambiguous());
        };
        if time < service.heard || self.listing.is_lost(Kind::Services, time) {
            return Some(Named::ambiguous());
        }
        let shared = self.shared_pod(key, time);
        let workload = Workload {
            namespace: Some(key.0.to_string()),
            kind: "Service".to_owned(),
            name: key.1.to_string(),
        };
        Some(Named {
            certainty: match shared {
                Some(_) => Certainty::Exact,
                None => Certainty::Likely,
            },
            workload: Some(shared.map_or(workload, |pod| pod.workload())),
            service_account: shared.and_then(|pod| pod.service_account.as_deref().map(str::to_owned)),
            identified_by: IdentifiedBy::Service,
            ..Named::default()
        })
    }

    /// A pod behind a service, when all behind it are of its workload, now and at that time.
    fn shared_pod(&self, service: &Key, time: i64) -> Option<&Arc<PodFacts>> {
        let (backends, changed) = self.services.backends(service);
        if time < changed || self.listing.is_lost(Kind::EndpointSlices, time) {
            return None;
        }
        let mut shared: Option<&Arc<PodFacts>> = None;
        for (number, backend) in backends.enumerate() {
            let Backend::Pod(uid) = backend else { return None };
            let pod = self.pod(uid)?;
            if number >= BACKENDS || shared.is_some_and(|other| !pod.shares_workload(other)) {
                return None;
            }
            shared = Some(pod);
        }
        shared
    }

    pub(super) fn node_at(&self, ip: IpAddr, time: i64) -> Option<Named> {
        let (name, heard) = self.node_ips.get(&ip)?;
        if time < *heard || self.listing.is_lost(Kind::Nodes, time) {
            return Some(Named::ambiguous());
        }
        Some(Named {
            workload: Some(Workload {
                namespace: None,
                kind: "Node".to_owned(),
                name: name.to_string(),
            }),
            node: Some(name.to_string()),
            identified_by: IdentifiedBy::Node,
            certainty: Certainty::Exact,
            ..Named::default()
        })
    }
}

/// What a pod says of its addresses.
pub(super) fn sighting(pod: &Pod, uid: &Arc<str>, now: i64, wall: i64) -> Sighting {
    let status = &pod.status;
    let listed = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.as_deref());
    let ips = parsed(status.pod_ip.as_deref().into_iter().chain(listed));
    let host = parsed(status.host_ip.as_deref());
    let begun = status
        .start_time
        .as_ref()
        .or(pod.metadata.creation_timestamp.as_ref());
    let started = begun.map_or(now, |Time(time)| {
        now.saturating_sub(wall.saturating_sub(time.as_millisecond()))
    });
    Sighting {
        uid: Arc::clone(uid),
        host_network: pod.spec.host_network || ips.iter().any(|ip| host.contains(ip)),
        ips,
        started,
        state: match status.phase.as_deref() {
            Some("Succeeded" | "Failed") => State::Finished,
            _ if pod.metadata.deletion_timestamp.is_some() => State::Terminating,
            _ => State::Live,
        },
    }
}

/// What leads to a service.
pub(super) fn front(service: &Service) -> Front {
    let spec = &service.spec;
    let cluster = spec
        .cluster_ip
        .iter()
        .chain(spec.cluster_ips.iter().flatten())
        .chain(spec.external_ips.iter().flatten());
    let balancer = service.status.load_balancer.as_ref();
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let ingress = ingress.into_iter().flatten().filter_map(|ip| ip.ip.as_deref());
    let ports = spec.ports.iter().flatten();
    let node_ports = ports.clone().filter_map(|port| port.node_port);
    Front {
        ips: parsed(cluster.map(String::as_str).chain(ingress)),
        ports: ports.filter_map(|port| u16::try_from(port.port).ok()).collect(),
        node_ports: node_ports
            .filter_map(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
            .collect(),
    }
}

/// Addresses that can be read (`None` of a headless service can not), each once.
pub(super) fn parsed<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for ip in texts.into_iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
        let ip = ip.to_canonical();
        if !ips.contains(&ip) && ips.len() < ADDRESSES {
            ips.push(ip);
        }
    }
    ips
}

/// Most addresses of one object.
const ADDRESSES: usize = 64;

fn bounded(name: &str) -> &str {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}
