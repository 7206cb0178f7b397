//! TLS libraries whose functions take `(object, buffer, length, …)`: entry stashes the arguments,
//! return copies what was really moved. Emitting on return means a retried write is not seen twice.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    tls::{AttachCookie, PEEK, Shape},
};
use aya_ebpf::{
    EbpfContext as _,
    bindings::pt_regs,
    helpers::generated::{bpf_get_attach_cookie, bpf_probe_read_user},
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    account::count,
    copy::Call,
    hooks::{
        binding,
        plaintext::{self, MAX_MOVED, deliver},
        stream,
    },
    maps::{TLS_CALLS, TLS_CURRENT, TlsCall, TlsCallKey},
    scope, words,
};

/// At (or a few pushes into) the function.
#[uprobe]
pub fn tls_enter(ctx: ProbeContext) -> u32 {
    let _ = try_enter(&ctx);
    0
}

fn try_enter(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    // SAFETY: the context is what the helper wants.
    let cookie = AttachCookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    let regs = Arguments::of(ctx.as_ptr());
    let stack = regs.stack + cookie.stack_delta();
    let count_at = match cookie.shape() {
        s if s == Shape::CountInArg4 as u8 || s == Shape::ReturnsCountUnlessPeek as u8 => regs.fourth,
        s if s == Shape::CountInArg5 as u8 => regs.fifth,
        _ => 0,
    };
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack,
    };
    let thread = task.id();
    let outer = match TLS_CURRENT.get_ptr(&thread) {
        // SAFETY: a map value.
        Some(object) => unsafe { *object },
        None => 0,
    };
    let call = TlsCall {
        object: regs.object,
        buffer: regs.buffer,
        length: regs.length,
        count_at,
        cookie: cookie.0,
        outer,
    };
    let reads = u64::from(cookie.ingress()) * binding::READS;
    let current = (regs.object & !binding::READS) | reads;
    if TLS_CALLS.insert(&key, &call, 0).is_err() || TLS_CURRENT.insert(&thread, &current, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    Some(())
}

/// The registers a probe looks at, copied out of the context: the verifier takes no pointers into
/// it, and the compiler must not choose between two of its fields by a computed offset.
struct Arguments {
    object: u64,
    buffer: u64,
    length: u64,
    fourth: u64,
    fifth: u64,
    stack: u64,
    returned: u64,
}

impl Arguments {
    #[inline(always)]
    fn of(ctx: *mut c_void) -> Self {
        let regs: *const pt_regs = ctx.cast();
        // SAFETY: the context of uprobe and uretprobe programs is `struct pt_regs`.
        unsafe {
            Self {
                object: ptr::read_volatile(&raw const (*regs).rdi),
                buffer: ptr::read_volatile(&raw const (*regs).rsi),
                length: ptr::read_volatile(&raw const (*regs).rdx),
                fourth: ptr::read_volatile(&raw const (*regs).rcx),
                fifth: ptr::read_volatile(&raw const (*regs).r8),
                stack: ptr::read_volatile(&raw const (*regs).rsp),
                returned: ptr::read_volatile(&raw const (*regs).rax),
            }
        }
    }
}

/// After the function returned.
#[uretprobe]
pub fn tls_exit(ctx: RetProbeContext) -> u32 {
    let _ = try_exit(&ctx);
    0
}

fn try_exit(ctx: &RetProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Arguments::of(ctx.as_ptr());
    let mut call = plaintext::call(task);
    // The return address is popped: the stack pointer is 8 above its value at entry.
    // SAFETY: a call of this program.
    unsafe {
        tls_returned(
            words::written(&mut call),
            regs.stack.wrapping_sub(8),
            regs.returned,
        )
    };
    deliver(&mut call, |call, stream| {
        // SAFETY: a call of this program, and a map value.
        unsafe { binding::tls_moved(words::written(call), stream) };
    })
}

/// Finds the call that was entered with this stack pointer, and what it moved. Verified once.
///
/// # Safety
/// `call` is null or valid.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn tls_returned(call: *mut Call, stack: u64, returned: u64) -> u32 {
    if call.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for it.
    let call = unsafe { &mut *call };
    let key = TlsCallKey {
        tgid: call.task >> 32,
        stack,
    };
    let Some(found) = TLS_CALLS.get_ptr(&key) else {
        count(Counter::TlsCallLost, 1);
        return 0;
    };
    // SAFETY: a map value, copied before the entry is removed.
    let entered = unsafe { *found };
    let _ = TLS_CALLS.remove(&key);
    let thread = call.task;
    if entered.outer == 0 {
        let _ = TLS_CURRENT.remove(&thread);
    } else {
        let _ = TLS_CURRENT.insert(&thread, &entered.outer, 0);
    }
    let Some(moved) = moved(&entered, returned) else {
        return 0;
    };
    let cookie = AttachCookie(entered.cookie);
    call.object = entered.object;
    call.total = moved;
    call.requested = entered.length;
    call.from.buffer = entered.buffer;
    call.from.length = if moved < entered.length {
        moved
    } else {
        entered.length
    };
    call.ingress = cookie.ingress();
    call.seq_end = u32::from(cookie.library());
    0
}

/// Bytes the call moved, `None` when it moved nothing.
#[inline(always)]
fn moved(call: &TlsCall, returned: u64) -> Option<u64> {
    let shape = AttachCookie(call.cookie).shape();
    if shape == Shape::ReturnsSize as u8 {
        // A negative one is an error.
        return (returned != 0 && returned <= MAX_MOVED).then_some(returned);
    }
    let returned = returned as i32;
    if returned <= 0 {
        return None;
    }
    if shape == Shape::ReturnsCountUnlessPeek as u8 {
        return (call.count_at & PEEK == 0).then_some(returned as u64);
    }
    if shape == Shape::ReturnsCount as u8 {
        return Some(returned as u64);
    }
    let mut moved = 0u64;
    // SAFETY: reads 8 bytes of user memory into our stack; a bad pointer is an error code.
    let failed =
        unsafe { bpf_probe_read_user((&raw mut moved).cast(), 8, call.count_at as *const c_void) } != 0;
    if failed || moved > MAX_MOVED {
        count(Counter::TlsCallLost, 1);
        return None;
    }
    if moved == 0 { None } else { Some(moved) }
}

/// `SSL_free(ssl)` and its like: the next object at this address is another connection.
#[uprobe]
pub fn tls_free(ctx: ProbeContext) -> u32 {
    let _ = try_free(&ctx);
    0
}

fn try_free(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    stream::free(task, Arguments::of(ctx.as_ptr()).object)
}
