//! Who had which length lately, on each thread: plaintext that an object wrote, records that a socket
//! received. A length that two had which are not bound tells nothing.

use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::{
    maps::{BOUND, RECENT, Recent, RecentKey, TLS_STREAMS, TlsKey},
    scope::Task,
};

/// How long a length is remembered, nanoseconds.
pub const MEMORY: u64 = 5_000_000_000;

/// The key of a length on this thread; `ingress` is 1 for a record that was received.
#[inline(always)]
pub fn of(task: Task, length: u64, ingress: u32) -> RecentKey {
    RecentKey {
        thread: task.id(),
        length: length as u32,
        ingress,
    }
}

/// Notes that `who` had this length. When another one had it that is not bound yet, the length is
/// ambiguous for a while.
#[inline(always)]
pub fn note(key: &RecentKey, who: u64) {
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(recent) = RECENT.get_ptr_mut(key) else {
        let _ = RECENT.insert(
            key,
            &Recent {
                who,
                time_ns: now,
                contested_ns: 0,
            },
            0,
        );
        return;
    };
    // SAFETY: a map value that belongs to this thread.
    let recent = unsafe { &mut *recent };
    if recent.who != who && now.wrapping_sub(recent.time_ns) < MEMORY && is_unbound(key, recent.who) {
        recent.contested_ns = now;
    }
    recent.who = who;
    recent.time_ns = now;
}

/// True when somebody else had this length too, and is not bound.
#[inline(always)]
pub fn is_contested(key: &RecentKey, who: u64) -> bool {
    let Some(recent) = RECENT.get_ptr(key) else {
        return false;
    };
    // SAFETY: a map value, copied.
    let recent = unsafe { *recent };
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    if recent.contested_ns != 0 && now.wrapping_sub(recent.contested_ns) < MEMORY {
        return true;
    }
    recent.who != who && now.wrapping_sub(recent.time_ns) < MEMORY && is_unbound(key, recent.who)
}

/// True for an object, or a socket, that is there and not bound.
#[inline(always)]
fn is_unbound(key: &RecentKey, who: u64) -> bool {
    if key.ingress != 0 {
        return BOUND.get_ptr(&who).is_none();
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
