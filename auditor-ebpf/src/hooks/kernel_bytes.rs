//! Bytes that the registers of a system call do not show: those of io_uring, and what the kernel moves by itself
//! (sendfile, splice).
//!
//! The protocol's function is given an iterator over them, which is used up when it returns. So where trampolines load a
//! program looks at it when the function begins, and puts it down for the hook at the end; it does so only for tasks
//! whose registers do not tell. User addresses hold: io_uring's own threads run in the memory of their process.

use core::{ffi::c_void, ptr};

use aya_ebpf::{
    bindings::pt_regs,
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::fentry,
    programs::FEntryContext,
};

use crate::{
    bytes::{Bytes, page_address, pages_are_known, place},
    copy::Call,
    globals::{
        ITER_BVEC, ITER_COUNT, ITER_IOVEC, ITER_KVEC, ITER_OFFSET, ITER_PIECES, ITER_SEGMENTS, ITER_TYPE,
        ITER_UBUF, MESSAGE_ITER, MESSAGE_NAME, SOCKET_SK, TASK_FLAGS, TASK_IO_URING,
    },
    hooks::{call::PF_IO_WORKER, name::Name},
    maps::KERNEL_BYTES,
    scope, words,
};

/// What the protocol's function was given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Given {
    object: u64,
    from: Bytes,
    name: Name,
}

macro_rules! fentry_hooks {
    ($($name:ident = $function:literal;)+) => {
        $(
            #[doc = concat!("`", $function, "(struct socket *, struct msghdr *, size_t, …)`.")]
            #[fentry(function = $function)]
            pub fn $name(ctx: FEntryContext) -> i32 {
                let _ = given(&ctx);
                0
            }
        )+
    };
}

fentry_hooks! {
    inet_sendmsg_given = "inet_sendmsg";
    inet_recvmsg_given = "inet_recvmsg";
    inet6_sendmsg_given = "inet6_sendmsg";
    inet6_recvmsg_given = "inet6_recvmsg";
    unix_stream_sendmsg_given = "unix_stream_sendmsg";
    unix_stream_recvmsg_given = "unix_stream_recvmsg";
    unix_dgram_sendmsg_given = "unix_dgram_sendmsg";
    unix_dgram_recvmsg_given = "unix_dgram_recvmsg";
}

fn given(ctx: &FEntryContext) -> Option<()> {
    let task = scope::current()?;
    if registers_tell() {
        return None;
    }
    let socket: *const u8 = ctx.arg(0);
    // SAFETY: the verifier checks the offset against struct socket.
    let sk: *mut c_void = unsafe { ptr::read_volatile(socket.add(SOCKET_SK.load() as usize).cast()) };
    let none = words::zero();
    let mut given = Given {
        object: sk as u64,
        from: Bytes {
            // The message, until it is looked at.
            buffer: ctx.arg(1),
            length: none,
            array: none,
            count: none,
            place: none,
        },
        name: Name {
            at: none,
            place: none,
        },
    };
    // SAFETY: of this program.
    unsafe { note_given(words::written(&mut given), u64::from(task.tid)) };
    Some(())
}

/// Whether the registers of the current task are those of a system call that shows its bytes.
#[inline(always)]
pub fn registers_tell() -> bool {
    // SAFETY: the helpers give BTF pointers to the current task and its registers, whose fields
    // may be loaded.
    unsafe {
        let task = bpf_get_current_task_btf();
        let flags: u32 = ptr::read_volatile(task.cast::<u8>().add(TASK_FLAGS.load() as usize).cast());
        if flags & PF_IO_WORKER != 0 {
            return false;
        }
        let io_uring = TASK_IO_URING.load();
        if io_uring != 0 {
            let context: u64 = ptr::read_volatile(task.cast::<u8>().add(io_uring as usize).cast());
            if context != 0 {
                return false;
            }
        }
        let regs = bpf_task_pt_regs(task) as *const pt_regs;
        // Those of `call::syscall_bytes`.
        matches!(
            ptr::read_volatile(&raw const (*regs).orig_rax),
            0 | 1 | 19 | 20 | 44..=47 | 299 | 307
        )
    }
}

/// Puts down what the iterator of a message stands at. Verified once.
///
/// # Safety
/// `given` is null or valid.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn note_given(given: *mut Given, thread: u64) -> u32 {
    if given.is_null() {
        return 0;
    }
    let thread = thread as u32;
    // An older one is another call's.
    let _ = KERNEL_BYTES.remove(&thread);
    // SAFETY: the caller vouches for it; copied to the stack, as kernel 6.1 takes values of maps from there.
    let mut own = unsafe { *given };
    let message = own.from.buffer;
    let iter = message + u64::from(MESSAGE_ITER.load());
    let kind = 1 + (words::kernel(iter, ITER_TYPE.load()) & 0xff) as u32;
    let offset = words::kernel(iter, ITER_OFFSET.load());
    let pieces = words::kernel(iter, ITER_PIECES.load());
    let length = words::kernel(iter, ITER_COUNT.load());
    own.name = Name::kernel(words::kernel(message, MESSAGE_NAME.load()));
    if kind == ITER_UBUF.load() {
        own.from = Bytes::buffer(pieces + offset, length);
    } else {
        own.from.place = if kind == ITER_IOVEC.load() {
            place::USER_PIECES
        } else if kind == ITER_KVEC.load() {
            place::KERNEL
        } else if kind == ITER_BVEC.load() && pages_are_known() {
            place::PAGES
        } else {
            return 0;
        };
        own.from.array = pieces;
        own.from.count = words::kernel(iter, ITER_SEGMENTS.load());
        if own.from.count == 0 || !own.from.next() || own.from.length < offset {
            return 0;
        }
        own.from.buffer += offset;
        own.from.length -= offset;
    }
    let _ = KERNEL_BYTES.insert(&thread, &own, 0);
    0
}

/// Takes what was put down for this call; false when nothing was.
#[inline(always)]
pub fn take_given(call: &mut Call) -> bool {
    let thread = call.task as u32;
    let Some(given) = KERNEL_BYTES.get_ptr(&thread) else {
        return false;
    };
    // SAFETY: a map value, copied before the entry is removed.
    let Given { object, from, name } = unsafe { *given };
    let _ = KERNEL_BYTES.remove(&thread);
    if object != call.object {
        return false;
    }
    call.from = from;
    call.name = name;
    call.seen = 1;
    true
}

/// What `inet_sendpage` sent from: `from.buffer` is the `struct page`, until here. Verified once.
///
/// # Safety
/// `call` is null or valid.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn sendpage_bytes(call: *mut Call, offset: u64) -> u32 {
    if call.is_null() || !pages_are_known() {
        return 0;
    }
    // SAFETY: the caller vouches for it.
    let call = unsafe { &mut *call };
    call.from.buffer = page_address(call.from.buffer).wrapping_add(offset);
    call.from.length = call.total;
    call.from.place = place::KERNEL;
    call.seen = 1;
    0
}
