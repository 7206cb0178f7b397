//! What a socket moved, after the fact: tp_btf where the kernel has the tracepoints (6.3 and
//! later), fexit on the protocol's own functions before.
//!
//! The user buffer comes from the registers of the system call, so there is no entry probe and no
//! state between entry and return, and connections older than us work like new ones.

use core::{ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{Kind, Source},
};
use aya_ebpf::{
    bindings::pt_regs,
    helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs},
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

use crate::{
    account::count,
    copy::{self, Call, UserBytes, data_ring},
    globals::{SOCKET_SK, TASK_FLAGS, TASK_IO_URING},
    hooks::{binding, syscall::socket_of},
    records::Position,
    scope::{self, Task},
    socket_state::{BtfSock, Sock, SocketState, class},
};

/// `MSG_PEEK | MSG_ERRQUEUE` (linux/socket.h): the bytes stay, or are not payload.
const NOT_CONSUMED: i32 = 0x2 | 0x2000;
/// `MSG_TRUNC`: on a stream the bytes are thrown away without being copied.
const MSG_TRUNC: i32 = 0x20;
/// asm-generic/errno-base.h
const EAGAIN: i32 = 11;
/// `PF_IO_WORKER` (linux/sched.h): the registers are not those of a system call.
const PF_IO_WORKER: u32 = 0x10;
/// Longest iovec array a call may have (linux/uio.h `UIO_MAXIOV`).
const MAX_IOVECS: u64 = 1024;

/// net/socket.c `sock_send_length(sk, ret, flags)`.
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send_length(ctx: BtfTracePointContext) -> i32 {
    let _ = try_tracepoint(&ctx, 0);
    0
}

/// net/socket.c `sock_recv_length(sk, ret, flags)`.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_recv_length(ctx: BtfTracePointContext) -> i32 {
    let _ = try_tracepoint(&ctx, 1);
    0
}

#[inline(always)]
fn try_tracepoint(ctx: &BtfTracePointContext, ingress: u8) -> Option<()> {
    let ret: i32 = ctx.arg(1);
    if ret <= 0 {
        return failed(ret, ingress);
    }
    let task = scope::current()?;
    let sk: *mut c_void = ctx.arg(0);
    let flags: i32 = ctx.arg(2);
    moved(
        task,
        BtfSock(sk),
        ret as u64,
        flags,
        ingress,
        syscall_bytes(sk as u64),
    )
}

macro_rules! fexit_hooks {
    ($($name:ident = $function:literal, $ingress:expr, $flags_arg:expr, $ret_arg:expr;)+) => {
        $(
            #[doc = concat!("`", $function, "(struct socket *, struct msghdr *, size_t, …)`, kernels before 6.3.")]
            #[fexit(function = $function)]
            pub fn $name(ctx: FExitContext) -> i32 {
                let flags: Option<usize> = $flags_arg;
                let flags = match flags {
                    Some(n) => ctx.arg::<i32>(n),
                    None => 0,
                };
                let _ = try_fexit(&ctx, ctx.arg::<i32>($ret_arg), flags, $ingress);
                0
            }
        )+
    };
}

fexit_hooks! {
    inet_sendmsg = "inet_sendmsg", 0, None, 3;
    inet_recvmsg = "inet_recvmsg", 1, Some(3), 4;
    inet6_sendmsg = "inet6_sendmsg", 0, None, 3;
    inet6_recvmsg = "inet6_recvmsg", 1, Some(3), 4;
}

/// `inet_sendpage(struct socket *, struct page *, int, size_t, int)`: how sendfile and splice
/// reached TCP before kernel 6.5. There is no user buffer: the bytes are counted as unseen.
#[fexit(function = "inet_sendpage")]
pub fn inet_sendpage(ctx: FExitContext) -> i32 {
    let _ = try_sendpage(&ctx);
    0
}

fn try_sendpage(ctx: &FExitContext) -> Option<()> {
    let ret: i32 = ctx.arg(5);
    if ret <= 0 {
        return None;
    }
    let task = scope::current()?;
    let socket: *const u8 = ctx.arg(0);
    // SAFETY: the verifier checks the offset against struct socket.
    let sk: *mut c_void = unsafe { ptr::read_volatile(socket.add(SOCKET_SK.load() as usize).cast()) };
    moved(task, BtfSock(sk), ret as u64, 0, 0, None)
}

#[inline(always)]
fn try_fexit(ctx: &FExitContext, ret: i32, flags: i32, ingress: u8) -> Option<()> {
    if ret <= 0 {
        return failed(ret, ingress);
    }
    let task = scope::current()?;
    let socket: *const u8 = ctx.arg(0);
    // SAFETY: the verifier checks the offset against struct socket.
    let sk: *mut c_void = unsafe { ptr::read_volatile(socket.add(SOCKET_SK.load() as usize).cast()) };
    moved(
        task,
        BtfSock(sk),
        ret as u64,
        flags,
        ingress,
        syscall_bytes(sk as u64),
    )
}

/// Nothing moved. A send that would have blocked leaves the bytes of a TLS object waiting.
#[inline(always)]
fn failed(ret: i32, ingress: u8) -> Option<()> {
    if ingress == 0 && ret == -EAGAIN {
        binding::send_failed(scope::current()?);
    }
    None
}

/// A socket in scope moved `ret` bytes: account them, tell TLS from plain text, copy plain text.
#[inline(always)]
pub fn moved<S: Sock>(
    task: Task,
    sk: S,
    ret: u64,
    flags: i32,
    ingress: u8,
    from: Option<UserBytes>,
) -> Option<()> {
    if ingress != 0 && flags & NOT_CONSUMED != 0 {
        return None;
    }
    count(Counter::SocketMoved, ret);
    if !sk.is_tcp() {
        count(Counter::SocketUnseen, ret);
        return None;
    }
    let Some(state) = sk.state_or_new() else {
        count(Counter::MapFull, 1);
        count(Counter::SocketUnseen, ret);
        return None;
    };
    // SAFETY: state is a map value; no other reference is made in this program.
    let state = unsafe { &mut *state };
    if state.cookie == 0 {
        open(task, sk, state);
    }
    let way = usize::from(ingress & 1);
    let offset = state.offset[way];
    state.offset[way] = offset + ret;
    if ingress != 0 && flags & MSG_TRUNC != 0 {
        state.records[way] = Position::START;
        count(Counter::SocketUnseen, ret);
        return None;
    }
    let Some(from) = from else {
        state.records[way] = Position::START;
        count(
            if state.class == class::TLS {
                Counter::SocketCiphertext
            } else {
                Counter::SocketUnseen
            },
            ret,
        );
        return None;
    };
    if state.class != class::TLS {
        classify(state, &from);
    }
    if state.class == class::TLS {
        binding::socket_moved(task, sk, state, &from, ret, ingress);
        count(ciphertext_kind(state, way, &from), ret);
        return None;
    }
    let call = Call {
        stream: state.cookie,
        cookie: state.cookie,
        offset,
        total: ret,
        seq_end: sk.sequence(ingress),
        source: Source::Socket,
        ingress,
    };
    copy::call(task, call, from, data_ring(state.cookie));
    Some(())
}

/// First sight of a socket: give it an id and tell the daemon its addresses.
#[inline(always)]
fn open<S: Sock>(task: Task, sk: S, state: &mut SocketState) {
    state.cookie = sk.new_id();
    let mut header = copy::event_header(Kind::Opened, Source::Socket, state.cookie, task.id());
    header.cookie = state.cookie;
    copy::event(header, Some(sk.endpoint(state.role)), data_ring(state.cookie));
}

/// Looks for a TLS record header: type 20–23, major version 3, minor at most 4, length at most
/// 2^14 + 2048 (RFC 5246 §6.2.3). Plain text that begins like this does not occur in the text
/// protocols we read.
#[inline(always)]
fn classify(state: &mut SocketState, from: &UserBytes) {
    let head = first_bytes(from);
    let (kind, major, minor) = (head & 0xff, head >> 8 & 0xff, head >> 16 & 0xff);
    let length = (head >> 24 & 0xff) << 8 | head >> 32 & 0xff;
    if head & READ != 0
        && (0x14..=0x17).contains(&kind)
        && major == 3
        && minor <= 4
        && length <= 16_384 + 2_048
    {
        state.class = class::TLS;
    } else if state.class == class::NEW {
        state.class = class::PLAIN;
    }
}

/// Until application data was seen in a direction, what moves is the handshake.
#[inline(always)]
fn ciphertext_kind(state: &mut SocketState, way: usize, from: &UserBytes) -> Counter {
    let way = way & 1;
    if state.application_data[way] == 0 {
        if first_bytes(from) & 0xff != 0x17 {
            return Counter::SocketHandshake;
        }
        state.application_data[way] = 1;
    }
    Counter::SocketCiphertext
}

/// Set in what [`first_bytes`] returns when the bytes could be read.
const READ: u64 = 1 << 63;

/// The first five bytes, the first in the low byte; 0 when they can not be read. A plain number
/// because the verifier does not follow the compiler's layout of an optional array.
#[inline(always)]
fn first_bytes(from: &UserBytes) -> u64 {
    let mut at = from.buffer;
    let mut length = from.length;
    if length == 0 {
        let mut iovec = [0u64; 2];
        // SAFETY: reads user memory into our stack; a bad pointer is an error code.
        if unsafe { bpf_probe_read_user((&raw mut iovec).cast(), 16, from.iov as *const c_void) } != 0 {
            return 0;
        }
        at = iovec[0];
        length = iovec[1];
    }
    if length < 5 {
        return 0;
    }
    let mut head = 0u64;
    // SAFETY: as above.
    if unsafe { bpf_probe_read_user((&raw mut head).cast(), 5, at as *const c_void) } != 0 {
        return 0;
    }
    head | READ
}

/// The user bytes of the system call the current task is in, when it is one on the socket `sk`.
///
/// Work that io_uring left for the end of another system call runs with that call's registers: a
/// task that uses io_uring must show that the call's descriptor is this socket.
#[inline(always)]
fn syscall_bytes(sk: u64) -> Option<UserBytes> {
    // SAFETY: the helpers give BTF pointers to the current task and its registers, whose fields
    // may be loaded.
    unsafe {
        let task = bpf_get_current_task_btf();
        let task_flags: u32 = ptr::read_volatile(task.cast::<u8>().add(TASK_FLAGS.load() as usize).cast());
        if task_flags & PF_IO_WORKER != 0 {
            return None;
        }
        let regs = bpf_task_pt_regs(task) as *const pt_regs;
        let io_uring = TASK_IO_URING.load();
        if io_uring != 0 {
            let context: u64 = ptr::read_volatile(task.cast::<u8>().add(io_uring as usize).cast());
            let descriptor = ptr::read_volatile(&raw const (*regs).rdi);
            if context != 0 && socket_of(descriptor as u32) != Some(sk) {
                return None;
            }
        }
        user_bytes(&Registers {
            number: ptr::read_volatile(&raw const (*regs).orig_rax),
            second: ptr::read_volatile(&raw const (*regs).rsi),
            third: ptr::read_volatile(&raw const (*regs).rdx),
        })
    }
}

/// The registers that say where a system call's bytes are.
pub struct Registers {
    pub number: u64,
    pub second: u64,
    pub third: u64,
}

/// Reads the buffer out of the arguments; `None` for calls that have none (sendfile, splice,
/// io_uring) or whose message can not be told (sendmmsg, recvmmsg). x86_64 system call numbers.
#[inline(always)]
pub fn user_bytes(regs: &Registers) -> Option<UserBytes> {
    match regs.number {
        // read, write, sendto, recvfrom
        0 | 1 | 44 | 45 => Some(UserBytes::buffer(regs.second, regs.third)),
        // readv, writev
        19 | 20 => Some(UserBytes::vector(regs.second, bounded(regs.third))),
        // sendmsg, recvmsg: struct user_msghdr, msg_iov at 16, msg_iovlen at 24
        46 | 47 => {
            let mut iov = [0u64; 2];
            // SAFETY: reads user memory into our stack; a bad pointer is an error code.
            let failed = unsafe {
                bpf_probe_read_user((&raw mut iov).cast(), 16, (regs.second + 16) as *const c_void)
            } != 0;
            if failed {
                None
            } else {
                Some(UserBytes::vector(iov[0], bounded(iov[1])))
            }
        }
        _ => None,
    }
}

#[inline(always)]
fn bounded(count: u64) -> u64 {
    if count > MAX_IOVECS { MAX_IOVECS } else { count }
}
