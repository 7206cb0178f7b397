//! What is watched. The kernel programs look here before they read a byte.

/// Entries of the map of watched processes.
pub const MAX_TGIDS: u32 = 65_536;

/// Entries of the map of watched cgroups.
pub const MAX_CGROUPS: u32 = 4_096;

/// Levels of the cgroup tree that are searched for a watched ancestor.
pub const MAX_CGROUP_DEPTH: u32 = 16;
