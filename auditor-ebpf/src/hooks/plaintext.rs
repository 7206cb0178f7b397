//! Plaintext that a TLS library took or gave back: where the hooks of all libraries end.

use auditor_common::{counter::Counter, record::Source};

use crate::{
    account::count,
    copy::{self, Call},
    hooks::stream,
    maps::{TlsKey, TlsStream},
    scope::Task,
};

/// Most bytes one call can claim to have moved: lengths are C `int`s or sizes a sane program can
/// not exceed. Anything above is a bad pointer.
pub const MAX_MOVED: u64 = 1 << 40;

/// Accounts and copies plaintext, with object, length, place, direction and library of `call` filled in (`seq_end`: the TLS ledger has no
/// sequence numbers). `bind` is asked
/// first for the socket of the stream, so that its records are bound.
#[inline(always)]
pub fn deliver(call: &mut Call, bind: impl FnOnce(&mut Call, *mut TlsStream)) -> Option<()> {
    let moved = call.total;
    if moved == 0 {
        return None;
    }
    if moved > MAX_MOVED {
        count(Counter::TlsCallLost, 1);
        return None;
    }
    count(Counter::TlsMoved, moved);
    let key = TlsKey {
        tgid: call.task >> 32,
        object: call.object,
    };
    let Some(stream) = stream::stream_of(&key) else {
        count(Counter::MapFull, 1);
        count(Counter::TlsUnseen, moved);
        return None;
    };
    bind(call, stream);
    // SAFETY: a map value; no other reference is made in this program.
    let stream = unsafe { &mut *stream };
    let way = call.way();
    call.stream = stream.id;
    call.cookie = stream.cookie;
    call.offset = stream.offset[way];
    stream.offset[way] = call.offset + moved;
    copy::call(call);
    Some(())
}

/// The call of a library, before anything is known of it.
#[inline(always)]
pub fn call(task: Task) -> Call {
    let mut call = Call::new(task, Source::Tls, 0, 0);
    call.seen = 1;
    call
}
