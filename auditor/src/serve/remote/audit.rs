//! Who read findings over the network, and who was refused: in the log, under the target `access`.
//!
//! Goes in: what became of requests. Comes out: one line each, and counts. No token, and nothing that steers a terminal.
//! Refusals cost nothing to bring about, so only so many are told in a while; the rest is told as a number.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::Access;
use crate::serve::filter::Request;
use crate::serve::metrics::Metrics;

/// Refusals that are told within [`WHILE`].
const TOLD: u64 = 20;
const WHILE: Duration = Duration::from_secs(10);

/// What became of a request; the values of the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Served,
    Unauthenticated,
    Forbidden,
    /// Nobody could say whether it is permitted.
    Unchecked,
    /// Too many streams.
    Busy,
    Malformed,
    /// No TLS came about.
    NoTls,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Served,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Unchecked,
        Self::Busy,
        Self::Malformed,
        Self::NoTls,
    ];

    /// As in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unchecked => "unchecked",
            Self::Busy => "busy",
            Self::Malformed => "malformed",
            Self::NoTls => "no_tls",
        }
    }
}

/// Writes the log of accesses.
pub(super) struct Audit {
    metrics: Arc<Metrics>,
    refusals: Mutex<Refusals>,
}

struct Refusals {
    since: Instant,
    told: u64,
    untold: u64,
}

impl Audit {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let refusals = Refusals {
            since: Instant::now(),
            told: 0,
            untold: 0,
        };
        Self {
            metrics,
            refusals: Mutex::new(refusals),
        }
    }

    /// Somebody begins to read.
    pub(super) fn begins(&self, peer: SocketAddr, access: &Access, request: &Request) {
        self.metrics.tail_request(Outcome::Served);
        tracing::info!(
            target: "access",
            user = access.user,
            %peer,
            namespaces = namespaces(access),
            last = request.last,
            follow = request.follow,
            "findings are read"
        );
    }

    /// The same somebody has ended, or was.
    pub(super) fn ends(&self, peer: SocketAddr, access: &Access, findings: u64, dropped: u64, why: &str) {
        tracing::info!(
            target: "access",
            user = access.user,
            %peer,
            namespaces = namespaces(access),
            findings,
            dropped,
            why,
            "findings are no longer read"
        );
    }

    /// Somebody may not.
    pub(super) fn refuses(&self, peer: SocketAddr, outcome: Outcome, why: &str) {
        self.metrics.tail_request(outcome);
        let untold = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            match refusals.told(Instant::now()) {
                Some(untold) => untold,
                None => return,
            }
        };
        if untold > 0 {
            tracing::warn!(target: "access", untold, "more was refused than is told here");
        }
        tracing::warn!(target: "access", %peer, result = outcome.name(), why, "findings were refused");
    }
}

impl Refusals {
    /// Whether one more is told, and how many were not before it.
    fn told(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= WHILE {
            self.since = now;
            self.told = 0;
        }
        if self.told >= TOLD {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

fn namespaces(access: &Access) -> String {
    access
        .view
        .namespaces()
        .map_or_else(|| "*".to_owned(), |names| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_told_as_a_number() {
        let start = Instant::now();
        let mut refusals = Refusals {
            since: start,
            told: 0,
            untold: 0,
        };
        let told = (0..1000).filter_map(|_| refusals.told(start)).collect::<Vec<_>>();
        assert_eq!(told, vec![0; 20]);
        assert_eq!(refusals.told(start + WHILE), Some(980));
        assert_eq!(refusals.told(start + WHILE), Some(0));
    }
}
