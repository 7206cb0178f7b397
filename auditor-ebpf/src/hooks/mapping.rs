//! A file is being mapped: the daemon looks whether it holds a TLS library.
//!
//! The tracepoint fires while the kernel looks for a free range of addresses. The dynamic linker asks
//! for one with the first segment of a library, before it maps the others over it at fixed addresses;
//! so this comes microseconds before the code is there. What is mapped is told by the registers of the
//! system call. Files the daemon knows are left out, and a process is heard once in ten milliseconds:
//! the daemon looks at all that it has mapped, a few times.
//!
//! In the reduced object the program at the end of system calls does this, once the file is mapped.

#[cfg(not(feature = "reduced"))]
use core::ptr;

use auditor_common::{
    mapping::FileKey,
    record::{CONTROL_RING, Kind, Source},
};
use aya_ebpf::helpers::bpf_ktime_get_ns;
#[cfg(not(feature = "reduced"))]
use aya_ebpf::{
    bindings::pt_regs,
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    copy::{event, event_header},
    globals::{INODE_INO, INODE_SB, SB_DEV},
    hooks::syscall::{inode_of, read},
    maps::{KNOWN_FILES, MAPPED_LATELY},
    scope,
};

/// x86_64 `mmap`.
pub const MMAP: u64 = 9;
/// `MAP_ANONYMOUS` (uapi/asm-generic/mman-common.h).
const MAP_ANONYMOUS: u64 = 0x20;
/// Shortest time between two records of one process, nanoseconds.
const PAUSE: u64 = 10_000_000;
/// `S_IFMT` and `S_IFREG` (uapi/linux/stat.h).
const FILE_TYPE: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;

/// include/trace/events/mmap.h `vm_unmapped_area(addr, info)`.
#[cfg(not(feature = "reduced"))]
#[btf_tracepoint(function = "vm_unmapped_area")]
pub fn vm_unmapped_area(_ctx: BtfTracePointContext) -> i32 {
    let _ = try_vm_unmapped_area();
    0
}

#[cfg(not(feature = "reduced"))]
fn try_vm_unmapped_area() -> Option<()> {
    // SAFETY: the helpers give BTF pointers to the current task and its registers, whose fields may
    // be loaded.
    let (number, flags, descriptor) = unsafe {
        let regs = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const pt_regs;
        (
            ptr::read_volatile(&raw const (*regs).orig_rax),
            ptr::read_volatile(&raw const (*regs).r10),
            ptr::read_volatile(&raw const (*regs).r8),
        )
    };
    if number != MMAP {
        return None;
    }
    mapped(flags, descriptor)
}

/// A system call maps a file, if these arguments of it say so: tells the daemon, unless it knows the file.
#[inline(always)]
pub fn mapped(flags: u64, descriptor: u64) -> Option<()> {
    if flags & MAP_ANONYMOUS != 0 {
        return None;
    }
    let task = scope::current()?;
    let (inode, mode) = inode_of(descriptor as u32)?;
    if mode & FILE_TYPE != REGULAR {
        return None;
    }
    let block: u64 = read(inode, INODE_SB.load())?;
    let file = FileKey {
        device: u64::from(read::<u32>(block, SB_DEV.load())?),
        inode: read(inode, INODE_INO.load())?,
    };
    if KNOWN_FILES.get_ptr(&file).is_some() {
        return None;
    }
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(last) = MAPPED_LATELY.get_ptr_mut(&task.tgid) {
        // SAFETY: a map value of 8 bytes; a lost update means one record more.
        unsafe {
            if now.wrapping_sub(*last) < PAUSE {
                return None;
            }
            *last = now;
        }
    } else {
        let _ = MAPPED_LATELY.insert(&task.tgid, &now, 0);
    }
    event(
        event_header(Kind::Mapped, Source::Process, 0, task.id()),
        None,
        CONTROL_RING,
    );
    Some(())
}
