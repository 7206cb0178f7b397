//! Fork, exec and exit: keep the scope and the daemon's picture of processes up to date.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{CONTROL_RING, Kind, Source},
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    account::count,
    copy::{event, event_header},
    globals::{SIGNAL_LIVE, TASK_SIGNAL, TASK_TGID},
    maps::{SCOPE_TGIDS, TLS_CURRENT},
    scope,
};

/// include/trace/events/sched.h `sched_process_fork(parent, child)`; runs in the parent before the
/// child does, so the child's first instruction is already in scope.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let (parent, child) = (tgid(ctx.arg(0)), tgid(ctx.arg(1)));
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
pub fn sched_process_exec(_ctx: BtfTracePointContext) -> i32 {
    if let Some(task) = scope::current() {
        event(
            event_header(Kind::Exec, Source::Process, 0, task.id()),
            None,
            CONTROL_RING,
        );
    }
    0
}

/// `sched_process_exit(task, …)`: fires per thread; the last one takes the process out of scope.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(task) = scope::current() else { return 0 };
    // A thread that dies inside a TLS call must not leave its object to the next owner of its id.
    let _ = TLS_CURRENT.remove(&task.id());
    let current: *const u8 = ctx.arg(0);
    // SAFETY: BTF pointers; `live` counts the threads that have not begun to exit.
    let live: i32 = unsafe {
        let signal: *const u8 = ptr::read_volatile(current.add(TASK_SIGNAL.load() as usize).cast());
        ptr::read_volatile(signal.add(SIGNAL_LIVE.load() as usize).cast())
    };
    if live == 0 {
        event(
            event_header(Kind::Exit, Source::Process, 0, task.id()),
            None,
            CONTROL_RING,
        );
        let _ = SCOPE_TGIDS.remove(&task.tgid);
    }
    0
}

#[inline(always)]
fn tgid(task: *const c_void) -> u32 {
    // SAFETY: a BTF pointer to a task.
    unsafe { ptr::read_volatile(task.cast::<u8>().add(TASK_TGID.load() as usize).cast()) }
}
