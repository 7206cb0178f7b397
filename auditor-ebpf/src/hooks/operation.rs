//! What a socket moved, after the fact: tp_btf where the kernel has the tracepoints (6.3 and
//! later), fexit on the protocol's own functions before.
//!
//! The user buffer comes from the registers of the system call, so there is no state between entry and
//! return, and connections older than us work like new ones. Where the registers do not tell, see
//! [`super::kernel_bytes`].

use core::{ffi::c_void, ptr};

use auditor_common::record::Source;
use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

use crate::{
    copy::Call,
    globals::SOCKET_SK,
    hooks::{binding, call, datagram, kernel_bytes, socket::moved},
    scope,
    socket_state::BtfSock,
    verified_once::handed,
    words,
};

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
    let task = scope::moving(ret as u64)?;
    let sk: *mut c_void = ctx.arg(0);
    let flags: i32 = ctx.arg(2);
    handed!(call: call = Call::new(task, Source::Socket, ingress, ret as u64));
    call.object = sk as u64;
    call::find_bytes(call, flags);
    if ingress != 0 {
        // The kernel writes the sender's address to user memory later than this.
        call.name = datagram::take_name(task);
    }
    moved(BtfSock(sk), flags, call)
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
/// reached TCP before kernel 6.5. The bytes are in a page.
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
    let task = scope::moving(ret as u64)?;
    let sk = sock_of(ctx);
    handed!(call: call = Call::new(task, Source::Socket, 0, ret as u64));
    call.object = sk as u64;
    call.from.buffer = ctx.arg(1);
    // SAFETY: a call of this program.
    unsafe { kernel_bytes::sendpage_bytes(words::written(call), u64::from(ctx.arg::<u32>(2))) };
    moved(BtfSock(sk), 0, call)
}

/// `tcp_splice_read(struct socket *, loff_t *, struct pipe_inode_info *, size_t, unsigned int)`: what splice takes out of
/// a socket passes nothing that receives. Its bytes go from one page of the kernel's to another, and are not read.
#[fexit(function = "tcp_splice_read")]
pub fn tcp_splice_read(ctx: FExitContext) -> i32 {
    let _ = try_splice_read(&ctx);
    0
}

/// The same of a UNIX domain stream.
#[fexit(function = "unix_stream_splice_read")]
pub fn unix_stream_splice_read(ctx: FExitContext) -> i32 {
    let _ = try_splice_read(&ctx);
    0
}

#[inline(always)]
fn try_splice_read(ctx: &FExitContext) -> Option<()> {
    let ret: i64 = ctx.arg(5);
    if ret <= 0 {
        return None;
    }
    let task = scope::moving(ret as u64)?;
    let sk = sock_of(ctx);
    handed!(call: call = Call::new(task, Source::Socket, 1, ret as u64));
    call.object = sk as u64;
    moved(BtfSock(sk), 0, call)
}

/// The socket of a program whose first argument is a `struct socket *`.
#[inline(always)]
fn sock_of(ctx: &FExitContext) -> *mut c_void {
    let socket: *const u8 = ctx.arg(0);
    // SAFETY: the verifier checks the offset against struct socket.
    unsafe { ptr::read_volatile(socket.add(SOCKET_SK.load() as usize).cast()) }
}

#[inline(always)]
fn try_fexit(ctx: &FExitContext, ret: i32, flags: i32, ingress: u8) -> Option<()> {
    if ret <= 0 {
        return failed(ret, ingress);
    }
    let task = scope::moving(ret as u64)?;
    let sk = sock_of(ctx);
    handed!(call: call = Call::new(task, Source::Socket, ingress, ret as u64));
    call.object = sk as u64;
    call::find_bytes(call, flags);
    call.name = datagram::name_of(ctx.arg::<*const u8>(1));
    moved(BtfSock(sk), flags, call)
}

/// Nothing moved. A send that would have blocked leaves the bytes of a TLS object waiting.
#[inline(always)]
fn failed(ret: i32, ingress: u8) -> Option<()> {
    if ingress == 0 && ret == -EAGAIN {
        binding::send_failed(scope::current()?);
    }
    None
}
