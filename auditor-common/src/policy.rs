//! What the daemon wants of a connection: a number of bytes of each message.

/// As much as of any other; also when nothing is said.
pub const FULL: u32 = u32::MAX;

/// The same, and before others when a ring is short of space.
pub const AHEAD: u32 = u32::MAX - 1;

/// Nothing is copied, and what moves is counted as muted.
pub const NOTHING: u32 = 0;

/// What is said at all, as bits: something, and that some connection goes [`AHEAD`].
pub const ANYTHING: u32 = 1;
pub const ANY_AHEAD: u32 = 2;

/// Most connections of which something is said; those that were quiet for longest are forgotten.
pub const MAX_POLICIES: u32 = 32_768;
