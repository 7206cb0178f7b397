//! Which socket carries a TLS object: only what is proved is bound, and nothing is guessed.
//!
//! Three things are compared, always of one thread: TLS calls with the plaintext they moved, socket
//! operations with the TLS records in them ([`crate::records`]), and lengths. A record is longer than
//! its plaintext by what the cipher adds.
//!
//! - **Nested.** The socket operation happens inside the TLS call. The records have to be as long as
//!   the call's plaintext gives with any cipher, so a callback that writes something else to another
//!   socket proves nothing.
//! - **Adjacent.** The library works on memory, and its caller moves the records (Node.js, asyncio,
//!   rustls): the thread's next send after a write, or its last receive before a read. Here the
//!   length must be exactly what TLS 1.3, or 1.2 with GCM or ChaCha20, gives; and in the last
//!   seconds no other unbound object (socket) of the thread may have had the same length.
//!
//! What is not proved stays unbound.

use auditor_common::counter::Counter;
use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::{
    account::count,
    copy::Call,
    hooks::{
        aead_socket::is_carried,
        lengths::{MEMORY, length_contested, length_note},
        stream::{self, by},
    },
    maps::{
        BLANK_EVIDENCE, BLANK_THREAD, BOUND, Candidate, EVIDENCE, Evidence, THREADS, TLS_CURRENT,
        TLS_STREAMS, Thread, TlsKey, TlsStream,
    },
    records::{FRAGMENT, LENGTHS, OVERHEADS, Position, Walk, records_walk},
    scope::Task,
    socket_state::{SocketState, kind, socket_endpoint},
    verified_once::verified_once,
};

/// How long apart a TLS call and the socket operation next to it may be, nanoseconds: microseconds,
/// unless the thread had to wait for a processor.
const ADJACENT: u64 = 500_000_000;

/// Operations of an unbound socket that are looked at; then its library is most likely not hooked.
const MAX_OPERATIONS: u16 = 1000;

/// What any cipher adds to a fragment, bytes: from the bare tag to nonce, padding and a long MAC.
const LEAST_OVERHEAD: u64 = 16;
const MOST_OVERHEAD: u64 = 96;

/// In `Working::current` the lowest bit of the object, which is aligned, says that the call reads.
pub const READS: u64 = 1;

verified_once! {
    /// Bytes that moved on a socket that carries TLS. Verified once.
    ///
    /// # Safety
    /// Both are null or valid, and not used by anybody else.
    pub unsafe fn socket_tls(call: *mut Call = call(), state: *mut SocketState = state()) -> u32 {
        if call.is_null() || state.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (call, state) = unsafe { (&mut *call, &mut *state) };
        let id = call.task;
        let ingress = call.ingress;
        if call.kind & kind::UNIX != 0 {
            // Nothing is bound to it: what was written (received) before is not next to what comes now.
            forget(id, ingress);
            return 0;
        }
        let current = match TLS_CURRENT.get_ptr(&id) {
            // SAFETY: a map value.
            Some(working) => unsafe { (*working).current },
            None => 0,
        };
        let object = current & !READS;
        let cookie = state.cookie;
        if state.object == 0
            && let Some(key) = BOUND.get_ptr(&cookie)
        {
            // SAFETY: a map value.
            let key = unsafe { *key };
            state.object = key.object;
            state.tgid = key.tgid as u32;
        }
        let bound = state.object != 0 && u64::from(state.tgid) == id >> 32;
        if bound && (object == 0 || object == state.object) {
            if object == 0 {
                forget(id, ingress);
            }
            return 0;
        }
        if object == 0 {
            if is_carried(cookie, ingress) {
                forget(id, ingress);
                return 0;
            }
            if state.operations >= MAX_OPERATIONS {
                return 0;
            }
            state.operations += 1;
        }
        let Some(thread) = thread_of(id) else { return 0 };
        // SAFETY: a map value that belongs to this thread.
        let thread = unsafe { &mut *thread };
        let at = &mut state.records[call.way()];
        if bound {
            // It was not walked while it was bound: only a header at the front tells.
            *at = Position::START;
        }
        // SAFETY: map values, and the call of this program.
        unsafe { records_walk(&raw mut thread.walk, at, call) };
        if object != 0 {
            if current & READS == u64::from(ingress) && thread.walk.count > 0 && thread.walk.broken == 0 {
                nested(call, state, object, &thread.walk);
            }
        } else if ingress == 0 {
            // SAFETY: as above.
            unsafe { records_sent(call, state, thread) };
        } else {
            // SAFETY: as above.
            unsafe { records_received(call, state, thread) };
        }
        0
    }
}

/// A send failed: if it was to carry the last write, that waits now and the next send is another's.
#[inline(always)]
pub fn send_failed(task: Task) {
    forget(task.id(), 0);
}

/// The thread sent (received) on a bound socket: its last write (receive) is not next to what comes now.
#[inline(always)]
fn forget(thread: u64, ingress: u8) {
    let Some(thread) = THREADS.get_ptr_mut(&thread) else {
        return;
    };
    // SAFETY: a map value that belongs to this thread.
    let thread = unsafe { &mut *thread };
    if ingress == 0 {
        thread.wrote = 0;
    } else {
        thread.received = 0;
    }
}

verified_once! {
    /// A TLS call moved bytes: binds its object when that proves its socket. Before the plaintext is sent on, so that its records are bound. Verified once.
    ///
    /// # Safety
    /// Both are null or valid, and not used by anybody else.
    pub unsafe fn tls_moved(call: *const Call = call(), stream: *mut TlsStream = stream_of_call()) -> u32 {
        if call.is_null() || stream.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (call, stream) = unsafe { (&*call, &mut *stream) };
        let (object, moved, ingress) = (call.object, call.total, call.ingress);
        let key = TlsKey {
            tgid: call.task >> 32,
            object,
        };
        if stream.closed != 0 {
            stream::renew(stream);
        }
        if let Some(evidence) = EVIDENCE.get_ptr(&key) {
            // SAFETY: a map value; its entry goes at the end.
            judge(call, stream, unsafe { &*evidence });
            let _ = EVIDENCE.remove(&key);
            return 0;
        }
        if stream.conflict != 0 {
            return 0;
        }
        if ingress == 0 {
            wrote(call.task, object, stream, moved);
        } else if stream.cookie == 0 {
            read(call.task, object, stream, moved);
        }
        0
    }
}

/// Notes records that moved inside a call.
#[inline(always)]
fn nested(call: &Call, state: &SocketState, object: u64, walk: &Walk) {
    let key = TlsKey {
        tgid: call.task >> 32,
        object,
    };
    let Some(evidence) = evidence_of(&key) else { return };
    // SAFETY: a map value; no other reference is made in this program.
    let evidence = unsafe { &mut *evidence };
    let slot = if evidence.first.cookie == state.cookie || evidence.first.cookie == 0 {
        &mut evidence.first
    } else if evidence.second.cookie == state.cookie || evidence.second.cookie == 0 {
        &mut evidence.second
    } else {
        evidence.more = 1;
        return;
    };
    if slot.cookie == 0 {
        slot.cookie = state.cookie;
        // SAFETY: it is written to alone.
        unsafe { socket_endpoint(call.object, u32::from(state.role), &raw mut slot.endpoint) };
        slot.front = walk.first;
    }
    slot.sum += walk.sum;
    slot.count += walk.count;
    slot.last = walk.last;
}

/// Binds to the one socket whose records fit the call.
#[inline(always)]
fn judge(call: &Call, stream: &mut TlsStream, evidence: &Evidence) {
    let first = fits(&evidence.first, call);
    let second = fits(&evidence.second, call);
    if evidence.more != 0 || (first && second) {
        count(Counter::BindAmbiguous, 1);
        return;
    }
    if first || second {
        let winner = if first { &evidence.first } else { &evidence.second };
        stream::bind(call.object, stream, winner.cookie, &winner.endpoint, by::NESTED);
    }
}

#[inline(always)]
fn fits(candidate: &Candidate, call: &Call) -> bool {
    let moved = call.total;
    if candidate.cookie == 0 {
        return false;
    }
    if call.ingress == 0 {
        let extra = candidate.sum.wrapping_sub(moved);
        return candidate.sum > moved
            && extra >= LEAST_OVERHEAD * candidate.count
            && extra <= MOST_OVERHEAD * candidate.count;
    }
    // A read gives no more than one record; less when the caller's buffer is smaller.
    let of = |length: u64| {
        length >= moved + LEAST_OVERHEAD && (length <= moved + MOST_OVERHEAD || moved == call.requested)
    };
    of(candidate.front) || of(candidate.last)
}

/// Notes a write whose records the thread has not sent yet.
#[inline(always)]
pub fn wrote(id: u64, object: u64, stream: &TlsStream, moved: u64) {
    // One that is bound by nesting sends inside its calls.
    if stream.cookie != 0 && stream.by != by::ADJACENT {
        return;
    }
    let Some(thread) = thread_of(id) else {
        return;
    };
    // SAFETY: a map value that belongs to this thread.
    let thread = unsafe { &mut *thread };
    thread.wrote = object;
    thread.wrote_bytes = moved;
    // SAFETY: the helper takes no pointers.
    thread.wrote_ns = unsafe { bpf_ktime_get_ns() };
    if stream.cookie == 0 {
        length_note(id, moved, 0, object);
    }
}

verified_once! {
    /// Records were sent outside any call: are they what was written last? Verified once.
    ///
    /// # Safety
    /// All are null or valid, and not used by anybody else.
    unsafe fn records_sent(
        call: *const Call = call(),
        state: *const SocketState = state(),
        thread: *mut Thread = thread()
    ) -> u32 {
        if call.is_null() || state.is_null() || thread.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (call, state, thread) = unsafe { (&*call, &*state, &mut *thread) };
        let (object, bytes) = (thread.wrote, thread.wrote_bytes);
        if object == 0 {
            return 0;
        }
        let key = TlsKey {
            tgid: call.task >> 32,
            object,
        };
        let Some(stream) = TLS_STREAMS.get_ptr_mut(&key) else {
            thread.wrote = 0;
            return 0;
        };
        // SAFETY: a map value.
        let is_aead = unsafe { (*stream).aead } != 0;
        let handshake = if is_aead { thread.walk.handshake } else { 0 };
        if thread.walk.count == 0 && thread.walk.broken == 0 && handshake == 0 {
            return 0;
        }
        thread.wrote = 0;
        // SAFETY: the helper takes no pointers.
        let since = unsafe { bpf_ktime_get_ns() }.wrapping_sub(thread.wrote_ns);
        if thread.walk.broken != 0 || since > ADJACENT {
            return 0;
        }
        // A write may be several records; an AEAD context seals one, also of the handshake.
        let sent = if handshake != 0 {
            handshake
        } else if is_aead {
            thread.walk.last
        } else {
            thread.walk.run * FRAGMENT + thread.walk.last
        };
        let mut fit = false;
        for overhead in OVERHEADS {
            fit |= sent == bytes + overhead;
        }
        if !fit {
            return 0;
        }
        for overhead in OVERHEADS {
            if length_contested(call.task, sent.wrapping_sub(overhead), 0, object) != 0 {
                count(Counter::BindAmbiguous, 1);
                return 0;
            }
        }
        // SAFETY: map values; no other reference is made in this program.
        unsafe {
            socket_endpoint(call.object, u32::from(state.role), &raw mut thread.endpoint);
            stream::bind(object, &mut *stream, state.cookie, &thread.endpoint, by::ADJACENT);
        }
        0
    }
}

verified_once! {
    /// Records were received outside any call: the next read may be of them. Verified once.
    ///
    /// # Safety
    /// All are null or valid, and not used by anybody else.
    unsafe fn records_received(
        call: *const Call = call(),
        state: *const SocketState = state(),
        thread: *mut Thread = thread()
    ) -> u32 {
        if call.is_null() || state.is_null() || thread.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (call, state, thread) = unsafe { (&*call, &*state, &mut *thread) };
        thread.received = 0;
        // SAFETY: the helper takes no pointers.
        let now = unsafe { bpf_ktime_get_ns() };
        if thread.walk.broken != 0 {
            // What it holds is not known, so reads of the next moments prove nothing.
            thread.blind_since = now;
            return 0;
        }
        if thread.walk.count == 0 {
            return 0;
        }
        thread.received = state.cookie;
        thread.received_ns = now;
        // SAFETY: it is written to alone.
        unsafe {
            socket_endpoint(
                call.object,
                u32::from(state.role),
                &raw mut thread.received_endpoint,
            )
        };
        for slot in 0..LENGTHS {
            let length = if (slot as u64) < thread.walk.count {
                thread.walk.lengths[slot]
            } else {
                0
            };
            thread.lengths[slot] = length;
            if length != 0 {
                length_note(call.task, length, 1, state.cookie);
            }
        }
        0
    }
}

/// An unbound object was read from: is it what was received last?
#[inline(always)]
pub fn read(id: u64, object: u64, stream: &mut TlsStream, moved: u64) {
    let Some(thread) = THREADS.get_ptr_mut(&id) else {
        return;
    };
    // SAFETY: a map value that belongs to this thread.
    let thread = unsafe { &mut *thread };
    if thread.received == 0 {
        return;
    }
    let mut fit = false;
    for slot in 0..LENGTHS {
        for overhead in OVERHEADS {
            fit |= thread.lengths[slot] == moved + overhead;
        }
    }
    if !fit {
        return;
    }
    let cookie = thread.received;
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    if now.wrapping_sub(thread.received_ns) > ADJACENT {
        return;
    }
    let mut contested = 0;
    if thread.blind_since != 0 && now.wrapping_sub(thread.blind_since) <= MEMORY {
        contested = 1;
    }
    for overhead in OVERHEADS {
        contested |= length_contested(id, moved + overhead, 1, cookie);
    }
    if contested != 0 {
        count(Counter::BindAmbiguous, 1);
        return;
    }
    stream::bind(object, stream, cookie, &thread.received_endpoint, by::ADJACENT);
}

/// What is known of this thread; made from a blank in a map, as it is too large for the stack.
#[inline(always)]
fn thread_of(id: u64) -> Option<*mut Thread> {
    if let Some(thread) = THREADS.get_ptr_mut(&id) {
        return Some(thread);
    }
    let blank = BLANK_THREAD.get_ptr(0)?;
    // SAFETY: a map value that nobody writes to.
    let _ = THREADS.insert(&id, unsafe { &*blank }, 0);
    THREADS.get_ptr_mut(&id)
}

#[inline(always)]
fn evidence_of(key: &TlsKey) -> Option<*mut Evidence> {
    if let Some(evidence) = EVIDENCE.get_ptr_mut(key) {
        return Some(evidence);
    }
    let blank = BLANK_EVIDENCE.get_ptr(0)?;
    // SAFETY: as above.
    let _ = EVIDENCE.insert(key, unsafe { &*blank }, 0);
    EVIDENCE.get_ptr_mut(key)
}
