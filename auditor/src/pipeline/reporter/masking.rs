//! What the reporter tells the masking ledger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::masking::drift::Drift;
use crate::masking::{Book, Field, Party, Side as End, Sighting};
use crate::policy::Judged;
use crate::report::aggregate::Corrected;
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
    let sighting = sighting(observation, judged, side);
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.observe(&sighting, Instant::now(), Timestamp::now())
}

/// Counts a value for the ends that it turned out to have, instead of those of `before`.
pub(super) fn recount(
    ledger: &Ledger,
    before: &Observation,
    observation: &Observation,
    judged: Option<&Judged>,
    side: Side,
) -> Vec<Drift> {
    let sighting = sighting(observation, judged, side);
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.recount(before, &sighting, Instant::now(), Timestamp::now())
}

fn sighting<'a>(observation: &'a Observation, judged: Option<&Judged>, side: Side) -> Sighting<'a> {
    Sighting {
        observation,
        verdict: judged.map(|judged| judged.policy.verdict),
        is_silent: judged.is_some_and(|judged| judged.silent),
        side: match side {
            Side::Source => End::Sender,
            Side::Destination => End::Receiver,
        },
    }
}

/// Moves what was counted for ends that have other names now, with what policy says about those.
pub(super) fn rename(ledger: &Ledger, corrected: &[Corrected]) {
    if corrected.is_empty() {
        return;
    }
    let ends = |one: &Corrected| {
        let now = [one.update.source.clone(), one.update.destination.clone()];
        now.map(|end| Party::of(&end.unwrap_or_default()))
    };
    let mut names = HashMap::new();
    for one in corrected {
        let before = one.before.clone().map(|end| Party::of(&end.unwrap_or_default()));
        names.extend(before.into_iter().zip(ends(one)));
    }
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.rename(&names);
    for one in corrected {
        let [source, destination] = ends(one);
        let field = Field {
            source,
            destination,
            operation: one.operation.as_deref().map(Into::into),
            part: one.update.location.part.into(),
            field: one.field.as_deref().map(Field::path),
            detector: one.update.detector.into(),
        };
        let policy = one.update.policy.as_ref();
        book.judged(&field, policy.map(|policy| policy.verdict));
    }
}

/// Kinds of data that come no more, each with its last value.
pub(super) fn falls(ledger: &Ledger) -> Vec<(Observation, Drift)> {
    let mut book = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    book.falls(Instant::now())
}
