//! All maps.

use auditor_common::{
    counter::Counter,
    go::{GoPoint, MAX_POINTS},
    mapping::{FileKey, MAX_FILES},
    policy::MAX_POLICIES,
    record::{Endpoint, MAX_RINGS},
    scope,
};
#[cfg(not(feature = "reduced"))]
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::{
    btf_maps::{ArrayOfMaps, RingBuf},
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray},
};

#[cfg(not(feature = "reduced"))]
use crate::hooks::{kernel_bytes::Given, messages::Place};
use crate::{
    hooks::{budget::Budget, datagram::Peer},
    records::{LENGTHS, Walk},
    socket_state::SocketState,
};

/// `BPF_F_NO_PREALLOC` (uapi/linux/bpf.h): entries take memory when they are made.
#[cfg(not(feature = "reduced"))]
const NOT_AHEAD: u32 = 1;
/// Kernels before 6.1 warn of programs that do that.
#[cfg(feature = "reduced")]
const NOT_AHEAD: u32 = 0;

/// Control ring first, then the data rings; the daemon creates the inner maps.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<u8, 4096>, { MAX_RINGS as usize }> = ArrayOfMaps::new();

/// Indexed by [`Counter`].
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::LEN, 0);

/// Watched processes by tgid, with one of [`scope::mark`]; kept up to date by fork, exec, exit and the daemon.
#[map]
pub static SCOPE_TGIDS: HashMap<u32, u8> = HashMap::with_max_entries(scope::MAX_TGIDS, NOT_AHEAD);

/// Watched cgroups by id, with one of [`scope::reach`].
#[map]
pub static SCOPE_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(scope::MAX_CGROUPS, NOT_AHEAD);

/// Processes of which it is not decided whether selectors choose them: what they move is counted, and not read.
#[map]
pub static UNDECIDED: HashMap<u32, u8> = HashMap::with_max_entries(scope::MAX_TGIDS, NOT_AHEAD);

/// Processes that are left out, whatever else says that they are watched.
#[map]
pub static EXCLUDED_TGIDS: HashMap<u32, u8> = HashMap::with_max_entries(scope::MAX_TGIDS, NOT_AHEAD);

/// Names of programs whose processes are left out from exec on.
#[map]
pub static EXCLUDED_NAMES: HashMap<[u8; scope::NAME_BYTES], u8> =
    HashMap::with_max_entries(scope::MAX_NAMES, NOT_AHEAD);

/// The same by the path that exec was given.
#[map]
pub static EXCLUDED_PATHS: HashMap<[u8; scope::PATH_BYTES], u8> =
    HashMap::with_max_entries(scope::MAX_NAMES, NOT_AHEAD);

/// Files the daemon has looked at; it keeps this up to date.
#[map]
pub static KNOWN_FILES: LruHashMap<FileKey, u8> = LruHashMap::with_max_entries(MAX_FILES, 0);

/// When a process was last told to be mapping something.
#[map]
pub static MAPPED_LATELY: LruHashMap<u32, u64> = LruHashMap::with_max_entries(8192, 0);

/// Socket state that lives and dies with the socket.
#[cfg(not(feature = "reduced"))]
#[btf_map]
pub static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// The same for the system call tier, which has no socket pointer the verifier trusts. Key: the
/// socket's address.
#[map]
pub static RAW_SOCKETS: LruHashMap<u64, SocketState> = LruHashMap::with_max_entries(16_384, 0);

/// TLS calls between entry and return, and what some that returned left, see [`Working`].
#[map]
pub static TLS_CALLS: LruHashMap<TlsCallKey, TlsCall> = LruHashMap::with_max_entries(16_384, 0);

/// What each thread is doing with TLS objects.
#[map]
pub static TLS_CURRENT: LruHashMap<u64, Working> = LruHashMap::with_max_entries(16_384, 0);

/// State of TLS objects.
#[map]
pub static TLS_STREAMS: LruHashMap<TlsKey, TlsStream> = LruHashMap::with_max_entries(65_536, 0);

/// The TLS object each bound socket carries, by the socket's cookie.
#[map]
pub static BOUND: LruHashMap<u64, TlsKey> = LruHashMap::with_max_entries(65_536, 0);

/// The AEAD contexts of sockets, by the socket's cookie.
#[cfg(not(feature = "reduced"))]
#[map]
pub static AEAD_SOCKETS: LruHashMap<u64, AeadSocket> = LruHashMap::with_max_entries(32_768, 0);

/// What threads did last with TLS objects and sockets that are not bound.
#[map]
pub static THREADS: LruHashMap<u64, Thread> = LruHashMap::with_max_entries(8192, 0);

/// Records that moved inside calls of an object that is not bound.
#[map]
pub static EVIDENCE: LruHashMap<TlsKey, Evidence> = LruHashMap::with_max_entries(8192, 0);

/// Who had which length lately.
#[map]
pub static RECENT: LruHashMap<RecentKey, Recent> = LruHashMap::with_max_entries(16_384, 0);

/// All zero, to make entries of: the stack has no room for them.
#[map]
pub static BLANK_THREAD: Array<Thread> = Array::with_max_entries(1, 0);
#[map]
pub static BLANK_EVIDENCE: Array<Evidence> = Array::with_max_entries(1, 0);
#[cfg(not(feature = "reduced"))]
#[map]
pub static BLANK_AEAD_SOCKET: Array<AeadSocket> = Array::with_max_entries(1, 0);

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

/// Streams of open TCP connections by the hash of both addresses.
#[map]
pub static LOCAL_STREAMS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(32_768, 0);

/// What connections have used of the budget of a message, by socket or TLS stream.
#[map]
pub static BUDGETS: LruHashMap<u64, Budget> = LruHashMap::with_max_entries(32_768, 0);

/// How many bytes of each message the daemon wants of a stream; it says so while it runs.
#[map]
pub static POLICIES: LruHashMap<u64, u32> = LruHashMap::with_max_entries(MAX_POLICIES, 0);

/// 1 once there is one of those.
#[map]
pub static POLICIES_SET: Array<u32> = Array::with_max_entries(1, 0);

/// The addresses of the datagram that is being copied on this CPU.
#[map]
pub static DATAGRAM: PerCpuArray<Peer> = PerCpuArray::with_max_entries(1, 0);

/// Who sent what a thread is about to be given: noted where datagrams leave their queue.
#[cfg(not(feature = "reduced"))]
#[map]
pub static RECEIVED_FROM: LruHashMap<u32, [u64; 4]> = LruHashMap::with_max_entries(4_096, 0);

/// What protocols' functions were given that the registers do not show, by thread.
#[cfg(not(feature = "reduced"))]
#[map]
pub static KERNEL_BYTES: LruHashMap<u32, Given> = LruHashMap::with_max_entries(4_096, 0);

/// How far threads are in a call that moves several messages.
#[cfg(not(feature = "reduced"))]
#[map]
pub static MESSAGES: LruHashMap<u32, Place> = LruHashMap::with_max_entries(4_096, 0);

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
    /// 0: it has returned.
    pub cookie: u64,
    /// As in [`Working::current`], before this call; 0: none.
    pub outer: u64,
}

/// A thread and its TLS calls.
///
/// To make an entry of `TLS_CALLS` and to take it out again costs more than all else a probe does. A thread's calls come
/// from the same few places over and over, so with the same stack pointers: those of its last ones keep their entries.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Working {
    /// The innermost object that is worked on, with `binding::READS` in its lowest bit; 0: none.
    pub current: u64,
    /// Stack pointers of calls that have returned and kept their entries; 0: none.
    pub kept: [u64; KEPT],
}

/// Entries that a thread keeps; a power of two.
pub const KEPT: usize = 4;

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
    /// How it was bound: one of `stream::by`.
    pub by: u8,
    /// 1: its socket has closed.
    pub closed: u8,
    /// 1: it was proved to be on two sockets, and is not bound any more.
    pub conflict: u8,
    /// What an AEAD context does, see `aead_socket`; 0: it is none.
    pub aead: u8,
    /// 1: it is the AEAD context that carries its socket's plaintext in its direction.
    pub carries: u8,
    pub _pad: [u8; 3],
}

/// A socket whose TLS is known by the AEAD contexts of its directions.
#[cfg(not(feature = "reduced"))]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AeadSocket {
    /// The process of the contexts.
    pub tgid: u64,
    /// The stream of both directions, and the one the daemon was told of last.
    pub id: u64,
    pub told: u64,
    /// The context that seals plaintext, and the one that opens it; 0: not known yet.
    pub carried: [u64; 2],
    pub endpoint: Endpoint,
}

/// What a thread did last outside TLS calls and inside them, where the two are not nested.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Thread {
    /// The object that was written to last, until the thread sends; 0: none.
    pub wrote: u64,
    pub wrote_bytes: u64,
    pub wrote_ns: u64,
    /// Cookie of the unbound socket that was received from last; 0: none.
    pub received: u64,
    pub received_ns: u64,
    pub received_endpoint: Endpoint,
    /// Lengths of the records that were complete then; 0: none.
    pub lengths: [u64; LENGTHS],
    /// When bytes were received whose records could not be told; 0: never.
    pub blind_since: u64,
    /// Room for one.
    pub endpoint: Endpoint,
    pub walk: Walk,
}

/// Sockets on which records moved inside calls of one object, since it last moved plaintext.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Evidence {
    pub first: Candidate,
    pub second: Candidate,
    /// 1: there were more than two.
    pub more: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Candidate {
    /// 0: free.
    pub cookie: u64,
    pub endpoint: Endpoint,
    /// Records of application data, and their lengths in total.
    pub count: u64,
    pub sum: u64,
    /// Lengths of the first and the last one.
    pub front: u64,
    pub last: u64,
}

/// A length on a thread: of plaintext written, or of a record received.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RecentKey {
    pub thread: u64,
    pub length: u32,
    pub ingress: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Recent {
    /// Object that wrote, or cookie of the socket that received.
    pub who: u64,
    pub time_ns: u64,
    /// When two that are not bound had this length; 0: never.
    pub contested_ns: u64,
}
