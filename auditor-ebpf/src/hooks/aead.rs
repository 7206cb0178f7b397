//! AWS-LC's AEAD functions, where nothing nearer to the program can be found: rustls without its symbols.
//!
//! All that is sealed and opened in a process comes by, most of it no TLS: QUIC, session tickets, whatever a program
//! encrypts by itself. What is a TLS record proves it by its additional data, which is the record's header (RFC 8446
//! §5.2, RFC 5246 §6.2.3.3) with the length of exactly these bytes. Of those, application data is copied.
//!
//! - Sealing: at entry, as it is done in place.
//! - Opening: on return, when the tag was right.
//! - Giving a context its key: what had its address before is gone.
//!
//! A context knows one direction. [`super::aead_socket`] puts the two of a connection together.

use core::{ffi::c_void, mem::MaybeUninit, ptr};

use auditor_common::{
    counter::Counter,
    tls::{AttachCookie, Shape},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_loop, bpf_probe_read_user},
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    account::count,
    bytes::Bytes,
    cookie::cookie,
    copy::Call,
    hooks::{
        aead_socket::{aead_moved, begin},
        plaintext, stream,
    },
    maps::{TLS_CALLS, TlsCall, TlsCallKey, TlsKey},
    registers::registers,
    scope, words,
};

/// Content types of application data and of the handshake, in headers and behind the plaintext of TLS 1.3.
const APPLICATION_DATA: u64 = 23;
const HANDSHAKE: u64 = 22;
/// Content types run from change_cipher_spec to heartbeat.
const FIRST_TYPE: u64 = 20;
const LAST_TYPE: u64 = 24;

/// `legacy_record_version`, and the version of TLS 1.2, as little-endian words have it.
const VERSION: u64 = 0x0303;

/// Lengths of additional data: of TLS 1.3 (type, version, length), and of TLS 1.2 (a sequence number before those).
const HEADER_1_3: u64 = 5;
const HEADER_1_2: u64 = 13;

/// Bytes of the tag, in every cipher suite that libraries use with these functions.
const TAG: u64 = 16;

/// Most plaintext of a record with its type and padding: 2^14 + 256.
const MOST: u64 = 16_640;

/// Sequence numbers begin at 0: no connection gets this far, and the header of a QUIC packet begins with a bit set.
const MOST_RECORDS: u64 = 1 << 48;

/// What a sealed record is. In [`TlsCall::count_at`] between entry and return.
mod version {
    /// The content type is behind the plaintext.
    pub const TLS_1_3: u64 = 1;
    /// The header said that it is application data.
    pub const TLS_1_2: u64 = 2;
    /// It is of the handshake.
    pub const TLS_1_2_HANDSHAKE: u64 = 3;
}

registers! {
    first: rdi,
    second: rsi,
    sixth: r9,
    stack: rsp,
    returned: rax,
}

/// `EVP_AEAD_CTX_init_with_direction(ctx, …)`: the context begins anew.
#[uprobe]
pub fn aead_begin(ctx: ProbeContext) -> u32 {
    let _ = try_begin(&ctx);
    0
}

fn try_begin(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    begin(task, Registers::of(ctx.as_ptr()).first)
}

/// `EVP_AEAD_CTX_seal(ctx, out, out_len, max_out_len, nonce, nonce_len, in, in_len, ad, ad_len)`, and
/// `EVP_AEAD_CTX_seal_scatter(ctx, out, out_tag, out_tag_len, max_out_tag_len, nonce, nonce_len, in, in_len, extra_in,
/// extra_in_len, ad, ad_len)`: from the seventh on, arguments are in memory, above the return address.
#[uprobe]
pub fn aead_seal(ctx: ProbeContext) -> u32 {
    let _ = try_seal(&ctx);
    0
}

fn try_seal(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let cookie = cookie(ctx.as_ptr());
    let above = regs.stack + cookie.stack_delta() + 8;
    let (buffer, length, extra, extra_length, ad, ad_length);
    if cookie.shape() == Shape::SealScatter as u8 {
        let mut room = MaybeUninit::uninit();
        [_, buffer, length, extra, extra_length, ad, ad_length] = arguments(above, &mut room)?;
    } else {
        let mut room = MaybeUninit::uninit();
        [buffer, length, ad, ad_length] = arguments(above, &mut room)?;
        (extra, extra_length) = (0, 0);
    }
    // Beside the plaintext there may be its content type, and nothing longer.
    if length > MOST || extra_length > 1 {
        return None;
    }
    let version = record(ad, ad_length, length + extra_length)?;
    let (mut content, mut kind) = (length, APPLICATION_DATA);
    if version == version::TLS_1_3 {
        let inner = if extra_length == 1 {
            u64::from(byte(extra)?) << 32 | length
        } else {
            aead_inner(buffer, length)
        };
        (content, kind) = (inner & 0xffff_ffff, inner >> 32);
    } else if version == version::TLS_1_2_HANDSHAKE {
        kind = HANDSHAKE;
    }
    let mut call = plaintext::call(task);
    call.object = regs.first;
    call.requested = if version == version::TLS_1_3 {
        length + extra_length - 1
    } else {
        length
    };
    moved(&mut call, cookie, Bytes::buffer(buffer, content), kind)
}

/// `EVP_AEAD_CTX_open_gather(ctx, out, nonce, nonce_len, in, in_len, in_tag, in_tag_len, ad, ad_len)`, which
/// `EVP_AEAD_CTX_open` calls.
#[uprobe]
pub fn aead_open(ctx: ProbeContext) -> u32 {
    let _ = try_open(&ctx);
    0
}

fn try_open(ctx: &ProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    let cookie = cookie(ctx.as_ptr());
    let stack = regs.stack + cookie.stack_delta();
    let mut room = MaybeUninit::uninit();
    let [_, tag_length, ad, ad_length] = arguments(stack + 8, &mut room)?;
    if regs.sixth > MOST || tag_length != TAG {
        return None;
    }
    let version = record(ad, ad_length, regs.sixth)?;
    if version == version::TLS_1_2_HANDSHAKE {
        return None;
    }
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack,
    };
    let call = TlsCall {
        object: regs.first,
        buffer: regs.second,
        length: regs.sixth,
        count_at: version,
        cookie: cookie.0,
        outer: 0,
    };
    if TLS_CALLS.insert(&key, &call, 0).is_err() {
        count(Counter::MapFull, 1);
    }
    Some(())
}

/// On its return: 1 when the tag was right.
#[uretprobe]
pub fn aead_opened(ctx: RetProbeContext) -> u32 {
    let _ = try_opened(&ctx);
    0
}

fn try_opened(ctx: &RetProbeContext) -> Option<()> {
    let task = scope::current()?;
    let regs = Registers::of(ctx.as_ptr());
    // The return address is popped: the stack pointer is 8 above its value at entry.
    let key = TlsCallKey {
        tgid: u64::from(task.tgid),
        stack: regs.stack.wrapping_sub(8),
    };
    // Nothing was noted of what is no record.
    let found = TLS_CALLS.get_ptr(&key)?;
    // SAFETY: a map value, copied before the entry is removed.
    let entered = unsafe { *found };
    let _ = TLS_CALLS.remove(&key);
    if regs.returned as u32 != 1 {
        return None;
    }
    let length = entered.length;
    let mut call = plaintext::call(task);
    call.object = entered.object;
    call.ingress = 1;
    let (mut content, mut kind) = (length, APPLICATION_DATA);
    call.requested = length;
    if entered.count_at == version::TLS_1_3 {
        let inner = aead_inner(entered.buffer, length);
        (content, kind) = (inner & 0xffff_ffff, inner >> 32);
        call.requested = length.wrapping_sub(1);
    }
    moved(
        &mut call,
        AttachCookie(entered.cookie),
        Bytes::buffer(entered.buffer, content),
        kind,
    )
}

/// A record with these bytes of this type: all tell which socket it is on, and application data is plaintext.
#[inline(always)]
fn moved(call: &mut Call, cookie: AttachCookie, bytes: Bytes, kind: u64) -> Option<()> {
    if !(FIRST_TYPE..=LAST_TYPE).contains(&kind) {
        return None;
    }
    call.seq_end = u32::from(cookie.library());
    if kind == APPLICATION_DATA && bytes.length != 0 {
        call.total = bytes.length;
        call.from = bytes;
        return plaintext::deliver(call, |call, stream| {
            // SAFETY: a call of this program, and a map value.
            unsafe { aead_moved(words::written(call), stream) };
        });
    }
    let key = TlsKey {
        tgid: call.task >> 32,
        object: call.object,
    };
    let Some(stream) = stream::stream_of(&key) else {
        count(Counter::MapFull, 1);
        return None;
    };
    // SAFETY: as above.
    unsafe { aead_moved(words::written(call), stream) };
    Some(())
}

/// What a record is, by its additional data and the length of what is sealed in it; `None` for what is no record, and for
/// those of TLS 1.2 that are neither application data nor of the handshake.
#[inline(always)]
fn record(ad: u64, ad_length: u64, length: u64) -> Option<u64> {
    match aead_record(ad, ad_length, length) {
        0 => None,
        version => Some(u64::from(version)),
    }
}

/// See [`record`]; 0 for what is none. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn aead_record(ad: u64, ad_length: u64, length: u64) -> u32 {
    let header = if ad_length == HEADER_1_3 {
        part(ad)
    } else if ad_length == HEADER_1_2 {
        let mut room = MaybeUninit::uninit();
        match words::user(ad, &mut room) {
            Some([sequence]) if sequence.swap_bytes() < MOST_RECORDS => part(ad + 8),
            _ => return 0,
        }
    } else {
        return 0;
    };
    let (kind, version) = (header & 0xff, header >> 8 & 0xffff);
    let said = (header >> 24 & 0xff) << 8 | header >> 32 & 0xff;
    if version != VERSION {
        return 0;
    }
    if ad_length == HEADER_1_3 {
        // At least the content type is sealed.
        return if kind == APPLICATION_DATA && length != 0 && said == length + TAG {
            version::TLS_1_3 as u32
        } else {
            0
        };
    }
    match kind {
        APPLICATION_DATA if said == length => version::TLS_1_2 as u32,
        HANDSHAKE if said == length => version::TLS_1_2_HANDSHAKE as u32,
        _ => 0,
    }
}

/// The five bytes of a header; 0 when they can not be read.
#[inline(always)]
fn part(at: u64) -> u64 {
    let mut header = 0u64;
    // SAFETY: reads 5 bytes of user memory into our stack; a bad pointer is an error code.
    let failed =
        unsafe { bpf_probe_read_user((&raw mut header).cast(), HEADER_1_3 as u32, at as *const c_void) != 0 };
    if failed { 0 } else { header }
}

/// Steps through padding: eight bytes each, and the last eight one by one.
const STEPS: u32 = MOST as u32 / 8 + 16;

struct Padding {
    at: u64,
    left: u64,
    kind: u64,
    /// 1: a word that is not zero ends here.
    fine: u64,
}

/// The content type behind plaintext of TLS 1.3 and its padding of zeros, in the upper half, and the length of what is
/// before it in the lower; 0 when there is none. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn aead_inner(at: u64, length: u64) -> u64 {
    if length == 0 || length > MOST {
        return 0;
    }
    let Some(last) = byte(at + length - 1) else {
        count(Counter::TlsCallLost, 1);
        return 0;
    };
    if last != 0 {
        return u64::from(last) << 32 | (length - 1);
    }
    let mut padding = Padding {
        at,
        left: length - 1,
        kind: 0,
        fine: 0,
    };
    // SAFETY: the callback has the signature the helper wants and gets our own stack object.
    unsafe { bpf_loop(STEPS, unpad as *mut c_void, (&raw mut padding).cast(), 0) };
    // SAFETY: our own; written to through the pointer.
    let padding = unsafe { ptr::read_volatile(&raw const padding) };
    if padding.kind == 0 && padding.left != 0 {
        count(Counter::TlsCallLost, 1);
    }
    padding.kind << 32 | padding.left
}

unsafe extern "C" fn unpad(_index: u32, padding: *mut Padding) -> i64 {
    // SAFETY: the helper passes on the pointer `aead_inner` gave it.
    let padding = unsafe { &mut *padding };
    let left = padding.left;
    if left == 0 || left > MOST {
        padding.left = 0;
        return 1;
    }
    if padding.fine == 0 && left >= 8 {
        let mut room = MaybeUninit::uninit();
        match words::user(padding.at + left - 8, &mut room) {
            Some([0]) => padding.left = left - 8,
            Some(_) => padding.fine = 1,
            None => return 1,
        }
        return 0;
    }
    match byte(padding.at + left - 1) {
        Some(0) => {
            padding.left = left - 1;
            0
        }
        Some(kind) => {
            padding.left = left - 1;
            padding.kind = u64::from(kind);
            1
        }
        None => 1,
    }
}

#[inline(always)]
fn byte(at: u64) -> Option<u8> {
    let mut byte = 0u8;
    // SAFETY: reads a byte of user memory into our stack; a bad pointer is an error code.
    let failed = unsafe { bpf_probe_read_user((&raw mut byte).cast(), 1, at as *const c_void) } != 0;
    if failed { None } else { Some(byte) }
}

/// Arguments in memory; what can not be read counts as a lost call.
#[inline(always)]
fn arguments<const N: usize>(at: u64, room: &mut MaybeUninit<[u64; N]>) -> Option<[u64; N]> {
    let found = words::user(at, room);
    if found.is_none() {
        count(Counter::TlsCallLost, 1);
    }
    found.copied()
}
