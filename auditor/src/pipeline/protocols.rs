//! How much of what was captured speaks which protocol.
//!
//! Goes in: parts, and the moments at which a parser did not know its place any more. Comes out: totals by
//! protocol. Its names are those of [`protocol::NAMES`]; no peer can add one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol;

/// Totals of all connections.
#[derive(Default)]
pub struct Protocols([Total; protocol::NAMES.len()]);

#[derive(Default)]
struct Total {
    bytes: AtomicU64,
    lost_sync: AtomicU64,
}

/// What one protocol came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// `flow.protocol` of findings.
    pub protocol: &'static str,
    /// Bytes of its parts, as they were on the wire; what frames them is not among them.
    pub bytes: u64,
    /// Times a parser did not know where in its messages it was.
    pub lost_sync: u64,
}

impl Protocols {
    pub(super) fn bytes(&self, protocol: &'static str, bytes: u64) {
        if let Some(total) = self.total(protocol) {
            total.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn lost_sync(&self, protocol: &'static str) {
        if let Some(total) = self.total(protocol) {
            total.lost_sync.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that were seen.
    pub fn tallies(&self) -> impl Iterator<Item = Tally> + '_ {
        let tally = |(protocol, total): (&&'static str, &Total)| Tally {
            protocol,
            bytes: total.bytes.load(Ordering::Relaxed),
            lost_sync: total.lost_sync.load(Ordering::Relaxed),
        };
        let all = protocol::NAMES.iter().zip(&self.0).map(tally);
        all.filter(|tally| tally.bytes > 0 || tally.lost_sync > 0)
    }

    fn total(&self, protocol: &'static str) -> Option<&Total> {
        let at = protocol::NAMES.iter().position(|name| *name == protocol)?;
        self.0.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protocols_that_were_seen_are_told() {
        let protocols = Protocols::default();
        protocols.bytes("http/2", 5);
        protocols.bytes("http/2", 2);
        protocols.lost_sync("websocket");
        protocols.bytes("none of these", 1);
        let tally = |protocol, bytes, lost_sync| Tally {
            protocol,
            bytes,
            lost_sync,
        };
        assert_eq!(
            protocols.tallies().collect::<Vec<_>>(),
            [tally("http/2", 7, 0), tally("websocket", 0, 1)]
        );
    }
}
