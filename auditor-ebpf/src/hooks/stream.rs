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
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_ktime_get_ns};

use crate::{
    account::count,
    copy::{self, data_ring},
    hooks::aead_socket,
    maps::{BOUND, EVIDENCE, TLS_STREAMS, TlsKey, TlsStream},
    scope::Task,
    verified_once::verified_once,
    words,
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
pub fn stream_of(key: &TlsKey) -> Option<*mut TlsStream> {
    if let Some(stream) = TLS_STREAMS.get_ptr_mut(key) {
        return Some(stream);
    }
    stream_begin(key.tgid, key.object);
    TLS_STREAMS.get_ptr_mut(key)
}

/// Makes the state of a TLS object that has none. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stream_begin(tgid: u64, object: u64) -> u32 {
    let none = words::zero();
    let stream = TlsStream {
        id: new_id(),
        cookie: none,
        offset: [none; 2],
        by: none as u8,
        closed: none as u8,
        conflict: none as u8,
        aead: none as u8,
        carries: none as u8,
        _pad: [none as u8; 3],
    };
    let _ = TLS_STREAMS.insert(&TlsKey { tgid, object }, &stream, 0);
    0
}

/// An id no other stream on this machine has.
#[inline(always)]
pub fn new_id() -> u64 {
    // SAFETY: the helpers take no pointers. Time and CPU make the number unique.
    unsafe { bpf_ktime_get_ns() << 8 | u64::from(bpf_get_smp_processor_id() & 0xff) }
}

/// Ends the stream; the object goes on in another one, which is not bound.
#[inline(always)]
pub fn renew(stream: &mut TlsStream) {
    stream_closed(stream.id, stream.cookie);
    stream.id = new_id();
    stream.cookie = 0;
    stream.offset = [0; 2];
    stream.by = 0;
    stream.closed = 0;
}

/// What a function is handed by pointer.
#[cfg(not(feature = "reduced"))]
#[inline(always)]
fn keep_endpoint(endpoint: *const Endpoint) -> *const Endpoint {
    endpoint
}

/// What a function finds again.
#[cfg(feature = "reduced")]
#[inline(always)]
fn keep_endpoint(endpoint: *const Endpoint) -> *const Endpoint {
    let kept = crate::again::endpoint();
    if !kept.is_null() {
        // SAFETY: one is a part of a map value, the other valid by the promise of the caller of `bind`.
        unsafe { core::ptr::copy_nonoverlapping(endpoint, kept, 1) };
    }
    kept
}

/// Binds the stream of an object of the current process to the socket it is proved to be on, and tells the daemon.
#[inline(always)]
pub fn bind(object: u64, stream: &mut TlsStream, cookie: u64, endpoint: *const Endpoint, by: u8) {
    // SAFETY: map values; no other reference is made in this program.
    unsafe {
        #[cfg(not(feature = "reduced"))]
        if stream.aead != 0 {
            aead_socket::aead_bind(object, stream, cookie, endpoint);
            return;
        }
        stream_bind(stream, keep_endpoint(endpoint), object, cookie, u64::from(by));
    }
}

verified_once! {
    /// See [`bind`]. Verified once.
    ///
    /// # Safety
    /// Both pointers are null or valid, and not used by anybody else.
    pub unsafe fn stream_bind(
        stream: *mut TlsStream = stream(object),
        endpoint: *const Endpoint = endpoint();
        object: u64, cookie: u64, by: u64
    ) -> u32 {
        if stream.is_null() || endpoint.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for it.
        let stream = unsafe { &mut *stream };
        if stream.conflict != 0 || stream.cookie == cookie {
            return 0;
        }
        if stream.cookie != 0 {
            // A second socket for a live object: one of the two is wrong.
            let other = stream.cookie;
            let _ = BOUND.remove(&other);
            renew(stream);
            stream.conflict = 1;
            count(Counter::BindConflict, 1);
            return 0;
        }
        let key = TlsKey {
            tgid: bpf_get_current_pid_tgid() >> 32,
            object,
        };
        if let Some(other) = BOUND.get_ptr(&cookie) {
            // SAFETY: a map value, copied.
            let other = unsafe { *other };
            // After a fork both processes have the object and the socket.
            if other.tgid == key.tgid
                && other.object != object
                && let Some(holder) = TLS_STREAMS.get_ptr_mut(&other)
            {
                // SAFETY: a map value of another key than `stream`.
                let holder = unsafe { &mut *holder };
                if holder.cookie == cookie {
                    renew(holder);
                    holder.conflict = 1;
                    stream.conflict = 1;
                    count(Counter::BindConflict, 1);
                    return 0;
                }
            }
        }
        stream.cookie = cookie;
        stream.by = by as u8;
        let _ = BOUND.insert(&cookie, &key, 0);
        count(
            if stream.by == by::NESTED {
                Counter::BoundNested
            } else {
                Counter::BoundAdjacent
            },
            1,
        );
        copy::bound(stream.id, cookie, endpoint, data_ring(stream.id));
        0
    }
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
    stream_closed(id, cookie);
    Some(())
}

/// A socket closed: what its object moves from now on belongs to another connection.
#[inline(always)]
pub fn socket_closed(cookie: u64) {
    aead_socket::socket_closed(cookie);
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

/// Tells the daemon that a stream ended. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stream_closed(id: u64, cookie: u64) -> u32 {
    let mut header = copy::event_header(Kind::Closed, Source::Tls, id, bpf_get_current_pid_tgid());
    header.cookie = cookie;
    copy::event(header, None, data_ring(id));
    0
}
