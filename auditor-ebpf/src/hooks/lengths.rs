//! Who had which length lately, on each thread: plaintext that an object wrote, records that a socket
//! received. A length that two had which are not bound tells nothing.

use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::{
    hooks::aead_socket::is_carried,
    maps::{BOUND, RECENT, Recent, RecentKey, TLS_STREAMS, TlsKey},
};

/// How long a length is remembered, nanoseconds.
pub const MEMORY: u64 = 5_000_000_000;

/// Notes that `who` had this length on this thread; `ingress` is 1 for a record that was received. When another one had
/// it that is not bound yet, the length is ambiguous for a while. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn length_note(thread: u64, length: u64, ingress: u32, who: u64) -> u32 {
    let key = RecentKey {
        thread,
        length: length as u32,
        ingress,
    };
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(recent) = RECENT.get_ptr_mut(&key) else {
        let first = Recent {
            who,
            time_ns: now,
            contested_ns: 0,
        };
        let _ = RECENT.insert(&key, &first, 0);
        return 0;
    };
    // SAFETY: a map value that belongs to this thread.
    let recent = unsafe { &mut *recent };
    if recent.who != who && now.wrapping_sub(recent.time_ns) < MEMORY && is_unbound(&key, recent.who) {
        recent.contested_ns = now;
    }
    recent.who = who;
    recent.time_ns = now;
    0
}

/// 1 when somebody else had this length too, and is not bound. Verified once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn length_contested(thread: u64, length: u64, ingress: u32, who: u64) -> u32 {
    let key = RecentKey {
        thread,
        length: length as u32,
        ingress,
    };
    let Some(recent) = RECENT.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a map value, copied.
    let recent = unsafe { *recent };
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    if recent.contested_ns != 0 && now.wrapping_sub(recent.contested_ns) < MEMORY {
        return 1;
    }
    u32::from(recent.who != who && now.wrapping_sub(recent.time_ns) < MEMORY && is_unbound(&key, recent.who))
}

/// True for an object, or a socket, that is there and not bound.
#[inline(always)]
fn is_unbound(key: &RecentKey, who: u64) -> bool {
    if key.ingress != 0 {
        return BOUND.get_ptr(&who).is_none() && !is_carried(who, 1);
    }
    let key = TlsKey {
        tgid: key.thread >> 32,
        object: who,
    };
    match TLS_STREAMS.get_ptr(&key) {
        // SAFETY: a map value.
        Some(stream) => unsafe { (*stream).cookie == 0 },
        None => false,
    }
}
