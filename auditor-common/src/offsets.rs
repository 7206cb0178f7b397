//! Fields of kernel structs that the programs read.
//!
//! Rust eBPF has no CO-RE relocations, so the daemon takes each offset from the running kernel's
//! BTF and passes it as a read-only global, which the verifier sees as a constant.

/// One field: the name of the global, the struct and the path of members within it.
pub struct Field {
    pub global: &'static str,
    pub of: &'static str,
    pub path: &'static [&'static str],
}

/// Fields a kernel may be built without; their offset is then 0, which no real one has.
pub const OPTIONAL: &[&str] = &[
    "TASK_IO_URING",
    "UNIX_PEER",
    "UNIX_ADDR",
    "ITER_TYPE",
    "CGROUP_ANCESTORS",
];

macro_rules! fields {
    ($($global:ident = $of:literal $(. $member:literal)+;)+) => {
        /// Every field, for the loader.
        pub const FIELDS: &[Field] = &[$(Field { global: stringify!($global), of: $of, path: &[$($member),+] }),+];

        /// Calls `$each!(NAME NAME …)` so that the kernel side declares one global per field.
        #[macro_export]
        macro_rules! for_each_offset {
            ($each:ident) => { $each! { $($global)+ } };
        }
    };
}

fields! {
    SK_FAMILY = "sock" . "__sk_common" . "skc_family";
    SK_NUM = "sock" . "__sk_common" . "skc_num";
    SK_DPORT = "sock" . "__sk_common" . "skc_dport";
    SK_DADDR = "sock" . "__sk_common" . "skc_daddr";
    SK_RCV_SADDR = "sock" . "__sk_common" . "skc_rcv_saddr";
    SK_V6_DADDR = "sock" . "__sk_common" . "skc_v6_daddr";
    SK_V6_RCV_SADDR = "sock" . "__sk_common" . "skc_v6_rcv_saddr";
    SK_COOKIE = "sock" . "__sk_common" . "skc_cookie";
    SK_NET = "sock" . "__sk_common" . "skc_net" . "net";
    SK_TYPE = "sock" . "sk_type";
    SK_PROTOCOL = "sock" . "sk_protocol";
    NET_INUM = "net" . "ns" . "inum";
    TCP_WRITE_SEQ = "tcp_sock" . "write_seq";
    TCP_COPIED_SEQ = "tcp_sock" . "copied_seq";
    TASK_TGID = "task_struct" . "tgid";
    TASK_FLAGS = "task_struct" . "flags";
    TASK_CGROUPS = "task_struct" . "cgroups";
    CSET_CGROUP = "css_set" . "dfl_cgrp";
    CGROUP_LEVEL = "cgroup" . "level";
    CGROUP_ANCESTORS = "cgroup" . "ancestor_ids";
    TASK_SIGNAL = "task_struct" . "signal";
    TASK_FILES = "task_struct" . "files";
    SIGNAL_LIVE = "signal_struct" . "live";
    FILES_FDT = "files_struct" . "fdt";
    FDTABLE_FD = "fdtable" . "fd";
    FDTABLE_MAX = "fdtable" . "max_fds";
    FILE_INODE = "file" . "f_inode";
    FILE_PRIVATE = "file" . "private_data";
    INODE_MODE = "inode" . "i_mode";
    INODE_INO = "inode" . "i_ino";
    INODE_SB = "inode" . "i_sb";
    SB_DEV = "super_block" . "s_dev";
    SOCKET_SK = "socket" . "sk";
    BPRM_FILENAME = "linux_binprm" . "filename";
    BPRM_INTERPRETER = "linux_binprm" . "interp";
    SOCKET_FILE = "socket" . "file";
    SK_SOCKET = "sock" . "sk_socket";
    SK_PEER_PID = "sock" . "sk_peer_pid";
    PID_NUMBERS = "pid" . "numbers";
    UNIX_PEER = "unix_sock" . "peer";
    UNIX_ADDR = "unix_sock" . "addr";
    MESSAGE_NAME = "msghdr" . "msg_name";
    TASK_IO_URING = "task_struct" . "io_uring";
    MESSAGE_ITER = "msghdr" . "msg_iter";
    ITER_TYPE = "iov_iter" . "iter_type";
    ITER_OFFSET = "iov_iter" . "iov_offset";
    ITER_COUNT = "iov_iter" . "count";
    ITER_PIECES = "iov_iter" . "kvec";
    ITER_SEGMENTS = "iov_iter" . "nr_segs";
}
