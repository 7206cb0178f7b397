//! The system call that moved bytes: its registers say where they are in user memory.
//!
//! Nothing is kept between a call's entry and its return; x86_64 numbers and argument order.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::bindings::pt_regs;
#[cfg(not(feature = "reduced"))]
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};

use crate::{bytes::Bytes, copy::Call, hooks::name::Name, verified_once::verified_once, words};
#[cfg(not(feature = "reduced"))]
use crate::{
    globals::{TASK_FLAGS, TASK_IO_URING},
    hooks::{
        kernel_bytes::{registers_tell, take_given},
        messages,
        syscall::descriptor_socket,
    },
};

/// `PF_IO_WORKER` (linux/sched.h): the registers are not those of a system call.
#[cfg(not(feature = "reduced"))]
pub const PF_IO_WORKER: u32 = 0x10;
/// Longest iovec array a call may have (linux/uio.h `UIO_MAXIOV`).
const MAX_IOVECS: u64 = 1024;

/// Finds what the system call moved that the current task is in, when it is one on the socket that is the call's object:
/// where its bytes are, and the address beside them.
#[inline(always)]
pub fn find_bytes(call: &mut Call, flags: i32) {
    // SAFETY: a call of this program.
    unsafe { syscall_bytes(words::written(call), flags as u64) };
}

verified_once! {
    /// See [`find_bytes`]. Verified once.
    ///
    /// Work that io_uring left for the end of another system call runs with that call's registers: a
    /// task that uses io_uring must show that the call's descriptor is this socket.
    ///
    /// # Safety
    /// `call` is null or valid.
    pub unsafe fn syscall_bytes(call: *mut Call = call(); flags: u64) -> u32 {
        #[cfg(feature = "reduced")]
        words::used(flags);
        if call.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let call = unsafe { &mut *call };
        #[cfg(not(feature = "reduced"))]
        if !registers_tell() && take_given(call) {
            return 0;
        }
        let Some(regs) = registers(call.object) else {
            return 0;
        };
        let header = match regs.number {
            // read, write
            0 | 1 => {
                buffer(call, regs.second, regs.third);
                return 0;
            }
            // sendto, recvfrom
            44 | 45 => {
                buffer(call, regs.second, regs.third);
                call.name = Name::user(regs.fifth);
                return 0;
            }
            // readv, writev
            19 | 20 => {
                vector(call, regs.second, regs.third);
                return 0;
            }
            // sendmsg, recvmsg
            46 | 47 => regs.second,
            // sendmmsg, recvmmsg
            #[cfg(not(feature = "reduced"))]
            307 | 299 => match messages::header(call, &regs, flags) {
                Some(at) => at,
                None => return 0,
            },
            // Calls without a user buffer (sendfile, splice, io_uring).
            _ => return 0,
        };
        // A `struct user_msghdr`: msg_name at 0, msg_iov at 16, msg_iovlen at 24.
        let mut words = MaybeUninit::uninit();
        if let Some([name, _, iov, count]) = words::user(header, &mut words) {
            vector(call, *iov, *count);
            call.name = Name::user(*name);
        }
        0
    }
}

#[inline(always)]
fn buffer(call: &mut Call, at: u64, length: u64) {
    call.from = Bytes::buffer(at, length);
    call.seen = 1;
}

#[inline(always)]
fn vector(call: &mut Call, at: u64, count: u64) {
    call.from = Bytes::vector(at, if count > MAX_IOVECS { MAX_IOVECS } else { count });
    call.seen = 1;
}

/// Those that the program at the end of the system call was given.
#[cfg(feature = "reduced")]
#[inline(always)]
fn registers(_sk: u64) -> Option<Registers> {
    let registers = crate::again::registers();
    if registers.is_null() {
        return None;
    }
    // SAFETY: a part of a map value.
    Some(unsafe { *registers })
}

#[cfg(not(feature = "reduced"))]
#[inline(always)]
fn registers(sk: u64) -> Option<Registers> {
    // SAFETY: the helpers give BTF pointers to the current task and its registers, whose fields
    // may be loaded.
    unsafe {
        let task = bpf_get_current_task_btf();
        let task_flags: u32 = ptr::read_volatile(task.cast::<u8>().add(TASK_FLAGS.load() as usize).cast());
        if task_flags & PF_IO_WORKER != 0 {
            return None;
        }
        let regs = bpf_task_pt_regs(task) as *const pt_regs;
        let io_uring = TASK_IO_URING.load();
        if io_uring != 0 {
            let context: u64 = ptr::read_volatile(task.cast::<u8>().add(io_uring as usize).cast());
            let descriptor = ptr::read_volatile(&raw const (*regs).rdi);
            if context != 0 && descriptor_socket(descriptor & 0xffff_ffff) != sk {
                return None;
            }
        }
        Some(Registers::of(regs))
    }
}

/// The registers that say where a system call's bytes are.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Registers {
    pub number: u64,
    pub second: u64,
    pub third: u64,
    pub fourth: u64,
    pub fifth: u64,
}

impl Registers {
    /// Copies them one by one: the compiler must not choose between fields by a computed offset.
    ///
    /// # Safety
    /// `regs` is a BTF pointer to the registers of a task in a system call.
    #[inline(always)]
    pub unsafe fn of(regs: *const pt_regs) -> Self {
        // SAFETY: the verifier checks each load against the type.
        unsafe {
            Self {
                number: ptr::read_volatile(&raw const (*regs).orig_rax),
                second: ptr::read_volatile(&raw const (*regs).rsi),
                third: ptr::read_volatile(&raw const (*regs).rdx),
                fourth: ptr::read_volatile(&raw const (*regs).r10),
                fifth: ptr::read_volatile(&raw const (*regs).r8),
            }
        }
    }
}
