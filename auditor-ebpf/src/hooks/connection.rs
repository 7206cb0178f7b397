//! Connections opening and closing.

use core::ffi::c_void;

use auditor_common::record::{Kind, Source, role};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

#[cfg(not(feature = "reduced"))]
use crate::socket_state::BtfSock;
#[cfg(feature = "reduced")]
use crate::socket_state::RawSock;
use crate::{
    copy::{self, data_ring},
    hooks::{local, stream},
    maps::{CLIENT_SOCKETS, RAW_SOCKETS},
    scope,
    socket_state::{Sock, SocketState, kind},
};

/// States of include/net/tcp_states.h.
const TCP_SYN_SENT: i32 = 2;
const TCP_CLOSE: i32 = 7;

/// include/trace/events/sock.h `inet_sock_set_state(sk, oldstate, newstate)`.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let _ = try_inet_sock_set_state(&ctx);
    0
}

fn try_inet_sock_set_state(ctx: &BtfTracePointContext) -> Option<()> {
    let sk: *mut c_void = ctx.arg(0);
    #[cfg(not(feature = "reduced"))]
    let own = BtfSock(sk);
    // Socket storage came to tracing programs with 5.11.
    #[cfg(feature = "reduced")]
    let own = RawSock(sk as u64);
    match ctx.arg::<i32>(2) {
        TCP_SYN_SENT => {
            // connect(2) runs in the task that opens the connection. The accepting side's
            // transition does not, so a socket without this mark is a server's or an older one.
            scope::current()?;
            let state = own.state_or_new(kind::STREAM)?;
            // SAFETY: a map value, used only here.
            unsafe { (*state).role = role::CLIENT };
            let _ = CLIENT_SOCKETS.insert(&(sk as u64), &1, 0);
            Some(())
        }
        TCP_CLOSE => {
            let _ = CLIENT_SOCKETS.remove(&(sk as u64));
            #[cfg(not(feature = "reduced"))]
            if let Some(state) = own.state() {
                // SAFETY: as above.
                closed(unsafe { &*state });
            }
            if let Some(state) = RAW_SOCKETS.get_ptr(&(sk as u64)) {
                // SAFETY: as above.
                closed(unsafe { &*state });
                let _ = RAW_SOCKETS.remove(&(sk as u64));
            }
            Some(())
        }
        _ => None,
    }
}

#[inline(always)]
fn closed(state: &SocketState) {
    let (stream, cookie) = (state.stream, state.cookie);
    if cookie != 0 {
        stream::socket_closed(cookie);
        local::leave(state);
        let mut header = copy::event_header(Kind::Closed, Source::Socket, stream, 0);
        header.cookie = cookie;
        copy::event(header, None, data_ring(stream));
    }
}
