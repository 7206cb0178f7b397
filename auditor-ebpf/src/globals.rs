//! Read-only settings the daemon fills in before loading.

use aya_ebpf::Global;

macro_rules! declare {
    ($($name:ident)+) => {
        $(
            #[unsafe(no_mangle)]
            pub static $name: Global<u32> = Global::new(0);
        )+
    };
}

auditor_common::for_each_offset!(declare);

declare! {
    // The daemon's own process: never captured.
    OWN_TGID
    // 1: every process is in scope.
    SCOPE_NODE
    // 1: the cgroup map is not empty.
    SCOPE_CGROUPS_USED
    // 1: some processes are left out.
    EXCLUDES_USED
    // 1: selectors choose what is watched.
    SELECTS_USED
    // Number of data rings, a power of two; they follow the control ring.
    DATA_RINGS
    // Most bytes captured of one call.
    MAX_CALL_BYTES
    // Most bytes captured of one message; 0: no limit.
    MAX_MESSAGE_BYTES
    // Bits in the size of `struct page`; 0: not known.
    PAGE_STRUCT_SHIFT
    // Values of `enum iter_type`, and one more, so that 0 is: not there.
    ITER_UBUF
    ITER_IOVEC
    ITER_KVEC
    ITER_BVEC
    // Bytes of a data ring.
    RING_BYTES
}

/// Where the kernel keeps the address of the array of its `struct page`; 0: not known.
#[unsafe(no_mangle)]
pub static VMEMMAP_BASE: Global<u64> = Global::new(0);

/// Where it keeps the address that all memory is mapped at; 0: not known.
#[unsafe(no_mangle)]
pub static PAGE_OFFSET_BASE: Global<u64> = Global::new(0);
