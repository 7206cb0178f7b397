//! Proxies of a service mesh: which processes pass on what others send.
//!
//! Goes in: rules of the configuration ([`Proxy`]), and ends of flows. Comes out: whether an end is such a proxy, and in
//! which network namespaces proxies have sockets ([`Mesh`]). A process is a proxy by its own container, executable and
//! user, never by the namespace in which its sockets are: those of a proxy for a whole node are in the pods'.

mod candidates;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use thiserror::Error;

use self::candidates::{Candidate, Candidates};
use super::{
    container::{Containers, Look},
    process::ProcessInfo,
};
use crate::report::finding::{End, Hop};

/// What is taken for a proxy where nothing else is configured: Istio's sidecar (by the name of its container, or by what
/// runs in it), Linkerd's, Kuma's and Consul's, and Istio's proxy for a node.
pub const DEFAULT: [&str; 7] = [
    "container=istio-proxy xfcc",
    "container=linkerd-proxy",
    "container=kuma-sidecar",
    "container=consul-dataplane",
    "exe=/usr/local/bin/envoy uid=1337 xfcc",
    "exe=/usr/lib/linkerd/linkerd2-proxy uid=2102",
    "exe=/usr/local/bin/ztunnel",
];

/// Most network namespaces with a proxy that are remembered.
const MAX_NAMESPACES: usize = 16_384;

/// How long one is after the last sign of a proxy in it.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Why a rule can not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProxyError {
    #[error("`{0}` is no part of a rule; the parts are container=NAME, exe=PATH, uid=N and xfcc")]
    Unknown(String),
    #[error("`{0}` is not {1}")]
    Value(String, &'static str),
    #[error("`{0}` names no processes; give container or exe")]
    Empty(String),
}

/// Processes that are proxies, as text: parts with spaces between them, all of which have to be true of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Name of the container in its pod.
    container: Option<String>,
    /// Path of the executable.
    exe: Option<String>,
    /// Effective user, as the host counts them.
    uid: Option<u32>,
    /// It replaces `x-forwarded-client-cert` by what it has verified, whoever sent it.
    xfcc: bool,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let mut proxy = Self {
            container: None,
            exe: None,
            uid: None,
            xfcc: false,
        };
        for part in text.split_whitespace() {
            if part == "xfcc" {
                proxy.xfcc = true;
                continue;
            }
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| ProxyError::Unknown(part.to_owned()))?;
            let wrong = |what| ProxyError::Value(value.to_owned(), what);
            match key {
                "container" if !value.is_empty() => proxy.container = Some(value.to_owned()),
                "container" => return Err(wrong("the name of a container")),
                "exe" if value.starts_with('/') => proxy.exe = Some(value.to_owned()),
                "exe" => return Err(wrong("the absolute path of an executable")),
                "uid" => proxy.uid = Some(value.parse().map_err(|_| wrong("the number of a user"))?),
                _ => return Err(ProxyError::Unknown(part.to_owned())),
            }
        }
        if proxy.container.is_none() && proxy.exe.is_none() {
            return Err(ProxyError::Empty(text.to_owned()));
        }
        Ok(proxy)
    }
}

/// As it is read again.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (key, value) in [("container", &self.container), ("exe", &self.exe)] {
            if let Some(value) = value {
                write!(text, " {key}={value}")?;
            }
        }
        if let Some(uid) = self.uid {
            write!(text, " uid={uid}")?;
        }
        text += if self.xfcc { " xfcc" } else { "" };
        f.write_str(text.trim_start())
    }
}

impl Proxy {
    /// True for who is told by the name of a container, and has this executable and user.
    fn asks_for_container(&self, exe: Option<&str>, uid: Option<u32>) -> bool {
        self.container.is_some() && self.is(self.container.as_deref(), exe, uid)
    }

    /// A container counts in a pod only: elsewhere anybody chooses its name.
    fn is(&self, container: Option<&str>, exe: Option<&str>, uid: Option<u32>) -> bool {
        let names = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| found.is_some_and(|found| found == wanted))
        };
        names(&self.container, container)
            && names(&self.exe, exe)
            && self.uid.is_none_or(|wanted| uid == Some(wanted))
    }
}

/// The rules, and where proxies are. Shared by all threads.
#[derive(Default)]
pub struct Mesh {
    proxies: Vec<Proxy>,
    /// Who knows the names of containers.
    containers: Option<Arc<Containers>>,
    /// Processes that are proxies if their containers have such names, which are asked for.
    candidates: Candidates,
    /// Inode numbers of network namespaces in which a proxy has a socket, and the last sign of one.
    namespaces: Mutex<HashMap<u32, Instant>>,
}

impl Mesh {
    /// With these rules; none, and nobody is a proxy.
    pub fn new(proxies: impl IntoIterator<Item = Proxy>) -> Self {
        Self {
            proxies: proxies.into_iter().collect(),
            ..Self::default()
        }
    }

    /// With who knows the names of containers.
    #[must_use]
    pub fn asking(mut self, containers: Option<Arc<Containers>>) -> Self {
        self.containers = containers;
        self
    }

    /// Marks an end that is a proxy.
    pub fn mark(&self, end: &mut End) {
        if end.hop.is_none() && self.rules(end).next().is_some() {
            end.hop = Some(Hop::Proxy);
        }
    }

    /// True when what this end says of client certificates in `x-forwarded-client-cert` is its own word.
    pub fn attests(&self, end: &End) -> bool {
        self.rules(end).any(|rule| rule.xfcc)
    }

    /// A process has a socket in a network namespace.
    pub fn saw(&self, process: &ProcessInfo, netns: u32) {
        let (exe, uid) = (process.exe.as_deref(), process.uid);
        if self.proxies.iter().any(|proxy| proxy.is(None, exe, uid)) {
            self.has_proxy(netns);
        } else if let Some(id) = process.cgroup.runtime_id()
            && process.cgroup.pod_uid.is_some()
            && self
                .proxies
                .iter()
                .any(|proxy| proxy.asks_for_container(exe, uid))
        {
            let candidate = Candidate {
                netns,
                container: id.to_owned(),
                exe: process.exe.clone(),
                uid,
            };
            if self.may_be(&candidate) {
                self.candidates.add(candidate);
            }
        }
    }

    /// True while the name of its container is waited for; a proxy is noted.
    fn may_be(&self, candidate: &Candidate) -> bool {
        let Some(containers) = &self.containers else {
            return false;
        };
        match containers.look(&candidate.container) {
            Look::Pending => true,
            Look::Unnamed(_) => false,
            Look::Known(facts) => {
                let (name, exe) = (facts.name.as_deref(), candidate.exe.as_deref());
                let mut rules = self.proxies.iter();
                if rules.any(|proxy| proxy.is(name, exe, candidate.uid)) {
                    self.has_proxy(candidate.netns);
                }
                false
            }
        }
    }

    /// A proxy has a socket in a network namespace (0: in one that is not known).
    pub fn has_proxy(&self, netns: u32) {
        if netns == 0 {
            return;
        }
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if namespaces.len() >= MAX_NAMESPACES && !namespaces.contains_key(&netns) {
            namespaces.retain(|_, seen| seen.elapsed() < REMEMBERED);
        }
        if namespaces.len() < MAX_NAMESPACES {
            namespaces.insert(netns, Instant::now());
        }
    }

    /// True when a proxy may pass on what is sent and received in this network namespace: one that is there, or who may
    /// turn out to be one.
    pub fn is_in(&self, netns: u32) -> bool {
        if self.candidates.are_in(netns, |candidate| self.may_be(candidate)) {
            return true;
        }
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces
            .get(&netns)
            .is_some_and(|seen| seen.elapsed() < REMEMBERED)
    }

    /// True once a proxy was seen anywhere on this node, or who may be one.
    pub fn is_active(&self) -> bool {
        if !self.candidates.is_empty() {
            return true;
        }
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        !namespaces.is_empty()
    }

    fn rules(&self, end: &End) -> impl Iterator<Item = &Proxy> {
        let process = end.process.as_ref();
        let container = end.container.as_ref().filter(|_| end.pod.is_some());
        let container = container.and_then(|container| container.name.as_deref());
        let exe = process.and_then(|process| process.exe.as_deref());
        let uid = process.and_then(|process| process.uid);
        self.proxies
            .iter()
            .filter(move |proxy| proxy.is(container, exe, uid))
    }
}
