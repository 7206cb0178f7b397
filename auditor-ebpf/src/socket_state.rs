//! Per-socket state, and the two ways to get at a socket.
//!
//! tp_btf and fexit programs hold a pointer the verifier trusts: fields are plain loads and state
//! is kept in the socket itself. The system call tier has only an address: fields go through
//! `bpf_probe_read_kernel` and state lives in a map keyed by that address.

#[cfg(not(feature = "reduced"))]
use core::ffi::c_void;
use core::ptr;

use auditor_common::record::{AF_INET, AF_INET6, AF_UNIX, Endpoint};
#[cfg(not(feature = "reduced"))]
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_sk_storage_get};
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};

#[cfg(not(feature = "reduced"))]
use crate::maps::SOCKETS;
use crate::{
    globals::{
        NET_INUM, SK_DADDR, SK_DPORT, SK_FAMILY, SK_NET, SK_NUM, SK_PROTOCOL, SK_RCV_SADDR, SK_TYPE,
        SK_V6_DADDR, SK_V6_RCV_SADDR, TCP_COPIED_SEQ, TCP_WRITE_SEQ,
    },
    hooks::unix::inode,
    maps::RAW_SOCKETS,
    records::Position,
    verified_once::verified_once,
};

/// Types and protocols of linux/net.h and uapi/linux/in.h.
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const SOCK_SEQPACKET: u16 = 5;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const IPPROTO_UDPLITE: u16 = 136;

/// How bytes on a socket belong together, and how the socket was reached: bits.
pub mod kind {
    /// One stream each way: TCP, UNIX domain.
    pub const STREAM: u8 = 1;
    /// Messages that stand alone: UDP, UNIX domain datagrams and seqpackets. With neither bit it is not read.
    pub const MESSAGES: u8 = 2;
    /// A UNIX domain socket.
    pub const UNIX: u8 = 4;
    /// Both ends of a local connection make one stream.
    pub const JOINED: u8 = 8;
    /// The bytes were thrown away without being copied.
    pub const DISCARDED: u8 = 16;
}

/// What the bytes on a socket are.
pub mod class {
    /// No payload seen yet.
    pub const NEW: u8 = 0;
    pub const PLAIN: u8 = 1;
    /// TLS records: counted, not copied.
    pub const TLS: u8 = 2;
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SocketState {
    /// The socket's own id; 0 until the first operation in scope.
    pub cookie: u64,
    /// The stream its bytes belong to: the connection's other end may have begun it.
    pub stream: u64,
    /// Its key in `LOCAL_STREAMS`. Of a bare address that is not a TCP socket's, the inode of the socket that has it.
    pub key: u64,
    /// Next offset, egress and ingress.
    pub offset: [u64; 2],
    pub class: u8,
    /// One of `record::role`.
    pub role: u8,
    /// 1 once TLS application data was seen, egress and ingress.
    pub application_data: [u8; 2],
    /// 1: the stream is the other end's.
    pub is_peer: u8,
    pub _pad: u8,
    /// Operations that were looked at to find the TLS object this socket carries.
    pub operations: u16,
    /// The process of that object.
    pub tgid: u32,
    pub _pad1: u32,
    /// The object; 0 while it is not known.
    pub object: u64,
    /// TLS records, egress and ingress; kept up while the object is not known.
    pub records: [Position; 2],
}

impl SocketState {
    pub const NEW: Self = Self {
        cookie: 0,
        stream: 0,
        key: 0,
        offset: [0; 2],
        class: class::NEW,
        role: 0,
        application_data: [0; 2],
        is_peer: 0,
        _pad: 0,
        operations: 0,
        tgid: 0,
        _pad1: 0,
        object: 0,
        records: [Position::START; 2],
    };
}

/// A socket, however it was reached.
pub trait Sock: Copy {
    /// Bits of [`kind`] of a TCP connection.
    const TCP: u8;

    /// Reads a field of `struct sock` at a byte offset.
    fn field<T: Copy>(self, offset: u32) -> Option<T>;
    /// Existing or fresh state of a socket of this [`kind`].
    fn state_or_new(self, of: u8) -> Option<*mut SocketState>;
    /// An id for the connection, never 0 and never used twice.
    fn new_id(self) -> u64;

    /// Bits of [`kind`]; 0 for traffic that is not read.
    #[inline(always)]
    fn kind(self) -> u8 {
        let family = self.field::<u16>(SK_FAMILY.load()).unwrap_or(0);
        let of_type = self.field::<u16>(SK_TYPE.load()).unwrap_or(0);
        if family == AF_UNIX {
            return match of_type {
                SOCK_STREAM => kind::UNIX | kind::STREAM,
                SOCK_DGRAM | SOCK_SEQPACKET => kind::UNIX | kind::MESSAGES,
                _ => 0,
            };
        }
        let protocol = self.field::<u16>(SK_PROTOCOL.load()).unwrap_or(0);
        if family != AF_INET && family != AF_INET6 {
            0
        } else if of_type == SOCK_STREAM && protocol == IPPROTO_TCP {
            Self::TCP
        } else if of_type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) {
            kind::MESSAGES
        } else {
            0
        }
    }
}

#[cfg(not(feature = "reduced"))]
/// A `struct sock *` with BTF type.
#[derive(Clone, Copy)]
pub struct BtfSock(pub *mut c_void);

#[cfg(not(feature = "reduced"))]
impl BtfSock {
    /// State, if it has any.
    #[inline(always)]
    pub fn state(self) -> Option<*mut SocketState> {
        storage(self.0, 0)
    }
}

#[cfg(not(feature = "reduced"))]
impl Sock for BtfSock {
    const TCP: u8 = kind::JOINED | kind::STREAM;

    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the verifier checks the offset (a constant to it) against the type; a fault
        // reads zero.
        Some(unsafe { ptr::read_volatile(self.0.cast::<u8>().add(offset as usize).cast::<T>()) })
    }

    #[inline(always)]
    fn state_or_new(self, _of: u8) -> Option<*mut SocketState> {
        storage(self.0, 1)
    }

    #[inline(always)]
    fn new_id(self) -> u64 {
        // SAFETY: a BTF socket pointer is what the helper wants.
        unsafe { bpf_get_socket_cookie(self.0) }
    }
}

#[cfg(not(feature = "reduced"))]
#[inline(always)]
fn storage(sk: *mut c_void, flags: u64) -> Option<*mut SocketState> {
    let map = (&raw const SOCKETS).cast_mut().cast();
    // SAFETY: map and socket are what the helper wants; the value is zeroed when created.
    let state = unsafe { bpf_sk_storage_get(map, sk, ptr::null_mut(), flags) };
    if state.is_null() { None } else { Some(state.cast()) }
}

/// The bare address of a `struct sock`.
#[derive(Clone, Copy)]
pub struct RawSock(pub u64);

impl RawSock {
    /// State, if it has any.
    #[inline(always)]
    pub fn state(self) -> Option<*mut SocketState> {
        RAW_SOCKETS.get_ptr_mut(&self.0)
    }

    /// The `struct net` inode number.
    #[inline(always)]
    pub fn netns(self) -> u32 {
        let Some(net) = self.field::<u64>(SK_NET.load()) else {
            return 0;
        };
        // SAFETY: as in `field`.
        unsafe { bpf_probe_read_kernel((net + u64::from(NET_INUM.load())) as *const u32) }.unwrap_or(0)
    }

    /// `write_seq` after a send, `copied_seq` after a receive.
    #[inline(always)]
    pub fn sequence(self, ingress: u8) -> u32 {
        let offset = if ingress & 1 == 0 {
            TCP_WRITE_SEQ.load()
        } else {
            TCP_COPIED_SEQ.load()
        };
        self.field(offset).unwrap_or(0)
    }
}

impl Sock for RawSock {
    const TCP: u8 = kind::STREAM;

    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the helper checks the address; a bad one is an error.
        unsafe { bpf_probe_read_kernel((self.0 + u64::from(offset)) as *const T) }.ok()
    }

    #[inline(always)]
    fn state_or_new(self, of: u8) -> Option<*mut SocketState> {
        // Only TCP says when a socket closes: of others a new one may have the address by now.
        let key = if of & (kind::UNIX | kind::MESSAGES) == 0 {
            0
        } else {
            inode(self.0)
        };
        if let Some(state) = self.state() {
            // SAFETY: a map value.
            if unsafe { (*state).key } == key {
                return Some(state);
            }
        }
        let _ = RAW_SOCKETS.insert(&self.0, &SocketState::NEW, 0);
        let state = self.state()?;
        // SAFETY: as above.
        unsafe { (*state).key = key };
        Some(state)
    }

    #[inline(always)]
    fn new_id(self) -> u64 {
        // SAFETY: the helper takes no pointers. Addresses are reused, so time makes the id unique;
        // the top bit keeps it apart from kernel cookies, which count from 1.
        (unsafe { bpf_ktime_get_ns() } ^ self.0 << 20) | 1 << 63
    }
}

/// Writes both addresses of a socket that is not a UNIX domain one.
///
/// # Safety
/// `into` is null or valid for a write.
#[inline(always)]
pub unsafe fn socket_endpoint(sk: u64, role: u32, into: *mut Endpoint) {
    // SAFETY: the caller vouches for it.
    unsafe { write_endpoint(into, sk, role) };
    #[cfg(feature = "reduced")]
    {
        let written = crate::again::endpoint();
        if !written.is_null() {
            // SAFETY: a part of a map value that is not `into`, for which the caller vouches.
            unsafe { ptr::copy_nonoverlapping(written, into, 1) };
        }
    }
}

verified_once! {
    /// See [`socket_endpoint`]. Verified once.
    ///
    /// # Safety
    /// `into` is null or valid for a write.
    unsafe fn write_endpoint(into: *mut Endpoint = endpoint(); sk: u64, role: u32) -> u32 {
        if into.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it; all of it is written here.
        let endpoint = unsafe { &mut *into };
        let sk = RawSock(sk);
        endpoint.netns = sk.netns();
        endpoint.local_port = sk.field(SK_NUM.load()).unwrap_or(0);
        endpoint.remote_port = u16::from_be(sk.field(SK_DPORT.load()).unwrap_or(0));
        endpoint.family = sk.field(SK_FAMILY.load()).unwrap_or(0);
        endpoint.role = role as u8;
        endpoint._pad0 = 0;
        endpoint.peer_tgid = 0;
        let local: *mut u64 = endpoint.local.as_mut_ptr().cast();
        let remote: *mut u64 = endpoint.remote.as_mut_ptr().cast();
        let (mut locals, mut remotes) = ((0, 0), (0, 0));
        if endpoint.family == AF_INET {
            locals.0 = u64::from(sk.field::<u32>(SK_RCV_SADDR.load()).unwrap_or(0));
            remotes.0 = u64::from(sk.field::<u32>(SK_DADDR.load()).unwrap_or(0));
        } else {
            let (own, other) = (SK_V6_RCV_SADDR.load(), SK_V6_DADDR.load());
            locals = (sk.field(own).unwrap_or(0), sk.field(own + 8).unwrap_or(0));
            remotes = (sk.field(other).unwrap_or(0), sk.field(other + 8).unwrap_or(0));
        }
        // SAFETY: both arrays are 16 bytes.
        unsafe {
            local.write_unaligned(locals.0);
            local.add(1).write_unaligned(locals.1);
            remote.write_unaligned(remotes.0);
            remote.add(1).write_unaligned(remotes.1);
        }
        0
    }
}
