//! What is watched. The kernel programs look here before they read a byte.

/// Entries of the map of watched processes.
pub const MAX_TGIDS: u32 = 65_536;

/// Entries of the map of watched cgroups.
pub const MAX_CGROUPS: u32 = 4_096;

/// Most names of programs that are left out.
pub const MAX_NAMES: u32 = 4_096;

/// Bytes of a program's name as the kernel keeps it (`TASK_COMM_LEN`, linux/sched.h).
pub const NAME_BYTES: usize = 16;

/// Bytes of a program's path that are compared, its zero included.
pub const PATH_BYTES: usize = 128;

/// Levels of the cgroup tree that are searched for a watched ancestor.
pub const MAX_CGROUP_DEPTH: u32 = 16;
