//! All maps.

use auditor_common::{
    counter::Counter,
    go::{GoPoint, MAX_POINTS},
    record::MAX_RINGS,
    scope,
};
use aya_ebpf::{
    btf_maps::{ArrayOfMaps, RingBuf, SkStorage},
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray},
};

use crate::{
    hooks::{budget::Budget, datagram::Peer, messages::Position},
    socket_state::SocketState,
};

/// Control ring first, then the data rings; the daemon creates the inner maps.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<u8, 4096>, { MAX_RINGS as usize }> = ArrayOfMaps::new();

/// Indexed by [`Counter`].
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::LEN, 0);

/// Watched processes by tgid; kept up to date by fork and exit.
#[map]
pub static SCOPE_TGIDS: HashMap<u32, u8> = HashMap::with_max_entries(scope::MAX_TGIDS, 1);

/// Watched cgroups by id, descendants included.
#[map]
pub static SCOPE_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(scope::MAX_CGROUPS, 1);

/// Socket state that lives and dies with the socket.
#[btf_map]
pub static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// The same for the system call tier, which has no socket pointer the verifier trusts. Key: the
/// socket's address.
#[map]
pub static RAW_SOCKETS: LruHashMap<u64, SocketState> = LruHashMap::with_max_entries(16_384, 0);

/// TLS calls between entry and return.
#[map]
pub static TLS_CALLS: LruHashMap<TlsCallKey, TlsCall> = LruHashMap::with_max_entries(16_384, 0);

/// The innermost TLS object each thread is working on.
#[map]
pub static TLS_CURRENT: LruHashMap<u64, u64> = LruHashMap::with_max_entries(16_384, 0);

/// State of TLS objects.
#[map]
pub static TLS_STREAMS: LruHashMap<TlsKey, TlsStream> = LruHashMap::with_max_entries(65_536, 0);

/// What the probes in Go programs have to know; the daemon fills it before it attaches.
#[map]
pub static GO_POINTS: Array<GoPoint> = Array::with_max_entries(MAX_POINTS, 0);

/// Writes of Go programs under way. The key's object is the goroutine.
#[map]
pub static GO_WRITES: LruHashMap<TlsKey, GoWrite> = LruHashMap::with_max_entries(16_384, 0);

/// Open sockets whose connection a process in scope opened, by address: probes can not look into
/// the socket's own state.
#[map]
pub static CLIENT_SOCKETS: LruHashMap<u64, u8> = LruHashMap::with_max_entries(16_384, 0);

/// Streams by the addresses of an open TCP socket, its own first, hashed.
#[map]
pub static LOCAL_ENDS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(32_768, 0);

/// What connections have used of the budget of a message, by socket or TLS stream.
#[map]
pub static BUDGETS: LruHashMap<u64, Budget> = LruHashMap::with_max_entries(32_768, 0);

/// The addresses of the datagram that is being copied on this CPU.
#[map]
pub static DATAGRAM: PerCpuArray<Peer> = PerCpuArray::with_max_entries(1, 0);

/// Who sent what a thread is about to be given: noted where datagrams leave their queue.
#[map]
pub static RECEIVED_FROM: LruHashMap<u32, [u64; 4]> = LruHashMap::with_max_entries(4_096, 0);

/// How far threads are in a call that moves several messages.
#[map]
pub static MESSAGES: LruHashMap<u32, Position> = LruHashMap::with_max_entries(4_096, 0);

/// 1 once a program runs at the end of every such call.
#[map]
pub static MESSAGES_END: Array<u32> = Array::with_max_entries(1, 0);

/// Arguments of a Go write.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GoWrite {
    pub conn: u64,
    pub buffer: u64,
    pub length: u64,
}

/// A call is known by its process and its stack pointer at entry: threads and fibres alike keep
/// that until they return.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TlsCallKey {
    pub tgid: u64,
    pub stack: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct TlsCall {
    pub object: u64,
    pub buffer: u64,
    pub length: u64,
    /// Where the function stores the count, or its flags for `Shape::ReturnsCountUnlessPeek`.
    pub count_at: u64,
    pub cookie: u64,
    /// TLS object the thread was in before this call; 0: none.
    pub outer: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct TlsKey {
    pub tgid: u64,
    pub object: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct TlsStream {
    pub id: u64,
    /// Cookie of the socket it is bound to; 0: unbound.
    pub cookie: u64,
    /// Next offset, egress and ingress.
    pub offset: [u64; 2],
}
