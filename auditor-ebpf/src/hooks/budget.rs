//! How much of a call is copied: what the daemon wants of its connection, what is left of its message's budget, and
//! what there is room for.
//!
//! The kernel side does not know protocols. To it a message is what moves one way until something moves the other way, or
//! for a second: a sender that is never answered is read at up to one budget a second. What is over is counted.
//!
//! A ring that is three quarters full is short of space. Then a message is begun only if its connection has put less into the ring
//! lately than an eighth of what is free, and goes on as long as that is less than half: whole messages are left out, of
//! those that send most, and a connection that says little beside a flood is read as before. A message that has lost a
//! part is left out to its end.
//!
//! Connections that go ahead of others may have an eighth of the ring for themselves, and more of what is free.

use auditor_common::{
    policy::{AHEAD, ANY_AHEAD, FULL, NOTHING},
    record::Source,
};

use crate::{
    copy::Call,
    globals::{MAX_MESSAGE_BYTES, RING_BYTES},
    maps::{BUDGETS, POLICIES, POLICIES_SET},
};

/// After this long a message that still goes on gets another budget, nanoseconds.
const RENEWED: u64 = 1_000_000_000;

/// Bits of nanoseconds over which it is remembered what a connection put into its ring: 34 ms, and by half as long again.
const WINDOW: u64 = 25;

/// The part of what is free that one connection may have put into a ring that is short of space, for a message that
/// begins and for one that goes on.
const TO_BEGIN: u64 = 8;
const TO_GO_ON: u64 = 2;

/// The same for a connection that goes ahead.
const AHEAD_TO_BEGIN: u64 = 2;
const AHEAD_TO_GO_ON: u64 = 1;

/// The part of a ring that only those may fill, once there is one.
const RESERVED: u64 = 8;

/// What one end of a connection has used, by direction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    used: [u64; 2],
    /// When the message under way began.
    since: [u64; 2],
    /// 1: the message under way is left out, for want of space.
    skipped: [u64; 2],
    /// Bytes that went into the ring in this window of time, and half of those before it.
    recent: u64,
    window: u64,
}

/// Not on the stack, of which there is too little.
static NEW: Budget = Budget {
    used: [0; 2],
    since: [0; 2],
    skipped: [0; 2],
    recent: 0,
    window: 0,
};

/// In place of a number of bytes: nothing is copied, as the ring is short of space.
pub const SHORT: u64 = u64::MAX;

/// The same, as nobody wants to read this connection.
pub const MUTED: u64 = u64::MAX - 1;

/// Bytes of this call, at the time `now`, that may be copied, or why there are none; the rest is over budget. `waiting`
/// bytes of its ring have not been read yet.
///
/// A plain number, because the verifier does not follow the compiler's layout of a choice.
#[inline(always)]
pub fn room<const DATAGRAM: bool>(call: &Call, now: u64, waiting: u64) -> u64 {
    let wanted = wanted(call.stream);
    let ahead = wanted == AHEAD;
    let most = match wanted {
        NOTHING => return MUTED,
        FULL | AHEAD => u64::from(MAX_MESSAGE_BYTES.load()),
        first => u64::from(first),
    };
    let Some(budget) = budget_of(call) else {
        return if most == 0 || call.total < most {
            call.total
        } else {
            most
        };
    };
    // SAFETY: a map value; no other reference is made in this program.
    let budget = unsafe { &mut *budget };
    let way = call.way();
    let mut part = if ahead { AHEAD_TO_GO_ON } else { TO_GO_ON };
    if DATAGRAM || budget.used[way] == 0 || now.wrapping_sub(budget.since[way]) > RENEWED {
        budget.used[way] = 0;
        budget.since[way] = now;
        budget.skipped[way] = 0;
        part = if ahead { AHEAD_TO_BEGIN } else { TO_BEGIN };
    }
    if is_short(budget, call.total, waiting, now, part, ahead) {
        budget.skipped[way] = 1;
    }
    budget.used[way ^ 1] = 0;
    let used = budget.used[way];
    budget.used[way] = used + call.total;
    if budget.skipped[way] != 0 {
        return SHORT;
    }
    let left = if most == 0 {
        u64::MAX
    } else if used < most {
        most - used
    } else {
        0
    };
    let bytes = if call.total < left { call.total } else { left };
    budget.recent += bytes;
    bytes
}

/// The ring had no room for a part of a call: the rest of its message would be of no use.
#[inline(always)]
pub fn lost(call: &Call) {
    if let Some(budget) = BUDGETS.get_ptr_mut(&key_of(call)) {
        // SAFETY: as above.
        unsafe { (*budget).skipped[call.way()] = 1 };
    }
}

/// Bytes the daemon wants of each message of a stream.
#[inline(always)]
fn wanted(stream: u64) -> u32 {
    if said() == 0 {
        return FULL;
    }
    match POLICIES.get_ptr(&stream) {
        // SAFETY: as above.
        Some(bytes) => unsafe { *bytes },
        None => FULL,
    }
}

/// What the daemon said of any stream, see [`auditor_common::policy`].
#[inline(always)]
fn said() -> u32 {
    match POLICIES_SET.get_ptr(0) {
        // SAFETY: a map value.
        Some(said) => unsafe { *said },
        None => 0,
    }
}

/// Whether a call's bytes are more than its share of what is free; keeps up what its connection put into the ring lately.
#[inline(always)]
fn is_short(budget: &mut Budget, total: u64, waiting: u64, now: u64, part: u64, ahead: bool) -> bool {
    let window = now >> WINDOW;
    if window != budget.window {
        let next = budget.window + 1 == window;
        budget.recent = if next { budget.recent / 2 } else { 0 };
        budget.window = window;
    }
    let ring = u64::from(RING_BYTES.load());
    if waiting <= ring - ring / 4 {
        return false;
    }
    let mut free = if waiting < ring { ring - waiting } else { 0 };
    if !ahead && said() & ANY_AHEAD != 0 {
        let reserved = ring / RESERVED;
        free = if free > reserved { free - reserved } else { 0 };
    }
    budget.recent + total > free / part
}

#[inline(always)]
fn budget_of(call: &Call) -> Option<*mut Budget> {
    let key = key_of(call);
    let budget = BUDGETS.get_ptr_mut(&key);
    if budget.is_some() {
        return budget;
    }
    let _ = BUDGETS.insert(&key, &NEW, 0);
    BUDGETS.get_ptr_mut(&key)
}

/// A TLS stream's ids are its own; both ends of a local connection share a stream, but no socket.
#[inline(always)]
fn key_of(call: &Call) -> u64 {
    if matches!(call.source, Source::Tls) {
        call.stream
    } else {
        call.cookie
    }
}
