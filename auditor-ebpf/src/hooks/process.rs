//! Fork, exec and exit: keep the scope and the daemon's picture of processes up to date.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{CONTROL_RING, Kind, Source},
    scope::PATH_BYTES,
};
use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_probe_read_kernel_str},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    account::count,
    copy::{event, event_header},
    globals::{BPRM_FILENAME, EXCLUDES_USED, SIGNAL_LIVE, TASK_SIGNAL, TASK_TGID},
    maps::{
        EXCLUDED_NAMES, EXCLUDED_PATHS, EXCLUDED_TGIDS, KEPT, SCOPE_TGIDS, TLS_CALLS, TLS_CURRENT, TlsCallKey,
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
    if parent == child || scope::current().is_none() {
        return 0;
    }
    if SCOPE_TGIDS.get_ptr(&parent).is_some() && SCOPE_TGIDS.insert(&child, &1, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    let mut header = event_header(Kind::Fork, Source::Process, 0, u64::from(child) << 32);
    header.total = parent;
    event(header, None, CONTROL_RING);
    0
}

/// `sched_process_exec(task, old_pid, bprm)`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    if EXCLUDES_USED.load() != 0 {
        exclude(ctx.arg(2));
    }
    if let Some(task) = scope::current() {
        event(
            event_header(Kind::Exec, Source::Process, 0, task.id()),
            None,
            CONTROL_RING,
        );
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
        let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
        if scope::is_excluded(tgid) && is_last(ctx.arg(0)) {
            let _ = EXCLUDED_TGIDS.remove(&tgid);
            let _ = SCOPE_TGIDS.remove(&tgid);
        }
        return 0;
    };
    forget_calls(task);
    if is_last(ctx.arg(0)) {
        event(
            event_header(Kind::Exit, Source::Process, 0, task.id()),
            None,
            CONTROL_RING,
        );
        let _ = SCOPE_TGIDS.remove(&task.tgid);
    }
    0
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
