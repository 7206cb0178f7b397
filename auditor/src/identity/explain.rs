//! An identity, step by step: what was looked at, what it said, what follows.
//!
//! Goes in: a process, a cgroup path, a container or an address. Comes out: an [`Explanation`], for `auditor who`. It
//! uses what names the ends of findings, and waits for runtimes to answer: it is for people.

mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

use super::{
    addresses,
    cgroup::{self, CgroupIdentity},
    container::{self, Facts, Settings, Unnamed, socket},
    local_end, names, peer,
    process::{ProcessInfo, Processes},
};
use crate::report::finding::{Certainty, End, IdentifiedBy, Workload};

/// Most processes that are explained for one address or container.
const MOST: usize = 16;

/// Shortest start of a container id that is looked for.
pub const SHORTEST_ID: usize = 12;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub looked_at: String,
    pub said: String,
    /// What follows from it; empty for nothing.
    pub concluded: String,
}

/// What led to a name, and the name.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    pub steps: Vec<Step>,
    /// As in findings; several for an address that several processes have.
    pub ends: Vec<End>,
}

impl Explanation {
    fn step(&mut self, looked_at: impl Into<String>, said: impl Into<String>, concluded: impl Into<String>) {
        self.steps.push(Step {
            looked_at: looked_at.into(),
            said: said.into(),
            concluded: concluded.into(),
        });
    }
}

/// Explains a process.
pub async fn process(pid: u32, settings: &Settings) -> Explanation {
    let mut told = Explanation::default();
    add_process(&mut told, pid, settings).await;
    told
}

/// Explains a cgroup path, as it stands in `/proc/PID/cgroup` or below a mount of the cgroup file system.
pub async fn cgroup(path: &str, settings: &Settings) -> Explanation {
    let mut told = Explanation::default();
    let path = below_mount(path);
    let info = ProcessInfo {
        cgroup: cgroup::parse(path),
        ..ProcessInfo::default()
    };
    told.step(path, "the path itself", meaning(&info.cgroup));
    let mut end = local_end(&info, None, IdentifiedBy::Cgroup);
    end.process = None;
    match (
        &info.cgroup.container_id,
        &info.cgroup.pod_uid,
        info.cgroup.service(),
    ) {
        (Some(_), ..) | (.., Some(_)) => {}
        (None, Some(uid), None) => {
            end.workload = Some(Workload {
                namespace: None,
                kind: "Pod".to_owned(),
                name: uid.clone(),
            });
        }
        (None, None, None) => end = End::default(),
    }
    add_runtime(&mut told, &mut end, settings).await;
    told.ends.push(end);
    told
}

/// Explains a container by its id, or the start of one.
pub async fn container(id: &str, settings: &Settings) -> Explanation {
    let mut told = Explanation::default();
    let mut processes = all_processes().into_iter().filter(|pid| {
        let path = cgroup::path_of(*pid);
        let own = path.and_then(|path| cgroup::parse(&path).container_id);
        own.is_some_and(|own| own.starts_with(id))
    });
    match processes.next() {
        Some(pid) => {
            let others = processes.count();
            let all = match others {
                0 => format!("process {pid}"),
                _ => format!("process {pid} and {others} more"),
            };
            told.step("/proc/*/cgroup", all, "it is running");
            add_process(&mut told, pid, settings).await;
        }
        None => {
            told.step(
                "/proc/*/cgroup",
                "no process of it",
                "it is not running on this host",
            );
            let mut end = End {
                container: Some(crate::report::finding::Container {
                    id: id.to_owned(),
                    name: None,
                    image: None,
                    unnamed: None,
                }),
                identified_by: IdentifiedBy::Cgroup,
                ..End::default()
            };
            add_runtime(&mut told, &mut end, settings).await;
            if end
                .container
                .as_ref()
                .is_some_and(|container| container.name.is_some())
            {
                end.certainty = Certainty::Exact;
            }
            told.ends.push(end);
        }
    }
    told
}

/// Explains an address of this host, with a port the processes that have it.
pub async fn address(ip: IpAddr, port: Option<u16>, settings: &Settings) -> Explanation {
    let mut told = Explanation::default();
    let mut namespaces = 0;
    let mut found = BTreeSet::new();
    for (netns, processes) in by_network() {
        let Some(&first) = processes.first() else { continue };
        namespaces += 1;
        if !addresses::of(first).contains(&ip) {
            continue;
        }
        let count = processes.len();
        told.step(
            format!("/proc/{first}/net (namespace {netns})"),
            format!("{ip} is an address of it; {count} processes are in it"),
            "",
        );
        match port {
            Some(port) => found.extend(holders(&mut told, first, SocketAddr::new(ip, port))),
            // Where many programs share an address it names the host, and none of them.
            None if count <= MOST => found.extend(processes),
            None => told.step(
                ip.to_string(),
                "many processes have it",
                "give a port to name one",
            ),
        }
    }
    if found.is_empty() {
        told.step(
            format!("{namespaces} network namespaces"),
            "no process could be told by it",
            "unresolved: it is another host's, or nobody has it now",
        );
        told.ends.push(super::remote_end(
            Some(SocketAddr::new(ip, port.unwrap_or(0))),
            None,
            None,
            0,
            &[],
        ));
    }
    for pid in found.into_iter().take(MOST) {
        add_process(&mut told, pid, settings).await;
    }
    told
}

fn holders(told: &mut Explanation, pid: u32, address: SocketAddr) -> Vec<u32> {
    let holders = peer::holders(pid, address);
    for holder in holders.iter().take(MOST) {
        let said = if holder.listens { "listens" } else { "has a socket" };
        told.step(
            format!("/proc/{pid}/net/{}", holder.table),
            format!("process {} {said} at {address}", holder.pid),
            "",
        );
    }
    holders.into_iter().map(|holder| holder.pid).collect()
}

async fn add_process(told: &mut Explanation, pid: u32, settings: &Settings) {
    let info = Processes::default().of(pid);
    let Some(started) = info.started() else {
        told.step(
            format!("/proc/{pid}/stat"),
            "there is no such process",
            "unresolved",
        );
        told.ends.push(End::default());
        return;
    };
    told.step(
        format!("/proc/{pid}/stat"),
        format!("started {}", crate::report::observation::rfc3339(started)),
        "the process is this id with this start",
    );
    let comm = info.comm.as_deref().unwrap_or("?");
    let program = info.exe.as_deref().unwrap_or("can not be read");
    told.step(format!("/proc/{pid}/exe"), program, format!("it runs as {comm}"));
    if let Some(uid) = info.uid {
        let user = info.user.as_ref().map_or_else(
            || format!("user {uid}, without a name: in a container, or not in the host's /etc/passwd"),
            |name| format!("user {name}"),
        );
        told.step(
            format!("/proc/{pid}/status"),
            format!("effective user {uid}"),
            user,
        );
    }
    if let Some(netns) = info.netns {
        told.step(
            format!("/proc/{pid}/ns/net"),
            format!("network namespace {netns}"),
            "",
        );
    }
    let path = info.cgroup_path.as_deref().unwrap_or("can not be read");
    told.step(format!("/proc/{pid}/cgroup"), path, meaning(&info.cgroup));
    let mut end = local_end(&info, None, IdentifiedBy::Cgroup);
    add_runtime(told, &mut end, settings).await;
    told.ends.push(end);
}

/// Asks every runtime, so that all that is said is seen.
async fn add_runtime(told: &mut Explanation, end: &mut End, settings: &Settings) {
    let Some(container) = end.container.clone() else {
        return;
    };
    if container.name.is_some() {
        return;
    }
    if let Some(why @ Unnamed::NotTheHosts) = container.unnamed {
        told.step("container runtimes", "not asked", why.text());
        return;
    }
    let sockets = settings.sockets.clone().unwrap_or_else(socket::usual);
    let mut why = Unnamed::NoRuntime;
    if sockets.is_empty() {
        told.step("container runtimes", why.text(), "the container keeps its id");
    }
    for socket in sockets {
        match container::ask(&socket, &container.id, &settings.labels).await {
            Ok(facts) => {
                told.step(socket.to_string(), said(&facts), "");
                names::add(end, &facts);
                let pod = end.pod.as_ref().and_then(|pod| pod.name.clone());
                let concluded = match (&facts.pod, pod) {
                    (Some(_), Some(pod)) => format!("pod {pod}: its uid is the cgroup's"),
                    (Some(_), None) => {
                        "the container has this name; its labels name a pod that the cgroup does not"
                            .to_owned()
                    }
                    (None, _) => "the container has this name".to_owned(),
                };
                if let Some(last) = told.steps.last_mut() {
                    last.concluded = concluded;
                }
                return;
            }
            Err(failure) => {
                why = why.min(Unnamed::from(&failure));
                told.step(socket.to_string(), failure.to_string(), "");
            }
        }
    }
    if let Some(container) = &mut end.container {
        container.unnamed = Some(why);
    }
}

fn said(facts: &Facts) -> String {
    let mut said = format!("name {}", facts.name.as_deref().unwrap_or("none"));
    if let Some(image) = &facts.image {
        said += &format!(", image {image}");
    }
    if let Some(pod) = &facts.pod {
        said += &format!(", pod {}/{} ({})", pod.namespace, pod.name, pod.uid);
    }
    said
}

/// What a path says, in words.
fn meaning(cgroup: &CgroupIdentity) -> String {
    let mut parts = Vec::new();
    if let Some(id) = &cgroup.container_id {
        let runtime = cgroup
            .runtime
            .map_or(String::new(), |runtime| format!(" ({})", runtime.name()));
        parts.push(format!("container {id}{runtime}"));
    }
    if let Some(uid) = &cgroup.pod_uid {
        parts.push(format!("pod {uid}"));
    }
    if let Some(unit) = &cgroup.unit {
        parts.push(format!("systemd unit {unit}"));
    }
    if let Some(slice) = &cgroup.slice {
        parts.push(format!("slice {slice}"));
    }
    if cgroup.is_nested {
        parts.push("made inside another container".to_owned());
    }
    if let Some(uid) = cgroup.user_manager.filter(|_| cgroup.container_id.is_some()) {
        parts.push(format!("made by user {uid}"));
    }
    match parts.is_empty() {
        true => "neither container nor unit".to_owned(),
        false => parts.join(", "),
    }
}

/// The path below the mount of a cgroup file system.
fn below_mount(path: &str) -> &str {
    let Some(below) = path.strip_prefix("/sys/fs/cgroup") else {
        return path;
    };
    // On v1 and hybrid hosts the first folder is a controller.
    let controllers = [
        "unified",
        "systemd",
        "memory",
        "cpu",
        "cpu,cpuacct",
        "pids",
        "devices",
        "freezer",
        "cpuset",
        "blkio",
    ];
    let rest = below.trim_start_matches('/');
    let first = rest.split('/').next().unwrap_or_default();
    if controllers.contains(&first) {
        &rest[first.len()..]
    } else {
        below
    }
}

fn all_processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

/// Processes by their network namespace.
fn by_network() -> BTreeMap<String, Vec<u32>> {
    let mut all: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for pid in all_processes() {
        if let Ok(netns) = std::fs::read_link(format!("/proc/{pid}/ns/net")) {
            all.entry(netns.display().to_string()).or_default().push(pid);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_given_below_its_mount() {
        let table = [
            ("/sys/fs/cgroup/system.slice/a.service", "/system.slice/a.service"),
            ("/sys/fs/cgroup/unified/a", "/a"),
            ("/sys/fs/cgroup/memory/docker/x", "/docker/x"),
            ("/sys/fs/cgroup/memory", ""),
            ("/docker/x", "/docker/x"),
            ("docker/x", "docker/x"),
        ];
        for (given, path) in table {
            assert_eq!(below_mount(given), path, "{given}");
        }
    }
}
