//! Findings of kind `coverage_gap`: for a while there was more than could be read.
//!
//! Goes in: the account of bytes, again and again. Comes out: while bytes are left out for want of room, one finding that
//! grows, as others do; a minute without ends it. It is about bytes that nobody looked into, so it has no value.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::finding::{End, Finding, Gap, Kind, Location, SCHEMA};
use super::observation::rfc3339;
use crate::detect::{Confidence, Severity, State};
use crate::ledger::{Account, ByteLedger, Ledger};

/// Of the finding, in place of a detector.
const DETECTOR: &str = "coverage";

/// A fingerprint of nothing.
const FINGERPRINT: &str = "none:00000000000000000000000000000000";

/// After so long in which nothing was left out, the next is a finding of its own.
const OVER: Duration = Duration::from_secs(60);

/// So many of a thousand bytes left out are severe, as for the alert AuditorBytesNotScanned.
const SEVERE: u64 = 10;

/// What was counted, at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes that moved, and those of them for which there was no room.
    pub moved: u64,
    pub left_out: u64,
    /// How long readers rested to keep to a ceiling.
    pub rested: Duration,
}

impl Counted {
    /// As an account has it.
    pub fn of(ledger: &ByteLedger, rested: Duration) -> Self {
        let both = |of: fn(&ByteLedger, Ledger) -> u64| of(ledger, Ledger::Socket) + of(ledger, Ledger::Tls);
        Self {
            moved: both(|ledger, which| ledger.balance(which).moved),
            left_out: both(|ledger, which| ledger.settled(which, Account::RingFull)),
            rested,
        }
    }
}

/// Follows the account.
#[derive(Default)]
pub struct Shortfall {
    last: Counted,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    id: String,
    revision: u32,
    /// What was counted before.
    before: Counted,
    first: Timestamp,
    last: Timestamp,
    /// When something was left out last, and when that was told last.
    grown: Instant,
    told: Option<Instant>,
    is_told: bool,
    /// Who sent most, as far as it is known.
    from: Option<End>,
}

impl Shortfall {
    /// Takes what was counted until now. A finding comes out when one is due: at once, and then every `interval` in which
    /// more was left out. `from` says who sent most of it.
    pub fn look(
        &mut self,
        now: Counted,
        interval: Duration,
        from: impl FnOnce() -> Option<End>,
    ) -> Option<Finding> {
        let before = std::mem::replace(&mut self.last, now);
        if now.left_out > before.left_out {
            let time = Timestamp::now();
            let under_way = self.under_way.get_or_insert_with(|| UnderWay {
                id: Uuid::now_v7().to_string(),
                revision: 0,
                before,
                first: time,
                last: time,
                grown: Instant::now(),
                told: None,
                is_told: false,
                from: None,
            });
            (under_way.last, under_way.grown, under_way.is_told) = (time, Instant::now(), false);
        }
        let under_way = self.under_way.as_mut()?;
        if under_way.told.is_none_or(|told| told.elapsed() >= interval) && !under_way.is_told {
            return Some(under_way.tell(now, from()));
        }
        if under_way.is_told && under_way.grown.elapsed() > OVER {
            self.under_way = None;
        }
        None
    }

    /// What is not told yet, at the end.
    pub fn finish(&mut self, now: Counted, from: impl FnOnce() -> Option<End>) -> Option<Finding> {
        self.look(now, Duration::ZERO, from)
    }
}

impl UnderWay {
    fn tell(&mut self, now: Counted, from: Option<End>) -> Finding {
        self.revision = self.revision.saturating_add(1);
        (self.told, self.is_told) = (Some(Instant::now()), true);
        self.from = from.or(self.from.take());
        let gap = Gap {
            reason: Account::RingFull.name(),
            moved: now.moved.saturating_sub(self.before.moved),
            bytes: now.left_out.saturating_sub(self.before.left_out),
            cpu_ceiling: now.rested > self.before.rested,
        };
        let is_severe = gap.bytes.saturating_mul(1000) > gap.moved.saturating_mul(SEVERE);
        Finding {
            schema: SCHEMA,
            id: self.id.clone(),
            time: rfc3339(Timestamp::now()),
            revision: self.revision,
            kind: Kind::CoverageGap,
            detector: DETECTOR,
            category: DETECTOR,
            regulations: Vec::new(),
            state: State::Clear,
            confidence: Confidence::High,
            score_bits: 0.0,
            severity: if is_severe {
                Severity::High
            } else {
                Severity::Medium
            },
            sample: String::new(),
            length: 0,
            fingerprint: FINGERPRINT.to_owned(),
            count: 1,
            first_seen: rfc3339(self.first),
            last_seen: rfc3339(self.last),
            declared_masked: false,
            under_masked: false,
            location: Location {
                part: "stream",
                field: None,
                start: 0,
                end: 0,
                line: None,
                content_type: None,
            },
            flow: None,
            source: self.from.clone(),
            destination: None,
            policy: None,
            before: None,
            after: None,
            gap: Some(gap),
            path: None,
            group: None,
            observer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(moved: u64, left_out: u64) -> Counted {
        Counted {
            moved,
            left_out,
            rested: Duration::ZERO,
        }
    }

    #[test]
    fn what_is_left_out_is_one_finding_that_grows() {
        let mut shortfall = Shortfall::default();
        let mut look = |now| shortfall.look(now, Duration::ZERO, || None);
        assert!(look(counted(1000, 0)).is_none());
        let first = look(counted(10_000, 50)).unwrap();
        assert!(look(counted(20_000, 50)).is_none());
        let second = look(counted(30_000, 9000)).unwrap();
        assert_eq!((&first.id, first.revision, second.revision), (&second.id, 1, 2));
        assert_eq!(
            (first.severity, second.severity),
            (Severity::Medium, Severity::High)
        );
        let gap = second.gap.unwrap();
        assert_eq!((gap.moved, gap.bytes, gap.reason), (29_000, 9000, "ring_full"));
    }

    #[test]
    fn what_came_within_the_interval_is_told_at_the_end() {
        let mut shortfall = Shortfall::default();
        let hour = Duration::from_secs(3600);
        assert!(shortfall.look(counted(100, 50), hour, || None).is_some());
        assert!(shortfall.look(counted(200, 60), hour, || None).is_none());
        let last = shortfall.finish(counted(300, 60), || None).unwrap();
        assert_eq!((last.revision, last.gap.unwrap().bytes), (2, 60));
        assert!(shortfall.finish(counted(300, 60), || None).is_none());
    }
}
