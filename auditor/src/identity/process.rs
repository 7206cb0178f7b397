//! Processes of this host, remembered for a while after they ended: their last records may still
//! be on the way.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::cgroup::{self, CgroupIdentity};

/// Most processes remembered.
const CAPACITY: usize = 16_384;

/// How long an ended process is remembered.
const AFTERLIFE: Duration = Duration::from_secs(30);

/// What is known of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    pub pid: u32,
    pub exe: Option<String>,
    pub comm: Option<String>,
    pub cgroup: CgroupIdentity,
}

/// The processes seen so far. Shared by all threads.
#[derive(Default)]
pub struct Processes {
    known: Mutex<HashMap<u32, Known>>,
}

struct Known {
    info: Arc<ProcessInfo>,
    ended: Option<Instant>,
}

impl Processes {
    /// What is known of `pid`; looks it up when it is new.
    pub fn of(&self, pid: u32) -> Arc<ProcessInfo> {
        if let Some(known) = self.lock().get(&pid) {
            return Arc::clone(&known.info);
        }
        self.learn(pid)
    }

    /// Looks `pid` up again: it is new, or became another program. What can not be read any more
    /// is kept from before.
    pub fn learn(&self, pid: u32) -> Arc<ProcessInfo> {
        let mut fresh = read(pid);
        let mut known = self.lock();
        if let Some(before) = known.get(&pid).map(|known| &known.info)
            && fresh.exe.is_none()
            && fresh.comm.is_none()
        {
            fresh = ProcessInfo::clone(before);
        }
        if known.len() >= CAPACITY {
            evict(&mut known);
        }
        let info = Arc::new(fresh);
        known.insert(
            pid,
            Known {
                info: Arc::clone(&info),
                ended: None,
            },
        );
        info
    }

    /// A child begins as a copy of its parent; the kernel says so before the child runs.
    pub fn forked(&self, parent: u32, child: u32) {
        let info = ProcessInfo {
            pid: child,
            ..ProcessInfo::clone(&self.of(parent))
        };
        self.lock().insert(
            child,
            Known {
                info: Arc::new(info),
                ended: None,
            },
        );
    }

    /// The process ended; it is forgotten after a while.
    pub fn ended(&self, pid: u32) {
        if let Some(known) = self.lock().get_mut(&pid) {
            known.ended = Some(Instant::now());
        }
    }

    /// Forgets processes that ended a while ago.
    pub fn sweep(&self) {
        self.lock()
            .retain(|_, known| known.ended.is_none_or(|ended| ended.elapsed() < AFTERLIFE));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: ended processes first, else all (they are looked up again when needed).
fn evict(known: &mut HashMap<u32, Known>) {
    known.retain(|_, known| known.ended.is_none());
    if known.len() >= CAPACITY {
        known.clear();
    }
}

fn read(pid: u32) -> ProcessInfo {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm"))
        .ok()
        .map(|comm| comm.trim_end().to_owned());
    let exe = fs::read_link(Path::new(&format!("/proc/{pid}/exe"))).ok();
    ProcessInfo {
        pid,
        exe: exe.map(|exe| exe.to_string_lossy().trim_end_matches(" (deleted)").to_owned()),
        comm,
        cgroup: cgroup::path_of(pid)
            .map(|path| cgroup::parse(&path))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_by_its_executable_and_survives_its_end() {
        let processes = Processes::default();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !processes
            .learn(child.id())
            .exe
            .as_ref()
            .is_some_and(|exe| exe.ends_with("/cat"))
        {
            assert!(Instant::now() < deadline, "cat never started");
        }
        drop(child.stdin.take());
        let pid = child.id();
        child.wait().unwrap();
        processes.ended(pid);
        processes.sweep();
        assert!(
            processes
                .of(pid)
                .exe
                .as_ref()
                .is_some_and(|exe| exe.ends_with("/cat"))
        );
        assert!(
            processes.learn(pid).exe.is_some(),
            "an unreadable process keeps its name"
        );
    }

    #[test]
    fn a_forked_child_has_its_parents_name() {
        let processes = Processes::default();
        let own = std::process::id();
        processes.forked(own, u32::MAX);
        assert_eq!(processes.of(u32::MAX).exe, processes.of(own).exe);
        assert_eq!(processes.of(u32::MAX).pid, u32::MAX);
    }
}
