//! The last tier: one program at the end of every system call, for kernels that have neither the
//! socket tracepoints nor trampolines. It costs some 50 ns on every system call of the machine.

#[cfg(feature = "reduced")]
use aya_ebpf::helpers::generated::bpf_get_current_task;
#[cfg(not(feature = "reduced"))]
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use aya_ebpf::{
    bindings::pt_regs, helpers::bpf_probe_read_kernel, macros::btf_tracepoint, programs::BtfTracePointContext,
};

use auditor_common::record::Source;

#[cfg(feature = "reduced")]
use crate::hooks::mapping;
use crate::{
    copy::Call,
    globals::{
        FDTABLE_FD, FDTABLE_MAX, FILE_INODE, FILE_PRIVATE, FILES_FDT, INODE_MODE, SOCKET_SK, TASK_FILES,
    },
    hooks::{call, socket::moved},
    scope,
    socket_state::RawSock,
    verified_once::handed,
};

/// `S_IFMT` and `S_IFSOCK` (uapi/linux/stat.h).
const FILE_TYPE: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;

/// kernel/entry `sys_exit(struct pt_regs *, long ret)`.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let _ = try_sys_exit(&ctx);
    0
}

fn try_sys_exit(ctx: &BtfTracePointContext) -> Option<()> {
    let ret: i64 = ctx.arg(1);
    if ret <= 0 {
        return None;
    }
    let regs: *const pt_regs = ctx.arg(0);
    // SAFETY: a BTF pointer to the registers.
    let number = unsafe { core::ptr::read_volatile(&raw const (*regs).orig_rax) };
    #[cfg(feature = "reduced")]
    if number == mapping::MMAP {
        // SAFETY: as above.
        let (flags, descriptor) = unsafe {
            (
                core::ptr::read_volatile(&raw const (*regs).r10),
                core::ptr::read_volatile(&raw const (*regs).r8),
            )
        };
        return mapping::mapped(flags, descriptor);
    }
    // x86_64: (number, is it a receive, flags argument)
    let (ingress, has_flags, seen) = match number {
        0 | 19 => (1, false, true),
        1 | 20 => (0, false, true),
        44 | 46 => (0, false, true),
        45 => (1, true, true),
        47 => (1, true, true),
        // sendfile: out_fd is the first argument as well
        40 => (0, false, false),
        _ => return None,
    };
    let task = scope::current()?;
    // SAFETY: as above.
    let (fd, third, fourth) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*regs).rdi),
            core::ptr::read_volatile(&raw const (*regs).rdx),
            core::ptr::read_volatile(&raw const (*regs).r10),
        )
    };
    let flags = match (has_flags, number) {
        (true, 47) => third as i32,
        (true, _) => fourth as i32,
        _ => 0,
    };
    let sk = descriptor_socket(fd & 0xffff_ffff);
    if sk == 0 {
        return None;
    }
    handed!(call: call = Call::new(task, Source::Socket, ingress, ret as u64));
    call.object = sk;
    if seen {
        #[cfg(feature = "reduced")]
        // SAFETY: a BTF pointer to the registers.
        crate::again::begin(crate::again::registers(), unsafe { call::Registers::of(regs) })?;
        call::find_bytes(call, flags);
    }
    moved(RawSock(sk), flags, call)
}

/// Walks task → files → fdt → fd[n] → file.
#[inline(always)]
fn file_of(fd: u32) -> Option<u64> {
    // SAFETY: the helper takes no arguments.
    #[cfg(not(feature = "reduced"))]
    let task = unsafe { bpf_get_current_task_btf() } as u64;
    // SAFETY: as above. The other one came with 5.11.
    #[cfg(feature = "reduced")]
    let task = unsafe { bpf_get_current_task() };
    let files: u64 = read(task, TASK_FILES.load())?;
    let fdt: u64 = read(files, FILES_FDT.load())?;
    let max: u32 = read(fdt, FDTABLE_MAX.load())?;
    if fd >= max {
        return None;
    }
    let table: u64 = read(fdt, FDTABLE_FD.load())?;
    read(table + u64::from(fd) * 8, 0)
}

/// The inode a descriptor leads to, and its mode.
#[inline(always)]
pub fn inode_of(fd: u32) -> Option<(u64, u16)> {
    let inode: u64 = read(file_of(fd)?, FILE_INODE.load())?;
    Some((inode, read(inode, INODE_MODE.load())?))
}

/// The address of the `struct sock` that a descriptor of the current task leads to; 0: none. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn descriptor_socket(descriptor: u64) -> u64 {
    socket_of(descriptor as u32).unwrap_or(0)
}

/// Walks on from a file: socket → sock.
#[inline(always)]
fn socket_of(fd: u32) -> Option<u64> {
    let file = file_of(fd)?;
    let inode: u64 = read(file, FILE_INODE.load())?;
    let mode: u16 = read(inode, INODE_MODE.load())?;
    if mode & FILE_TYPE != SOCKET {
        return None;
    }
    let socket: u64 = read(file, FILE_PRIVATE.load())?;
    read(socket, SOCKET_SK.load())
}

#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address; a bad one is an error.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}
