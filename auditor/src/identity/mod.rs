//! Who the ends of a connection are.
//!
//! Goes in: a process id and cgroup id as the kernel saw them, and the addresses of a socket.
//! Comes out: an [`End`] for each side, with how and how surely it was identified. It prefers
//! `unresolved` to a guess.

pub mod addresses;
pub mod cgroup;
pub mod conntrack;
pub mod container;
pub mod dns;
pub mod explain;
pub mod kubernetes;
pub mod mesh;
pub mod names;
pub mod pairs;
pub mod peer;
pub mod process;
pub mod selector;
pub mod translations;
pub mod users;

use std::{net::SocketAddr, sync::Arc};

use crate::report::{
    finding::{Certainty, Container, End, IdentifiedBy, Pod, Process, Workload},
    observation::rfc3339,
};

use self::{cgroup::CgroupIdentity, container::Unnamed, kubernetes::Kubernetes, process::ProcessInfo};

/// An end that is a process of this host. What the container runtime knows is added by [`names::Names`].
pub fn local_end(process: &ProcessInfo, address: Option<SocketAddr>, identified_by: IdentifiedBy) -> End {
    let cgroup = &process.cgroup;
    let service = cgroup.service();
    let (kind, name) = match (&cgroup.container_id, service) {
        (Some(id), _) => ("Container", id.clone()),
        (None, Some(service)) => ("SystemdUnit", service.to_owned()),
        (None, None) => (
            "Process",
            process
                .exe
                .clone()
                .or_else(|| process.comm.clone())
                .unwrap_or_else(|| "unknown".to_owned()),
        ),
    };
    End {
        workload: Some(Workload {
            namespace: None,
            kind: kind.to_owned(),
            name,
        }),
        pod: cgroup.pod_uid.clone().map(|uid| Pod { uid, name: None }),
        container: container(cgroup),
        process: Some(self::process(process)),
        unit: cgroup.unit.clone(),
        slice: cgroup.slice.clone(),
        address: address.map(|address| address.to_string()),
        identified_by,
        certainty: Certainty::Exact,
        ..End::default()
    }
}

fn container(cgroup: &CgroupIdentity) -> Option<Container> {
    let id = cgroup.container_id.clone()?;
    let has_name = cgroup.has_name();
    Some(Container {
        name: has_name.then(|| id.clone()),
        image: None,
        unnamed: (!has_name && !cgroup.is_vouched_for()).then_some(Unnamed::NotTheHosts),
        id,
    })
}

fn process(process: &ProcessInfo) -> Process {
    Process {
        pid: process.pid,
        start_time: process.started().map(rfc3339),
        exe: process.exe.clone(),
        comm: process.comm.clone(),
        user: process.user.clone().or(process.uid.map(|uid| uid.to_string())),
        uid: process.uid,
    }
}

/// An end on another host: a pod, service or node of the cluster that had the address when `time_ns` was on the clock of
/// records; else by one of the `names` that name servers gave the address; else the name the client asked for; else the
/// address alone.
pub fn remote_end(
    address: Option<SocketAddr>,
    host: Option<&str>,
    kubernetes: Option<&Kubernetes>,
    time_ns: u64,
    names: &[Arc<str>],
) -> End {
    let in_cluster = |kubernetes: &Kubernetes| kubernetes.end(address?, time_ns);
    if let Some(end) = kubernetes.and_then(in_cluster) {
        return end;
    }
    // While not all of the cluster is known, an address may be inside.
    let may_be_inside = kubernetes.is_some_and(|kubernetes| !kubernetes.status.is_whole());
    let names = if may_be_inside { &[] } else { names };
    let chosen = dns::choose(names, host);
    let (identified_by, certainty) = match chosen {
        Some((_, true)) => (IdentifiedBy::Dns, Certainty::Likely),
        Some((_, false)) => (IdentifiedBy::Host, Certainty::Likely),
        None => (IdentifiedBy::Unresolved, Certainty::None),
    };
    End {
        address: address.map(|address| address.to_string()),
        host: chosen.map(|(host, _)| host.to_owned()),
        identified_by,
        certainty,
        ..End::default()
    }
}
