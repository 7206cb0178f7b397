//! Counting: the kernel's half of the byte account.

use core::arch::asm;

use auditor_common::{counter::Counter, record::Source};

use crate::maps::COUNTERS;

/// Adds to a counter. Atomic, because a program may be preempted by another on the same CPU.
#[inline(always)]
pub fn count(counter: Counter, by: u64) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is 8 bytes and aligned. BPF_ATOMIC | BPF_ADD; the target's `core` offers
        // no atomic read-modify-write.
        unsafe { asm!("lock *(u64 *)({slot} + 0) += {by}", slot = in(reg) slot, by = in(reg) by) };
    }
}

macro_rules! by_source {
    ($name:ident, $socket:ident, $tls:ident) => {
        #[inline(always)]
        pub fn $name(source: Source) -> Counter {
            if matches!(source, Source::Tls) {
                Counter::$tls
            } else {
                Counter::$socket
            }
        }
    };
}

by_source!(delivered, SocketDelivered, TlsDelivered);
by_source!(ring_full, SocketRingFull, TlsRingFull);
by_source!(over_budget, SocketOverBudget, TlsOverBudget);
by_source!(page_fault, SocketPageFault, TlsPageFault);
by_source!(unseen, SocketUnseen, TlsUnseen);
by_source!(muted, SocketMuted, TlsMuted);
