//! What the reporter tells the masking ledger.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::masking::drift::Drift;
use crate::masking::{Book, Side as End, Sighting};
use crate::policy::Judged;
use crate::report::observation::Observation;
use crate::serve::metrics::Reporter as Side;

/// Shared with who writes it to disk and who asks for it.
pub(super) type Ledger = Arc<Mutex<Book>>;

/// Counts a value; returns what begins with it.
pub(super) fn count(
    ledger: &Ledger,
    observation: &Observation,
    judged: Option<&Judged>,
    side: Side,
) -> Vec<Drift> {
    let sighting = Sighting {
        observation,
        verdict: judged.map(|judged| judged.policy.verdict),
        is_silent: judged.is_some_and(|judged| judged.silent),
        side: match side {
            Side::Source => End::Sender,
            Side::Destination => End::Receiver,
        },
    };
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.observe(&sighting, Instant::now(), Timestamp::now())
}

/// Kinds of data that come no more, each with its last value.
pub(super) fn falls(ledger: &Ledger) -> Vec<(Observation, Drift)> {
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.falls(Instant::now())
}
