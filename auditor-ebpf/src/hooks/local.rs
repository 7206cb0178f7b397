//! Connections whose both ends are on this host and watched: both sockets feed one stream.
//!
//! The end that is seen first gives the stream its id; the other finds it by the addresses, whichever end has which.
//! Both may be seen at the same moment on two CPUs: the map lets one of them in. Positions are TCP sequence numbers, which
//! both ends share, so the daemon sees which bytes came twice and scans them once.

use auditor_common::record::{AF_INET, Endpoint};
use aya_ebpf::bindings::BPF_NOEXIST;

use crate::{maps::LOCAL_STREAMS, socket_state::SocketState};

/// Finds the stream of a connection, or begins one under the socket's own id.
#[inline(always)]
pub fn join(endpoint: &Endpoint, state: &mut SocketState) {
    // Kernel 6.1 takes keys and values of maps from the stack or from maps alone, not from behind a pointer that a global
    // function was given.
    let key = key_of(endpoint);
    let mut stream = state.cookie;
    state.key = key;
    if LOCAL_STREAMS
        .insert(&key, &stream, u64::from(BPF_NOEXIST))
        .is_err()
        && let Some(joined) = LOCAL_STREAMS.get_ptr(&key)
    {
        // SAFETY: a map value.
        stream = unsafe { *joined };
        state.is_peer = u8::from(stream != state.cookie);
    }
    state.stream = stream;
}

/// The socket closed. Another connection may have the addresses already.
#[inline(always)]
pub fn leave(state: &SocketState) {
    let key = state.key;
    // SAFETY: a map value.
    if LOCAL_STREAMS
        .get_ptr(&key)
        .is_some_and(|stream| unsafe { *stream } == state.stream)
    {
        let _ = LOCAL_STREAMS.remove(&key);
    }
}

/// A hash of both addresses that is the same for both ends. A function of its own for its stack.
#[inline(never)]
fn key_of(endpoint: &Endpoint) -> u64 {
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
    mix(here.min(there), here.max(there))
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
