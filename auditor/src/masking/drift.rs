//! What changed: a field that lost its mask, a new kind of data, a new flow, encryption that went
//! away, a burst, a flow that falls.
//!
//! Goes in: one value, with what its field and its edge were before it. Comes out: the [`Drift`]s
//! that begin with it. Nothing is told while learning, and nothing twice while it goes on.
//!
//! # What is usual, and how that moves
//!
//! A baseline moves by what has *aged* or was *agreed* to, so that doing something a little at a
//! time makes it no more usual than doing it at once:
//!
//! - A field is a masked one after at least [`SURE`] protected values and no clear one for the
//!   learning time. From then on one clear value is drift, however many masked ones are around it.
//!   Clear values never make it an unmasked field. Policy that allows them does: that is agreed.
//! - An edge is an encrypted one after [`SURE`] encrypted values and no other for the learning
//!   time. One value in the open is drift; no number of them makes it usual.
//! - The usual rate of an edge is the highest of its learning time. It is not raised by anything
//!   that was not told: only a burst that was told, and lasted for the learning time, is usual then.
//!   So it can not be raised in steps that nobody hears about.
//! - A kind of data has fallen when twenty values of it are waited for much longer than they ever took in the learning
//!   time, see [`super::pace`]: a night that was learnt is no fall.
//! - A new edge, and a new kind of data in a field, are told once, at first sight.
//!
//! Spans are watched time: they pass while the daemon runs, whatever the wall clock does.

use std::time::Duration;

use super::record::Usual;
use crate::detect::{Severity, State};
use crate::report::finding::{Facts, Kind};

/// Values that make something usual.
pub const SURE: u64 = 5;
/// A burst has at least this many values in a window, times the factor.
pub const FLOOR: u64 = 20;
/// Width of a window in which a rate is counted, ms.
pub const WINDOW: u64 = 5_000;
/// A drift has ended when it was not seen for this long, ms.
pub const QUIET: u64 = 30_000;

/// When what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub enabled: bool,
    /// Nothing is told of an edge or field that is known for less.
    pub learning: Duration,
    /// A burst is this many times the usual rate.
    pub rate_factor: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            learning: Duration::from_secs(3600),
            rate_factor: 10,
        }
    }
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    pub kind: Kind,
    pub before: Facts,
    pub after: Facts,
    /// Where it is another one than that of the value.
    pub severity: Option<Severity>,
}

impl Drift {
    pub(super) fn new(kind: Kind, before: Facts, after: Facts) -> Self {
        Self {
            kind,
            before,
            after,
            severity: None,
        }
    }
}

/// What a value does to what is usual in its field. `is_agreed`: policy allows it. Returns whether
/// a masked field just turned clear.
pub(super) fn in_field(
    usual: &mut Usual,
    state: State,
    is_agreed: bool,
    watched: u64,
    last_watched: u64,
    learning: u64,
) -> bool {
    match state {
        State::Test => false,
        State::Clear if is_agreed => {
            *usual = Usual::default();
            false
        }
        State::Clear => {
            usual.masked |= is_masked(usual, watched, learning);
            let begins = usual.masked && !usual.drifting;
            usual.drifting |= usual.masked;
            usual.run = 0;
            begins
        }
        _ => {
            if usual.run == 0 {
                usual.run_since = watched.max(last_watched);
            }
            usual.run += 1;
            usual.masked |= is_masked(usual, watched, learning);
            let is_over = usual.run >= SURE && watched.saturating_sub(usual.run_since) >= QUIET;
            usual.drifting &= !is_over;
            false
        }
    }
}

fn is_masked(usual: &Usual, watched: u64, learning: u64) -> bool {
    usual.run >= SURE && watched.saturating_sub(usual.run_since) >= learning
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    struct Story {
        usual: Usual,
        last: u64,
    }

    impl Story {
        fn see(&mut self, at: u64, state: State, agreed: bool) -> bool {
            let told = in_field(&mut self.usual, state, agreed, at, self.last, HOUR);
            self.last = at;
            told
        }

        /// A field with ten masked values in the time up to `until`.
        fn masked(until: u64) -> Self {
            let mut story = Self {
                usual: Usual::default(),
                last: 0,
            };
            for step in 0..=10 {
                assert!(!story.see(until / 10 * step, State::Masked, false));
            }
            story
        }
    }

    #[test]
    fn one_clear_value_in_a_masked_field_is_told_once_until_it_was_over() {
        let mut story = Story::masked(HOUR);
        assert!(story.see(HOUR + 1, State::Clear, false));
        for step in 2..100 {
            let state = if step % 2 == 0 {
                State::Masked
            } else {
                State::Clear
            };
            assert!(!story.see(HOUR + step, state, false));
        }
        let fixed = HOUR + 100;
        for step in 0..10 {
            assert!(!story.see(fixed + step * QUIET, State::Masked, false));
        }
        assert!(
            story.see(fixed + 10 * QUIET, State::Clear, false),
            "it is masked still"
        );
    }

    #[test]
    fn nothing_is_told_while_learning_of_test_values_and_of_what_policy_allows() {
        assert!(!Story::masked(HOUR - 60_000).see(HOUR - 1_000, State::Clear, false));
        assert!(!Story::masked(HOUR).see(HOUR + 1, State::Test, false));
        let mut agreed = Story::masked(HOUR);
        assert!(!agreed.see(HOUR + 1, State::Clear, true));
        assert!(
            !agreed.see(HOUR + 2, State::Clear, false),
            "it is no masked field any more"
        );
    }

    #[test]
    fn a_field_that_is_poisoned_slowly_is_told_at_its_first_clear_value_and_never_becomes_usual() {
        let mut story = Story::masked(HOUR);
        let mut told = 0;
        // One clear value among a thousand masked ones, for ten learning times.
        for step in 0..10_000 {
            let state = if step % 1000 == 999 {
                State::Clear
            } else {
                State::Masked
            };
            told += usize::from(story.see(HOUR + 1 + step * HOUR / 1000, state, false));
        }
        assert_eq!(told, 10, "each is told, as it was over in between");
        assert!(story.usual.masked);
    }

    #[test]
    fn a_leak_that_was_fixed_long_ago_is_a_masked_field() {
        let mut story = Story {
            usual: Usual::default(),
            last: 0,
        };
        for at in 0..100 {
            assert!(!story.see(at, State::Clear, false));
        }
        for at in 0..10 {
            story.see(1000 + at * HOUR / 9, State::Masked, false);
        }
        assert!(story.see(1001 + HOUR, State::Clear, false));
    }
}
