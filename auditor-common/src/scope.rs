//! What is watched. The kernel programs look here before they read a byte.

/// Entries of the map of watched processes.
pub const MAX_TGIDS: u32 = 65_536;

/// Values of the map of watched processes.
pub mod mark {
    /// Not watched: the daemon is looking at it. What would make its decision void takes the entry out, so that it can
    /// not be put in force any more.
    pub const CHECKED: u8 = 0;
    /// Watched because it was named, with its descendants, whatever they become.
    pub const NAMED: u8 = 1;
    /// Chosen by selectors: watched until it is in another cgroup.
    pub const CHOSEN: u8 = 2;
    /// Chosen by selectors that ask for the program: watched until it is in another cgroup or runs another program.
    pub const CHOSEN_PROGRAM: u8 = 3;
}

/// Values of the map of watched cgroups.
pub mod reach {
    /// With all cgroups below it.
    pub const BELOW: u8 = 1;
    /// Without them: they have names of their own.
    pub const ALONE: u8 = 2;
}

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
