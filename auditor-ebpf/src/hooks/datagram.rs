//! Messages that stand alone: UDP, and datagrams and sequenced packets of UNIX domain sockets.
//!
//! A socket that is not connected has another peer with every datagram, so each record carries its addresses. The peer's
//! is the socket's own when it is connected; what the call named when it sends; and when it receives, what the kernel's
//! receive function was given, where trampolines load. The tracepoints fire before the kernel writes a sender's address
//! to user memory, so without trampolines that one is not known.

use core::{ffi::c_void, mem::MaybeUninit, ptr};

use auditor_common::{
    counter::Counter,
    record::{AF_INET, AF_INET6, ENDPOINT_LEN, Endpoint},
};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel as read_kernel, bpf_probe_read_user as read_user};
#[cfg(not(feature = "reduced"))]
use aya_ebpf::{helpers::bpf_probe_read_kernel, macros::fexit, programs::FExitContext};

use crate::{
    account::count,
    bytes::Bytes,
    copy::Call,
    hooks::{
        name::{Name, place},
        socket::{READ, first_bytes, next},
        unix::unix_endpoint,
    },
    maps::DATAGRAM,
    socket_state::{SocketState, class, kind, socket_endpoint},
    verified_once::verified_once,
};
#[cfg(not(feature = "reduced"))]
use crate::{
    globals::MESSAGE_NAME,
    maps::RECEIVED_FROM,
    scope::{self, Task},
};

/// The addresses of a datagram, and whose it is: a program that preempts another on its CPU must not name its peer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Peer {
    task: u64,
    endpoint: Endpoint,
}

/// The name in a `struct msghdr` of the kernel.
#[cfg(not(feature = "reduced"))]
#[inline(always)]
pub fn name_of(message: *const u8) -> Name {
    // SAFETY: the helper checks the address; a bad one is an error.
    let at = unsafe { bpf_probe_read_kernel(message.add(MESSAGE_NAME.load() as usize).cast::<u64>()) };
    Name {
        at: at.unwrap_or(0),
        place: place::KERNEL,
    }
}

/// The name that [`udp_recvmsg`] noted for this thread, if it did.
#[cfg(not(feature = "reduced"))]
#[inline(always)]
pub fn take_name(task: Task) -> Name {
    Name {
        at: u64::from(task.tid),
        place: place::NOTED,
    }
}

/// net/ipv4/udp.c `udp_recvmsg(struct sock *, struct msghdr *, …)`.
#[cfg(not(feature = "reduced"))]
#[fexit(function = "udp_recvmsg")]
pub fn udp_recvmsg(ctx: FExitContext) -> i32 {
    let _ = note(&ctx);
    0
}

/// net/ipv6/udp.c `udpv6_recvmsg(struct sock *, struct msghdr *, …)`.
#[cfg(not(feature = "reduced"))]
#[fexit(function = "udpv6_recvmsg")]
pub fn udpv6_recvmsg(ctx: FExitContext) -> i32 {
    let _ = note(&ctx);
    0
}

#[cfg(not(feature = "reduced"))]
fn note(ctx: &FExitContext) -> Option<()> {
    let task = scope::current()?;
    let name = name_of(ctx.arg::<*const u8>(1));
    if name.at == 0 {
        return None;
    }
    let mut words = MaybeUninit::<[u64; 4]>::uninit();
    // SAFETY: the helper checks the address; the kernel's is a `struct sockaddr_storage` of 128 bytes. It fills all of
    // ours, with zeros when it fails.
    let words = unsafe {
        read_kernel(words.as_mut_ptr().cast(), 32, name.at as *const c_void);
        words.assume_init()
    };
    let _ = RECEIVED_FROM.insert(&task.tid, &words, 0);
    Some(())
}

verified_once! {
    /// A socket moved one datagram, which is counted as moved: accounts it unless it is to be copied, and puts down its
    /// addresses. Verified once.
    ///
    /// # Safety
    /// Both are null or valid, and not used by anybody else.
    pub unsafe fn socket_datagram(call: *mut Call = call(), state: *mut SocketState = state()) -> u32 {
        if call.is_null() || state.is_null() {
            return next::NOTHING;
        }
        // SAFETY: the caller vouches for them.
        let (call, state) = unsafe { (&mut *call, &mut *state) };
        put_addresses(call);
        if call.seen == 0 {
            count(Counter::SocketUnseen, call.total);
            return next::NOTHING;
        }
        if is_ciphertext(&call.from, &mut state.class) {
            count(Counter::SocketCiphertext, call.total);
            return next::NOTHING;
        }
        call.stream = state.cookie;
        call.cookie = state.cookie;
        call.offset = 0;
        next::COPY
    }
}

/// DTLS shows by the header of its records (type 20–25, version 254; RFC 9147 §4), QUIC by its long header (RFC 9000
/// §17.2): version 1 or 2. Short headers of QUIC look like anything, so a socket that spoke it stays encrypted.
#[inline(always)]
fn is_ciphertext(from: &Bytes, known: &mut u8) -> bool {
    if *known == class::TLS {
        return true;
    }
    let head = first_bytes(from);
    if head & READ == 0 {
        return false;
    }
    if (20..=25).contains(&(head & 0xff)) && head >> 8 & 0xff == 254 && head >> 16 & 0xff >= 253 {
        return true;
    }
    let version = (head >> 8) as u32;
    if head & 0xc0 == 0xc0 && (version == 1u32.to_be() || version == 0x6b33_43cf_u32.to_be()) {
        *known = class::TLS;
        return true;
    }
    false
}

/// Puts down both addresses for the records of this datagram.
#[inline(always)]
fn put_addresses(call: &Call) {
    let Some(peer) = DATAGRAM.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a map value of this CPU.
    let peer = unsafe { &mut *peer };
    peer.task = call.task;
    // SAFETY: it is written to alone.
    unsafe {
        if call.kind & kind::UNIX != 0 {
            unix_endpoint(call.object, &raw mut peer.endpoint);
            return;
        }
        socket_endpoint(call.object, 0, &raw mut peer.endpoint);
    }
    if peer.endpoint.remote_port == 0 {
        let mut words = MaybeUninit::uninit();
        if read_name(call.name, &mut words) {
            // SAFETY: filled, as it says.
            set_remote(&mut peer.endpoint, unsafe { words.assume_init_ref() });
        }
    }
}

/// Copies a `struct sockaddr` of IPv4 (16 bytes) or IPv6 (28 bytes); true when all of `words` is filled.
#[inline(always)]
fn read_name(name: Name, words: &mut MaybeUninit<[u64; 4]>) -> bool {
    if name.at == 0 {
        return false;
    }
    let into: *mut u64 = words.as_mut_ptr().cast();
    match name.place {
        #[cfg(not(feature = "reduced"))]
        place::NOTED => {
            let thread = name.at as u32;
            let Some(noted) = RECEIVED_FROM.get_ptr(&thread) else {
                return false;
            };
            // SAFETY: a map value, copied before the entry is removed.
            words.write(unsafe { *noted });
            let _ = RECEIVED_FROM.remove(&thread);
            true
        }
        // SAFETY: 32 bytes of a `struct sockaddr_storage` of the kernel into ours; a bad pointer is an error code.
        place::KERNEL => unsafe { read_kernel(into.cast(), 32, name.at as *const c_void) == 0 },
        // The caller may have given 16 bytes that end its memory.
        // SAFETY: as above, 16 and 12 bytes.
        _ => unsafe {
            if read_user(into.cast(), 16, name.at as *const c_void) != 0 {
                return false;
            }
            into.add(3).write(0);
            let _ = read_user(into.add(2).cast(), 12, (name.at + 16) as *const c_void);
            true
        },
    }
}

/// Family at 0, port at 2 (network order); then the IPv4 address at 4, or the IPv6 address at 8.
#[inline(always)]
fn set_remote(endpoint: &mut Endpoint, words: &[u64; 4]) {
    let family = words[0] as u16;
    let to: *mut u64 = endpoint.remote.as_mut_ptr().cast();
    if family == AF_INET && endpoint.family == AF_INET {
        // SAFETY: 8 of the field's 16 bytes.
        unsafe { ptr::write_unaligned(to, words[0] >> 32) };
    } else if family == AF_INET && endpoint.family == AF_INET6 {
        // An IPv6 socket may send to an IPv4 address: ::ffff:a.b.c.d.
        // SAFETY: all 16 bytes of the field.
        unsafe {
            ptr::write_unaligned(to, 0);
            ptr::write_unaligned(to.add(1), (words[0] >> 32) << 32 | 0xffff_0000_u64);
        }
    } else if family == AF_INET6 && endpoint.family == AF_INET6 {
        // SAFETY: as above.
        unsafe {
            ptr::write_unaligned(to, words[1]);
            ptr::write_unaligned(to.add(1), words[2]);
        }
    } else {
        return;
    }
    endpoint.remote_port = u16::from_be((words[0] >> 16) as u16);
}

/// Writes the addresses put down by this task in front of a record's bytes; zeros when another task's are there.
///
/// Word by word and volatile: a copy the compiler knows becomes a call, whose frame is not to be had here.
///
/// # Safety
/// `to` has room for [`ENDPOINT_LEN`] bytes and is aligned to 8.
#[inline(always)]
pub unsafe fn write_endpoint(task: u64, to: *mut u8) {
    let to: *mut u64 = to.cast();
    if let Some(peer) = DATAGRAM.get_ptr(0) {
        // SAFETY: a map value; the caller vouches for the room.
        unsafe {
            if (*peer).task == task {
                let endpoint: *const u64 = (&raw const (*peer).endpoint).cast();
                for word in 0..ENDPOINT_LEN / 8 {
                    ptr::write_volatile(to.add(word), ptr::read_volatile(endpoint.add(word)));
                }
                return;
            }
        }
    }
    for word in 0..ENDPOINT_LEN / 8 {
        // SAFETY: as above.
        unsafe { ptr::write_volatile(to.add(word), 0) };
    }
}
