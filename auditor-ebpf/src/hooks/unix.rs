//! UNIX domain sockets: who is at both ends, as numbers that hold on this host only.

use auditor_common::record::{AF_UNIX, Endpoint, role};
use aya_ebpf::helpers::bpf_probe_read_kernel;

use crate::{
    globals::{
        FILE_INODE, INODE_INO, PID_NUMBERS, SK_PEER_PID, SK_SOCKET, SOCKET_FILE, UNIX_ADDR, UNIX_PEER,
    },
    socket_state::Sock,
    words::kernel as word,
};

/// The ends of a socket. Its role tells who has the name that others connect to; a socketpair has none.
#[inline(always)]
pub fn endpoint<S: Sock>(sk: S) -> Endpoint {
    let own = sk.address();
    let mut found = Ends {
        own: 0,
        other: 0,
        peer: 0,
        process: 0,
        role: role::UNKNOWN,
    };
    ends(own, &mut found);
    let mut endpoint = Endpoint {
        local: [0; 16],
        remote: [0; 16],
        netns: sk.netns(),
        local_port: 0,
        remote_port: 0,
        family: AF_UNIX,
        role: found.role,
        _pad0: 0,
        peer_tgid: found.process,
    };
    // SAFETY: both fields are 16 bytes.
    unsafe {
        core::ptr::write_unaligned(endpoint.local.as_mut_ptr().cast(), [found.own, own]);
        core::ptr::write_unaligned(endpoint.remote.as_mut_ptr().cast(), [found.other, found.peer]);
    }
    endpoint
}

struct Ends {
    own: u64,
    other: u64,
    peer: u64,
    process: u32,
    role: u8,
}

/// A function of its own, so that what it needs of the stack is gone when bytes are copied.
#[inline(never)]
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
fn inode(sk: u64) -> u64 {
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
