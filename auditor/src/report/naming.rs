//! The stable name of an end: what aggregation keys, metric labels, filters and tables call it.
//!
//! Goes in: an [`End`]. Comes out: a [`Name`], the same for every connection and every short-lived
//! process of one program. It never contains a port.

use std::net::{IpAddr, SocketAddr};

use super::finding::End;

/// Who an end is, by the best thing known about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Kubernetes namespace; empty off Kubernetes.
    pub namespace: String,
    /// Workload kind, or `Process`, `External`, `Address`, `Unknown`.
    pub kind: String,
    pub name: String,
}

impl Name {
    /// In order of preference: workload, host the client asked for, executable, command name,
    /// address without its port, process id.
    pub fn of(end: Option<&End>) -> Self {
        let Some(end) = end else {
            return Self::new("Unknown", "unknown");
        };
        if let Some(workload) = &end.workload {
            return Self {
                namespace: workload.namespace.clone().unwrap_or_default(),
                kind: workload.kind.clone(),
                name: workload.name.clone(),
            };
        }
        if let Some(host) = &end.host {
            return Self::new("External", host);
        }
        if let Some(process) = &end.process
            && let Some(program) = process.exe.as_ref().or(process.comm.as_ref())
        {
            return Self::new("Process", program);
        }
        if let Some(address) = &end.address {
            return Self::new("Address", &without_port(address));
        }
        match &end.process {
            Some(process) => Self::new("Process", &format!("pid {}", process.pid)),
            None => Self::new("Unknown", "unknown"),
        }
    }

    /// Short form for people: `namespace/name`, and of an executable only its file name.
    pub fn short(&self) -> String {
        let name = match self.kind.as_str() {
            "Process" => self
                .name
                .rsplit('/')
                .find(|part| !part.is_empty())
                .unwrap_or(&self.name),
            _ => &self.name,
        };
        match self.namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        }
    }

    fn new(kind: &str, name: &str) -> Self {
        Self {
            namespace: String::new(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// The address of an end without its port, where it has one that can be read.
pub fn address(end: &End) -> Option<IpAddr> {
    let text = end.address.as_deref()?;
    text.parse::<SocketAddr>()
        .map(|a| a.ip())
        .or_else(|_| text.parse())
        .ok()
}

/// True when the bytes between the two ends cannot have left the machine: the same node, the same
/// address, or one that is loopback. Unknown counts as not the same.
pub fn same_host(source: &End, destination: &End) -> bool {
    let same_node = source.node.is_some() && source.node == destination.node;
    let same_address = match (address(source), address(destination)) {
        (Some(a), Some(b)) => a == b || a.is_loopback() || b.is_loopback(),
        _ => false,
    };
    same_node || same_address
}

fn without_port(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finding::{Process, Workload};

    #[test]
    fn an_end_is_called_by_the_best_thing_known_about_it_and_never_by_its_port() {
        let workload = Workload {
            namespace: Some("shop".into()),
            kind: "Deployment".into(),
            name: "checkout".into(),
        };
        let process = |exe: Option<&str>, comm: Option<&str>| {
            Some(Process {
                pid: 7,
                exe: exe.map(Into::into),
                comm: comm.map(Into::into),
                ..Process::default()
            })
        };
        let address = || Some("10.0.0.1:4123".to_owned());
        let cases = [
            (
                End {
                    workload: Some(workload),
                    process: process(Some("/bin/a"), None),
                    ..End::default()
                },
                "shop/checkout",
            ),
            (
                End {
                    host: Some("api.example.com".into()),
                    address: address(),
                    ..End::default()
                },
                "api.example.com",
            ),
            (
                End {
                    process: process(Some("/usr/bin/curl"), Some("x")),
                    address: address(),
                    ..End::default()
                },
                "curl",
            ),
            (
                End {
                    process: process(None, Some("curl")),
                    ..End::default()
                },
                "curl",
            ),
            (
                End {
                    address: address(),
                    process: process(None, None),
                    ..End::default()
                },
                "10.0.0.1",
            ),
            (
                End {
                    address: Some("[::1]:80".into()),
                    ..End::default()
                },
                "::1",
            ),
            (
                End {
                    process: process(None, None),
                    ..End::default()
                },
                "pid 7",
            ),
            (End::default(), "unknown"),
        ];
        for (end, expected) in cases {
            assert_eq!(Name::of(Some(&end)).short(), expected);
        }
    }

    #[test]
    fn ends_share_a_host_only_when_that_is_known() {
        let at = |address: &str| End {
            address: Some(address.into()),
            ..End::default()
        };
        let on = |node: &str| End {
            node: Some(node.into()),
            ..End::default()
        };
        assert!(same_host(&at("127.0.0.1:1"), &at("127.0.0.2:2")));
        assert!(same_host(&at("10.0.0.1:1"), &at("10.0.0.1:2")));
        assert!(same_host(&at("127.0.0.6:1"), &at("10.0.0.1:2")));
        assert!(same_host(&on("a"), &on("a")));
        assert!(!same_host(&at("10.0.0.1:1"), &at("10.0.0.2:2")));
        assert!(!same_host(&on("a"), &on("b")));
        assert!(!same_host(&End::default(), &End::default()));
    }
}
