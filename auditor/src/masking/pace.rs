//! Whether a kind of data between two ends comes as it used to, or has all but stopped.
//!
//! Goes in: when values came, and the time that passes without any. Comes out: a [`Fall`] when [`PORTION`] values are
//! waited for much longer than they ever took while it was learnt. A night, a weekend or a quiet hour that the learning
//! time had is the longest such time there was, so what comes and goes with the day is no fall.

use serde::{Deserialize, Serialize};

/// Values whose time is taken.
pub(super) const PORTION: u64 = 20;
/// Nothing that took less is a fall, ms; or the learning time, where that is less.
const SHORTEST: u64 = 600_000;

/// How long values took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pace {
    /// When learning began, watched ms; `None` before the first value.
    pub began: Option<u64>,
    /// When the portion began that is not whole yet, watched ms.
    pub since: u64,
    /// Values of it so far.
    pub count: u64,
    /// The longest that a portion took, ms: of the learning time, and of falls that were told and are over.
    pub longest: u64,
    /// The learning time is over, and values came in all of it.
    pub learnt: bool,
    /// A fall was told and is not over.
    pub told: bool,
}

/// A flow that fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fall {
    /// The longest that [`PORTION`] values took before, ms.
    pub usual: u64,
    /// Values that came since, and in how long, ms.
    pub values: u64,
    pub took: u64,
}

impl Pace {
    /// Takes a value.
    pub(super) fn see(&mut self, watched: u64, learning: u64) {
        self.settle(watched, learning);
        if self.began.is_none() {
            (self.began, self.since) = (Some(watched), watched);
        }
        self.count += 1;
        if self.count < PORTION {
            return;
        }
        if !self.learnt || self.told {
            self.longest = self.longest.max(watched.saturating_sub(self.since));
        }
        (self.told, self.count, self.since) = (false, 0, watched);
    }

    /// Whether it fell just now: told once, until a whole portion has come.
    pub(super) fn due(&mut self, watched: u64, learning: u64, factor: u64) -> Option<Fall> {
        self.settle(watched, learning);
        let took = watched.saturating_sub(self.since);
        let most = self
            .longest
            .saturating_mul(factor.max(2))
            .max(SHORTEST.min(learning));
        if !self.learnt || self.told || took <= most {
            return None;
        }
        self.told = true;
        Some(Fall {
            usual: self.longest,
            values: self.count,
            took,
        })
    }

    /// Ends the learning time. What is waited for then counts as well. What was waited for in most of it never was
    /// usual: with the next value learning begins anew.
    fn settle(&mut self, watched: u64, learning: u64) {
        let Some(began) = self.began.filter(|_| !self.learnt) else {
            return;
        };
        let end = began.saturating_add(learning);
        if watched < end {
            return;
        }
        self.longest = self.longest.max(end.saturating_sub(self.since));
        self.learnt = self.longest <= learning / 4 * 3;
        if !self.learnt {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    /// Values at these times, looked at every minute in between; when falls were told.
    fn falls(pace: &mut Pace, values: impl Iterator<Item = u64>, learning: u64, until: u64) -> Vec<u64> {
        let mut told = Vec::new();
        let mut minute = 0;
        let mut values = values.peekable();
        while minute <= until {
            while let Some(at) = values.next_if(|at| *at <= minute) {
                pace.see(at, learning);
            }
            told.extend(pace.due(minute, learning, 10).map(|_| minute));
            minute += 60_000;
        }
        told
    }

    /// A value each second, within these hours of each day.
    fn daily(hours: std::ops::Range<u64>, days: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        days.flat_map(move |day| {
            let hours = hours.clone();
            (hours.start * 3600..hours.end * 3600).map(move |second| day * DAY + second * 1000)
        })
    }

    #[test]
    fn a_steady_flow_that_stops_is_told_once_and_again_only_when_it_had_come_back() {
        let learning = HOUR;
        let (first, second) = (5 * HOUR, 30 * HOUR);
        let values = (0..first / 1000)
            .chain(20 * HOUR / 1000..second / 1000)
            .map(|second| second * 1000);
        let mut pace = Pace::default();
        let told = falls(&mut pace, values, learning, 20 * DAY);
        // Twenty values never took longer than twenty seconds, so the shortest time there is counts.
        assert_eq!(told.first(), Some(&(first + SHORTEST)));
        // Fifteen hours without any were told, so that is usual by now.
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1] > second + 10 * 15 * HOUR);
    }

    #[test]
    fn nights_and_a_quiet_day_are_no_fall_where_a_night_was_learnt() {
        let mut pace = Pace::default();
        let values = daily(8..18, 0..5).chain(daily(8..18, 7..10));
        assert!(falls(&mut pace, values, DAY, 10 * DAY).is_empty());
        let mut gone = Pace::default();
        assert_eq!(falls(&mut gone, daily(8..18, 0..5), DAY, 30 * DAY).len(), 1);
    }

    #[test]
    fn a_trickle_of_what_was_a_stream_is_a_fall_and_half_of_it_is_none() {
        for (step, expected) in [(2_000, 0), (120_000, 1)] {
            let values = (0..3600).map(|second| second * 1000);
            let later = (HOUR / step..10 * HOUR / step).map(|n| n * step);
            let mut pace = Pace::default();
            let told = falls(&mut pace, values.chain(later), HOUR, 10 * HOUR);
            assert_eq!(told.len(), expected, "{step}: {told:?}");
        }
    }

    #[test]
    fn what_came_for_a_moment_or_hardly_at_all_may_stop() {
        let mut pace = Pace::default();
        assert!(falls(&mut pace, (0..1000).map(|n| n * 10), HOUR, 20 * HOUR).is_empty());
        let mut rare = Pace::default();
        assert!(falls(&mut rare, (0..19).map(|n| n * 60_000), HOUR, 20 * HOUR).is_empty());
        assert_eq!(rare, Pace::default(), "it is learnt anew");
    }
}
