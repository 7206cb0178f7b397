//! Indexes into the per-CPU counter array: the kernel's half of the byte account.

/// One slot of the `COUNTERS` map; the unit is bytes unless the name says otherwise.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Sum of return values of socket operations in scope, before any copy.
    SocketMoved = 0,
    /// Sum of plaintext bytes TLS calls in scope moved, before any copy.
    TlsMoved,
    /// Payload bytes of socket records that reached a ring.
    SocketDelivered,
    TlsDelivered,
    SocketRingFull,
    TlsRingFull,
    SocketOverBudget,
    TlsOverBudget,
    SocketPageFault,
    TlsPageFault,
    /// Moved without a user buffer we can read (sendfile, splice, io_uring, other families).
    SocketUnseen,
    TlsUnseen,
    /// TLS application records on a socket.
    SocketCiphertext,
    /// TLS handshake records on a socket.
    SocketHandshake,
    /// Records (not bytes) that reached a ring.
    Records,
    /// Records other than data that were lost because their ring was full (records).
    ControlLost,
    /// TLS calls whose entry was not found at their return, or whose length could not be read (calls).
    TlsCallLost,
    /// TLS streams bound to a socket by nesting (streams).
    BoundNested,
    /// TLS streams bound to the socket that their object names (streams).
    BoundDescriptor,
    /// TLS streams bound to the socket their thread used right before or after a call (streams).
    BoundAdjacent,
    /// Lengths fitted, and another object or socket of the thread fitted as well: not bound (times).
    BindAmbiguous,
    /// A second socket for a TLS object, or a second object for a socket: unbound again (times).
    BindConflict,
    /// A map had no room for an entry (times).
    MapFull,
    /// Messages of `sendmmsg` or `recvmmsg` of which it could not be told which they are (messages).
    MessagesUntold,
    /// Of connections that the daemon left out.
    SocketMuted,
    TlsMuted,
    /// Moved on sockets by processes of which it is not decided whether they are chosen.
    Undecided,
}

impl Counter {
    /// Number of slots.
    pub const LEN: u32 = Self::Undecided as u32 + 1;
}
