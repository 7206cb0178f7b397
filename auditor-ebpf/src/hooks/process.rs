//! Fork, exec and exit: keep the scope and the daemon's picture of processes up to date.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{CONTROL_RING, Kind, Source},
    scope::{PATH_BYTES, mark},
};
use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_probe_read_kernel_str},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    account::count,
    copy::{event, event_header},
    event::executed,
    globals::{
        BPRM_FILENAME, EXCLUDES_USED, SELECTS_USED, SIGNAL_LIVE, TASK_CGROUPS, TASK_SIGNAL, TASK_TGID,
    },
    maps::{
        EXCLUDED_NAMES, EXCLUDED_PATHS, EXCLUDED_TGIDS, KEPT, SCOPE_TGIDS, TLS_CALLS, TLS_CURRENT,
        TlsCallKey, UNDECIDED,
    },
    scope::{self, Task},
};

/// include/trace/events/sched.h `sched_process_fork(parent, child)`; runs in the parent before the
/// child does, so the child's first instruction is already in scope.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let (parent, child) = (tgid(ctx.arg(0)), tgid(ctx.arg(1)));
    if parent != child && scope::is_excluded(parent) {
        // It may become another program; until then it is the one that is left out.
        let _ = EXCLUDED_TGIDS.insert(&child, &1, 0);
        if SCOPE_TGIDS.get_ptr(&parent).is_some() {
            let _ = SCOPE_TGIDS.insert(&child, &1, 0);
        }
        return 0;
    }
    let selects = SELECTS_USED.load() != 0;
    if parent == child || (!selects && scope::current().is_none()) {
        return 0;
    }
    let moved = selects && cgroups(ctx.arg(0)) != cgroups(ctx.arg(1));
    match scope::mark(parent) {
        Some(mark) if mark == mark::NAMED || (mark != mark::CHECKED && !moved) => {
            if SCOPE_TGIDS.insert(&child, &mark, 0).is_err() {
                count(Counter::MapFull, 1);
            }
        }
        // The daemon may have been late to mark a process that had this number.
        _ if selects => drop(SCOPE_TGIDS.remove(&child)),
        _ => {}
    }
    if selects && (moved || UNDECIDED.get_ptr(&parent).is_some()) {
        let _ = UNDECIDED.insert(&child, &1, 0);
    }
    let mut header = event_header(Kind::Fork, Source::Process, 0, u64::from(child) << 32);
    header.total = parent;
    event(header, None, CONTROL_RING);
    if moved {
        event(
            event_header(Kind::Moved, Source::Process, 0, u64::from(child) << 32),
            None,
            CONTROL_RING,
        );
    }
    0
}

/// include/trace/events/cgroup.h `cgroup_attach_task(dst_cgrp, path, task, threadgroup)`, for each hierarchy: a process
/// that selectors chose is not watched any more until the daemon has looked at where it is now.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    let tgid = tgid(ctx.arg(2));
    if void(tgid, mark::CHOSEN) {
        let _ = UNDECIDED.insert(&tgid, &1, 0);
    }
    event(
        event_header(Kind::Moved, Source::Process, 0, u64::from(tgid) << 32),
        None,
        CONTROL_RING,
    );
    0
}

/// Takes a process out of scope that was chosen by what it is not any more, by `least` and the marks above it; what is
/// under way for it can not be put in force then. False for one that was named.
#[inline(always)]
fn void(tgid: u32, least: u8) -> bool {
    match scope::mark(tgid) {
        Some(mark::NAMED) => return false,
        Some(mark) if mark == mark::CHECKED || mark >= least => drop(SCOPE_TGIDS.remove(&tgid)),
        _ => {}
    }
    true
}

/// Where the kernel keeps all cgroups of a task: the same for all tasks that are in the same ones.
#[inline(always)]
fn cgroups(task: *const u8) -> u64 {
    // SAFETY: a BTF pointer to a task.
    unsafe { ptr::read_volatile(task.add(TASK_CGROUPS.load() as usize).cast()) }
}

/// `sched_process_exec(task, old_pid, bprm)`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    if EXCLUDES_USED.load() != 0 {
        exclude(ctx.arg(2));
    }
    let selects = SELECTS_USED.load() != 0;
    let id = bpf_get_current_pid_tgid();
    if selects {
        let tgid = (id >> 32) as u32;
        void(tgid, mark::CHOSEN_PROGRAM);
    }
    let in_scope = scope::current().is_some();
    if selects && !in_scope {
        let tgid = (id >> 32) as u32;
        let _ = UNDECIDED.insert(&tgid, &1, 0);
    }
    if selects || in_scope {
        // SAFETY: the tracepoint's third argument is a BTF pointer to struct linux_binprm.
        unsafe { executed(id, ctx.arg(2)) };
    }
    0
}

/// Leaves a process out from its exec on, or not any more. It has its new name by now (fs/exec.c
/// `begin_new_exec`).
#[inline(always)]
fn exclude(program: *const u8) {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Ok(name) = bpf_get_current_comm() else { return };
    let mut path = [0u8; PATH_BYTES];
    // SAFETY: a BTF pointer to struct linux_binprm; the helper checks the address it is given and
    // writes no more than the array has.
    unsafe {
        let at: *const c_void = ptr::read_volatile(program.add(BPRM_FILENAME.load() as usize).cast());
        bpf_probe_read_kernel_str(path.as_mut_ptr().cast(), PATH_BYTES as u32, at);
    }
    if EXCLUDED_NAMES.get_ptr(&name).is_some() || EXCLUDED_PATHS.get_ptr(&path).is_some() {
        if EXCLUDED_TGIDS.insert(&tgid, &1, 0).is_err() {
            count(Counter::MapFull, 1);
        }
    } else {
        let _ = EXCLUDED_TGIDS.remove(&tgid);
    }
}

/// `sched_process_exit(task, …)`: fires per thread; the last one takes the process out of scope.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(task) = scope::current() else {
        let id = bpf_get_current_pid_tgid();
        let tgid = (id >> 32) as u32;
        let selects = SELECTS_USED.load() != 0;
        if (selects || scope::is_excluded(tgid)) && is_last(ctx.arg(0)) {
            let _ = EXCLUDED_TGIDS.remove(&tgid);
            let _ = SCOPE_TGIDS.remove(&tgid);
            if selects {
                gone(id);
            }
        }
        return 0;
    };
    forget_calls(task);
    if is_last(ctx.arg(0)) {
        gone(task.id());
        let _ = SCOPE_TGIDS.remove(&task.tgid);
    }
    0
}

/// Says that a process has ended.
#[inline(always)]
fn gone(id: u64) {
    if SELECTS_USED.load() != 0 {
        let tgid = (id >> 32) as u32;
        let _ = UNDECIDED.remove(&tgid);
    }
    event(
        event_header(Kind::Exit, Source::Process, 0, id),
        None,
        CONTROL_RING,
    );
}

/// A thread that dies inside a TLS call must not leave its object to the next owner of its id.
#[inline(always)]
fn forget_calls(task: Task) {
    let Some(working) = TLS_CURRENT.get_ptr(&task.id()) else {
        return;
    };
    for place in 0..KEPT {
        let key = TlsCallKey {
            tgid: u64::from(task.tgid),
            // SAFETY: a map value.
            stack: unsafe { (*working).kept[place] },
        };
        if key.stack != 0 {
            let _ = TLS_CALLS.remove(&key);
        }
    }
    let _ = TLS_CURRENT.remove(&task.id());
}

/// True for the last thread of a process.
#[inline(always)]
fn is_last(task: *const u8) -> bool {
    // SAFETY: BTF pointers; `live` counts the threads that have not begun to exit.
    let live: i32 = unsafe {
        let signal: *const u8 = ptr::read_volatile(task.add(TASK_SIGNAL.load() as usize).cast());
        ptr::read_volatile(signal.add(SIGNAL_LIVE.load() as usize).cast())
    };
    live == 0
}

#[inline(always)]
fn tgid(task: *const c_void) -> u32 {
    // SAFETY: a BTF pointer to a task.
    unsafe { ptr::read_volatile(task.cast::<u8>().add(TASK_TGID.load() as usize).cast()) }
}
