//! The eBPF objects, and which of them this kernel takes.
//!
//! Both are built of the same sources. The full one needs `bpf_loop`, pointers as arguments of global functions,
//! `bpf_task_pt_regs`, attach cookies and socket storage, which the kernel had all of by 5.17. The reduced one does
//! without, from 5.10 on, and sees sockets by the system call tier alone.

use super::btf::KernelTypes;

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Full,
    Reduced,
}

static FULL: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/auditor-ebpf"));
static REDUCED: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/auditor-ebpf-reduced"));

impl Object {
    /// The object for the kernel of these types: `bpf_loop` was the last to come of what the full one needs.
    pub fn of(types: &KernelTypes) -> Self {
        if types.enumerator("BPF_FUNC_loop").is_some() {
            Self::Full
        } else {
            Self::Reduced
        }
    }

    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Full => FULL,
            Self::Reduced => REDUCED,
        }
    }

    /// What this object lacks, for people.
    pub const fn limits(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::Reduced => Some(
                "this kernel has no bpf_loop (it came with 5.17): sockets are seen by the syscall tier alone; sendfile \
                 is counted and not read, other calls (sendmmsg, splice, io_uring) are not counted; rustls without \
                 symbols is not read; of one call at most 1024 records and pieces are read, the rest is over budget",
            ),
        }
    }
}
