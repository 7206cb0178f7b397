//! Services, by the addresses that lead to them, and the pods behind them.
//!
//! Goes in: services and EndpointSlices as a watch tells of them. Comes out: for an address and port the service, and
//! for a service the uids of its pods. Each change touches what it is about and nothing else.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
    sync::Arc,
};

/// Most services, and most slices, remembered.
const CAPACITY: usize = 65_536;

/// Most backends of one slice; the API server allows 1000.
const MAX_BACKENDS: usize = 1_000;

/// Namespace and name.
pub type Key = (Arc<str>, Arc<str>);

/// What leads to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// Of the cluster, of a load balancer, and others that were set; none for a headless service.
    pub ips: Vec<IpAddr>,
    pub ports: Vec<u16>,
    /// Ports on every node.
    pub node_ports: Vec<u16>,
}

/// What a slice names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A pod, by its uid.
    Pod(Arc<str>),
    /// An address that is no pod's.
    Address(IpAddr),
}

/// A service as it is now.
#[derive(Debug)]
pub struct Service {
    front: Front,
    /// When it was heard to have these addresses, milliseconds.
    pub heard: i64,
}

/// The slices of a service, which may be heard of before it.
#[derive(Debug, Default)]
struct Behind {
    slices: Vec<Key>,
    changed: i64,
}

/// What an address leads to.
#[derive(Debug)]
pub enum Found<'a> {
    One(&'a Key, &'a Service),
    /// Several services share the address and the port.
    Several,
}

#[derive(Debug, Default)]
pub struct Services {
    services: HashMap<Key, Service>,
    by_ip: HashMap<IpAddr, Vec<Key>>,
    by_node_port: HashMap<u16, Vec<Key>>,
    /// Addresses behind a service that are no pods.
    by_backend: HashMap<IpAddr, Vec<Key>>,
    slices: HashMap<Key, (Key, Vec<Backend>)>,
    behind: HashMap<Key, Behind>,
    overflow: u64,
}

impl Services {
    /// A service appeared or changed.
    pub fn seen(&mut self, key: &Key, front: Front, now: i64) {
        let before = self.services.get(key).map(|service| service.front.clone());
        if before.as_ref() == Some(&front) {
            return;
        }
        if before.is_none() && self.services.len() >= CAPACITY {
            self.overflow += 1;
            return;
        }
        let before = before.unwrap_or_default();
        for ip in &before.ips {
            remove(&mut self.by_ip, ip, key);
        }
        for port in &before.node_ports {
            remove(&mut self.by_node_port, port, key);
        }
        for ip in &front.ips {
            self.by_ip.entry(*ip).or_default().push(key.clone());
        }
        for port in &front.node_ports {
            self.by_node_port.entry(*port).or_default().push(key.clone());
        }
        let service = self.services.entry(key.clone()).or_insert_with(|| Service {
            front: Front::default(),
            heard: now,
        });
        if service.front.ips != front.ips {
            service.heard = now;
        }
        service.front = front;
    }

    pub fn deleted(&mut self, key: &Key) {
        let Some(service) = self.services.remove(key) else {
            return;
        };
        for ip in &service.front.ips {
            remove(&mut self.by_ip, ip, key);
        }
        for port in &service.front.node_ports {
            remove(&mut self.by_node_port, port, key);
        }
    }

    /// A slice of `service` appeared or changed.
    pub fn slice_seen(&mut self, slice: &Key, service: Key, mut backends: Vec<Backend>, now: i64) {
        if !self.slices.contains_key(slice) && self.slices.len() >= CAPACITY {
            self.overflow += 1;
            return;
        }
        backends.truncate(MAX_BACKENDS);
        backends.shrink_to_fit();
        if self
            .slices
            .get(slice)
            .is_some_and(|(of, before)| *of == service && *before == backends)
        {
            return;
        }
        self.slice_deleted(slice, now);
        for backend in &backends {
            if let Backend::Address(ip) = backend {
                self.by_backend.entry(*ip).or_default().push(service.clone());
            }
        }
        let behind = self.behind.entry(service.clone()).or_default();
        behind.slices.push(slice.clone());
        behind.changed = now;
        self.slices.insert(slice.clone(), (service, backends));
    }

    pub fn slice_deleted(&mut self, slice: &Key, now: i64) {
        let Some((service, backends)) = self.slices.remove(slice) else {
            return;
        };
        for backend in &backends {
            if let Backend::Address(ip) = backend {
                remove_one(&mut self.by_backend, ip, &service);
            }
        }
        if let Some(behind) = self.behind.get_mut(&service) {
            behind.slices.retain(|other| other != slice);
            behind.changed = now;
            if behind.slices.is_empty() {
                self.behind.remove(&service);
            }
        }
    }

    /// Services, as a list that is complete names them; others are gone.
    pub fn keep(&mut self, listed: &HashSet<Key>) {
        let gone: Vec<Key> = self
            .services
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter().for_each(|key| self.deleted(key));
    }

    /// Slices, as a list that is complete names them; others are gone.
    pub fn keep_slices(&mut self, listed: &HashSet<Key>, now: i64) {
        let gone: Vec<Key> = self
            .slices
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter().for_each(|key| self.slice_deleted(key, now));
    }

    /// The service that an address of its own leads to. A port that it does not have leads there, too, when no other
    /// service has the address.
    pub fn at(&self, ip: IpAddr, port: u16) -> Option<Found<'_>> {
        let keys = self.by_ip.get(&ip)?;
        let has_port = |key: &&Key| {
            let service = self.services.get(*key);
            service.is_some_and(|service| service.front.ports.contains(&port))
        };
        match keys.as_slice() {
            [key] => self.one(key),
            keys => {
                let mut with_port = keys.iter().filter(has_port);
                match (with_port.next(), with_port.next()) {
                    (Some(key), None) => self.one(key),
                    _ => Some(Found::Several),
                }
            }
        }
    }

    /// The service that a port of every node leads to.
    pub fn at_node_port(&self, port: u16) -> Option<Found<'_>> {
        self.only(self.by_node_port.get(&port)?)
    }

    /// The service that an address is behind which is no pod's.
    pub fn behind(&self, ip: IpAddr) -> Option<Found<'_>> {
        self.only(self.by_backend.get(&ip)?)
    }

    /// What is behind a service, and since when just that.
    pub fn backends(&self, service: &Key) -> (impl Iterator<Item = &Backend>, i64) {
        let behind = self.behind.get(service);
        let slices = behind.into_iter().flat_map(|behind| &behind.slices);
        let backends = slices.filter_map(|slice| self.slices.get(slice));
        (
            backends.flat_map(|(_, backends)| backends),
            behind.map_or(0, |behind| behind.changed),
        )
    }

    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// How many slices are known.
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// What found no room.
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    fn only(&self, keys: &[Key]) -> Option<Found<'_>> {
        let (first, rest) = keys.split_first()?;
        if rest.iter().any(|key| key != first) {
            return Some(Found::Several);
        }
        self.one(first)
    }

    fn one(&self, key: &Key) -> Option<Found<'_>> {
        let (key, service) = self.services.get_key_value(key)?;
        Some(Found::One(key, service))
    }
}

/// Takes a service from what an address or port leads to.
fn remove<A: Hash + Eq>(index: &mut HashMap<A, Vec<Key>>, at: &A, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.retain(|other| other != key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}

/// The same, once: several slices of a service may name one address.
fn remove_one(index: &mut HashMap<IpAddr, Vec<Key>>, at: &IpAddr, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        if let Some(position) = keys.iter().position(|other| other == key) {
            keys.swap_remove(position);
        }
        if keys.is_empty() {
            index.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("shop".into(), name.into())
    }

    fn front(ip: &str, port: u16) -> Front {
        Front {
            ips: vec![ip.parse().unwrap()],
            ports: vec![port],
            node_ports: Vec::new(),
        }
    }

    fn name(found: Option<Found<'_>>) -> String {
        match found {
            Some(Found::One((_, name), _)) => name.to_string(),
            Some(Found::Several) => "several".to_owned(),
            None => "none".to_owned(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_service_is_found_by_its_addresses_until_it_has_others() {
        let mut services = Services::default();
        services.seen(&key("a"), front("10.96.0.1", 80), 1);
        assert_eq!(name(services.at(ip("10.96.0.1"), 80)), "a");
        assert_eq!(name(services.at(ip("10.96.0.1"), 81)), "a");
        services.seen(&key("a"), front("10.96.0.2", 80), 2);
        assert_eq!(name(services.at(ip("10.96.0.1"), 80)), "none");
        assert_eq!(name(services.at(ip("10.96.0.2"), 80)), "a");
        services.deleted(&key("a"));
        assert_eq!(name(services.at(ip("10.96.0.2"), 80)), "none");
        assert!(services.by_ip.is_empty() && services.is_empty());
    }

    #[test]
    fn services_that_share_an_address_are_told_by_their_ports() {
        let mut services = Services::default();
        services.seen(&key("web"), front("192.0.2.1", 80), 1);
        services.seen(&key("mail"), front("192.0.2.1", 25), 1);
        assert_eq!(name(services.at(ip("192.0.2.1"), 25)), "mail");
        assert_eq!(name(services.at(ip("192.0.2.1"), 99)), "several");
        services.seen(&key("other"), front("192.0.2.1", 80), 1);
        assert_eq!(name(services.at(ip("192.0.2.1"), 80)), "several");
    }

    #[test]
    fn slices_come_and_go_before_and_after_their_service() {
        let mut services = Services::default();
        let backends = |uid: &str| vec![Backend::Pod(uid.into()), Backend::Address(ip("203.0.113.9"))];
        services.slice_seen(&key("a-1"), key("a"), backends("p1"), 1);
        services.seen(&key("a"), front("10.96.0.1", 80), 2);
        services.slice_seen(&key("a-2"), key("a"), backends("p2"), 3);
        services.slice_seen(&key("a-2"), key("a"), backends("p2"), 9);
        let count = |services: &Services| {
            let service = key("a");
            let (backends, changed) = services.backends(&service);
            (backends.count(), changed)
        };
        assert_eq!(count(&services), (4, 3));
        assert_eq!(name(services.behind(ip("203.0.113.9"))), "a");
        services.slice_deleted(&key("a-1"), 4);
        assert_eq!(count(&services), (2, 4));
        assert_eq!(name(services.behind(ip("203.0.113.9"))), "a");
        services.keep_slices(&HashSet::new(), 5);
        assert_eq!(count(&services), (0, 0));
        assert_eq!(name(services.behind(ip("203.0.113.9"))), "none");
        services.keep(&HashSet::new());
        assert!(services.is_empty());
    }

    #[test]
    fn a_port_of_every_node_leads_to_its_service() {
        let mut services = Services::default();
        let mut with = front("10.96.0.1", 80);
        with.node_ports = vec![30_080];
        services.seen(&key("a"), with, 1);
        assert_eq!(name(services.at_node_port(30_080)), "a");
        services.seen(&key("a"), front("10.96.0.1", 80), 2);
        assert_eq!(name(services.at_node_port(30_080)), "none");
    }
}
