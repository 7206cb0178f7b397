//! The system call that moved bytes: its registers say where they are in user memory.
//!
//! Nothing is kept between a call's entry and its return; x86_64 numbers and argument order.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::{
    bindings::pt_regs,
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};

use crate::{
    copy::UserBytes,
    globals::{TASK_FLAGS, TASK_IO_URING},
    hooks::{datagram::Name, messages, syscall::socket_of},
    scope::Task,
    words,
};

/// `PF_IO_WORKER` (linux/sched.h): the registers are not those of a system call.
const PF_IO_WORKER: u32 = 0x10;
/// Longest iovec array a call may have (linux/uio.h `UIO_MAXIOV`).
const MAX_IOVECS: u64 = 1024;

/// What a call moved: where its bytes are, and the address beside them.
#[derive(Clone, Copy)]
pub struct Message {
    /// `None`: there is no user buffer at hand.
    pub bytes: Option<UserBytes>,
    pub name: Name,
}

impl Message {
    pub const UNSEEN: Self = Self {
        bytes: None,
        name: Name::NONE,
    };
}

/// The message of the system call the current task is in, when it is one on the socket `sk`.
///
/// Work that io_uring left for the end of another system call runs with that call's registers: a
/// task that uses io_uring must show that the call's descriptor is this socket.
#[inline(always)]
pub fn syscall_message(task: Task, sk: u64, ingress: u8, flags: i32) -> Message {
    let Some(regs) = registers(sk) else {
        return Message::UNSEEN;
    };
    match regs.number {
        // sendmmsg, recvmmsg
        307 | 299 => messages::message(task, sk, &regs, ingress, flags),
        _ => user_message(&regs),
    }
}

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
            if context != 0 && socket_of(descriptor as u32) != Some(sk) {
                return None;
            }
        }
        Some(Registers::of(regs))
    }
}

/// The registers that say where a system call's bytes are.
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

/// Reads the buffer out of the arguments; unseen for calls that have none (sendfile, splice, io_uring). x86_64 system
/// call numbers.
#[inline(always)]
pub fn user_message(regs: &Registers) -> Message {
    match regs.number {
        // read, write
        0 | 1 => Message {
            bytes: Some(UserBytes::buffer(regs.second, regs.third)),
            name: Name::NONE,
        },
        // sendto, recvfrom
        44 | 45 => Message {
            bytes: Some(UserBytes::buffer(regs.second, regs.third)),
            name: Name::user(regs.fifth),
        },
        // readv, writev
        19 | 20 => Message {
            bytes: Some(UserBytes::vector(regs.second, bounded(regs.third))),
            name: Name::NONE,
        },
        // sendmsg, recvmsg
        46 | 47 => header_message(regs.second),
        _ => Message::UNSEEN,
    }
}

/// A `struct user_msghdr` at `header`: msg_name at 0, msg_iov at 16, msg_iovlen at 24.
#[inline(always)]
pub fn header_message(header: u64) -> Message {
    let mut words = MaybeUninit::uninit();
    match words::user(header, &mut words) {
        Some([name, _, vector, count]) => Message {
            bytes: Some(UserBytes::vector(*vector, bounded(*count))),
            name: Name::user(*name),
        },
        None => Message::UNSEEN,
    }
}

#[inline(always)]
fn bounded(count: u64) -> u64 {
    if count > MAX_IOVECS { MAX_IOVECS } else { count }
}
