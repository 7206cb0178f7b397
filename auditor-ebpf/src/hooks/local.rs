//! Connections whose both ends are on this host and watched: both sockets feed one stream.
//!
//! The end that is seen first gives the stream its id; the other finds it by the same addresses, reversed. Positions are
//! TCP sequence numbers, which both ends share, so the daemon sees which bytes came twice and scans them once.

use auditor_common::record::{AF_INET, Endpoint};

use crate::{maps::LOCAL_ENDS, socket_state::SocketState};

/// Finds the stream of a connection, or begins one under the socket's own id. Registers this end.
#[inline(always)]
pub fn join(endpoint: &Endpoint, state: &mut SocketState) {
    let mut keys = Keys { own: 0, other: 0 };
    keys_of(endpoint, &mut keys);
    state.key = keys.own;
    // Kernel 6.1 takes keys and values of maps from the stack or from maps alone, not from behind a pointer that a global
    // function was given.
    let mut stream = state.cookie;
    if let Some(joined) = LOCAL_ENDS.get_ptr(&keys.other) {
        // SAFETY: a map value.
        stream = unsafe { *joined };
        state.is_peer = 1;
    }
    state.stream = stream;
    let _ = LOCAL_ENDS.insert(&keys.own, &stream, 0);
}

/// The socket closed.
#[inline(always)]
pub fn leave(state: &SocketState) {
    let _ = LOCAL_ENDS.remove(&state.key);
}

struct Keys {
    own: u64,
    other: u64,
}

/// Hashes of both addresses, this end's first and the other's first. A function of its own for its stack.
#[inline(never)]
fn keys_of(endpoint: &Endpoint, keys: &mut Keys) {
    let local = address(&endpoint.local, endpoint.family);
    let remote = address(&endpoint.remote, endpoint.family);
    // A loopback address is another host in each network namespace; others are the same in all. A proxy may connect to
    // its pod's own address from a loopback one.
    let space = if is_loopback(local) || is_loopback(remote) {
        u64::from(endpoint.netns)
    } else {
        0
    };
    let here = hash(local, u64::from(endpoint.local_port) | space << 16);
    let there = hash(remote, u64::from(endpoint.remote_port) | space << 16);
    keys.own = mix(here, there);
    keys.other = mix(there, here);
}

/// An address as two words; IPv4 is the IPv6 address that maps it.
#[inline(always)]
fn address(bytes: &[u8; 16], family: u16) -> (u64, u64) {
    // SAFETY: 16 bytes.
    let (high, low) = unsafe {
        let words: *const u64 = bytes.as_ptr().cast();
        (words.read_unaligned(), words.add(1).read_unaligned())
    };
    if family == AF_INET {
        (0, high << 32 | 0xffff_0000)
    } else {
        (high, low)
    }
}

/// 127.0.0.0/8 or ::1, in network order.
#[inline(always)]
fn is_loopback((high, low): (u64, u64)) -> bool {
    let mapped = low & 0xffff_ffff == 0xffff_0000 && low >> 32 & 0xff == 127;
    high == 0 && (mapped || low == 1 << 56)
}

#[inline(always)]
fn hash((high, low): (u64, u64), rest: u64) -> u64 {
    mix(mix(high, low), rest)
}

/// Not the same for swapped arguments. The multipliers are those of MurmurHash3's finaliser.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let mut hash = a.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ b;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 29
}
