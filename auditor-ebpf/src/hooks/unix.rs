//! UNIX domain sockets: who is at both ends, as numbers that hold on this host only.

#[cfg(feature = "reduced")]
use core::ptr;

use auditor_common::record::{AF_UNIX, Endpoint, role};
use aya_ebpf::helpers::bpf_probe_read_kernel;

use crate::{
    globals::{
        FILE_INODE, INODE_INO, PID_NUMBERS, SK_PEER_PID, SK_SOCKET, SOCKET_FILE, UNIX_ADDR, UNIX_PEER,
    },
    socket_state::RawSock,
    verified_once::verified_once,
    words::kernel as word,
};

/// Writes the ends of a socket. Its role tells who has the name that others connect to; a socketpair has none.
///
/// # Safety
/// `into` is null or valid for a write.
#[inline(always)]
pub unsafe fn unix_endpoint(own: u64, into: *mut Endpoint) {
    // SAFETY: the caller vouches for it.
    unsafe { write_unix_endpoint(into, own) };
    #[cfg(feature = "reduced")]
    {
        let written = crate::again::endpoint();
        if !written.is_null() {
            // SAFETY: a part of a map value that is not `into`, for which the caller vouches.
            unsafe { ptr::copy_nonoverlapping(written, into, 1) };
        }
    }
}

verified_once! {
    /// See [`unix_endpoint`]. Verified once.
    ///
    /// # Safety
    /// `into` is null or valid for a write.
    unsafe fn write_unix_endpoint(into: *mut Endpoint = endpoint(); own: u64) -> u32 {
        if into.is_null() {
            return 0;
        }
        let mut found = Ends {
            own: 0,
            other: 0,
            peer: 0,
            process: 0,
            role: role::UNKNOWN,
        };
        ends(own, &mut found);
        // SAFETY: the caller vouches for it; all of it is written here.
        let endpoint = unsafe { &mut *into };
        endpoint.netns = RawSock(own).netns();
        endpoint.local_port = 0;
        endpoint.remote_port = 0;
        endpoint.family = AF_UNIX;
        endpoint.role = found.role;
        endpoint._pad0 = 0;
        endpoint.peer_tgid = found.process;
        // SAFETY: both fields are 16 bytes.
        unsafe {
            let local: *mut u64 = endpoint.local.as_mut_ptr().cast();
            local.write_unaligned(found.own);
            local.add(1).write_unaligned(own);
            let remote: *mut u64 = endpoint.remote.as_mut_ptr().cast();
            remote.write_unaligned(found.other);
            remote.add(1).write_unaligned(found.peer);
        }
        0
    }
}

struct Ends {
    own: u64,
    other: u64,
    peer: u64,
    process: u32,
    role: u8,
}

#[inline(always)]
fn ends(own: u64, found: &mut Ends) {
    found.own = inode(own);
    // Field numbers of 0: the kernel has UNIX domain sockets in a module, whose types are not at hand.
    if UNIX_PEER.load() != 0 {
        let other = word(own, UNIX_PEER.load());
        if other != 0 {
            found.other = inode(other);
            found.peer = other;
            if word(own, UNIX_ADDR.load()) != 0 {
                found.role = role::SERVER;
            } else if word(other, UNIX_ADDR.load()) != 0 {
                found.role = role::CLIENT;
            }
        }
    }
    let pid = word(own, SK_PEER_PID.load());
    if pid != 0 {
        let at = (pid + u64::from(PID_NUMBERS.load())) as *const u32;
        // SAFETY: the helper checks the address. The first number is that of the initial namespace.
        found.process = unsafe { bpf_probe_read_kernel(at) }.unwrap_or(0);
    }
}

/// The inode number a socket's descriptors show; 0 when no process has it.
#[inline(always)]
pub fn inode(sk: u64) -> u64 {
    let socket = word(sk, SK_SOCKET.load());
    if socket == 0 {
        return 0;
    }
    let file = word(socket, SOCKET_FILE.load());
    if file == 0 {
        return 0;
    }
    let inode = word(file, FILE_INODE.load());
    if inode == 0 {
        0
    } else {
        word(inode, INODE_INO.load())
    }
}
