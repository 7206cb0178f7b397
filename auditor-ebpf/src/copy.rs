//! From a program's memory into a ring: the only place where payload is read.
//!
//! A call's bytes are cut into records of at most 16 KiB. Each record is reserved in the ring and filled in place
//! ([`crate::emit`]), so a byte is copied once and a program that preempts another can not disturb it. Every byte ends as
//! delivered or under its reason.

#[cfg(not(feature = "reduced"))]
use core::ffi::c_void;

use auditor_common::record::{CHUNK, CONTROL_RING, ENDPOINT_LEN, Source};
#[cfg(not(feature = "reduced"))]
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_ktime_get_ns};

use crate::{
    account::{count, muted, over_budget, page_fault, ring_full, unseen},
    bytes::Bytes,
    emit::{FORCE_WAKEUP, NO_WAKEUP, emit, waiting},
    globals::{DATA_RINGS, MAX_CALL_BYTES, RING_BYTES},
    hooks::{budget, name::Name},
    scope::Task,
    verified_once::{handed, verified_once},
    words,
};

pub use crate::event::{bound, event, event_header};

/// Bytes of a page of user memory: it is there or it is not.
const PAGE: u64 = 4096;

/// Most iterations for one call: its records, plus one for every piece of an iovec.
#[cfg(not(feature = "reduced"))]
const MAX_STEPS: u32 = 4096;
/// The verifier walks through each of them.
#[cfg(feature = "reduced")]
const MAX_STEPS: u32 = 1024;

/// In [`Call::ingress`]: the stream is that of the connection's other end.
pub const FROM_PEER: u8 = 2;

/// What a call moved.
///
/// One for each entry program, on its stack (or in [`crate::again`]); all else gets a pointer to it. A global function's
/// verifier knows nothing of what is behind such a pointer, which is what makes the loop over records converge. There is
/// no padding, as every byte has to be written before a pointer is handed on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call {
    /// The current task, as the helper gives it.
    pub task: u64,
    pub stream: u64,
    pub cookie: u64,
    /// Stream offset of the call's first byte.
    pub offset: u64,
    /// Bytes the call moved.
    pub total: u64,
    /// Bytes the caller of a TLS library asked to be moved.
    pub requested: u64,
    pub from: Bytes,
    /// The address beside a datagram.
    pub name: Name,
    /// The address of the `struct sock`, or of what tells a TLS connection.
    pub object: u64,
    pub seq_end: u32,
    pub source: Source,
    /// 0 or 1, and [`FROM_PEER`].
    pub ingress: u8,
    /// 1: the bytes are at `from`; 0: there is no user buffer at hand.
    pub seen: u8,
    /// Bits of [`crate::socket_state::kind`].
    pub kind: u8,
}

const _: () = assert!(size_of::<Call>() == 120);

/// How far a call is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Progress {
    pub time_ns: u64,
    pub cgroup: u64,
    /// Bytes still to capture.
    pub left: u64,
    pub chunk: u64,
    pub wake: u64,
    pub truncated: u64,
    /// Bytes that could not be read in one piece and are tried page by page.
    by_page: u64,
    pub ring: u32,
    /// 1: the last piece could not be read.
    pub faulted: u32,
}

impl Call {
    /// What `task` moved, before anything else is known of it.
    #[inline(always)]
    pub fn new(task: Task, source: Source, ingress: u8, total: u64) -> Self {
        let none = words::zero();
        Self {
            task: task.id(),
            stream: none,
            cookie: none,
            offset: none,
            total,
            requested: none,
            from: Bytes {
                buffer: none,
                length: none,
                array: none,
                count: none,
                place: none,
            },
            name: Name {
                at: none,
                place: none,
            },
            object: none,
            seq_end: none as u32,
            source,
            ingress,
            seen: 0,
            kind: 0,
        }
    }

    /// 0: sent, 1: received.
    #[inline(always)]
    pub fn way(&self) -> usize {
        usize::from(self.ingress & 1)
    }
}

/// The data ring of a stream; the order within a stream is kept.
#[inline(always)]
pub fn data_ring(key: u64) -> u32 {
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    CONTROL_RING + 1 + (hash as u32 & (DATA_RINGS.load().wrapping_sub(1)) & 15)
}

/// Copies what a call moved and accounts every byte of it.
#[inline(always)]
pub fn call(call: &mut Call) {
    // SAFETY: a call of this program.
    unsafe { copy_call(words::written(call)) };
}

/// The same for one datagram, whose addresses were put down for this CPU.
#[inline(always)]
pub fn datagram(call: &mut Call) {
    // SAFETY: as above.
    unsafe { copy_datagram(words::written(call)) };
}

verified_once! {
    /// See [`call`]. Verified once.
    ///
    /// # Safety
    /// `call` is null or valid.
    pub unsafe fn copy_call(call: *mut Call = call()) -> u32 {
        if call.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let call = unsafe { &mut *call };
        pieces::<false>(call)
    }
}

verified_once! {
    /// See [`datagram`]. Verified once.
    ///
    /// # Safety
    /// `call` is null or valid.
    pub unsafe fn copy_datagram(call: *mut Call = call()) -> u32 {
        if call.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let call = unsafe { &mut *call };
        pieces::<true>(call)
    }
}

#[inline(always)]
fn pieces<const DATAGRAM: bool>(call: &mut Call) -> u32 {
    let ring = data_ring(call.stream);
    let waiting = waiting(ring);
    // SAFETY: the helper takes no pointers.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    let room = budget::room::<DATAGRAM>(call, time_ns, waiting);
    if room == budget::MUTED {
        count(muted(call.source), call.total);
        return 0;
    }
    if room == budget::SHORT {
        count(ring_full(call.source), call.total);
        return 0;
    }
    let budget = u64::from(MAX_CALL_BYTES.load());
    let captured = if room < budget { room } else { budget };
    if captured < call.total {
        count(over_budget(call.source), call.total - captured);
    }
    let none = words::zero();
    handed!(progress: progress = Progress {
        time_ns,
        // SAFETY: the helper takes no pointers.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        left: captured,
        chunk: none,
        // Only when much is waiting: the reader polls every few milliseconds anyway.
        wake: if waiting > u64::from(RING_BYTES.load() / 4) {
            FORCE_WAKEUP
        } else {
            NO_WAKEUP
        },
        truncated: u64::from(captured < call.total),
        by_page: none,
        ring,
        faulted: none as u32,
    });
    // SAFETY: both are of this program.
    unsafe {
        if DATAGRAM {
            return copy_datagram_pieces(call, words::written(progress));
        }
        copy_call_pieces(call, words::written(progress))
    }
}

verified_once! {
    /// Copies the pieces of a call, which it gets as a pointer for what that makes the verifier forget. Verified once.
    ///
    /// # Safety
    /// Both are null or valid.
    unsafe fn copy_call_pieces(call: *mut Call = call(), progress: *mut Progress = progress()) -> u32 {
        // SAFETY: the caller vouches for them.
        unsafe { steps::<false>(call, progress) }
    }
}

verified_once! {
    /// The same for a datagram. Verified once.
    ///
    /// # Safety
    /// Both are null or valid.
    unsafe fn copy_datagram_pieces(call: *mut Call = call(), progress: *mut Progress = progress()) -> u32 {
        // SAFETY: the caller vouches for them.
        unsafe { steps::<true>(call, progress) }
    }
}

#[inline(always)]
unsafe fn steps<const DATAGRAM: bool>(call: *mut Call, progress: *mut Progress) -> u32 {
    if call.is_null() || progress.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for them.
    unsafe { step_on::<DATAGRAM>(call, progress) };
    // SAFETY: the caller vouches for them.
    let (call, left) = unsafe { (&*call, (*progress).left) };
    if left > 0 {
        // Steps or iovecs ended early: with iovecs left it was the limit, else the caller's
        // buffers are shorter than what it moved.
        let more = call.from.count > 0 || call.from.length > 0;
        count(
            if more {
                over_budget(call.source)
            } else {
                unseen(call.source)
            },
            left,
        );
    }
    0
}

/// What the steps of `bpf_loop` get: it takes a pointer to the stack alone.
#[cfg(not(feature = "reduced"))]
struct Context {
    call: *mut Call,
    progress: *mut Progress,
}

/// Takes steps until the call is copied, or [`MAX_STEPS`].
#[cfg(not(feature = "reduced"))]
#[inline(always)]
unsafe fn step_on<const DATAGRAM: bool>(call: *mut Call, progress: *mut Progress) {
    unsafe extern "C" fn callback<const DATAGRAM: bool>(_index: u32, context: *mut Context) -> i64 {
        // SAFETY: the helper passes on the pointer it was given.
        unsafe { step::<DATAGRAM>(&mut *(*context).call, &mut *(*context).progress) }
    }
    let mut context = Context { call, progress };
    // SAFETY: the callback has the signature the helper wants and gets our own stack object.
    unsafe {
        bpf_loop(
            MAX_STEPS,
            callback::<DATAGRAM> as *mut c_void,
            (&raw mut context).cast(),
            0,
        )
    };
}

/// The same without `bpf_loop`.
#[cfg(feature = "reduced")]
#[inline(always)]
unsafe fn step_on<const DATAGRAM: bool>(call: *mut Call, progress: *mut Progress) {
    for _ in 0..MAX_STEPS {
        // SAFETY: the caller vouches for them.
        let ended = unsafe {
            if DATAGRAM {
                copy_datagram_step(call, progress)
            } else {
                copy_step(call, progress)
            }
        };
        if ended != 0 {
            break;
        }
    }
}

#[cfg(feature = "reduced")]
verified_once! {
    /// See [`step`]. Verified once.
    ///
    /// # Safety
    /// Both are null or valid.
    unsafe fn copy_step(call: *mut Call = call(), progress: *mut Progress = progress()) -> u64 {
        if call.is_null() || progress.is_null() {
            return 1;
        }
        // SAFETY: the caller vouches for them.
        unsafe { step::<false>(&mut *call, &mut *progress) as u64 }
    }
}

#[cfg(feature = "reduced")]
verified_once! {
    /// The same of a datagram. Verified once.
    ///
    /// # Safety
    /// Both are null or valid.
    unsafe fn copy_datagram_step(call: *mut Call = call(), progress: *mut Progress = progress()) -> u64 {
        if call.is_null() || progress.is_null() {
            return 1;
        }
        // SAFETY: the caller vouches for them.
        unsafe { step::<true>(&mut *call, &mut *progress) as u64 }
    }
}

/// One step: fetch the next iovec, or emit one record. 1 ends the loop.
#[inline(always)]
fn step<const DATAGRAM: bool>(call: &mut Call, progress: &mut Progress) -> i64 {
    let left = progress.left;
    if left == 0 {
        return 1;
    }
    if call.from.length == 0 {
        return i64::from(!next_piece(call, progress));
    }
    let mut n = left;
    if call.from.length < n {
        n = call.from.length;
    }
    let most = if DATAGRAM {
        u64::from(CHUNK) - ENDPOINT_LEN as u64
    } else {
        u64::from(CHUNK)
    };
    if n > most {
        n = most;
    }
    let page = PAGE - call.from.buffer % PAGE;
    if progress.by_page > 0 && n > page {
        n = page;
    }
    if emit::<DATAGRAM>(call, progress, n).is_none() {
        // The ring is full: the rest of the call would not fit either.
        count(ring_full(call.source), left);
        budget::lost(call);
        progress.left = 0;
        return 1;
    }
    if progress.faulted != 0 {
        progress.faulted = 0;
        if n > page {
            // Some page of it is not there: the others are read one by one.
            progress.by_page = n;
            return 0;
        }
        count(page_fault(call.source), n);
    }
    let by_page = progress.by_page;
    progress.by_page = if by_page > n { by_page - n } else { 0 };
    progress.chunk += 1;
    progress.left = left - n;
    call.from.buffer += n;
    call.from.length -= n;
    call.offset += n;
    0
}

/// Goes on to the next piece; false when there is none.
#[inline(always)]
fn next_piece(call: &mut Call, progress: &mut Progress) -> bool {
    if call.from.count == 0 {
        return false;
    }
    if !call.from.next() {
        count(page_fault(call.source), progress.left);
        progress.left = 0;
        return false;
    }
    true
}
