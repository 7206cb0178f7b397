//! TLS libraries whose functions take `(object, buffer, length, …)`: entry stashes the arguments,
//! return copies what was really moved. Emitting on return means a retried write is not seen twice.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{Kind, Source},
    tls::{AttachCookie, PEEK, Shape},
};
use aya_ebpf::{
    EbpfContext as _,
    bindings::pt_regs,
    helpers::{
        bpf_get_smp_processor_id, bpf_ktime_get_ns,
        generated::{bpf_get_attach_cookie, bpf_probe_read_user},
    },
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    account::count,
    copy::{self, Call, UserBytes, data_ring},
    maps::{TLS_CALLS, TLS_CURRENT, TLS_STREAMS, TlsCall, TlsCallKey, TlsKey, TlsStream},
    scope::{self, Task},
    socket_state::{Sock, SocketState},
};

/// Most bytes one call can claim to have moved: lengths are C `int`s or sizes a sane program can
/// not exceed. Anything above is a bad pointer.
const MAX_MOVED: u64 = 1 << 40;

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
    if TLS_CALLS.insert(&key, &call, 0).is_err() || TLS_CURRENT.insert(&thread, &regs.object, 0).is_err() {
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
    // The return address is popped: the stack pointer is 8 above its value at entry.
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack: regs.stack.wrapping_sub(8),
    };
    let Some(found) = TLS_CALLS.get_ptr(&key) else {
        count(Counter::TlsCallLost, 1);
        return None;
    };
    // SAFETY: a map value, copied before the entry is removed.
    let call = unsafe { *found };
    let _ = TLS_CALLS.remove(&key);
    let thread = task.id();
    if call.outer == 0 {
        let _ = TLS_CURRENT.remove(&thread);
    } else {
        let _ = TLS_CURRENT.insert(&thread, &call.outer, 0);
    }
    let moved = moved(&call, regs.returned)?;
    count(Counter::TlsMoved, moved);

    let cookie = AttachCookie(call.cookie);
    let ingress = cookie.ingress();
    let Some(stream) = stream_of(TlsKey {
        tgid: u64::from(task.tgid),
        object: call.object,
    }) else {
        count(Counter::MapFull, 1);
        count(Counter::TlsUnseen, moved);
        return None;
    };
    // SAFETY: a map value; no other reference is made in this program.
    let stream = unsafe { &mut *stream };
    let way = usize::from(ingress & 1);
    let offset = stream.offset[way];
    stream.offset[way] = offset + moved;
    copy::call(
        task,
        Call {
            stream: stream.id,
            cookie: stream.cookie,
            offset,
            total: moved,
            // The TLS ledger has no sequence numbers; the field carries the library.
            seq_end: u32::from(cookie.library()),
            source: Source::Tls,
            ingress,
        },
        UserBytes::buffer(call.buffer, if moved < call.length { moved } else { call.length }),
        data_ring(stream.id),
    );
    Some(())
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

/// The state of a TLS object, made at first sight; `None` when the map is full.
#[inline(always)]
pub fn stream_of(key: TlsKey) -> Option<*mut TlsStream> {
    if let Some(stream) = TLS_STREAMS.get_ptr_mut(&key) {
        return Some(stream);
    }
    let id = new_id();
    let _ = TLS_STREAMS.insert(
        &key,
        &TlsStream {
            id,
            cookie: 0,
            offset: [0; 2],
        },
        0,
    );
    TLS_STREAMS.get_ptr_mut(&key)
}

/// An id no other stream on this machine has.
#[inline(always)]
pub fn new_id() -> u64 {
    // SAFETY: the helpers take no pointers. Time and CPU make the number unique.
    unsafe { bpf_ktime_get_ns() << 8 | u64::from(bpf_get_smp_processor_id() & 0xff) }
}

/// A socket operation happened: if this thread is inside a TLS call, the socket carries that TLS
/// object. True when it does.
#[inline(always)]
pub fn bind_nested<S: Sock>(task: Task, sk: S, state: &SocketState) -> bool {
    let Some(object) = TLS_CURRENT.get_ptr(&task.id()) else {
        return false;
    };
    // SAFETY: a map value.
    let object = unsafe { *object };
    let Some(stream) = stream_of(TlsKey {
        tgid: u64::from(task.tgid),
        object,
    }) else {
        return false;
    };
    // SAFETY: a map value; no other reference is made while this one lives.
    let stream = unsafe { &mut *stream };
    if stream.cookie != state.cookie {
        stream.cookie = state.cookie;
        count(Counter::BoundNested, 1);
        let mut header = copy::event_header(Kind::Bound, Source::Tls, stream.id, task.id());
        header.cookie = state.cookie;
        copy::event(header, Some(sk.endpoint(state.role)), data_ring(stream.id));
    }
    true
}

/// `SSL_free(ssl)` and its like: the next object at this address is another connection.
#[uprobe]
pub fn tls_free(ctx: ProbeContext) -> u32 {
    let _ = try_free(&ctx);
    0
}

fn try_free(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    free(task, Arguments::of(ctx.as_ptr()).object)
}

/// A TLS object ends: what is at its address next is another connection.
#[inline(always)]
pub fn free(task: Task, object: u64) -> Option<()> {
    let key = TlsKey {
        tgid: u64::from(task.tgid),
        object,
    };
    let stream = TLS_STREAMS.get_ptr(&key)?;
    // SAFETY: a map value, copied before the entry is removed.
    let TlsStream { id, cookie, .. } = unsafe { *stream };
    let _ = TLS_STREAMS.remove(&key);
    closed(task, id, cookie);
    Some(())
}

/// Tells the daemon that a stream ended.
#[inline(always)]
pub fn closed(task: Task, id: u64, cookie: u64) {
    let mut header = copy::event_header(Kind::Closed, Source::Tls, id, task.id());
    header.cookie = cookie;
    copy::event(header, None, data_ring(id));
}
