//! The contexts that seal and open what one socket carries: together they are one stream.
//!
//! Each context proves its socket by itself, with the lengths of its records (see [`super::binding`]). A connection
//! has several: those of the handshake move no plaintext and are followed by those that do. So a socket has one
//! context a direction that *carries* its plaintext: the first one that is bound when it does. It carries for as long as the
//! socket is open; proof of another one is a conflict, and neither is believed. The two that carry share the stream's
//! id, so that requests and responses come together, each with the offsets of its own direction.
//!
//! Sealing comes before the proof. A context whose first plaintext was sent under an id of its own gives it to the
//! other direction, or keeps it for itself when that has moved plaintext before.

use core::ptr;

use auditor_common::{counter::Counter, record::Endpoint};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use crate::{
    account::count,
    copy::{self, Call, data_ring},
    hooks::{
        binding,
        stream::{by, new_id, stream_closed},
    },
    maps::{AEAD_SOCKETS, AeadSocket, BLANK_AEAD_SOCKET, TLS_STREAMS, TlsKey, TlsStream},
    scope::Task,
};

/// In [`TlsStream::aead`]: what the context does.
pub const SEALS: u8 = 1;
const OPENS: u8 = 2;

/// In [`AeadSocket::carried`]: a context that is no more.
const GONE: u64 = u64::MAX;

/// A context sealed or opened a record, `call.requested` bytes long but for what its cipher adds; `call.total` of them are
/// plaintext of the application. Before that is sent on. Verified once.
///
/// # Safety
/// Both are null or valid, and not used by anybody else.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn aead_moved(call: *const Call, stream: *mut TlsStream) -> u32 {
    if call.is_null() || stream.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for them.
    let (call, stream) = unsafe { (&*call, &mut *stream) };
    let way = call.way();
    stream.aead = SEALS + way as u8;
    if stream.closed != 0 {
        restart(stream);
    }
    if stream.conflict != 0 {
        return 0;
    }
    if way == 0 {
        binding::wrote(call.task, call.object, stream, call.requested);
    } else if stream.cookie == 0 {
        binding::read(call.task, call.object, stream, call.requested);
    }
    if call.total != 0 && stream.cookie != 0 && stream.carries == 0 {
        // SAFETY: a map value that nobody else uses.
        unsafe { aead_carry(call.object, stream) };
    }
    0
}

/// True once plaintext in this direction of a socket has its context: what moves there proves nothing any more.
#[inline(always)]
pub fn is_carried(cookie: u64, ingress: u8) -> bool {
    match AEAD_SOCKETS.get_ptr(&cookie) {
        // SAFETY: a map value.
        Some(socket) if ingress == 0 => unsafe { (*socket).carried[0] != 0 },
        // SAFETY: as above.
        Some(socket) => unsafe { (*socket).carried[1] != 0 },
        None => false,
    }
}

/// Binds a context to the socket it is proved to be on. Verified once.
///
/// # Safety
/// Both pointers are null or valid, and not used by anybody else.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn aead_bind(
    object: u64,
    stream: *mut TlsStream,
    cookie: u64,
    endpoint: *const Endpoint,
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
        leave(object, stream.cookie);
        part(stream);
        count(Counter::BindConflict, 1);
        return 0;
    }
    let tgid = bpf_get_current_pid_tgid() >> 32;
    let Some(socket) = socket_of(cookie) else {
        count(Counter::MapFull, 1);
        return 0;
    };
    // SAFETY: a map value; no other reference is made in this program.
    let socket = unsafe { &mut *socket };
    if socket.tgid != tgid {
        // At first sight, or the socket was handed on.
        socket.tgid = tgid;
        socket.id = stream.id;
        socket.told = 0;
        socket.carried[0] = 0;
        socket.carried[1] = 0;
        // SAFETY: the caller vouches for the endpoint.
        unsafe { ptr::copy_nonoverlapping(endpoint, &raw mut socket.endpoint, 1) };
    }
    stream.cookie = cookie;
    stream.by = by::ADJACENT;
    if stream.offset[0] != 0 || stream.offset[1] != 0 {
        // SAFETY: a map value that nobody else uses.
        unsafe { aead_carry(object, stream) };
    }
    0
}

/// A bound context moves plaintext for the first time, or has just been bound after it did. Verified once.
///
/// # Safety
/// `stream` is null or valid, and not used by anybody else.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn aead_carry(object: u64, stream: *mut TlsStream) -> u32 {
    if stream.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for it.
    let stream = unsafe { &mut *stream };
    let cookie = stream.cookie;
    let Some(socket) = AEAD_SOCKETS.get_ptr_mut(&cookie) else {
        return 0;
    };
    // SAFETY: a map value; no other reference is made in this program.
    let socket = unsafe { &mut *socket };
    let way = usize::from(stream.aead == OPENS);
    let (own, other) = (socket.carried[way], socket.carried[1 - way]);
    if own != 0 && own != object {
        let key = TlsKey {
            tgid: socket.tgid,
            object: own,
        };
        if let Some(holder) = TLS_STREAMS.get_ptr_mut(&key) {
            // SAFETY: a map value of another key than `stream`.
            let holder = unsafe { &mut *holder };
            if holder.cookie == cookie {
                part(holder);
            }
        }
        socket.carried[way] = GONE;
        part(stream);
        count(Counter::BindConflict, 1);
        return 0;
    }
    if stream.offset[way] == 0 {
        stream.id = socket.id;
    } else if other == 0 {
        socket.id = stream.id;
    }
    socket.carried[way] = object;
    stream.carries = 1;
    if socket.told != stream.id {
        socket.told = stream.id;
        count(Counter::BoundAdjacent, 1);
        copy::bound(
            stream.id,
            cookie,
            &raw const socket.endpoint,
            data_ring(stream.id),
        );
    }
    0
}

/// A context gets a key: what had its address before is another connection, or the same one before its keys changed.
#[inline(always)]
pub fn begin(task: Task, object: u64) -> Option<()> {
    let key = TlsKey {
        tgid: u64::from(task.tgid),
        object,
    };
    let stream = TLS_STREAMS.get_ptr(&key)?;
    // SAFETY: a map value, copied before the entry is removed.
    let TlsStream {
        id, cookie, offset, ..
    } = unsafe { *stream };
    let _ = TLS_STREAMS.remove(&key);
    if cookie == 0 {
        // Most contexts of handshakes have no stream.
        if offset[0] != 0 || offset[1] != 0 {
            stream_closed(id, 0);
        }
    } else {
        // The other direction may go on; the stream ends with its socket.
        leave(object, cookie);
    }
    Some(())
}

/// A socket closed: its contexts begin new streams, should they move anything. What is known of it stays, as long as there is
/// room: that its records are somebody's is what makes those of others certain.
#[inline(always)]
pub fn socket_closed(cookie: u64) {
    let Some(socket) = AEAD_SOCKETS.get_ptr(&cookie) else {
        return;
    };
    // SAFETY: a map value, copied.
    let (tgid, [seals, opens]) = unsafe { ((*socket).tgid, (*socket).carried) };
    for object in [seals, opens] {
        if let Some(stream) = TLS_STREAMS.get_ptr_mut(&TlsKey { tgid, object }) {
            // SAFETY: a map value; no other reference is made in this program.
            let stream = unsafe { &mut *stream };
            if stream.cookie == cookie {
                stream.closed = 1;
            }
        }
    }
}

/// A context does not carry a socket's plaintext any more, and nothing will in its place.
#[inline(always)]
fn leave(object: u64, cookie: u64) {
    let Some(socket) = AEAD_SOCKETS.get_ptr_mut(&cookie) else {
        return;
    };
    // SAFETY: a map value; no other reference is made in this program.
    let socket = unsafe { &mut *socket };
    if socket.carried[0] == object {
        socket.carried[0] = GONE;
    }
    if socket.carried[1] == object {
        socket.carried[1] = GONE;
    }
}

/// Goes on in a stream that is bound to nothing, ever.
#[inline(always)]
fn part(stream: &mut TlsStream) {
    restart(stream);
    stream.conflict = 1;
}

/// Goes on in another stream. The one of before may be that of another context, too, and ends with its socket.
#[inline(always)]
fn restart(stream: &mut TlsStream) {
    stream.id = new_id();
    stream.cookie = 0;
    stream.offset = [0; 2];
    stream.by = 0;
    stream.closed = 0;
    stream.carries = 0;
}

/// What is known of a socket; made from a blank in a map, as it is too large for the stack.
#[inline(always)]
fn socket_of(cookie: u64) -> Option<*mut AeadSocket> {
    if let Some(socket) = AEAD_SOCKETS.get_ptr_mut(&cookie) {
        return Some(socket);
    }
    let blank = BLANK_AEAD_SOCKET.get_ptr(0)?;
    // SAFETY: a map value that nobody writes to.
    let _ = AEAD_SOCKETS.insert(&cookie, unsafe { &*blank }, 0);
    AEAD_SOCKETS.get_ptr_mut(&cookie)
}
