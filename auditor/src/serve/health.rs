//! Whether the pipeline turns, and whether it is attached.
//!
//! Goes in: a heartbeat from the main thread, the rounds of those it reads with, changes of state. Comes out: the answers of `/healthz`
//! and `/readyz`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::vital::Rounds;

/// With a thread that was silent for longer this is not healthy.
const FRESH: Duration = Duration::from_secs(10);

/// Shared by the pipeline, which writes, and the HTTP server, which reads.
pub struct Health {
    start: Instant,
    /// Milliseconds from `start` to the last beat.
    beat: AtomicU64,
    attached: AtomicBool,
    /// Of the threads that read, once there are any.
    rounds: OnceLock<Arc<Rounds>>,
    /// The thread that ended by a panic.
    lost: OnceLock<&'static str>,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    identity: &'static str,
    watches: BTreeMap<&'static str, &'static str>,
    runtimes: BTreeMap<String, &'static str>,
    names_pending: usize,
    policy: &'static str,
    policy_version: String,
    policies_refused: usize,
    refused_policies: BTreeMap<String, &'static str>,
    masking: &'static str,
    masking_error: Option<String>,
    config: &'static str,
    config_waits: Vec<&'static str>,
}

/// Refused policies that are named.
const MOST_NAMED: usize = 20;

/// Body of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// Probes are attached.
    pub ready: bool,
    pub attached: bool,
    pub identity: &'static str,
    /// In a cluster, the state of each watch of the API server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub watches: BTreeMap<&'static str, &'static str>,
    /// How each container runtime that was asked answers, by its socket.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub runtimes: BTreeMap<String, &'static str>,
    /// Containers whose names are waited for.
    pub names_pending: usize,
    pub policy: &'static str,
    /// Of the policies in force.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy_version: String,
    /// Policies of the API server whose newest version is not in force; some of them with why, which is `invalid`,
    /// `conflict` or `limit`.
    pub policies_refused: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_policies: BTreeMap<String, &'static str>,
    /// Of the masking ledger: `off`, `kept`, `set_aside` or `failing`.
    pub masking: &'static str,
    /// Why it is not written, or where a file that could not be used is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masking_error: Option<String>,
    /// `loaded`, or `stale` when what was read last is refused.
    pub config: &'static str,
    /// Keys that have another value since the start, which takes a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config_waits: Vec<&'static str>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            attached: AtomicBool::new(false),
            rounds: OnceLock::new(),
            lost: OnceLock::new(),
            state: Mutex::new(State {
                identity: "local",
                watches: BTreeMap::new(),
                runtimes: BTreeMap::new(),
                names_pending: 0,
                policy: "none",
                policy_version: String::new(),
                policies_refused: 0,
                refused_policies: BTreeMap::new(),
                masking: "off",
                masking_error: None,
                config: "loaded",
                config_waits: Vec::new(),
            }),
        }
    }
}

impl Health {
    /// The main thread went round once; call it at least every few seconds.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    /// Probes are attached (or, when the last one went, no longer).
    pub fn set_attached(&self, attached: bool) {
        self.attached.store(attached, Ordering::Release);
    }

    /// The threads that have to go round, besides the main thread.
    pub fn follow(&self, rounds: Arc<Rounds>) {
        let _ = self.rounds.set(rounds);
    }

    /// A thread ended by a panic: this is no longer healthy, whatever else beats.
    pub fn set_lost(&self, thread: &'static str) {
        let _ = self.lost.set(thread);
    }

    /// The thread that ended by a panic.
    pub fn lost(&self) -> Option<&'static str> {
        self.lost.get().copied()
    }

    /// Where names of ends come from: `local`, `kubernetes`, `degraded`, …
    pub fn set_identity(&self, identity: &'static str) {
        self.with_state(|state| state.identity = identity);
    }

    /// What each watch of the API server is doing.
    pub fn set_watches(&self, watches: BTreeMap<&'static str, &'static str>) {
        self.with_state(|state| state.watches = watches);
    }

    /// How container runtimes answer, and how many names are waited for.
    pub fn set_runtimes(&self, runtimes: BTreeMap<String, &'static str>, pending: usize) {
        self.with_state(|state| {
            state.runtimes = runtimes;
            state.names_pending = pending;
        });
    }

    /// What policy is in force, `none`, `loaded` or `stale`, and of which version.
    pub fn set_policy(&self, policy: &'static str, version: &str) {
        self.with_state(|state| {
            state.policy = policy;
            version.clone_into(&mut state.policy_version);
        });
    }

    /// Policies of the API server that are refused, each with why, and how many more found no room.
    pub fn set_refused_policies(&self, refused: &[(&str, &'static str)], overflow: usize) {
        let named = refused.iter().take(MOST_NAMED);
        let named = named
            .map(|(policy, reason)| ((*policy).to_owned(), *reason))
            .collect();
        self.with_state(|state| {
            state.policies_refused = refused.len() + overflow;
            state.refused_policies = named;
        });
    }

    /// How the masking ledger is kept, and what is wrong with it.
    pub fn set_masking(&self, masking: &'static str, error: Option<String>) {
        self.with_state(|state| (state.masking, state.masking_error) = (masking, error));
    }

    /// Whether the configuration could be read again, and the keys that need a restart.
    pub fn set_config(&self, config: &'static str, waits: Vec<&'static str>) {
        self.with_state(|state| (state.config, state.config_waits) = (config, waits));
    }

    /// True while all threads run, and all that have to go round did so less than ten seconds ago.
    pub fn healthy(&self, now: Instant) -> bool {
        self.lost().is_none() && self.hung(now).is_none()
    }

    /// The thread that has not gone round for ten seconds or longer.
    pub fn hung(&self, now: Instant) -> Option<(String, Duration)> {
        let others = self.rounds.get().and_then(|rounds| rounds.slowest(now));
        [Some(("main".to_owned(), self.since_beat(now))), others]
            .into_iter()
            .flatten()
            .max_by_key(|(_, silent)| *silent)
            .filter(|(_, silent)| *silent >= FRESH)
    }

    /// Time since the last beat (since the start, before the first).
    fn since_beat(&self, now: Instant) -> Duration {
        let beat = self.start + Duration::from_millis(self.beat.load(Ordering::Acquire));
        now.saturating_duration_since(beat)
    }

    /// The answer of `/readyz`.
    pub fn readiness(&self) -> Readiness {
        let attached = self.attached.load(Ordering::Acquire);
        let mut state = State::default();
        self.with_state(|current| state = current.clone());
        Readiness {
            ready: attached,
            attached,
            identity: state.identity,
            watches: state.watches,
            runtimes: state.runtimes,
            names_pending: state.names_pending,
            policy: state.policy,
            policy_version: state.policy_version,
            policies_refused: state.policies_refused,
            refused_policies: state.refused_policies,
            masking: state.masking,
            masking_error: state.masking_error,
            config: state.config,
            config_waits: state.config_waits,
        }
    }

    fn beat_at(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.start).as_millis();
        self.beat
            .fetch_max(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    fn with_state(&self, change: impl FnOnce(&mut State)) {
        change(
            &mut self
                .state
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_healthy_for_ten_seconds_after_a_beat() {
        let health = Health::default();
        let later = |seconds| health.start + Duration::from_secs(seconds);
        assert!(health.healthy(later(9)));
        assert!(!health.healthy(later(10)));
        health.beat_at(later(100));
        assert!(health.healthy(later(109)));
        health.beat_at(later(50));
        assert!(
            health.healthy(later(109)),
            "an old beat does not take back a new one"
        );
        assert!(!health.healthy(later(111)));
    }

    #[test]
    fn a_reader_that_hangs_is_named_and_the_main_thread_does_not_beat_for_it() {
        let health = Health::default();
        let rounds = Arc::new(Rounds::default());
        health.follow(Arc::clone(&rounds));
        let (reader, control) = (rounds.thread("ring-1"), rounds.thread("control"));
        let later = |seconds| health.start + Duration::from_secs(seconds);
        let at = |seconds| {
            control.went();
            health.beat_at(later(seconds));
            health
                .hung(later(seconds))
                .map(|(name, time)| (name, time.as_secs()))
        };
        reader.went();
        assert_eq!(at(100), None);
        assert_eq!(at(109), None);
        assert_eq!(at(110), Some(("ring-1".to_owned(), 10)));
        assert!(!health.healthy(later(110)));
        reader.went();
        assert_eq!(at(111), None);
        assert!(health.healthy(later(111)));
        reader.went();
        control.went();
        assert_eq!(
            health.hung(later(130)).map(|(name, _)| name),
            Some("main".to_owned())
        );
        drop((reader, control));
        assert_eq!(health.hung(later(112)), None);
    }

    #[test]
    fn nothing_beats_for_a_thread_that_is_lost() {
        let health = Health::default();
        health.set_lost("ring-1");
        health.beat();
        assert!(!health.healthy(Instant::now()));
        assert_eq!(health.lost(), Some("ring-1"));
    }
}
