//! Records that carry no payload of a program: a process, a socket, a binding, an end.

use core::{ffi::c_void, mem::MaybeUninit, ptr};

use auditor_common::{
    counter::Counter,
    record::{
        CONTROL_RING, ENDPOINT_LEN, Endpoint, HEADER_LEN, Kind, PROGRAM_LEN, PROGRAM_PATH_BYTES, Program,
        RecordHeader, Source,
    },
    scope::NAME_BYTES,
};
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_ktime_get_ns,
    generated::{bpf_get_current_comm, bpf_probe_read_kernel_str, bpf_ringbuf_reserve, bpf_ringbuf_submit},
};

use crate::{
    account::count,
    emit::{FORCE_WAKEUP, NO_WAKEUP, ring},
    globals::BPRM_INTERPRETER,
    words,
};

/// Emits a record without payload bytes from the program (process events, open, bound, close).
#[inline(always)]
pub fn event(header: RecordHeader, endpoint: Option<&Endpoint>, ring_index: u32) {
    #[repr(C)]
    struct EventSlot {
        header: RecordHeader,
        endpoint: MaybeUninit<Endpoint>,
    }
    const { assert!(size_of::<EventSlot>() == HEADER_LEN + ENDPOINT_LEN) };
    let Some(ring) = ring(ring_index) else { return };
    // SAFETY: `ring` is a ring map; the size is a constant.
    let slot: *mut EventSlot = unsafe { bpf_ringbuf_reserve(ring, size_of::<EventSlot>() as u64, 0) }.cast();
    if slot.is_null() {
        count(Counter::ControlLost, 1);
        return;
    }
    let mut header = header;
    // SAFETY: the helpers take no pointers; the slot is not null and of the type's size.
    unsafe {
        header.time_ns = bpf_ktime_get_ns();
        header.len = if endpoint.is_some() {
            ENDPOINT_LEN as u32
        } else {
            0
        };
        ptr::write(&raw mut (*slot).header, header);
        if let Some(endpoint) = endpoint {
            (*slot).endpoint.write(*endpoint);
        }
        bpf_ringbuf_submit(
            slot.cast(),
            if ring_index == CONTROL_RING {
                FORCE_WAKEUP
            } else {
                NO_WAKEUP
            },
        );
    }
}

/// Tells the daemon that a TLS stream is bound. The endpoint is copied from where it is.
#[inline(always)]
pub fn bound(stream: u64, cookie: u64, endpoint: *const Endpoint, ring_index: u32) {
    let Some(ring) = ring(ring_index) else { return };
    let size = HEADER_LEN + ENDPOINT_LEN;
    // SAFETY: `ring` is a ring map; the size is a constant.
    let slot: *mut u8 = unsafe { bpf_ringbuf_reserve(ring, size as u64, 0) }.cast();
    if slot.is_null() {
        count(Counter::ControlLost, 1);
        return;
    }
    let mut header = event_header(Kind::Bound, Source::Tls, stream, bpf_get_current_pid_tgid());
    header.cookie = cookie;
    header.len = ENDPOINT_LEN as u32;
    // SAFETY: the helper takes no pointers; the slot is not null and holds header and endpoint, and
    // `endpoint` is in a map.
    unsafe {
        header.time_ns = bpf_ktime_get_ns();
        ptr::write(slot.cast(), header);
        ptr::copy_nonoverlapping(endpoint, slot.add(HEADER_LEN).cast(), 1);
        bpf_ringbuf_submit(slot.cast(), NO_WAKEUP);
    }
}

/// Tells the daemon what the current task runs now.
///
/// # Safety
/// `program` is a BTF pointer to struct linux_binprm.
#[inline(always)]
pub unsafe fn executed(task: u64, program: *const u8) {
    let Some(ring) = ring(CONTROL_RING) else { return };
    let size = HEADER_LEN + PROGRAM_LEN;
    // SAFETY: `ring` is a ring map; the size is a constant.
    let slot: *mut u8 = unsafe { bpf_ringbuf_reserve(ring, size as u64, 0) }.cast();
    if slot.is_null() {
        count(Counter::ControlLost, 1);
        return;
    }
    let mut header = event_header(Kind::Exec, Source::Process, 0, task);
    header.len = PROGRAM_LEN as u32;
    // SAFETY: the slot is not null and holds header and program; the helpers write no more than they are told, and check
    // the address that they read.
    unsafe {
        header.time_ns = bpf_ktime_get_ns();
        ptr::write(slot.cast(), header);
        let to: *mut Program = slot.add(HEADER_LEN).cast();
        let (name, path) = (&raw mut (*to).name, &raw mut (*to).path);
        if bpf_get_current_comm(name.cast(), NAME_BYTES as u32) != 0 {
            (*name)[0] = 0;
        }
        let at: *const c_void = ptr::read_volatile(program.add(BPRM_INTERPRETER.load() as usize).cast());
        if bpf_probe_read_kernel_str(path.cast(), PROGRAM_PATH_BYTES as u32, at) < 0 {
            (*path)[0] = 0;
        }
        bpf_ringbuf_submit(slot.cast(), FORCE_WAKEUP);
    }
}

/// An empty header for [`event`].
#[inline(always)]
pub fn event_header(kind: Kind, source: Source, stream: u64, task: u64) -> RecordHeader {
    let none = words::zero();
    RecordHeader {
        time_ns: none,
        stream,
        cookie: none,
        offset: none,
        // SAFETY: the helper takes no pointers.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        tgid: (task >> 32) as u32,
        tid: task as u32,
        total: none as u32,
        len: none as u32,
        seq_end: none as u32,
        chunk: none as u16,
        kind: kind as u8,
        source: source as u8,
        ingress: none as u8,
        flags: none as u8,
        _pad0: none as u16,
        _pad1: none as u32,
    }
}
