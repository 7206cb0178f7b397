//! TLS libraries whose functions take `(object, buffer, length, …)`: entry stashes the arguments,
//! return copies what was really moved. Emitting on return means a retried write is not seen twice.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    tls::{AttachCookie, PEEK, Shape},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_probe_read_user,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    account::count,
    cookie::cookie,
    copy::Call,
    hooks::{
        binding,
        plaintext::{self, MAX_MOVED, deliver},
        stream,
    },
    maps::{KEPT, TLS_CALLS, TLS_CURRENT, TlsCall, TlsCallKey, Working},
    registers::registers,
    scope,
    verified_once::{handed, verified_once},
    words,
};

/// At (or a few pushes into) the function.
#[uprobe]
pub fn tls_enter(ctx: ProbeContext) -> u32 {
    let _ = try_enter(&ctx);
    0
}

fn try_enter(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let cookie = cookie(ctx.as_ptr());
    let regs = Registers::of(ctx.as_ptr());
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
    let Some(working) = working(task.id()) else {
        count(Counter::MapFull, 1);
        return None;
    };
    // SAFETY: a map value that belongs to this thread.
    let working = unsafe { &mut *working };
    let call = TlsCall {
        object: regs.object,
        buffer: regs.buffer,
        length: regs.length,
        count_at,
        cookie: cookie.0,
        outer: working.current,
    };
    working.current = (regs.object & !binding::READS) | (u64::from(cookie.ingress()) * binding::READS);
    if let Some(kept) = TLS_CALLS.get_ptr_mut(&key) {
        // SAFETY: a map value; the thread has no other call with this stack pointer.
        unsafe { *kept = call };
    } else if TLS_CALLS.insert(&key, &call, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    Some(())
}

/// What a thread is doing; made at first sight.
#[inline(always)]
fn working(thread: u64) -> Option<*mut Working> {
    let working = TLS_CURRENT.get_ptr_mut(&thread);
    if working.is_some() {
        return working;
    }
    let _ = TLS_CURRENT.insert(&thread, &IDLE, 0);
    TLS_CURRENT.get_ptr_mut(&thread)
}

/// Not on the stack, of which there is too little.
static IDLE: Working = Working {
    current: 0,
    kept: [0; KEPT],
};

registers! {
    object: rdi,
    buffer: rsi,
    length: rdx,
    fourth: rcx,
    fifth: r8,
    stack: rsp,
    returned: rax,
}

/// After the function returned.
#[uretprobe]
pub fn tls_exit(ctx: RetProbeContext) -> u32 {
    let _ = try_exit(&ctx);
    0
}

fn try_exit(ctx: &RetProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    handed!(call: call = plaintext::call(task));
    // The return address is popped: the stack pointer is 8 above its value at entry.
    // SAFETY: a call of this program.
    unsafe { tls_returned(words::written(call), regs.stack.wrapping_sub(8), regs.returned) };
    deliver(call, |call, stream| {
        // SAFETY: a call of this program, and a map value.
        unsafe { binding::tls_moved(words::written(call), stream) };
    })
}

verified_once! {
    /// Finds the call that was entered with this stack pointer, and what it moved. Verified once.
    ///
    /// # Safety
    /// `call` is null or valid.
    unsafe fn tls_returned(call: *mut Call = call(); stack: u64, returned: u64) -> u32 {
        if call.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let call = unsafe { &mut *call };
        let key = TlsCallKey {
            tgid: call.task >> 32,
            stack,
        };
        let Some(found) = TLS_CALLS.get_ptr_mut(&key) else {
            count(Counter::TlsCallLost, 1);
            return 0;
        };
        // SAFETY: a map value, copied before the entry is used again.
        let entered = unsafe { *found };
        if entered.cookie == 0 {
            count(Counter::TlsCallLost, 1);
            return 0;
        }
        // SAFETY: as above.
        unsafe { (*found).cookie = 0 };
        let thread = call.task;
        match TLS_CURRENT.get_ptr_mut(&thread) {
            // SAFETY: a map value that belongs to this thread.
            Some(working) => unsafe {
                (*working).current = entered.outer;
                keep(&key, working);
            },
            None => drop(TLS_CALLS.remove(&key)),
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
}

/// A call that returned keeps its entry, in place of another one.
///
/// # Safety
/// `working` is the map value of this thread.
#[inline(always)]
unsafe fn keep(key: &TlsCallKey, working: *mut Working) {
    // The lowest bits of stack pointers at a call are the same.
    let place = (key.stack >> 4) as usize & (KEPT - 1);
    // SAFETY: the index is masked to the array's size.
    let kept = unsafe { (&raw mut (*working).kept).cast::<u64>().add(place) };
    // SAFETY: as above.
    let before = unsafe { ptr::read_volatile(kept) };
    if before == key.stack {
        return;
    }
    // SAFETY: as above.
    unsafe { ptr::write_volatile(kept, key.stack) };
    let before = TlsCallKey {
        tgid: key.tgid,
        stack: before,
    };
    if let Some(other) = TLS_CALLS.get_ptr(&before)
        // SAFETY: a map value. One that is under way finds its own place when it returns.
        && unsafe { (*other).cookie } == 0
    {
        let _ = TLS_CALLS.remove(&before);
    }
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
    stream::free(task, Registers::of(ctx.as_ptr()).object)
}
