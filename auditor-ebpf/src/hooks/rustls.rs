//! rustls 0.23, where its functions kept their names.
//!
//! Both directions meet in `CommonState`. It is a value that its program may move, so the stream's key is
//! the address of the encrypter it owns, which stays; in a program where that is not found, its own
//! address, and the stream is bound to nothing.
//!
//! - `start_outgoing_traffic(&mut self, …)`: a handshake ends, so what had this key before is gone.
//! - `send_appdata_encrypt(&mut self, OutboundChunks, …) -> usize`, and `buffer_plaintext` where the
//!   former was inlined: on return, with the length that was accepted.
//! - `take_received_plaintext(&mut self, Payload)`: at entry, one decrypted record.
//!
//! rustls moves no bytes over sockets itself: its streams are bound by what its caller sends and
//! receives right after and before, see [`super::binding`].

use core::{ffi::c_void, mem::MaybeUninit};

use auditor_common::{counter::Counter, tls::AttachCookie};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_probe_read_user,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    account::count,
    bytes::Bytes,
    cookie::cookie,
    copy::Call,
    hooks::{binding, plaintext, stream},
    maps::{TLS_CALLS, TlsCall, TlsCallKey},
    registers::registers,
    scope,
    verified_once::handed,
    words,
};

/// Most slices one write may have: more are not written by any program (linux/uio.h `UIO_MAXIOV`).
const MAX_CHUNKS: u64 = 1024;

registers! {
    state: rdi,
    bytes: rsi,
    returned: rax,
    stack: rsp,
}

/// At entry of `start_outgoing_traffic`.
#[uprobe]
pub fn rustls_begin(ctx: ProbeContext) -> u32 {
    let _ = try_begin(&ctx);
    0
}

fn try_begin(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let cookie = cookie(ctx.as_ptr());
    let regs = Registers::of(ctx.as_ptr());
    stream::free(task, identity(cookie, regs.state)?)
}

/// What identifies a connection wherever it is moved to.
#[inline(always)]
fn identity(cookie: AttachCookie, state: u64) -> Option<u64> {
    let Some(offset) = cookie.identity() else {
        return Some(state);
    };
    let mut identity = 0u64;
    // SAFETY: reads 8 bytes of user memory into our stack; a bad pointer is an error code.
    let failed = unsafe {
        bpf_probe_read_user(
            (&raw mut identity).cast(),
            8,
            state.wrapping_add(offset) as *const c_void,
        )
    } != 0;
    if failed {
        count(Counter::TlsCallLost, 1);
        return None;
    }
    Some(identity)
}

/// At entry of the sending function: rsi points to `OutboundChunks`.
///
/// That is `Single(&[u8])`, with 0 in its first word and then address and length; or `Multiple`, with
/// the address and number of its slices (laid out like `struct iovec`), and where in them it begins
/// and ends.
#[uprobe]
pub fn rustls_write(ctx: ProbeContext) -> u32 {
    let _ = try_write(&ctx);
    0
}

fn try_write(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let cookie = cookie(ctx.as_ptr());
    let words = argument(regs.bytes)?;
    let (buffer, length, slices) = match words {
        [0, buffer, length, _] => (buffer, length, 0),
        // One that begins in the middle is rustls's own, made for a key update; it is not read.
        [slices, number, start, end] => (
            if start == 0 { slices } else { 0 },
            end.wrapping_sub(start),
            if number > MAX_CHUNKS { MAX_CHUNKS } else { number },
        ),
    };
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack: regs.stack + cookie.stack_delta(),
    };
    let call = TlsCall {
        object: regs.state,
        buffer,
        length,
        // The number of slices; 0: one buffer.
        count_at: slices,
        cookie: cookie.0,
        outer: 0,
    };
    if TLS_CALLS.insert(&key, &call, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    Some(())
}

/// On its return: rax is the accepted length.
#[uretprobe]
pub fn rustls_written(ctx: RetProbeContext) -> u32 {
    let _ = try_written(&ctx);
    0
}

fn try_written(ctx: &RetProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    // The return address is popped: the stack pointer is 8 above its value at entry.
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack: regs.stack.wrapping_sub(8),
    };
    let Some(found) = TLS_CALLS.get_ptr(&key) else {
        count(Counter::TlsCallLost, 1);
        return None;
    };
    handed!(call: call = plaintext::call(task));
    // SAFETY: a map value, copied before the entry is removed.
    let (cookie, slices) = unsafe {
        call.object = (*found).object;
        call.requested = (*found).length;
        call.from.buffer = (*found).buffer;
        (AttachCookie((*found).cookie), (*found).count_at)
    };
    let _ = TLS_CALLS.remove(&key);
    if regs.returned > call.requested {
        count(Counter::TlsCallLost, 1);
        return None;
    }
    call.total = regs.returned;
    if slices == 0 {
        call.from.length = regs.returned;
    } else if call.from.buffer != 0 {
        call.from.array = call.from.buffer;
        call.from.count = slices;
    }
    deliver(call, cookie)
}

/// `take_received_plaintext`: rsi points to `Payload`, owned or borrowed, with address and length in its
/// second and third word either way.
#[uprobe]
pub fn rustls_read(ctx: ProbeContext) -> u32 {
    let _ = try_read(&ctx);
    0
}

fn try_read(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let cookie = cookie(ctx.as_ptr());
    let [_, buffer, length, _] = argument(regs.bytes)?;
    handed!(call: call = plaintext::call(task));
    call.object = regs.state;
    call.total = length;
    call.from = Bytes::buffer(buffer, length);
    call.ingress = 1;
    deliver(call, cookie)
}

/// Accounts and copies plaintext; the object is where the state is.
#[inline(always)]
fn deliver(call: &mut Call, cookie: AttachCookie) -> Option<()> {
    if call.total == 0 {
        return None;
    }
    call.object = identity(cookie, call.object)?;
    call.requested = call.total;
    call.seq_end = u32::from(cookie.library());
    plaintext::deliver(call, |call, stream| {
        if cookie.identity().is_some() {
            // SAFETY: a call of this program, and a map value.
            unsafe { binding::tls_moved(words::written(call), stream) };
        }
    })
}

/// The first four words of what an argument points to; what can not be read counts as a lost call.
#[inline(always)]
fn argument(address: u64) -> Option<[u64; 4]> {
    let mut words = MaybeUninit::uninit();
    let found = words::user(address, &mut words);
    if found.is_none() {
        count(Counter::TlsCallLost, 1);
    }
    found.copied()
}
