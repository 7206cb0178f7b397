//! How much of one message is copied.
//!
//! The kernel side does not know protocols. To it a message is what moves one way until something moves the other way, or
//! for a second: a sender that is never answered is read at up to one budget a second. What is over is counted.

use auditor_common::record::Source;
use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::{copy::Call, globals::MAX_MESSAGE_BYTES, maps::BUDGETS};

/// After this long a message that still goes on gets another budget, nanoseconds.
const RENEWED: u64 = 1_000_000_000;

/// What one end of a connection has used, by direction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    used: [u64; 2],
    /// When the message under way began.
    since: [u64; 2],
}

/// Not on the stack, of which there is too little.
static NEW: Budget = Budget {
    used: [0; 2],
    since: [0; 2],
};

/// Bytes of this call that may be copied. Without a limit nothing is looked up.
#[inline(always)]
pub fn room(call: &Call) -> u64 {
    let most = u64::from(MAX_MESSAGE_BYTES.load());
    if most == 0 {
        return call.total;
    }
    // A TLS stream's ids are its own; both ends of a local connection share a stream, but no socket.
    let key = if matches!(call.source, Source::Tls) {
        call.stream
    } else {
        call.cookie
    };
    let way = call.way();
    // SAFETY: the helper takes no pointers.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut budget = BUDGETS.get_ptr_mut(&key);
    if budget.is_none() {
        let _ = BUDGETS.insert(&key, &NEW, 0);
        budget = BUDGETS.get_ptr_mut(&key);
    }
    let Some(budget) = budget else {
        return if call.total < most { call.total } else { most };
    };
    // SAFETY: a map value; no other reference is made in this program.
    let budget = unsafe { &mut *budget };
    if budget.used[way] == 0 || now.wrapping_sub(budget.since[way]) > RENEWED {
        budget.used[way] = 0;
        budget.since[way] = now;
    }
    budget.used[way ^ 1] = 0;
    let used = budget.used[way];
    budget.used[way] = used + call.total;
    let left = if used < most { most - used } else { 0 };
    if call.total < left { call.total } else { left }
}
