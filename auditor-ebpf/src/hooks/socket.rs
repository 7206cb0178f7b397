//! What a socket moved, after the fact: tp_btf where the kernel has the tracepoints (6.3 and
//! later), fexit on the protocol's own functions before.
//!
//! The user buffer comes from the registers of the system call, so there is no entry probe and no
//! state between entry and return, and connections older than us work like new ones.

use core::{ffi::c_void, mem::MaybeUninit, ptr};

use auditor_common::{
    counter::Counter,
    record::{Kind, Source, flags},
};
use aya_ebpf::{
    helpers::generated::bpf_probe_read_user,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

use crate::{
    account::count,
    copy::{self, Call, FROM_PEER, UserBytes, data_ring},
    globals::SOCKET_SK,
    hooks::{
        binding,
        call::{Message, syscall_message},
        datagram, local, unix,
    },
    records::Position,
    scope::{self, Task},
    socket_state::{BtfSock, Sock, SocketState, Traffic, class},
    words,
};

/// `MSG_PEEK | MSG_ERRQUEUE` (linux/socket.h): the bytes stay, or are not payload.
const NOT_CONSUMED: i32 = 0x2 | 0x2000;
/// `MSG_TRUNC`: on a stream the bytes are thrown away without being copied.
const MSG_TRUNC: i32 = 0x20;
/// asm-generic/errno-base.h
const EAGAIN: i32 = 11;

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
    let mut message = syscall_message(task, sk as u64, ingress, flags);
    if ingress != 0 {
        // The kernel writes the sender's address to user memory later than this.
        message.name = datagram::take_name(task);
    }
    moved(task, BtfSock(sk), ret as u64, flags, ingress, message)
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
    unix_stream_sendmsg = "unix_stream_sendmsg", 0, None, 3;
    unix_stream_recvmsg = "unix_stream_recvmsg", 1, Some(3), 4;
    // Sequenced packets are sent through it as well; on some kernels (6.1) they are received another way and not seen.
    unix_dgram_sendmsg = "unix_dgram_sendmsg", 0, None, 3;
    unix_dgram_recvmsg = "unix_dgram_recvmsg", 1, Some(3), 4;
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
    moved(task, BtfSock(sk), ret as u64, 0, 0, Message::UNSEEN)
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
    let mut message = syscall_message(task, sk as u64, ingress, flags);
    message.name = datagram::name_of(ctx.arg::<*const u8>(1));
    moved(task, BtfSock(sk), ret as u64, flags, ingress, message)
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
pub fn moved<S: Sock>(task: Task, sk: S, ret: u64, flags: i32, ingress: u8, message: Message) -> Option<()> {
    if ingress != 0 && flags & NOT_CONSUMED != 0 {
        return None;
    }
    count(Counter::SocketMoved, ret);
    match sk.traffic() {
        Traffic::Stream => {}
        Traffic::Messages if S::ALL_TRAFFIC => return datagram::moved(task, sk, ret, ingress, message),
        Traffic::Messages | Traffic::Other => {
            count(Counter::SocketUnseen, ret);
            return None;
        }
    }
    let from = message.bytes;
    let Some(state) = sk.state_or_new() else {
        count(Counter::MapFull, 1);
        count(Counter::SocketUnseen, ret);
        return None;
    };
    // SAFETY: state is a map value; no other reference is made in this program.
    let state = unsafe { &mut *state };
    if state.cookie == 0 {
        open(task, sk, state, ret, ingress);
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
        if sk.is_unix() {
            binding::passed_by(task, ingress);
        } else {
            binding::socket_moved(task, sk, state, &from, ret, ingress);
        }
        count(ciphertext_kind(state, way, &from), ret);
        return None;
    }
    let call = Call {
        stream: state.stream,
        cookie: state.cookie,
        offset,
        total: ret,
        seq_end: if sk.is_unix() { 0 } else { sk.sequence(ingress) },
        source: Source::Socket,
        ingress: if state.is_peer == 0 {
            ingress
        } else {
            ingress | FROM_PEER
        },
    };
    copy::call(task, call, from, data_ring(state.stream));
    Some(())
}

/// First sight of a socket: give it an id and tell the daemon its addresses. A TCP connection's bytes are counted in
/// sequence numbers; this operation has moved `ret` of them already.
#[inline(always)]
fn open<S: Sock>(task: Task, sk: S, state: &mut SocketState, ret: u64, ingress: u8) {
    state.cookie = sk.new_id();
    state.stream = state.cookie;
    let mut header = copy::event_header(Kind::Opened, Source::Socket, state.cookie, task.id());
    header.cookie = state.cookie;
    let endpoint = if sk.is_unix() {
        unix::endpoint(sk)
    } else {
        let endpoint = sk.endpoint(state.role);
        if S::ALL_TRAFFIC {
            local::join(&endpoint, state);
        }
        let (mut sent, mut received) = (sk.sequence(0), sk.sequence(1));
        if ingress == 0 {
            sent = sent.wrapping_sub(ret as u32);
        } else {
            received = received.wrapping_sub(ret as u32);
        }
        state.offset = [u64::from(sent), u64::from(received)];
        header.offset = u64::from(sent);
        header.total = received;
        header.stream = state.stream;
        header.flags = flags::SEQUENCE;
        if state.is_peer != 0 {
            header.flags |= flags::PEER;
        }
        endpoint
    };
    copy::event(header, Some(endpoint), data_ring(state.stream));
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
pub const READ: u64 = 1 << 63;

/// The first five bytes, the first in the low byte; 0 when they can not be read. A plain number
/// because the verifier does not follow the compiler's layout of an optional array.
#[inline(always)]
pub fn first_bytes(from: &UserBytes) -> u64 {
    let mut at = from.buffer;
    let mut length = from.length;
    if length == 0 {
        let mut iovec = MaybeUninit::uninit();
        let Some([base, bytes]) = words::user(from.iov, &mut iovec) else {
            return 0;
        };
        at = *base;
        length = *bytes;
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
