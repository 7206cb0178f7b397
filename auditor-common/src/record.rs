//! What the kernel programs write into the rings.

use crate::scope::NAME_BYTES;

/// Largest payload of one record, bytes. A TLS record holds at most this much plaintext
/// (RFC 8446 §5.1: 2^14).
pub const CHUNK: u32 = 16_384;

/// Ring 0 carries process records; data rings follow.
pub const CONTROL_RING: u32 = 0;

/// Most rings a build can address (one control ring and the data rings).
pub const MAX_RINGS: u32 = 17;

/// Every record starts with this; `len` bytes of payload follow it directly.
///
/// Records occupy a slot of one of four sizes, so a record in the ring may be longer than
/// `HEADER_LEN + len`; what lies behind is undefined.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RecordHeader {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
    /// Unique per stream and source: the socket cookie, or an id made when a TLS object was
    /// first seen.
    pub stream: u64,
    /// Socket cookie the stream is bound to; 0 while it is unbound.
    pub cookie: u64,
    /// Position of the first payload byte in this stream and direction. It advances by what the
    /// program moved, also when bytes were not delivered: a jump is a gap.
    pub offset: u64,
    /// cgroup v2 id (inode) of the task.
    pub cgroup: u64,
    /// Process id, initial pid namespace.
    pub tgid: u32,
    /// Thread id, initial pid namespace.
    pub tid: u32,
    /// Bytes the whole call moved.
    pub total: u32,
    /// Payload bytes in this record, at most [`CHUNK`].
    pub len: u32,
    /// TCP sequence number after the call (`write_seq` or `copied_seq`); 0 for TLS streams.
    pub seq_end: u32,
    /// Index of this record within its call.
    pub chunk: u16,
    /// One of [`Kind`].
    pub kind: u8,
    /// One of [`Source`].
    pub source: u8,
    /// 0: the task sends; 1: it receives.
    pub ingress: u8,
    /// Bits of [`flags`].
    pub flags: u8,
    pub _pad0: u16,
    pub _pad1: u32,
}

/// Size of [`RecordHeader`], bytes.
pub const HEADER_LEN: usize = size_of::<RecordHeader>();

const _: () = {
    assert!(HEADER_LEN == 72);
    assert!(core::mem::offset_of!(RecordHeader, tgid) == 40);
    assert!(core::mem::offset_of!(RecordHeader, chunk) == 60);
    assert!(core::mem::offset_of!(RecordHeader, flags) == 65);
};

/// Values of [`RecordHeader::kind`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Payload bytes of a stream.
    Data = 1,
    /// A socket was seen for the first time; the payload is an [`Endpoint`].
    Opened = 2,
    /// A TLS stream was bound to a socket; the payload is that socket's [`Endpoint`].
    Bound = 3,
    /// The stream ended.
    Closed = 4,
    /// A process in scope called exec; the payload is the [`Program`] it runs now.
    Exec = 5,
    /// The last thread of a process in scope ended.
    Exit = 6,
    /// A process in scope forked: `tgid` is the child, `total` the parent.
    Fork = 7,
    /// A process in scope is mapping a file that the daemon does not know.
    Mapped = 8,
    /// A datagram, or a piece of one; the payload is its [`Endpoint`] and then its bytes. `offset` is the place in the
    /// datagram, `total` the datagram's length.
    Datagram = 9,
    /// A process was put into another cgroup, or was made in another one than its parent's. Where selectors choose only.
    Moved = 10,
}

/// Values of [`RecordHeader::source`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Socket = 1,
    Tls = 2,
    Process = 3,
}

/// Bits of [`RecordHeader::flags`].
pub mod flags {
    /// The last record of its call.
    pub const LAST: u8 = 1;
    /// The call moved more than its records carry.
    pub const TRUNCATED: u8 = 2;
    /// It comes from the other end of the stream's connection: what that one sent, this stream received.
    pub const PEER: u8 = 4;
    /// `Opened`: positions are TCP sequence numbers. `offset` is where the bytes begin that the task sends, `total` where
    /// those begin that it receives.
    pub const SEQUENCE: u8 = 8;
}

/// Address families (linux/socket.h).
pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;

/// Both addresses of a socket, as seen from the task that owns it.
///
/// A UNIX domain socket has no address that names it: the first eight bytes are its inode number, 0 where the socket
/// belongs to no process (yet), the other eight a number that it has while it is open. Both are little-endian.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// IPv4 in the first four bytes when `family` is 2, else IPv6.
    pub local: [u8; 16],
    pub remote: [u8; 16],
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Host byte order.
    pub local_port: u16,
    /// Host byte order.
    pub remote_port: u16,
    /// [`AF_UNIX`], [`AF_INET`] or [`AF_INET6`].
    pub family: u16,
    /// One of [`role`].
    pub role: u8,
    pub _pad0: u8,
    /// `AF_UNIX`: the process that connected or listened at the other end (initial pid namespace); 0: not known.
    pub peer_tgid: u32,
}

/// Size of [`Endpoint`], bytes.
pub const ENDPOINT_LEN: usize = size_of::<Endpoint>();

const _: () = {
    assert!(ENDPOINT_LEN == 48);
    assert!(core::mem::offset_of!(Endpoint, netns) == 32);
    assert!(core::mem::offset_of!(Endpoint, role) == 42);
};

/// Values of [`Endpoint::role`].
pub mod role {
    /// The socket existed before the kernel programs, or accepted the connection.
    pub const UNKNOWN: u8 = 0;
    /// The task's side opened the connection.
    pub const CLIENT: u8 = 1;
    /// `AF_UNIX`: the socket has the name that others connect to.
    pub const SERVER: u8 = 2;
}

/// What a process runs from its exec on. `/proc` says more of it for as long as the process lives.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Program {
    /// As the kernel keeps it (`TASK_COMM_LEN`, linux/sched.h), ended by a zero.
    pub name: [u8; NAME_BYTES],
    /// What is loaded, for a script its interpreter: as exec was given it, ended by a zero. One that fills this is cut.
    pub path: [u8; PROGRAM_PATH_BYTES],
}

/// Bytes of [`Program::path`].
pub const PROGRAM_PATH_BYTES: usize = 176;

/// Size of [`Program`], bytes.
pub const PROGRAM_LEN: usize = size_of::<Program>();

const _: () = assert!(PROGRAM_LEN == 192);

/// Reads a `T` (plain old data) from the front of `bytes`; `None` when it is too short.
#[cfg(feature = "user")]
fn read_front<T: Copy>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the length was checked, `read_unaligned` has no alignment needs, and the callers
    // below instantiate it only with types for which every bit pattern is valid.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(feature = "user")]
impl RecordHeader {
    /// Decodes the front of a record; `None` when it is shorter than a header.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        read_front(bytes)
    }
}

#[cfg(feature = "user")]
impl Program {
    /// Decodes the payload of an `Exec` record; `None` when it is too short.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        read_front(bytes)
    }

    /// The name; empty where there is none.
    pub fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|byte| *byte == 0);
        &self.name[..end.unwrap_or(NAME_BYTES)]
    }

    /// The path, if it is from the root and whole.
    pub fn path(&self) -> Option<&[u8]> {
        let end = self.path.iter().position(|byte| *byte == 0)?;
        (end < PROGRAM_PATH_BYTES - 1 && self.path[0] == b'/').then_some(&self.path[..end])
    }
}

#[cfg(feature = "user")]
impl Endpoint {
    /// Decodes the payload of an `Opened` or `Bound` record; `None` when it is too short.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        read_front(bytes)
    }
}
