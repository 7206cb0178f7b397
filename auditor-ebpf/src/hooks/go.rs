//! Go's `crypto/tls`, for programs built with Go 1.17 and later (amd64, register ABI).
//!
//! Goroutines change threads in the middle of a call and their stacks move, so there are no return
//! probes, and calls are told apart by the goroutine (`g`, in r14). Every probe sits on an
//! instruction the kernel emulates, inside the functions that hold the connection's lock:
//!
//! - `(*Conn).Write`: at the call of `writeRecordLocked` (rax conn, rcx and rdi the bytes) and
//!   right behind it, where the count is that of the call, also when it failed half way.
//! - `(*Conn).Read`: at the call of `runtime.memmove`, which hands the plaintext over (rbx from,
//!   rcx count).
//! - `(*Conn).Close`: the stream ends.
//!
//! The socket is found through the connection itself, see [`socket`].

use core::{ffi::c_void, mem::MaybeUninit};

use auditor_common::{
    counter::Counter,
    go::{GoPoint, IN_RAX},
    record::{Kind, Source, role},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_user},
    macros::uprobe,
    programs::ProbeContext,
};

use crate::{
    account::count,
    bytes::Bytes,
    cookie::cookie,
    copy::{self, Call, data_ring},
    globals::SK_COOKIE,
    hooks::{
        plaintext,
        stream::{self, by},
        syscall::descriptor_socket,
    },
    maps::{BOUND, CLIENT_SOCKETS, GO_POINTS, GO_WRITES, GoWrite, TlsKey, TlsStream},
    registers::registers,
    scope::{self, Task},
    socket_state::{RawSock, Sock as _, socket_endpoint},
    verified_once::{handed, verified_once},
    words,
};

/// How many wrappers around a `*net.TCPConn` are looked through: each one embeds the next as its
/// first field.
const MAX_WRAPPERS: u32 = 4;

/// In a `runtime.itab`, bytes to the third method. Methods are sorted by name, so in an itab of
/// `net.Conn` that is Read (Close, LocalAddr, Read, …).
const ITAB_READ: u64 = 24 + 2 * 8;

/// In a `net.netFD`, which begins with a `poll.FD`: its mutex, and the descriptor.
#[repr(C)]
#[derive(Clone, Copy)]
struct NetFd {
    /// `poll.fdMutex.state`; bit 0 is set before the descriptor is closed.
    state: u64,
    _semaphores: u64,
    descriptor: u64,
}

registers! {
    rax: rax,
    rbx: rbx,
    rcx: rcx,
    rdi: rdi,
    g: r14,
    stack: rsp,
    instruction: rip,
}

/// `call crypto/tls.(*Conn).writeRecordLocked(conn, type, data, …)` in `(*Conn).Write`.
#[uprobe]
pub fn go_write(ctx: ProbeContext) -> u32 {
    let _ = try_write(&ctx);
    0
}

fn try_write(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let write = GoWrite {
        conn: regs.rax,
        buffer: regs.rcx,
        length: regs.rdi,
    };
    if GO_WRITES.insert(&goroutine(task, &regs), &write, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    Some(())
}

/// Behind that call: the count it returned is in rax, or was stored from there.
#[uprobe]
pub fn go_written(ctx: ProbeContext) -> u32 {
    let _ = try_written(&ctx);
    0
}

fn try_written(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let key = goroutine(task, &regs);
    let Some(found) = GO_WRITES.get_ptr(&key) else {
        count(Counter::TlsCallLost, 1);
        return None;
    };
    handed!(call: call = plaintext::call(task));
    // SAFETY: a map value, copied before the entry is removed.
    unsafe {
        call.object = (*found).conn;
        call.requested = (*found).length;
        call.from.buffer = (*found).buffer;
    }
    let _ = GO_WRITES.remove(&key);
    let (library, point) = point(ctx)?;
    let moved = if point.count_at == IN_RAX {
        regs.rax
    } else {
        let Some(stored) = read_user::<u64>(regs.stack + u64::from(point.count_at)) else {
            count(Counter::TlsCallLost, 1);
            return None;
        };
        stored
    };
    if moved > call.requested {
        count(Counter::TlsCallLost, 1);
        return None;
    }
    call.total = moved;
    call.from.length = moved;
    call.seq_end = u32::from(library);
    deliver(call, point, regs.instruction)
}

/// `call runtime.memmove(to, from, n)` in `(*Conn).Read`.
#[uprobe]
pub fn go_read(ctx: ProbeContext) -> u32 {
    let _ = try_read(&ctx);
    0
}

fn try_read(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let (library, point) = point(ctx)?;
    let Some(conn) = read_user(regs.stack + u64::from(point.conn_at)) else {
        count(Counter::TlsCallLost, 1);
        return None;
    };
    handed!(call: call = plaintext::call(task));
    call.object = conn;
    call.total = regs.rcx;
    call.from = Bytes::buffer(regs.rbx, regs.rcx);
    call.ingress = 1;
    call.seq_end = u32::from(library);
    deliver(call, point, regs.instruction)
}

/// `crypto/tls.(*Conn).Close(conn)`.
#[uprobe]
pub fn go_close(ctx: ProbeContext) -> u32 {
    if let Some(task) = scope::current() {
        let _ = stream::free(task, Registers::of(ctx.as_ptr()).rax);
    }
    0
}

/// Accounts and copies plaintext. The lock of its direction is held, so the order is the stream's.
#[inline(always)]
fn deliver(call: &mut Call, point: &GoPoint, instruction: u64) -> Option<()> {
    plaintext::deliver(call, |call, stream| {
        // SAFETY: map values.
        unsafe {
            let sk = go_socket(point, instruction, call.object);
            if sk != 0 {
                go_bind(stream, call.object, u64::from(call.seq_end), sk);
            }
        }
    })
}

verified_once! {
    /// The address of the `struct sock` of a `tls.Conn`, 0 unless it is certain. Verified once.
    ///
    /// # Safety
    /// `point` is null or valid.
    unsafe fn go_socket(point: *const GoPoint = point(); instruction: u64, conn: u64) -> u64 {
        if point.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        socket(unsafe { &*point }, instruction, conn).map_or(0, |sk| sk.0)
    }
}

/// The TCP socket of a `tls.Conn`, `None` unless it is certain.
///
/// `tls.Conn` begins with the `net.Conn` it runs on: an itab and a pointer. Only when that itab's
/// Read is the very code of `net.(*TCPConn).Read` is the pointer a `*net.TCPConn`, which begins
/// with its `*netFD`. A wrapper that embeds its `net.Conn` first is looked through in the same way.
/// The mutex is read last: while its bit for closing is not set, the descriptor has not been closed,
/// so the number looked up before was this connection's.
#[inline(always)]
fn socket(point: &GoPoint, instruction: u64, conn: u64) -> Option<RawSock> {
    if point.tcp_read == 0 {
        return None;
    }
    let wanted = instruction
        .wrapping_sub(point.address)
        .wrapping_add(point.tcp_read);
    let mut interface = conn;
    for _ in 0..MAX_WRAPPERS {
        let [itab, value]: [u64; 2] = read_user(interface)?;
        if read_user::<u64>(itab.wrapping_add(ITAB_READ))? == wanted {
            let net_fd: u64 = read_user(value)?;
            let before: NetFd = read_user(net_fd)?;
            let sk = RawSock(descriptor_socket(before.descriptor & 0xffff_ffff));
            let after: NetFd = read_user(net_fd)?;
            if after.state & 1 != 0 || after.descriptor != before.descriptor {
                return None;
            }
            return if sk.0 != 0 && sk.kind() == RawSock::TCP {
                Some(sk)
            } else {
                None
            };
        }
        interface = value;
    }
    None
}

verified_once! {
    /// Notes the socket of a stream, and tells the daemon. A `tls.Conn` keeps its connection for life:
    /// another socket means another connection at a used address. Verified once.
    ///
    /// # Safety
    /// `stream` is null or valid, and not used by anybody else.
    unsafe fn go_bind(stream: *mut TlsStream = stream(object); object: u64, library: u64, sk: u64) -> u32 {
        if stream.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let stream = unsafe { &mut *stream };
        let sk = RawSock(sk);
        let cookie = match sk.state() {
            // SAFETY: a map value.
            Some(state) => unsafe { (*state).cookie },
            None => sk.field(SK_COOKIE.load()).unwrap_or(0),
        };
        // 0: no socket operation in scope has been seen yet. The next call asks again.
        if cookie == 0 || cookie == stream.cookie {
            return 0;
        }
        if stream.cookie != 0 {
            stream::renew(stream);
        }
        stream.cookie = cookie;
        stream.by = by::DESCRIPTOR;
        let task = bpf_get_current_pid_tgid();
        let key = TlsKey {
            tgid: task >> 32,
            object,
        };
        let _ = BOUND.insert(&cookie, &key, 0);
        count(Counter::BoundDescriptor, 1);
        let role = if CLIENT_SOCKETS.get_ptr(&sk.0).is_some() {
            role::CLIENT
        } else {
            role::UNKNOWN
        };
        let mut header = copy::event_header(Kind::Bound, Source::Tls, stream.id, task);
        header.cookie = cookie;
        header.seq_end = library as u32;
        let mut endpoint = MaybeUninit::uninit();
        // SAFETY: the function writes all of it.
        let endpoint = unsafe {
            socket_endpoint(sk.0, u32::from(role), words::uninit(&mut endpoint));
            endpoint.assume_init_ref()
        };
        copy::event(header, Some(endpoint), data_ring(stream.id));
        0
    }
}

#[inline(always)]
fn goroutine(task: Task, regs: &Registers) -> TlsKey {
    TlsKey {
        tgid: u64::from(task.tgid),
        object: regs.g,
    }
}

/// The library and the point of this probe.
#[inline(always)]
fn point(ctx: &ProbeContext) -> Option<(u8, &'static GoPoint)> {
    let cookie = cookie(ctx.as_ptr());
    let point = GO_POINTS.get(cookie.index())?;
    Some((cookie.library(), point))
}

#[inline(always)]
fn read_user<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper fills `size_of::<T>()` bytes of our stack, or fails; `T` is plain data.
    unsafe {
        let failed = bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const c_void,
        ) != 0;
        if failed { None } else { Some(value.assume_init()) }
    }
}
