//! Who the ends of a connection are.
//!
//! Goes in: a process id and cgroup id as the kernel saw them, and the addresses of a socket.
//! Comes out: an [`End`] for each side, with how and how surely it was identified. It prefers
//! `unresolved` to a guess.

pub mod cgroup;
pub mod kubernetes;
pub mod pairs;
pub mod peer;
pub mod process;

use std::net::SocketAddr;

use crate::report::finding::{Certainty, Container, End, IdentifiedBy, Pod, Process, Workload};

use self::{cgroup::CgroupIdentity, kubernetes::Kubernetes, process::ProcessInfo};

/// An end that is a process of this host.
pub fn local_end(process: &ProcessInfo, address: Option<SocketAddr>, identified_by: IdentifiedBy) -> End {
    let CgroupIdentity {
        pod_uid,
        container_id,
        unit,
    } = &process.cgroup;
    let (kind, name) = match (container_id, unit) {
        (Some(id), _) => ("Container", id.clone()),
        (None, Some(unit)) => ("SystemdUnit", unit.clone()),
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
        pod: pod_uid.clone().map(|uid| Pod { uid, name: None }),
        container: container_id.clone().map(|id| Container {
            id,
            name: None,
            image: None,
        }),
        process: Some(Process {
            pid: process.pid,
            exe: process.exe.clone(),
            comm: process.comm.clone(),
        }),
        address: address.map(|address| address.to_string()),
        identified_by,
        certainty: Certainty::Exact,
        ..End::default()
    }
}

/// An end on another host: a pod, service or node of the cluster that had the address when `time_ns` was on the clock of
/// records; else the name the client asked for; else the address alone.
pub fn remote_end(
    address: Option<SocketAddr>,
    host: Option<&str>,
    kubernetes: Option<&Kubernetes>,
    time_ns: u64,
) -> End {
    let in_cluster = |kubernetes: &Kubernetes| kubernetes.end(address?, time_ns);
    if let Some(end) = kubernetes.and_then(in_cluster) {
        return end;
    }
    let (identified_by, certainty) = match host {
        Some(_) => (IdentifiedBy::Host, Certainty::Likely),
        None => (IdentifiedBy::Unresolved, Certainty::None),
    };
    End {
        address: address.map(|address| address.to_string()),
        host: host.map(str::to_owned),
        identified_by,
        certainty,
        ..End::default()
    }
}
