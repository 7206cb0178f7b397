//! An operation that moved bytes through a socket, however it was seen: its place in the socket's stream, and what the
//! bytes are.

use core::mem::MaybeUninit;

use auditor_common::{
    counter::Counter,
    record::{Endpoint, Kind, Source, flags},
};

use crate::{
    account::count,
    bytes::Bytes,
    copy::{self, Call, FROM_PEER, data_ring},
    hooks::{binding, datagram, local, unix::unix_endpoint},
    records::Position,
    socket_state::{RawSock, Sock, SocketState, class, kind, socket_endpoint},
    verified_once::verified_once,
    words,
};

/// `MSG_PEEK | MSG_ERRQUEUE` (linux/socket.h): the bytes stay, or are not payload.
const NOT_CONSUMED: i32 = 0x2 | 0x2000;
/// `MSG_TRUNC`: on a stream the bytes are thrown away without being copied.
const MSG_TRUNC: i32 = 0x20;

/// A socket in scope, the call's object, moved bytes: account them, tell TLS from plain text, copy plain text.
#[inline(always)]
pub fn moved<S: Sock>(sk: S, flags: i32, call: &mut Call) -> Option<()> {
    if call.ingress != 0 && flags & NOT_CONSUMED != 0 {
        return None;
    }
    count(Counter::SocketMoved, call.total);
    call.kind = sk.kind();
    if call.kind == 0 {
        count(Counter::SocketUnseen, call.total);
        return None;
    }
    if call.ingress != 0 && flags & MSG_TRUNC != 0 {
        call.kind |= kind::DISCARDED;
    }
    let Some(state) = sk.state_or_new(call.kind) else {
        count(Counter::MapFull, 1);
        count(Counter::SocketUnseen, call.total);
        return None;
    };
    // SAFETY: a map value and a call of this program; no other reference to them is made while a function has them.
    unsafe {
        if call.kind & kind::MESSAGES != 0 {
            if (*state).cookie == 0 {
                (*state).cookie = sk.new_id();
            }
            if datagram::socket_datagram(words::written(call), state) == next::COPY {
                copy::datagram(call);
            }
            return Some(());
        }
        if (*state).cookie == 0 {
            (*state).cookie = sk.new_id();
            socket_open(words::written(call), state);
        }
        match socket_stream(words::written(call), state) {
            next::COPY => copy::call(call),
            next::BIND => drop(binding::socket_tls(words::written(call), state)),
            _ => {}
        }
    }
    Some(())
}

/// What is left to do with a call.
pub mod next {
    pub const NOTHING: u32 = 0;
    /// Copy its bytes.
    pub const COPY: u32 = 1;
    /// They are TLS records: look whose.
    pub const BIND: u32 = 2;
}

verified_once! {
    /// What a socket moved takes its place in the socket's stream, and is accounted unless it is to be copied. Verified once.
    ///
    /// # Safety
    /// Both are null or valid, and not used by anybody else.
    pub unsafe fn socket_stream(call: *mut Call = call(), state: *mut SocketState = state()) -> u32 {
        if call.is_null() || state.is_null() {
            return next::NOTHING;
        }
        // SAFETY: the caller vouches for them.
        let (call, state) = unsafe { (&mut *call, &mut *state) };
        let way = call.way();
        let total = call.total;
        call.stream = state.stream;
        call.cookie = state.cookie;
        call.offset = state.offset[way];
        state.offset[way] += total;
        if call.kind & kind::DISCARDED != 0 || call.seen == 0 {
            state.records[way] = Position::START;
            let known = call.kind & kind::DISCARDED == 0 && state.class == class::TLS;
            count(
                if known {
                    Counter::SocketCiphertext
                } else {
                    Counter::SocketUnseen
                },
                total,
            );
            return next::NOTHING;
        }
        let head = if state.class != class::TLS || state.application_data[way] == 0 {
            first_bytes(&call.from)
        } else {
            0
        };
        if state.class != class::TLS {
            state.class = classify(state.class, head);
        }
        if state.class == class::TLS {
            count(ciphertext_kind(state, way, head), total);
            return next::BIND;
        }
        if call.kind & kind::UNIX == 0 {
            call.seq_end = RawSock(call.object).sequence(call.ingress);
        }
        if state.is_peer != 0 {
            call.ingress |= FROM_PEER;
        }
        next::COPY
    }
}

verified_once! {
    /// First sight of a socket, which has its id: tells the daemon its addresses. A TCP connection's bytes are counted in
    /// sequence numbers; this operation has moved some of them already. Verified once.
    ///
    /// # Safety
    /// Both are null or valid, and not used by anybody else.
    pub unsafe fn socket_open(call: *const Call = call(), state: *mut SocketState = state()) -> u32 {
        if call.is_null() || state.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (call, state) = unsafe { (&*call, &mut *state) };
        state.stream = state.cookie;
        let mut endpoint = MaybeUninit::<Endpoint>::uninit();
        let mut header = copy::event_header(Kind::Opened, Source::Socket, state.cookie, call.task);
        header.cookie = state.cookie;
        let sk = RawSock(call.object);
        // SAFETY: the functions write all of it.
        let endpoint = unsafe {
            if call.kind & kind::UNIX != 0 {
                unix_endpoint(call.object, words::uninit(&mut endpoint));
            } else {
                socket_endpoint(call.object, u32::from(state.role), words::uninit(&mut endpoint));
            }
            endpoint.assume_init_ref()
        };
        if call.kind & kind::UNIX == 0 {
            if call.kind & kind::JOINED != 0 {
                local::join(endpoint, state);
            }
            let (mut sent, mut received) = (sk.sequence(0), sk.sequence(1));
            if call.ingress == 0 {
                sent = sent.wrapping_sub(call.total as u32);
            } else {
                received = received.wrapping_sub(call.total as u32);
            }
            state.offset = [u64::from(sent), u64::from(received)];
            header.offset = u64::from(sent);
            header.total = received;
            header.stream = state.stream;
            header.flags = flags::SEQUENCE;
            if state.is_peer != 0 {
                header.flags |= flags::PEER;
            }
        }
        copy::event(header, Some(endpoint), data_ring(state.stream));
        0
    }
}

/// Looks for a TLS record header: type 20–23, major version 3, minor at most 4, length at most
/// 2^14 + 2048 (RFC 5246 §6.2.3). Plain text that begins like this does not occur in the text
/// protocols we read.
#[inline(always)]
fn classify(class: u8, head: u64) -> u8 {
    let (kind, major, minor) = (head & 0xff, head >> 8 & 0xff, head >> 16 & 0xff);
    let length = (head >> 24 & 0xff) << 8 | head >> 32 & 0xff;
    if head & READ != 0
        && (0x14..=0x17).contains(&kind)
        && major == 3
        && minor <= 4
        && length <= 16_384 + 2_048
    {
        class::TLS
    } else if class == class::NEW {
        class::PLAIN
    } else {
        class
    }
}

/// Until application data was seen in a direction, what moves is the handshake.
#[inline(always)]
fn ciphertext_kind(state: &mut SocketState, way: usize, head: u64) -> Counter {
    if state.application_data[way] == 0 {
        if head & 0xff != 0x17 {
            return Counter::SocketHandshake;
        }
        state.application_data[way] = 1;
    }
    Counter::SocketCiphertext
}

/// Set in what [`first_bytes`] returns when the bytes could be read.
pub const READ: u64 = 1 << 63;

/// The first five bytes, the first in the low byte; 0 when they can not be read. A plain number
/// because the verifier does not follow the compiler's layout of an optional array.
#[inline(always)]
pub fn first_bytes(from: &Bytes) -> u64 {
    let mut piece = *from;
    if piece.length == 0 && (piece.count == 0 || !piece.next()) {
        return 0;
    }
    if piece.length < 5 {
        return 0;
    }
    let mut head = 0u64;
    // SAFETY: five bytes into eight.
    if !unsafe { piece.read(piece.buffer, (&raw mut head).cast(), 5) } {
        return 0;
    }
    head | READ
}
