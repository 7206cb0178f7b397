//! Whether the current task is watched: decided before a byte of it is read.

use auditor_common::{
    counter::Counter,
    scope::{MAX_CGROUP_DEPTH, mark, reach},
};
use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_get_current_pid_tgid};

use crate::{
    account::count,
    globals::{EXCLUDES_USED, OWN_TGID, SCOPE_CGROUPS_USED, SCOPE_NODE, SELECTS_USED},
    maps::{EXCLUDED_TGIDS, SCOPE_CGROUPS, SCOPE_TGIDS, UNDECIDED},
};
#[cfg(feature = "reduced")]
use crate::{
    globals::{CGROUP_ANCESTORS, CGROUP_LEVEL, CSET_CGROUP, TASK_CGROUPS},
    words,
};

/// The current task, once it is known to be in scope.
#[derive(Clone, Copy)]
pub struct Task {
    pub tgid: u32,
    pub tid: u32,
}

impl Task {
    /// From what the helper gives.
    #[inline(always)]
    pub fn of(id: u64) -> Self {
        Self {
            tgid: (id >> 32) as u32,
            tid: id as u32,
        }
    }

    /// `pid_tgid` as the helper gives it.
    #[inline(always)]
    pub fn id(self) -> u64 {
        u64::from(self.tgid) << 32 | u64::from(self.tid)
    }
}

/// The current task if it is in scope.
#[inline(always)]
pub fn current() -> Option<Task> {
    match scope_current() {
        0 => None,
        id => Some(Task::of(id)),
    }
}

/// The id of the current task if it is in scope, else 0. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn scope_current() -> u64 {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    if tgid == OWN_TGID.load() || is_excluded(tgid) {
        return 0;
    }
    if SCOPE_NODE.load() != 0 || is_marked(tgid) || in_watched_cgroup() {
        return id;
    }
    0
}

/// The current task if it is in scope. What it moved is counted where that is not decided.
#[inline(always)]
pub fn moving(bytes: u64) -> Option<Task> {
    let task = current();
    if task.is_none() && SELECTS_USED.load() != 0 {
        let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
        if UNDECIDED.get_ptr(&tgid).is_some() {
            count(Counter::Undecided, bytes);
        }
    }
    task
}

/// What the map of watched processes says of one.
#[inline(always)]
pub fn mark(tgid: u32) -> Option<u8> {
    // SAFETY: a map value.
    SCOPE_TGIDS.get_ptr(&tgid).map(|mark| unsafe { *mark })
}

#[inline(always)]
fn is_marked(tgid: u32) -> bool {
    mark(tgid).is_some_and(|mark| mark != mark::CHECKED)
}

/// True for a process that is left out.
#[inline(always)]
pub fn is_excluded(tgid: u32) -> bool {
    EXCLUDES_USED.load() != 0 && EXCLUDED_TGIDS.get_ptr(&tgid).is_some()
}

#[inline(always)]
fn in_watched_cgroup() -> bool {
    if SCOPE_CGROUPS_USED.load() == 0 {
        return false;
    }
    // SAFETY: the helpers take no pointers.
    let own = unsafe { bpf_get_current_cgroup_id() };
    if SCOPE_CGROUPS.get_ptr(&own).is_some() {
        return true;
    }
    let cgroup = Cgroup::of_current();
    for level in 1..MAX_CGROUP_DEPTH {
        let ancestor = cgroup.ancestor(level);
        if ancestor == 0 || ancestor == own {
            return false;
        }
        // SAFETY: a map value.
        if SCOPE_CGROUPS
            .get_ptr(&ancestor)
            .is_some_and(|reach| unsafe { *reach } == reach::BELOW)
        {
            return true;
        }
    }
    false
}

/// The cgroup of the current task.
#[cfg(not(feature = "reduced"))]
struct Cgroup;

#[cfg(not(feature = "reduced"))]
impl Cgroup {
    #[inline(always)]
    fn of_current() -> Self {
        Self
    }

    /// The id of the one above it at a depth, or its own; 0: it is not that deep.
    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        // SAFETY: the helper takes no pointers.
        unsafe { aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id(level as i32) }
    }
}

/// The same where tracing programs have no helper for it. The ids are in the cgroup itself (until 6.0).
#[cfg(feature = "reduced")]
struct Cgroup {
    at: u64,
    depth: u32,
}

#[cfg(feature = "reduced")]
impl Cgroup {
    #[inline(always)]
    fn of_current() -> Self {
        // SAFETY: the helper takes no arguments.
        let task = unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() };
        let at = words::kernel(words::kernel(task, TASK_CGROUPS.load()), CSET_CGROUP.load());
        let depth = words::kernel(at, CGROUP_LEVEL.load()) as u32;
        Self { at, depth }
    }

    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        let ids = CGROUP_ANCESTORS.load();
        if ids == 0 || level > self.depth {
            return 0;
        }
        words::kernel(self.at, ids + level * 8)
    }
}
