//! What the daemon wants of a connection: a number of bytes of each message.

/// As much as of any other; also when nothing is said.
pub const FULL: u32 = u32::MAX;

/// Nothing is copied, and what moves is counted as muted.
pub const NOTHING: u32 = 0;

/// Most connections of which something is said; those that were quiet for longest are forgotten.
pub const MAX_POLICIES: u32 = 32_768;
