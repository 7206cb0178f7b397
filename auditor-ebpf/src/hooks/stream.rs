//! TLS objects: the stream of each, and the socket it is bound to.
//!
//! A binding is proved before it is made (see [`super::binding`]); here is what one means. An object
//! has one socket for life. Proof of a second one is a conflict: the stream ends, the next one of the
//! same object is never bound. When its socket has closed, an object begins a new stream: many
//! libraries use an object's address again, and not all say when.

use auditor_common::{
    counter::Counter,
    record::{Endpoint, Kind, Source},
};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};

use crate::{
    account::count,
    copy::{self, data_ring},
    maps::{BOUND, EVIDENCE, TLS_STREAMS, TlsKey, TlsStream},
    scope::Task,
};

/// How a stream came to its socket.
pub mod by {
    /// A socket operation inside a TLS call.
    pub const NESTED: u8 = 1;
    /// A socket operation right before or after a TLS call.
    pub const ADJACENT: u8 = 2;
    /// The object itself names its socket (Go).
    pub const DESCRIPTOR: u8 = 3;
}

/// The state of a TLS object, made at first sight; `None` when the map is full.
#[inline(always)]
pub fn stream_of(key: TlsKey) -> Option<*mut TlsStream> {
    if let Some(stream) = TLS_STREAMS.get_ptr_mut(&key) {
        return Some(stream);
    }
    let _ = TLS_STREAMS.insert(
        &key,
        &TlsStream {
            id: new_id(),
            cookie: 0,
            offset: [0; 2],
            by: 0,
            closed: 0,
            conflict: 0,
            _pad: [0; 5],
        },
        0,
    );
    TLS_STREAMS.get_ptr_mut(&key)
}

/// An id no other stream on this machine has.
#[inline(always)]
pub fn new_id() -> u64 {
    // SAFETY: the helpers take no pointers. Time and CPU make the number unique.
    unsafe { bpf_ktime_get_ns() << 8 | u64::from(bpf_get_smp_processor_id() & 0xff) }
}

/// Ends the stream; the object goes on in another one, which is not bound.
#[inline(always)]
pub fn renew(task: Task, stream: &mut TlsStream) {
    closed(task, stream.id, stream.cookie);
    stream.id = new_id();
    stream.cookie = 0;
    stream.offset = [0; 2];
    stream.by = 0;
    stream.closed = 0;
}

/// Binds a stream to the socket it is proved to be on, and tells the daemon.
#[inline(always)]
pub fn bind(
    task: Task,
    key: &TlsKey,
    stream: &mut TlsStream,
    cookie: u64,
    endpoint: *const Endpoint,
    by: u8,
) {
    if stream.conflict != 0 || stream.cookie == cookie {
        return;
    }
    if stream.cookie != 0 {
        // A second socket for a live object: one of the two is wrong.
        let _ = BOUND.remove(&stream.cookie);
        renew(task, stream);
        stream.conflict = 1;
        count(Counter::BindConflict, 1);
        return;
    }
    if let Some(other) = BOUND.get_ptr(&cookie) {
        // SAFETY: a map value, copied.
        let other = unsafe { *other };
        // After a fork both processes have the object and the socket.
        if other.tgid == key.tgid && other.object != key.object {
            if let Some(holder) = TLS_STREAMS.get_ptr_mut(&other) {
                // SAFETY: a map value of another key than `stream`.
                let holder = unsafe { &mut *holder };
                if holder.cookie == cookie {
                    renew(task, holder);
                    holder.conflict = 1;
                    stream.conflict = 1;
                    count(Counter::BindConflict, 1);
                    return;
                }
            }
        }
    }
    stream.cookie = cookie;
    stream.by = by;
    let _ = BOUND.insert(&cookie, key, 0);
    count(
        if by == by::NESTED {
            Counter::BoundNested
        } else {
            Counter::BoundAdjacent
        },
        1,
    );
    copy::bound(stream.id, cookie, task, endpoint, data_ring(stream.id));
}

/// A TLS object ends: what is at its address next is another connection.
#[inline(always)]
pub fn free(task: Task, object: u64) -> Option<()> {
    let key = TlsKey {
        tgid: u64::from(task.tgid),
        object,
    };
    let stream = TLS_STREAMS.get_ptr(&key)?;
    // SAFETY: a map value, copied before the entry is removed.
    let TlsStream { id, cookie, .. } = unsafe { *stream };
    let _ = TLS_STREAMS.remove(&key);
    let _ = EVIDENCE.remove(&key);
    if cookie != 0 {
        let _ = BOUND.remove(&cookie);
    }
    closed(task, id, cookie);
    Some(())
}

/// A socket closed: what its object moves from now on belongs to another connection.
#[inline(always)]
pub fn socket_closed(cookie: u64) {
    let Some(key) = BOUND.get_ptr(&cookie) else { return };
    // SAFETY: a map value, copied before the entry is removed.
    let key = unsafe { *key };
    let _ = BOUND.remove(&cookie);
    if let Some(stream) = TLS_STREAMS.get_ptr_mut(&key) {
        // SAFETY: a map value; no other reference is made in this program.
        let stream = unsafe { &mut *stream };
        if stream.cookie == cookie {
            stream.closed = 1;
        }
    }
}

/// Tells the daemon that a stream ended.
#[inline(always)]
pub fn closed(task: Task, id: u64, cookie: u64) {
    let mut header = copy::event_header(Kind::Closed, Source::Tls, id, task.id());
    header.cookie = cookie;
    copy::event(header, None, data_ring(id));
}
