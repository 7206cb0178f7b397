//! TLS records on a socket: where they begin and how long they are, from their headers alone.
//!
//! Walks through what a socket operation moved, across buffers and operations. Content is never
//! looked at. Only sockets that are not bound yet are walked, so it costs nothing once a socket's TLS
//! object is known.

#[cfg(not(feature = "reduced"))]
use core::ffi::c_void;
use core::{arch::asm, ptr};

#[cfg(not(feature = "reduced"))]
use aya_ebpf::helpers::generated::bpf_loop;

use crate::{bytes::Bytes, copy::Call, verified_once::verified_once};

/// Content type of application data; in TLS 1.3 of everything encrypted (RFC 8446 §5.1).
const APPLICATION_DATA: u64 = 23;
/// That of the handshake: of the Finished message, which TLS 1.2 encrypts.
const HANDSHAKE: u64 = 22;
/// Content types run from change_cipher_spec to heartbeat.
const FIRST_TYPE: u64 = 20;
const LAST_TYPE: u64 = 24;
/// Longest record, bytes without its header: 2^14 + 2048 (RFC 5246 §6.2.3).
const MAX_LENGTH: u64 = 16_384 + 2_048;
const HEADER: u64 = 5;

/// Most steps through one operation: two a record, and one for each piece of an iovec.
const MAX_STEPS: u32 = 96;

/// Record lengths that are remembered of one operation; a power of two.
pub const LENGTHS: usize = 8;

/// Bytes a record is longer than the plaintext of a full fragment, for the ciphers that are told by
/// length: TLS 1.3 (one byte of type, 16 of tag), 1.2 with GCM or CCM (8 of nonce, 16 of tag), 1.2
/// with ChaCha20 (16 of tag).
pub const OVERHEADS: [u64; 3] = [17, 24, 16];

/// Most plaintext of a record.
pub const FRAGMENT: u64 = 16_384;

/// Where a direction of a socket is in its records, between operations. All zero: at the beginning
/// of one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Position {
    /// Bytes left of the record under way.
    pub left: u32,
    /// The first bytes of a header that is not complete.
    pub part: u32,
    /// Length of the last record of application data.
    pub last: u32,
    /// Full records directly before it.
    pub run: u16,
    /// How many bytes of `part` there are.
    pub have: u8,
    /// The record under way is application data.
    pub data: u8,
}

impl Position {
    pub const START: Self = Self {
        left: 0,
        part: 0,
        last: 0,
        run: 0,
        have: 0,
        data: 0,
    };
}

/// A walk through one operation. It lives in a map, whose values are unknown to the verifier:
/// that is what makes the loop converge. All fields are words for the same reason.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Walk {
    /// Bytes of the operation that were not walked through yet.
    todo: u64,
    from: Bytes,
    left: u64,
    part: u64,
    have: u64,
    data: u64,
    ingress: u64,
    /// Length of the last record of application data, and full ones directly before it.
    pub last: u64,
    pub run: u64,
    /// Records of application data: sent ones that began, received ones that are complete.
    pub count: u64,
    /// The first one's length, and that of all.
    pub first: u64,
    pub sum: u64,
    /// Length of the last record of the handshake, when no application data is behind it; else 0.
    pub handshake: u64,
    /// 1: what moved is not records, or their boundaries are lost.
    pub broken: u64,
    /// The last few lengths.
    pub lengths: [u64; LENGTHS],
}

verified_once! {
    /// Walks through what a call moved and keeps the position. The answer is in `walk`. Verified once.
    ///
    /// # Safety
    /// All are null or valid, and not used by anybody else.
    pub unsafe fn records_walk(
        walk: *mut Walk = walk(),
        at: *mut Position = position(),
        call: *const Call = call()
    ) -> u32 {
        if walk.is_null() || at.is_null() || call.is_null() {
            return 0;
        }
        // SAFETY: the caller vouches for them.
        let (w, at, call) = unsafe { (&mut *walk, &mut *at, &*call) };
        w.todo = call.total;
        w.from = call.from;
        w.left = u64::from(at.left);
        w.part = u64::from(at.part);
        w.have = u64::from(at.have);
        w.data = u64::from(at.data);
        w.ingress = u64::from(call.ingress);
        w.last = u64::from(at.last);
        w.run = u64::from(at.run);
        w.count = 0;
        w.first = 0;
        w.sum = 0;
        w.handshake = 0;
        w.broken = 0;
        // SAFETY: as above.
        unsafe { step_on(walk) };
        if w.todo > 0 {
            w.broken = 1;
        }
        if w.broken != 0 {
            // The next operation that begins with a header finds the boundary again.
            *at = Position::START;
            return 0;
        }
        at.left = w.left as u32;
        at.part = w.part as u32;
        at.have = w.have as u8;
        at.data = w.data as u8;
        at.last = w.last as u32;
        at.run = w.run as u16;
        0
    }
}

/// Takes steps until the operation is walked through, or [`MAX_STEPS`].
#[cfg(not(feature = "reduced"))]
#[inline(always)]
unsafe fn step_on(walk: *mut Walk) {
    struct Context {
        walk: *mut Walk,
    }
    unsafe extern "C" fn callback(_index: u32, context: *mut Context) -> i64 {
        // SAFETY: the helper passes on the pointer it was given.
        step(unsafe { &mut *(*context).walk })
    }
    let mut context = Context { walk };
    // SAFETY: the callback has the signature the helper wants and gets our own stack object.
    unsafe { bpf_loop(MAX_STEPS, callback as *mut c_void, (&raw mut context).cast(), 0) };
}

/// The same without `bpf_loop`.
#[cfg(feature = "reduced")]
#[inline(always)]
unsafe fn step_on(walk: *mut Walk) {
    for _ in 0..MAX_STEPS {
        // SAFETY: the caller vouches for it.
        if unsafe { walk_step(walk) } != 0 {
            break;
        }
    }
}

#[cfg(feature = "reduced")]
verified_once! {
    /// See [`step`]. Verified once.
    ///
    /// # Safety
    /// `walk` is null or valid.
    unsafe fn walk_step(walk: *mut Walk = walk()) -> u64 {
        if walk.is_null() {
            return 1;
        }
        // SAFETY: the caller vouches for it.
        step(unsafe { &mut *walk }) as u64
    }
}

/// One step. 1 ends the walk.
#[inline(always)]
fn step(w: &mut Walk) -> i64 {
    if w.todo == 0 || w.broken != 0 {
        return 1;
    }
    if w.from.length == 0 {
        if w.from.count > 0 && w.from.next() {
            return 0;
        }
        // It ended early, or can not be read.
        w.broken = 1;
        return 1;
    }
    if w.left > 0 {
        let taken = least(w.left, w);
        advance(w, taken);
        w.left -= taken;
        if w.left == 0 && w.data != 0 && w.ingress != 0 {
            note(w);
        }
        return 0;
    }
    header(w)
}

/// Takes bytes of a header; once it is complete a record begins.
#[inline(always)]
fn header(w: &mut Walk) -> i64 {
    let have = w.have;
    if have >= HEADER {
        w.broken = 1;
        return 1;
    }
    let mut taken = least(HEADER - have, w);
    // 1 to 5, but the verifier of older kernels has lost the range by now and the compiler would drop
    // the comparison: it must not know where the number comes from.
    // SAFETY: no instruction.
    unsafe { asm!("/* {0} */", inout(reg) taken) };
    if taken > HEADER {
        taken = HEADER;
    }
    let mut head = 0u64;
    // SAFETY: reads user memory into our stack; a bad pointer is an error code.
    let read = unsafe { w.from.read(w.from.buffer, (&raw mut head).cast(), taken as u32) };
    if !read {
        w.broken = 1;
        return 1;
    }
    advance(w, taken);
    let part = w.part | head << (have * 8 & 63);
    if have + taken < HEADER {
        w.part = part;
        w.have = have + taken;
        return 0;
    }
    w.part = 0;
    w.have = 0;
    let (kind, major, minor) = (part & 0xff, part >> 8 & 0xff, part >> 16 & 0xff);
    let length = (part >> 24 & 0xff) << 8 | part >> 32 & 0xff;
    if kind < FIRST_TYPE || kind > LAST_TYPE || major != 3 || minor > 4 || length == 0 || length > MAX_LENGTH
    {
        w.broken = 1;
        return 1;
    }
    w.left = length;
    w.data = u64::from(kind == APPLICATION_DATA);
    if kind == HANDSHAKE {
        w.handshake = length;
    }
    if w.data != 0 {
        w.handshake = 0;
        let before = w.last;
        w.run = if is_full(before) { w.run + 1 } else { 0 };
        w.last = length;
        if w.ingress == 0 {
            note(w);
        }
    }
    0
}

/// A record as long as a full fragment gives.
#[inline(always)]
fn is_full(length: u64) -> bool {
    length == FRAGMENT + 17 || length == FRAGMENT + 24 || length == FRAGMENT + 16
}

#[inline(always)]
fn note(w: &mut Walk) {
    let length = w.last;
    if w.count == 0 {
        w.first = length;
    }
    let slot = (w.count as usize) & (LENGTHS - 1);
    // SAFETY: the index is masked to the array's size.
    unsafe { ptr::write_volatile((&raw mut w.lengths).cast::<u64>().add(slot), length) };
    w.count += 1;
    w.sum += length;
}

/// The least of a wish, the buffer and the operation.
#[inline(always)]
fn least(wish: u64, w: &Walk) -> u64 {
    let mut n = wish;
    if w.from.length < n {
        n = w.from.length;
    }
    if w.todo < n {
        n = w.todo;
    }
    n
}

#[inline(always)]
fn advance(w: &mut Walk, by: u64) {
    w.from.buffer += by;
    w.from.length -= by;
    w.todo -= by;
}
