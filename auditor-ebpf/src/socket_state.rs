//! Per-socket state, and the two ways to get at a socket.
//!
//! tp_btf and fexit programs hold a pointer the verifier trusts: fields are plain loads and state
//! is kept in the socket itself. The system call tier has only an address: fields go through
//! `bpf_probe_read_kernel` and state lives in a map keyed by that address.

use core::{ffi::c_void, ptr};

use auditor_common::record::{AF_INET, AF_INET6, AF_UNIX, Endpoint};
use aya_ebpf::helpers::{
    bpf_ktime_get_ns, bpf_probe_read_kernel,
    generated::{bpf_get_socket_cookie, bpf_sk_storage_get},
};

use crate::{
    globals::{
        NET_INUM, SK_DADDR, SK_DPORT, SK_FAMILY, SK_NET, SK_NUM, SK_PROTOCOL, SK_RCV_SADDR, SK_TYPE,
        SK_V6_DADDR, SK_V6_RCV_SADDR, TCP_COPIED_SEQ, TCP_WRITE_SEQ,
    },
    maps::{RAW_SOCKETS, SOCKETS},
    records::Position,
};

/// Types and protocols of linux/net.h and uapi/linux/in.h.
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const SOCK_SEQPACKET: u16 = 5;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const IPPROTO_UDPLITE: u16 = 136;

/// How bytes on a socket belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// One stream each way: TCP, UNIX domain.
    Stream,
    /// Messages that stand alone: UDP, UNIX domain datagrams and seqpackets.
    Messages,
    /// Anything else: not read.
    Other,
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
    /// Its key in `LOCAL_ENDS`.
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
    /// Whether more than TCP is read through it, and both ends of a local connection make one stream. Through a bare address each field is a call that may fail, and all of it
    /// together is more than the verifier of 6.1 follows.
    const ALL_TRAFFIC: bool;

    /// Reads a field of `struct sock` at a byte offset.
    fn field<T: Copy>(self, offset: u32) -> Option<T>;
    /// Reads the `struct net` inode number.
    fn netns(self) -> u32;
    /// Existing state.
    fn state(self) -> Option<*mut SocketState>;
    /// Existing or fresh state.
    fn state_or_new(self) -> Option<*mut SocketState>;
    /// An id for the connection, never 0 and never used twice.
    fn new_id(self) -> u64;

    /// True for TCP over IPv4 and IPv6.
    #[inline(always)]
    fn is_tcp(self) -> bool {
        let family = self.field::<u16>(SK_FAMILY.load()).unwrap_or(0);
        (family == AF_INET || family == AF_INET6)
            && self.field::<u16>(SK_TYPE.load()) == Some(SOCK_STREAM)
            && self.field::<u16>(SK_PROTOCOL.load()) == Some(IPPROTO_TCP)
    }

    /// What kind of traffic the socket carries.
    #[inline(always)]
    fn traffic(self) -> Traffic {
        if !Self::ALL_TRAFFIC {
            return if self.is_tcp() {
                Traffic::Stream
            } else {
                Traffic::Other
            };
        }
        let family = self.field::<u16>(SK_FAMILY.load()).unwrap_or(0);
        let kind = self.field::<u16>(SK_TYPE.load()).unwrap_or(0);
        if family == AF_UNIX {
            return match kind {
                SOCK_STREAM => Traffic::Stream,
                SOCK_DGRAM | SOCK_SEQPACKET => Traffic::Messages,
                _ => Traffic::Other,
            };
        }
        let protocol = self.field::<u16>(SK_PROTOCOL.load()).unwrap_or(0);
        if family != AF_INET && family != AF_INET6 {
            Traffic::Other
        } else if kind == SOCK_STREAM && protocol == IPPROTO_TCP {
            Traffic::Stream
        } else if kind == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) {
            Traffic::Messages
        } else {
            Traffic::Other
        }
    }

    /// True for a UNIX domain socket.
    #[inline(always)]
    fn is_unix(self) -> bool {
        Self::ALL_TRAFFIC && self.field::<u16>(SK_FAMILY.load()) == Some(AF_UNIX)
    }

    /// The address of the socket, as a number.
    fn address(self) -> u64;

    /// `write_seq` after a send, `copied_seq` after a receive: fields of the larger struct
    /// tcp_sock around struct sock, so never a typed load.
    #[inline(always)]
    fn sequence(self, ingress: u8) -> u32 {
        let offset = if ingress == 0 {
            TCP_WRITE_SEQ.load()
        } else {
            TCP_COPIED_SEQ.load()
        };
        // SAFETY: the helper checks the address; a bad one is an error.
        unsafe { bpf_probe_read_kernel((self.address() + u64::from(offset)) as *const u32) }.unwrap_or(0)
    }

    /// Both addresses.
    #[inline(always)]
    fn endpoint(self, role: u8) -> Endpoint {
        let mut endpoint = Endpoint {
            local: [0; 16],
            remote: [0; 16],
            netns: self.netns(),
            local_port: self.field(SK_NUM.load()).unwrap_or(0),
            remote_port: u16::from_be(self.field(SK_DPORT.load()).unwrap_or(0)),
            family: self.field(SK_FAMILY.load()).unwrap_or(0),
            role,
            _pad0: 0,
            peer_tgid: 0,
        };
        if endpoint.family == AF_INET {
            let (local, remote): (u32, u32) = (
                self.field(SK_RCV_SADDR.load()).unwrap_or(0),
                self.field(SK_DADDR.load()).unwrap_or(0),
            );
            // SAFETY: both arrays are 16 bytes; u32 has no alignment need in an unaligned write.
            unsafe {
                ptr::write_unaligned(endpoint.local.as_mut_ptr().cast(), local);
                ptr::write_unaligned(endpoint.remote.as_mut_ptr().cast(), remote);
            }
        } else {
            for word in 0..2 {
                let at = word as u32 * 8;
                let local: u64 = self.field(SK_V6_RCV_SADDR.load() + at).unwrap_or(0);
                let remote: u64 = self.field(SK_V6_DADDR.load() + at).unwrap_or(0);
                // SAFETY: `word` is 0 or 1, so both writes stay inside the 16 bytes.
                unsafe {
                    ptr::write_unaligned(endpoint.local.as_mut_ptr().add(word * 8).cast(), local);
                    ptr::write_unaligned(endpoint.remote.as_mut_ptr().add(word * 8).cast(), remote);
                }
            }
        }
        endpoint
    }
}

/// A `struct sock *` with BTF type.
#[derive(Clone, Copy)]
pub struct BtfSock(pub *mut c_void);

impl Sock for BtfSock {
    const ALL_TRAFFIC: bool = true;

    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the verifier checks the offset (a constant to it) against the type; a fault
        // reads zero.
        Some(unsafe { ptr::read_volatile(self.0.cast::<u8>().add(offset as usize).cast::<T>()) })
    }

    #[inline(always)]
    fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    fn netns(self) -> u32 {
        // SAFETY: as in `field`; `skc_net.net` is a pointer to struct net.
        unsafe {
            let net: *const u8 = ptr::read_volatile(self.0.cast::<u8>().add(SK_NET.load() as usize).cast());
            ptr::read_volatile(net.add(NET_INUM.load() as usize).cast())
        }
    }

    #[inline(always)]
    fn state(self) -> Option<*mut SocketState> {
        storage(self.0, 0)
    }

    #[inline(always)]
    fn state_or_new(self) -> Option<*mut SocketState> {
        storage(self.0, 1)
    }

    #[inline(always)]
    fn new_id(self) -> u64 {
        // SAFETY: a BTF socket pointer is what the helper wants.
        unsafe { bpf_get_socket_cookie(self.0) }
    }
}

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

impl Sock for RawSock {
    const ALL_TRAFFIC: bool = false;

    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the helper checks the address; a bad one is an error.
        unsafe { bpf_probe_read_kernel((self.0 + u64::from(offset)) as *const T) }.ok()
    }

    #[inline(always)]
    fn address(self) -> u64 {
        self.0
    }

    #[inline(always)]
    fn netns(self) -> u32 {
        let Some(net) = self.field::<u64>(SK_NET.load()) else {
            return 0;
        };
        // SAFETY: as in `field`.
        unsafe { bpf_probe_read_kernel((net + u64::from(NET_INUM.load())) as *const u32) }.unwrap_or(0)
    }

    #[inline(always)]
    fn state(self) -> Option<*mut SocketState> {
        RAW_SOCKETS.get_ptr_mut(&self.0)
    }

    #[inline(always)]
    fn state_or_new(self) -> Option<*mut SocketState> {
        if let Some(state) = self.state() {
            return Some(state);
        }
        let _ = RAW_SOCKETS.insert(&self.0, &SocketState::NEW, 0);
        self.state()
    }

    #[inline(always)]
    fn new_id(self) -> u64 {
        // SAFETY: the helper takes no pointers. Addresses are reused, so time makes the id unique;
        // the top bit keeps it apart from kernel cookies, which count from 1.
        (unsafe { bpf_ktime_get_ns() } ^ self.0 << 20) | 1 << 63
    }
}
