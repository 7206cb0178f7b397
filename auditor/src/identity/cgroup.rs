//! What a cgroup path says: pod, container, systemd unit.
//!
//! Goes in: a path as `/proc/PID/cgroup` has it, of v1 or v2. Comes out: who made the cgroup, by the way its directories
//! are named. It never reads more than the path, and takes any path: whoever may make cgroups chooses their names.
//!
//! **Whose word a name is.** What stands to the left was made by whoever is closer to the root of the host. So a pod's
//! container is the *first* component from the left whose parent is a pod: a container that may make cgroups of its own
//! can not become another pod. Without a pod it is the first component that is a container; in kind's nodes, which are
//! containers themselves, the pod inside is meant. What is below another container or a user's manager
//! (`user@UID.service`) is not proved by its name, and says so: [`CgroupIdentity::is_vouched_for`].

#[cfg(test)]
mod reference;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

use std::{fs::File, io::Read as _};

/// Length of a container id, hex digits.
const ID_LEN: usize = 64;

/// Longest `/proc/PID/cgroup` that is read, bytes: a path for each of v1's controllers.
const FILE_LIMIT: u64 = 128 << 10;

/// Most components of a path that are looked at, from the left; deeper ones were made by programs.
const MAX_COMPONENTS: usize = 64;

/// What was found in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupIdentity {
    /// With dashes, unless it is a static pod's (which has none).
    pub pod_uid: Option<String>,
    /// 64 hex digits; of LXC and systemd-nspawn the name.
    pub container_id: Option<String>,
    /// What makes containers named like this one; `None` where several do.
    pub runtime: Option<Runtime>,
    /// The innermost service or scope: `nginx.service`, `session-3.scope`; a user's own are
    /// `user@1000.service/syncthing.service`. Outside containers only.
    pub unit: Option<String>,
    /// The innermost slice. Outside containers only.
    pub slice: Option<String>,
    /// The container was made inside another container.
    pub is_nested: bool,
    /// The cgroup is below the manager of this user, who names what is in it.
    pub user_manager: Option<u32>,
}

/// Who makes containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Containerd,
    CriO,
    Docker,
    Podman,
    Lxc,
    Nspawn,
}

impl Runtime {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::CriO => "CRI-O",
            Self::Docker => "Docker",
            Self::Podman => "Podman",
            Self::Lxc => "LXC",
            Self::Nspawn => "systemd-nspawn",
        }
    }
}

impl CgroupIdentity {
    /// True when the host's own root made the container: no other container and no user could have chosen its name.
    pub const fn is_vouched_for(&self) -> bool {
        !self.is_nested && self.user_manager.is_none()
    }

    /// True for a container that is known by its name, and not by an id of a runtime.
    pub const fn has_name(&self) -> bool {
        matches!(self.runtime, Some(Runtime::Lxc | Runtime::Nspawn))
    }

    /// The id by which a runtime of the host knows the container.
    pub fn runtime_id(&self) -> Option<&str> {
        self.container_id
            .as_deref()
            .filter(|_| !self.has_name() && self.is_vouched_for())
    }

    /// The unit, where it is a service: scopes are named anew for each session, and managers run others.
    pub fn service(&self) -> Option<&str> {
        let unit = self.unit.as_deref()?;
        let own = unit.rsplit('/').next().unwrap_or(unit);
        (own.ends_with(".service") && manager_of(own).is_none()).then_some(unit)
    }

    /// How much is known: a container or pod beats a unit, and that a slice.
    fn rank(&self) -> u8 {
        match self {
            Self {
                container_id: Some(_),
                pod_uid: Some(_),
                ..
            } => 4,
            Self {
                container_id: Some(_),
                ..
            }
            | Self { pod_uid: Some(_), .. } => 3,
            Self { unit: Some(_), .. } => 2,
            Self { slice: Some(_), .. } => 1,
            _ => 0,
        }
    }
}

/// Reads a path, with or without a leading slash.
pub fn parse(path: &str) -> CgroupIdentity {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let components: Vec<&str> = parts.take(MAX_COMPONENTS).collect();
    let managers = components.iter().enumerate();
    let manager = managers
        .filter_map(|(at, part)| Some((at, manager_of(part)?)))
        .next();
    let containers: Vec<Found> = (0..components.len())
        .filter_map(|at| container_at(&components, at))
        .collect();
    let in_pod = containers.iter().find(|found| found.pod.is_some());
    let Some(container) = in_pod.or(containers.first()) else {
        return outside(&components, manager);
    };
    let pod_above = || components[..container.at].iter().find_map(|part| pod_of(part));
    CgroupIdentity {
        pod_uid: container.pod.clone().or_else(pod_above),
        container_id: Some(container.id.clone()),
        runtime: container
            .runtime
            .or_else(|| runtime_above(&components[..container.at])),
        is_nested: containers[0].at < container.at,
        user_manager: manager.filter(|(at, _)| *at < container.at).map(|(_, uid)| uid),
        ..CgroupIdentity::default()
    }
}

/// The cgroup path of a process: of the lines of `/proc/PID/cgroup` that which names most, v2's where several do.
pub fn path_of(pid: u32) -> Option<String> {
    let mut text = String::new();
    let file = File::open(format!("/proc/{pid}/cgroup")).ok()?;
    file.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
    choose(&text).map(str::to_owned)
}

/// The path of v2's hierarchy.
pub fn v2_path_of(pid: u32) -> Option<String> {
    let mut text = String::new();
    let file = File::open(format!("/proc/{pid}/cgroup")).ok()?;
    file.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.to_owned())
}

/// The path in the text of a `/proc/PID/cgroup` that names most.
pub fn choose(text: &str) -> Option<&str> {
    let mut best: Option<((u8, bool), &str)> = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let rank = (parse(path).rank(), controllers.is_empty());
        if best.is_none_or(|(before, _)| rank > before) {
            best = Some((rank, path));
        }
    }
    best.map(|(_, path)| path)
}

/// A component that is a container.
struct Found {
    at: usize,
    id: String,
    runtime: Option<Runtime>,
    /// Of the pod right above it, or named beside it.
    pod: Option<String>,
}

fn container_at(components: &[&str], at: usize) -> Option<Found> {
    let part = components[at];
    let parent = at.checked_sub(1).map(|above| components[above]);
    if parent == Some("libpod_parent") && part.len() == ID_LEN {
        // A pod of Podman's, which has its containers below it.
        return None;
    }
    if let Some((id, runtime)) = id_of(part) {
        return Some(Found {
            at,
            id,
            runtime,
            pod: pod_of(part).or_else(|| pod_of(parent?)),
        });
    }
    let (id, runtime) = named(part, parent, components.get(at + 1).copied())?;
    Some(Found {
        at,
        id: id.to_owned(),
        runtime: Some(runtime),
        pod: None,
    })
}

/// The 64-digit id in `docker-<id>.scope`, `cri-containerd-<id>.scope`, `<id>`, `…:cri-containerd:<id>`; not those of
/// the programs that hold a container's output (conmon).
fn id_of(part: &str) -> Option<(String, Option<Runtime>)> {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = bare.rsplit_once(['-', ':']).unwrap_or(("", bare));
    let is_id = id.len() == ID_LEN && id.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id || prefix.ends_with("conmon") {
        return None;
    }
    let maker = prefix.rsplit([':', '/']).next().unwrap_or(prefix);
    let runtime = match maker {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::CriO),
        "libpod" | "libpod-payload" => Some(Runtime::Podman),
        _ => None,
    };
    Some((id.to_ascii_lowercase(), runtime))
}

/// A container that has a name and no id: `lxc.payload.<name>`, `lxc/<name>`, `systemd-nspawn@<name>.service/payload`.
fn named<'a>(part: &'a str, parent: Option<&str>, child: Option<&str>) -> Option<(&'a str, Runtime)> {
    let is_name = |name: &&str| !name.is_empty() && !name.starts_with("lxc.");
    if let Some(name) = part.strip_prefix("lxc.payload.").filter(is_name) {
        return Some((name, Runtime::Lxc));
    }
    if matches!(parent, Some("lxc" | "lxc.payload")) && is_name(&part) {
        return Some((part, Runtime::Lxc));
    }
    let machine = part.strip_prefix("systemd-nspawn@")?.strip_suffix(".service")?;
    (child == Some("payload") && !machine.is_empty()).then_some((machine, Runtime::Nspawn))
}

/// What the folder of a bare id says of who made it.
fn runtime_above(above: &[&str]) -> Option<Runtime> {
    match *above.last()? {
        "docker" => Some(Runtime::Docker),
        "k8s.io" => Some(Runtime::Containerd),
        _ => None,
    }
}

/// The uid in `pod<uid>`, `kubepods-burstable-pod<uid>.slice` and
/// `kubepods-burstable-pod<uid>.slice:cri-containerd:<id>`; systemd writes its dashes as `_`.
fn pod_of(part: &str) -> Option<String> {
    let slice = part.split(':').next()?;
    let bare = slice.strip_suffix(".slice").unwrap_or(slice);
    let uid = bare
        .strip_prefix("pod")
        .or_else(|| bare.rsplit_once("-pod").map(|(_, uid)| uid))?;
    let uid = uid.replace('_', "-");
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = uid.bytes().filter(|b| *b == b'-').count();
    (digits == 32 && (dashes == 0 || dashes == 4) && digits + dashes == uid.len()).then_some(uid)
}

/// Outside containers: a pod without one (its own processes are in none), else unit and slice.
fn outside(components: &[&str], manager: Option<(usize, u32)>) -> CgroupIdentity {
    let pod_uid = components.iter().find_map(|part| pod_of(part));
    let user_manager = manager.map(|(_, uid)| uid);
    if pod_uid.is_some() {
        return CgroupIdentity {
            pod_uid,
            user_manager,
            ..CgroupIdentity::default()
        };
    }
    // A service may have cgroups of its own below it: what systemd made is the first, of the manager or below it.
    let below = manager.map_or(0, |(at, _)| at + 1);
    let units = |from: usize| {
        let parts = components[from..].iter();
        parts.copied().find(|part| is_unit(part) && *part != "init.scope")
    };
    let unit = match manager {
        None => units(0).map(str::to_owned),
        Some((at, _)) => Some(match units(below) {
            Some(own) => format!("{}/{own}", components[at]),
            None => components[at].to_owned(),
        }),
    };
    let slice = components.iter().rev().find(|part| part.ends_with(".slice"));
    CgroupIdentity {
        unit,
        slice: slice.map(|part| (*part).to_owned()),
        user_manager,
        ..CgroupIdentity::default()
    }
}

fn is_unit(part: &str) -> bool {
    part.ends_with(".service") || part.ends_with(".scope")
}

/// The user whose manager this is: `user@1000.service`.
fn manager_of(part: &str) -> Option<u32> {
    part.strip_prefix("user@")?.strip_suffix(".service")?.parse().ok()
}
