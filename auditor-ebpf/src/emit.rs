//! One record: reserved in its ring in a slot of 256 B, 1, 4 or 16 KiB, and filled in place.

use core::{arch::asm, ffi::c_void, ptr};

use auditor_common::{
    counter::Counter,
    record::{ENDPOINT_LEN, Kind, RecordHeader, flags},
};
use aya_ebpf::helpers::generated::{
    bpf_ringbuf_discard, bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};

use crate::{
    account::{count, delivered},
    copy::{Call, FROM_PEER, Progress},
    hooks::datagram,
    maps::RINGS,
};

/// `BPF_RB_NO_WAKEUP` (uapi/linux/bpf.h).
pub const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
pub const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA`.
const AVAILABLE_DATA: u64 = 0;

/// Emits one record of `n` bytes; `None` when the ring is full.
#[inline(always)]
pub fn emit<const DATAGRAM: bool>(call: &Call, progress: &mut Progress, n: u64) -> Option<()> {
    let all = if DATAGRAM { n + ENDPOINT_LEN as u64 } else { n };
    if all <= 256 {
        emit_in::<256, DATAGRAM>(call, progress, n)
    } else if all <= 1024 {
        emit_in::<1024, DATAGRAM>(call, progress, n)
    } else if all <= 4096 {
        emit_in::<4096, DATAGRAM>(call, progress, n)
    } else {
        emit_in::<16384, DATAGRAM>(call, progress, n)
    }
}

/// A ring slot: header and room for `CAP` payload bytes.
#[repr(C)]
struct Slot<const CAP: usize> {
    header: RecordHeader,
    payload: [u8; CAP],
}

#[inline(always)]
fn emit_in<const CAP: usize, const DATAGRAM: bool>(
    call: &Call,
    progress: &mut Progress,
    mut n: u64,
) -> Option<()> {
    let ring = ring(progress.ring)?;
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
    if n == progress.left {
        bits |= flags::LAST;
    }
    if progress.truncated != 0 {
        bits |= flags::TRUNCATED;
    }
    if call.ingress & FROM_PEER != 0 {
        bits |= flags::PEER;
    }
    let header = RecordHeader {
        time_ns: progress.time_ns,
        stream: call.stream,
        cookie: call.cookie,
        offset: call.offset,
        cgroup: progress.cgroup,
        tgid: (call.task >> 32) as u32,
        tid: call.task as u32,
        total: if call.total > u64::from(u32::MAX) {
            u32::MAX
        } else {
            call.total as u32
        },
        len: (n + (CAP - room) as u64) as u32,
        seq_end: call.seq_end,
        chunk: progress.chunk as u16,
        kind: if DATAGRAM { Kind::Datagram } else { Kind::Data } as u8,
        source: call.source as u8,
        ingress: call.ingress & 1,
        flags: bits,
        _pad0: 0,
        _pad1: 0,
    };
    // SAFETY: the slot is not null and at least as large as its type; `n` is at most what is left of `CAP`.
    let failed = unsafe {
        ptr::write(&raw mut (*slot).header, header);
        let payload: *mut u8 = (&raw mut (*slot).payload).cast();
        if DATAGRAM {
            datagram::write_endpoint(call.task, payload);
        }
        !call
            .from
            .read(call.from.buffer, payload.add(CAP - room), n as u32)
    };
    if failed {
        progress.faulted = 1;
        // SAFETY: reserved above, not yet given back.
        unsafe { bpf_ringbuf_discard(slot.cast(), NO_WAKEUP) };
        return Some(());
    }
    count(delivered(call.source), n);
    count(Counter::Records, 1);
    // SAFETY: as above.
    unsafe { bpf_ringbuf_submit(slot.cast(), progress.wake) };
    Some(())
}

#[inline(always)]
pub fn ring(index: u32) -> Option<*mut c_void> {
    RINGS.get(index).map(|ring| ptr::from_ref(ring).cast_mut().cast())
}

/// Bytes in a ring that its reader has not taken yet.
#[inline(always)]
pub fn waiting(index: u32) -> u64 {
    let Some(ring) = ring(index) else { return 0 };
    // SAFETY: `ring` is a ring map.
    unsafe { bpf_ringbuf_query(ring, AVAILABLE_DATA) }
}
