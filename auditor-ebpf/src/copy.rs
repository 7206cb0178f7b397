//! From a user buffer into a ring: the only place where payload is read.
//!
//! A call's bytes are cut into records of at most 16 KiB. Each record is reserved in the ring
//! (slots of 256 B, 1, 4 and 16 KiB) and filled in place, so a byte is copied once and a program
//! that preempts another can not disturb it. Every byte ends as delivered or under its reason.

use core::{arch::asm, ffi::c_void, mem::MaybeUninit, ptr};

use auditor_common::{
    counter::Counter,
    record::{CHUNK, CONTROL_RING, ENDPOINT_LEN, Kind, RecordHeader, Source, flags},
};
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_ktime_get_ns,
    generated::{
        bpf_loop, bpf_probe_read_user, bpf_ringbuf_discard, bpf_ringbuf_query, bpf_ringbuf_reserve,
        bpf_ringbuf_submit,
    },
};

use crate::{
    account::count,
    globals::{DATA_RINGS, MAX_CALL_BYTES, WAKE_BYTES},
    hooks::{budget, datagram},
    maps::RINGS,
    scope::Task,
    words,
};

pub use crate::event::{bound, event, event_header};

/// `BPF_RB_NO_WAKEUP` (uapi/linux/bpf.h).
pub const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
pub const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA`.
const AVAILABLE_DATA: u64 = 0;

/// Bytes of a page of user memory: it is there or it is not.
const PAGE: u64 = 4096;

/// Most iterations for one call: its records, plus one for every piece of an iovec.
const MAX_STEPS: u32 = 4096;

/// Where the bytes are: one buffer, or an array of `struct iovec` in user memory.
#[derive(Clone, Copy)]
pub struct UserBytes {
    pub buffer: u64,
    pub length: u64,
    pub iov: u64,
    pub iov_count: u64,
}

impl UserBytes {
    /// One buffer of `length` bytes.
    #[inline(always)]
    pub fn buffer(buffer: u64, length: u64) -> Self {
        Self {
            buffer,
            length,
            iov: 0,
            iov_count: 0,
        }
    }

    /// `count` iovecs at `iov`.
    #[inline(always)]
    pub fn vector(iov: u64, count: u64) -> Self {
        Self {
            buffer: 0,
            length: 0,
            iov,
            iov_count: count,
        }
    }
}

/// In [`Call::ingress`]: the stream is that of the connection's other end.
pub const FROM_PEER: u8 = 2;

/// What every record of a call has in common.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call {
    pub stream: u64,
    pub cookie: u64,
    /// Stream offset of the call's first byte.
    pub offset: u64,
    /// Bytes the call moved.
    pub total: u64,
    pub seq_end: u32,
    pub source: Source,
    /// 0 or 1, and [`FROM_PEER`].
    pub ingress: u8,
}

#[repr(C)]
struct Progress {
    call: Call,
    time_ns: u64,
    cgroup: u64,
    task: u64,
    from: UserBytes,
    /// Bytes still to capture.
    left: u64,
    ring: u32,
    /// 1: the last piece could not be read.
    faulted: u32,
    chunk: u64,
    wake: u64,
    truncated: u64,
    /// Bytes that could not be read in one piece and are tried page by page.
    by_page: u64,
    /// Any number the verifier does not know: see [`Progress::forget`].
    unknown: u64,
}

impl Progress {
    /// Makes the verifier forget what it knows of the values that change from step to step.
    /// Otherwise it tracks their shrinking ranges through every iteration and never sees the same
    /// state twice.
    #[inline(always)]
    fn forget(&mut self) {
        for value in [
            &mut self.left,
            &mut self.from.buffer,
            &mut self.from.length,
            &mut self.from.iov,
            &mut self.from.iov_count,
            &mut self.call.offset,
            &mut self.chunk,
            &mut self.truncated,
            &mut self.wake,
            &mut self.by_page,
        ] {
            // SAFETY: adds a number and takes it away again.
            unsafe { asm!("{v} += {u}", "{v} -= {u}", v = inout(reg) *value, u = in(reg) self.unknown) };
        }
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
pub fn call(task: Task, call: Call, from: UserBytes, ring: u32) {
    pieces::<false>(task, call, from, ring);
}

/// The same for one datagram, whose addresses were put down for this CPU.
#[inline(always)]
pub fn datagram(task: Task, call: Call, from: UserBytes, ring: u32) {
    pieces::<true>(task, call, from, ring);
}

#[inline(always)]
fn pieces<const DATAGRAM: bool>(task: Task, call: Call, from: UserBytes, ring: u32) {
    let budget = u64::from(MAX_CALL_BYTES.load());
    let room = if DATAGRAM { call.total } else { budget::room(&call) };
    let captured = if room < budget { room } else { budget };
    if captured < call.total {
        count(over_budget(call.source), call.total - captured);
    }
    let mut progress = Progress {
        call,
        // SAFETY: the helpers take no pointers.
        time_ns: unsafe { bpf_ktime_get_ns() },
        // SAFETY: as above.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        task: task.id(),
        from,
        left: captured,
        ring,
        faulted: 0,
        chunk: 0,
        wake: wake_flag(ring),
        truncated: u64::from(captured < call.total),
        by_page: 0,
        unknown: 0,
    };
    progress.unknown = progress.time_ns;
    progress.forget();
    // SAFETY: the callback has the signature the helper wants and gets our own stack object.
    unsafe {
        bpf_loop(
            MAX_STEPS,
            step::<DATAGRAM> as *mut c_void,
            (&raw mut progress).cast(),
            0,
        )
    };
    if progress.left > 0 {
        // Steps or iovecs ended early: with iovecs left it was the limit, else the caller's
        // buffers are shorter than what it moved.
        let more = progress.from.iov_count > 0 || progress.from.length > 0;
        count(
            if more {
                over_budget(call.source)
            } else {
                unseen(call.source)
            },
            progress.left,
        );
    }
}

/// One step of `bpf_loop`: fetch the next iovec, or emit one record. 1 ends the loop.
unsafe extern "C" fn step<const DATAGRAM: bool>(_index: u32, progress: *mut Progress) -> i64 {
    // SAFETY: the helper passes on the pointer `call` gave it.
    let p = unsafe { &mut *progress };
    if p.left == 0 {
        return 1;
    }
    if p.from.length == 0 {
        return i64::from(!next_iovec(p));
    }
    let mut n = p.left;
    if p.from.length < n {
        n = p.from.length;
    }
    let most = if DATAGRAM {
        u64::from(CHUNK) - ENDPOINT_LEN as u64
    } else {
        u64::from(CHUNK)
    };
    if n > most {
        n = most;
    }
    let page = PAGE - p.from.buffer % PAGE;
    if p.by_page > 0 && n > page {
        n = page;
    }
    if emit::<DATAGRAM>(p, n).is_none() {
        // The ring is full: the rest of the call would not fit either.
        count(ring_full(p.call.source), p.left);
        p.left = 0;
        return 1;
    }
    if p.faulted != 0 {
        p.faulted = 0;
        if n > page {
            // Some page of it is not there: the others are read one by one.
            p.by_page = n;
            p.forget();
            return 0;
        }
        count(page_fault(p.call.source), n);
    }
    p.by_page = if p.by_page > n { p.by_page - n } else { 0 };
    p.chunk += 1;
    p.left -= n;
    p.from.buffer += n;
    p.from.length -= n;
    p.call.offset += n;
    p.forget();
    0
}

/// Loads the next `struct iovec {void *base; size_t len}`; false when there is none.
#[inline(always)]
fn next_iovec(p: &mut Progress) -> bool {
    if p.from.iov_count == 0 {
        return false;
    }
    let mut iovec = MaybeUninit::uninit();
    let Some([base, length]) = words::user(p.from.iov, &mut iovec) else {
        count(page_fault(p.call.source), p.left);
        p.left = 0;
        return false;
    };
    p.from.buffer = *base;
    p.from.length = *length;
    p.from.iov += 16;
    p.from.iov_count -= 1;
    p.forget();
    true
}

/// Emits one record of `n` bytes; `None` when the ring is full.
#[inline(always)]
fn emit<const DATAGRAM: bool>(p: &mut Progress, n: u64) -> Option<()> {
    let all = if DATAGRAM { n + ENDPOINT_LEN as u64 } else { n };
    if all <= 256 {
        emit_in::<256, DATAGRAM>(p, n)
    } else if all <= 1024 {
        emit_in::<1024, DATAGRAM>(p, n)
    } else if all <= 4096 {
        emit_in::<4096, DATAGRAM>(p, n)
    } else {
        emit_in::<16384, DATAGRAM>(p, n)
    }
}

/// A ring slot: header and room for `CAP` payload bytes.
#[repr(C)]
struct Slot<const CAP: usize> {
    header: RecordHeader,
    payload: [u8; CAP],
}

#[inline(always)]
fn emit_in<const CAP: usize, const DATAGRAM: bool>(p: &mut Progress, mut n: u64) -> Option<()> {
    let ring = ring(p.ring)?;
    // SAFETY: `ring` is a ring map; the size is a constant.
    let slot: *mut Slot<CAP> = unsafe { bpf_ringbuf_reserve(ring, size_of::<Slot<CAP>>() as u64, 0) }.cast();
    if slot.is_null() {
        return None;
    }
    // Already true, but the verifier of older kernels has lost the range by now and the compiler
    // would drop the comparison: it must not know where the number comes from.
    // SAFETY: no instruction.
    unsafe { asm!("/* {0} */", inout(reg) n) };
    let room = if DATAGRAM { CAP - ENDPOINT_LEN } else { CAP };
    if n > room as u64 {
        n = room as u64;
    }
    let mut bits = 0;
    if n == p.left {
        bits |= flags::LAST;
    }
    if p.truncated != 0 {
        bits |= flags::TRUNCATED;
    }
    if p.call.ingress & FROM_PEER != 0 {
        bits |= flags::PEER;
    }
    let header = RecordHeader {
        time_ns: p.time_ns,
        stream: p.call.stream,
        cookie: p.call.cookie,
        offset: p.call.offset,
        cgroup: p.cgroup,
        tgid: (p.task >> 32) as u32,
        tid: p.task as u32,
        total: if p.call.total > u64::from(u32::MAX) {
            u32::MAX
        } else {
            p.call.total as u32
        },
        len: (n + (CAP - room) as u64) as u32,
        seq_end: p.call.seq_end,
        chunk: p.chunk as u16,
        kind: if DATAGRAM { Kind::Datagram } else { Kind::Data } as u8,
        source: p.call.source as u8,
        ingress: p.call.ingress & 1,
        flags: bits,
        _pad0: 0,
        _pad1: 0,
    };
    // SAFETY: the slot is not null and at least as large as its type; `n` is at most what is left of `CAP`.
    let failed = unsafe {
        ptr::write(&raw mut (*slot).header, header);
        let payload: *mut u8 = (&raw mut (*slot).payload).cast();
        if DATAGRAM {
            datagram::write_endpoint(p.task, payload);
        }
        bpf_probe_read_user(
            payload.add(CAP - room).cast(),
            n as u32,
            p.from.buffer as *const c_void,
        )
    } != 0;
    if failed {
        p.faulted = 1;
        // SAFETY: reserved above, not yet given back.
        unsafe { bpf_ringbuf_discard(slot.cast(), NO_WAKEUP) };
        return Some(());
    }
    count(delivered(p.call.source), n);
    count(Counter::Records, 1);
    // SAFETY: as above.
    unsafe { bpf_ringbuf_submit(slot.cast(), p.wake) };
    Some(())
}

#[inline(always)]
pub fn ring(index: u32) -> Option<*mut c_void> {
    RINGS.get(index).map(|ring| ptr::from_ref(ring).cast_mut().cast())
}

/// Wakes the reader only when much is waiting; it polls every few milliseconds anyway.
#[inline(always)]
fn wake_flag(index: u32) -> u64 {
    let Some(ring) = ring(index) else { return NO_WAKEUP };
    // SAFETY: `ring` is a ring map.
    let waiting = unsafe { bpf_ringbuf_query(ring, AVAILABLE_DATA) };
    if waiting > u64::from(WAKE_BYTES.load()) {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    }
}

macro_rules! by_source {
    ($name:ident, $socket:ident, $tls:ident) => {
        #[inline(always)]
        fn $name(source: Source) -> Counter {
            if matches!(source, Source::Tls) {
                Counter::$tls
            } else {
                Counter::$socket
            }
        }
    };
}

by_source!(delivered, SocketDelivered, TlsDelivered);
by_source!(ring_full, SocketRingFull, TlsRingFull);
by_source!(over_budget, SocketOverBudget, TlsOverBudget);
by_source!(page_fault, SocketPageFault, TlsPageFault);
by_source!(unseen, SocketUnseen, TlsUnseen);
