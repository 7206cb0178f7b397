//! What is known of one kind of data in one field.

use serde::{Deserialize, Serialize};

use crate::detect::{Confidence, State};
use crate::report::finding::Verdict;

/// Longest sample kept, bytes.
const SAMPLE_LIMIT: usize = 64;

/// Values by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    #[serde(skip_serializing_if = "is_zero")]
    pub clear: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub masked: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub hashed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub tokenised: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub encrypted: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub test: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    pub const fn of(&self, state: State) -> u64 {
        match state {
            State::Clear => self.clear,
            State::Masked => self.masked,
            State::Hashed => self.hashed,
            State::Tokenised => self.tokenised,
            State::Encrypted => self.encrypted,
            State::Test => self.test,
        }
    }

    pub const fn of_mut(&mut self, state: State) -> &mut u64 {
        match state {
            State::Clear => &mut self.clear,
            State::Masked => &mut self.masked,
            State::Hashed => &mut self.hashed,
            State::Tokenised => &mut self.tokenised,
            State::Encrypted => &mut self.encrypted,
            State::Test => &mut self.test,
        }
    }

    pub const STATES: [State; 6] = [
        State::Clear,
        State::Masked,
        State::Hashed,
        State::Tokenised,
        State::Encrypted,
        State::Test,
    ];

    /// Masked, hashed, tokenised and encrypted ones.
    pub const fn protected(&self) -> u64 {
        self.masked
            .saturating_add(self.hashed)
            .saturating_add(self.tokenised)
            .saturating_add(self.encrypted)
    }

    /// All, test values too.
    pub const fn total(&self) -> u64 {
        self.protected()
            .saturating_add(self.clear)
            .saturating_add(self.test)
    }

    /// Protected / (protected + clear); `None` where there are neither.
    pub fn coverage(&self) -> Option<f64> {
        let protected = self.protected();
        let all = protected.saturating_add(self.clear);
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people and gauges")]
        (all > 0).then(|| protected as f64 / all as f64)
    }

    /// The state that most protected values are in; clear where none is protected.
    pub fn usual(&self) -> State {
        let protected = [State::Masked, State::Hashed, State::Tokenised, State::Encrypted];
        let most = protected.into_iter().rev().max_by_key(|state| self.of(*state));
        most.filter(|state| self.of(*state) > 0).unwrap_or(State::Clear)
    }

    pub fn add(&mut self, other: &Self) {
        for state in Self::STATES {
            let sum = self.of(state).saturating_add(other.of(state));
            *self.of_mut(state) = sum;
        }
    }

    /// What of `self` is beyond `other`, state by state.
    pub fn beyond(mut self, other: &Self) -> Self {
        for state in Self::STATES {
            *self.of_mut(state) = self.of(state).saturating_sub(other.of(state));
        }
        self
    }
}

/// Whose end of the flow this node watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's, or both.
    Sender,
    /// The receiver's only: another node may have counted the same.
    Receiver,
}

/// What went through a field. Times are Unix ms; those with `watched` are watched time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// As the sender's node counts.
    pub sent: Counts,
    /// As the receiver's node counts what it has no sender's record of.
    pub received: Counts,
    pub first_seen: i64,
    pub last_seen: i64,
    /// Masked form of a clear value, where there was one; else of any.
    pub sample: Box<str>,
    /// Of the last value that policy was heard about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    /// The best evidence so far that the field holds this kind of data, bits.
    pub score_bits: f32,
    /// Some of what was seen is counted in the row of its ends instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    pub born_watched: u64,
    pub last_watched: u64,
    pub usual: Usual,
}

/// What a field usually does, for drift. It moves by rules only, see [`super::drift`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usual {
    /// Protected values since the last clear one.
    pub run: u64,
    /// When the first of them was seen, watched ms.
    pub run_since: u64,
    /// The field is a masked one.
    pub masked: bool,
    /// A drift was told and has not ended.
    pub drifting: bool,
}

/// What policy said; of an unknown word nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Violation,
    Allowed,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Violation => Self::Violation,
            Verdict::Allowed => Self::Allowed,
        }
    }
}

impl Judgement {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Allowed => "allowed",
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            sent: Counts::default(),
            received: Counts::default(),
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            sample: Box::default(),
            verdict: None,
            score_bits: 0.0,
            partial: false,
            born_watched: 0,
            last_watched: 0,
            usual: Usual::default(),
        }
    }
}

impl Record {
    /// Both sides.
    pub fn counts(&self) -> Counts {
        let mut all = self.sent;
        all.add(&self.received);
        all
    }

    /// How sure it is that the field holds this kind of data.
    pub fn confidence(&self) -> Confidence {
        Confidence::of_bits(self.score_bits)
    }

    /// Takes the sample of a value, if it says more than the one there is.
    pub(super) fn sample(&mut self, sample: &str, state: State) {
        let wanted = match state {
            State::Clear => self.counts().clear == 0,
            _ => self.sample.is_empty(),
        };
        if wanted {
            self.sample = sample[..sample.floor_char_boundary(SAMPLE_LIMIT)].into();
        }
    }

    /// Adds the counts of another field, or of the same one elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.sent.add(&other.sent);
        self.received.add(&other.received);
        self.stretch(other);
    }

    /// Takes all of `other` but its counts.
    pub(super) fn stretch(&mut self, other: &Self) {
        self.first_seen = self.first_seen.min(other.first_seen);
        if other.last_seen >= self.last_seen {
            self.last_seen = other.last_seen;
            self.verdict = other.verdict.or(self.verdict);
        }
        if self.sample.is_empty() {
            self.sample = other.sample.clone();
        }
        self.score_bits = self.score_bits.max(other.score_bits);
        self.partial |= other.partial;
        self.last_watched = self.last_watched.max(other.last_watched);
    }
}
