//! `sendmmsg` and `recvmmsg`: several messages in one system call.
//!
//! The hooks fire once for each message, while the registers show the start of the array. So each thread's place in it
//! is kept. Where it begins anew is known from the end of the call, where a program runs there: `fexit` on the system
//! calls if trampolines load, else the end of all system calls, which the daemon attaches when it is first needed. Until
//! then only what cannot be mistaken is read: sends, whose calls run to the end of their array unless they fail, the
//! first message a thread receives, and what `MSG_WAITFORONE` tells apart. The rest is counted.

use auditor_common::counter::Counter;
use aya_ebpf::{
    bindings::pt_regs,
    helpers::bpf_get_current_pid_tgid,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

use crate::{
    account::count,
    copy::Call,
    hooks::call::Registers,
    maps::{MESSAGES, MESSAGES_END},
};

/// Bytes of `struct mmsghdr` (linux/socket.h), the message's header first.
const ENTRY: u64 = 64;
/// Most messages of a call (linux/uio.h `UIO_MAXIOV`).
const MOST: u64 = 1024;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_WAITFORONE: u64 = 0x1_0000;

/// A thread's place in an array of messages.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Place {
    array: u64,
    sk: u64,
    next: u64,
}

/// Where the `struct user_msghdr` is of the message that has just been moved; `None` when that can not be told.
#[inline(always)]
pub fn header(call: &Call, regs: &Registers, flags: u64) -> Option<u64> {
    let sk = call.object;
    let thread = call.task as u32;
    let received = call.ingress != 0;
    let mut index = 0;
    if let Some(place) = MESSAGES.get_ptr(&thread) {
        // SAFETY: a map value, copied.
        let place = unsafe { *place };
        if place.array == regs.second && place.sk == sk && place.next < regs.third {
            index = place.next;
        }
    }
    // The kernel waits for the first message only, and for the others adds the flag not to.
    let waits_for_one = regs.fourth & MSG_WAITFORONE != 0 && regs.fourth & MSG_DONTWAIT == 0;
    if received && waits_for_one && flags & MSG_DONTWAIT == 0 {
        index = 0;
    }
    let place = Place {
        array: regs.second,
        sk,
        next: index + 1,
    };
    let _ = MESSAGES.insert(&thread, &place, 0);
    if received && index > 0 && !waits_for_one && !end_is_seen() {
        count(Counter::MessagesUntold, 1);
        return None;
    }
    if index >= MOST {
        return None;
    }
    Some(regs.second + index * ENTRY)
}

fn end_is_seen() -> bool {
    MESSAGES_END.get(0).is_some_and(|seen| *seen != 0)
}

/// net/socket.c, the system call itself.
#[fexit(function = "__x64_sys_sendmmsg")]
pub fn sendmmsg_end(_ctx: FExitContext) -> i32 {
    ended()
}

/// net/socket.c, the system call itself.
#[fexit(function = "__x64_sys_recvmmsg")]
pub fn recvmmsg_end(_ctx: FExitContext) -> i32 {
    ended()
}

/// kernel/entry `sys_exit(struct pt_regs *, long ret)`, where trampolines do not load.
#[btf_tracepoint(function = "sys_exit")]
pub fn messages_end(ctx: BtfTracePointContext) -> i32 {
    let regs: *const pt_regs = ctx.arg(0);
    // SAFETY: a BTF pointer to the registers.
    let number = unsafe { core::ptr::read_volatile(&raw const (*regs).orig_rax) };
    if number == 299 || number == 307 {
        return ended();
    }
    0
}

#[inline(always)]
fn ended() -> i32 {
    let thread = bpf_get_current_pid_tgid() as u32;
    let _ = MESSAGES.remove(&thread);
    0
}
