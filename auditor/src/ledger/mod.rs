//! The account of every byte.
//!
//! Rule: every byte the kernel moved on a watched connection ends in exactly one [`Account`].
//! There are two ledgers, [`Ledger::Socket`] and [`Ledger::Tls`] (plaintext), both in bytes
//! before any decoding. `moved` comes from the kernel's own per-CPU sums of return values, so a
//! lost record still shows.

pub mod bytes;

pub use bytes::{Balance, ByteLedger};

/// Which of the two independent accounts a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ledger {
    /// Bytes that crossed a socket, ciphertext included.
    Socket,
    /// Plaintext handed to or by a TLS library.
    Tls,
}

/// Where a byte ended. The names are a contract: they are label values of `auditor_bytes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Account {
    /// Searched for sensitive values.
    Scanned,
    /// The ring buffer to userspace was full.
    RingFull,
    /// Beyond the capture budget of its call or message.
    OverBudget,
    /// The page was not resident when the kernel side read it.
    PageFault,
    /// Could not be placed because bytes before it are missing.
    Gap,
    /// TLS records on a socket; their plaintext is in the TLS ledger if the library is hooked.
    Ciphertext,
    /// TLS handshake and change-cipher-spec records on a socket.
    Handshake,
    /// A content encoding that is not read.
    UnsupportedEncoding,
    /// A known encoding whose data is broken.
    Undecodable,
    /// Images, archives and other formats that hold no text.
    Binary,
    /// A queue inside the daemon was full.
    QueueFull,
    /// Left out by configured sampling.
    SampledOut,
    /// Moved by a path that shows no user buffer (sendfile, splice, io_uring, kernel sockets).
    Unseen,
    /// The same bytes were seen at the other end.
    Duplicate,
    /// Muted by a per-connection policy.
    Muted,
    /// A memory, size or depth limit was reached.
    Limit,
}

impl Account {
    /// All accounts, in the order they are printed.
    pub const ALL: [Self; 16] = [
        Self::Scanned,
        Self::RingFull,
        Self::OverBudget,
        Self::PageFault,
        Self::Gap,
        Self::Ciphertext,
        Self::Handshake,
        Self::UnsupportedEncoding,
        Self::Undecodable,
        Self::Binary,
        Self::QueueFull,
        Self::SampledOut,
        Self::Unseen,
        Self::Duplicate,
        Self::Muted,
        Self::Limit,
    ];

    /// The label value used in metrics and summaries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scanned => "scanned",
            Self::RingFull => "ring_full",
            Self::OverBudget => "over_budget",
            Self::PageFault => "page_fault",
            Self::Gap => "gap",
            Self::Ciphertext => "ciphertext",
            Self::Handshake => "handshake",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Undecodable => "undecodable",
            Self::Binary => "binary",
            Self::QueueFull => "queue_full",
            Self::SampledOut => "sampled_out",
            Self::Unseen => "unseen",
            Self::Duplicate => "duplicate",
            Self::Muted => "muted",
            Self::Limit => "limit",
        }
    }
}
