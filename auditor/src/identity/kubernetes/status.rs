//! How the watches are doing, for `/readyz`, metrics and the log.
//!
//! Goes in: what happens to each watch. Comes out: its state, the time since it was last right, and counts of errors.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::directory::Kind;

/// What a watch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The first list is not in yet.
    Listing,
    /// What is known is what the API server says.
    Watching,
    /// The API server can not be reached, or fails.
    Lost,
    /// The role lacks a verb.
    Forbidden,
    /// The server does not have this kind.
    Missing,
}

impl State {
    /// As in `/readyz` and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Watching => "watching",
            Self::Lost => "lost",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
        }
    }
}

/// Why a watch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    Unreachable,
    Unauthorized,
    Forbidden,
    Missing,
    /// 410: what was missed is no longer told one by one, and all is listed again.
    Gone,
    /// Any other answer.
    Refused,
    /// An answer that can not be read.
    Unreadable,
}

impl Failure {
    pub const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Missing,
        Self::Gone,
        Self::Refused,
        Self::Unreadable,
    ];

    /// As in metrics and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        }
    }

    const fn state(self) -> State {
        match self {
            Self::Forbidden => State::Forbidden,
            Self::Missing => State::Missing,
            _ => State::Lost,
        }
    }
}

/// The state of all watches. Shared.
#[derive(Debug)]
pub struct Status {
    kinds: Mutex<BTreeMap<&'static str, Progress>>,
}

#[derive(Debug)]
struct Progress {
    state: State,
    /// When it was last right; the start, before that.
    since: Instant,
    has_listed: bool,
    /// Counts failures, and tells a return from one before the last failure.
    failures: BTreeMap<Failure, u64>,
    losses: u64,
}

impl Progress {
    fn new() -> Self {
        Self {
            state: State::Listing,
            since: Instant::now(),
            has_listed: false,
            failures: BTreeMap::new(),
            losses: 0,
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        let kinds = Kind::ALL.iter().map(|kind| (kind.name(), Progress::new()));
        Self {
            kinds: Mutex::new(kinds.collect()),
        }
    }
}

impl Status {
    /// Of the watches of policies, too.
    pub(super) fn with_policies() -> Self {
        let status = Self::default();
        for kind in Kind::POLICIES {
            status.lock().insert(kind.name(), Progress::new());
        }
        status
    }

    /// True when policies are watched.
    pub fn has_policies(&self) -> bool {
        self.lock().contains_key(Kind::DataFlowPolicies.name())
    }

    /// A first list begins anew; a kind that was missing is until it is there.
    pub(super) fn lists(&self, kind: Kind) {
        self.with(kind, |progress| {
            if progress.state == State::Missing {
                return;
            }
            if progress.state == State::Watching {
                progress.since = Instant::now();
            }
            progress.state = State::Listing;
            progress.has_listed = false;
            progress.losses += 1;
        });
    }

    /// A list is complete.
    pub(super) fn listed(&self, kind: Kind) {
        self.with(kind, |progress| {
            progress.has_listed = true;
            progress.state = State::Watching;
        });
    }

    /// A watch goes on; true when that is news. Not if it broke again: `losses` is what there were when it came back.
    pub(super) fn resumed(&self, kind: Kind, losses: u64) -> bool {
        self.with(kind, |progress| {
            let is_news =
                progress.has_listed && progress.losses == losses && progress.state != State::Watching;
            if is_news {
                progress.state = State::Watching;
            }
            is_news
        })
    }

    /// A watch failed; true when it did not fail just so before.
    pub(super) fn failed(&self, kind: Kind, failure: Failure) -> bool {
        self.with(kind, |progress| {
            let before = progress.state;
            if before == State::Watching {
                progress.since = Instant::now();
            }
            progress.state = failure.state();
            progress.losses += 1;
            *progress.failures.entry(failure).or_default() += 1;
            before != progress.state
        })
    }

    /// How often a watch has failed.
    pub(super) fn losses(&self, kind: Kind) -> u64 {
        self.with(kind, |progress| progress.losses)
    }

    /// The state of each watch.
    pub fn states(&self) -> BTreeMap<&'static str, &'static str> {
        let kinds = self.lock();
        kinds
            .iter()
            .map(|(kind, progress)| (*kind, progress.state.name()))
            .collect()
    }

    /// True while all watches that names are made of are right.
    pub fn is_whole(&self) -> bool {
        let kinds = self.lock();
        let is_right = |kind: &Kind| {
            let progress = kinds.get(kind.name());
            progress.is_some_and(|progress| progress.state == State::Watching)
        };
        Kind::ALL.iter().all(is_right)
    }

    /// True while any watch takes itself for right.
    pub(super) fn is_any_right(&self) -> bool {
        self.lock()
            .values()
            .any(|progress| progress.state == State::Watching)
    }

    /// How long each watch has not been right. A server that never had policies is right without.
    pub fn ages(&self) -> Vec<(&'static str, Duration)> {
        let may_lack = |kind: &str| Kind::POLICIES.iter().any(|policy| policy.name() == kind);
        let age = |kind: &str, progress: &Progress| match progress.state {
            State::Watching => Duration::ZERO,
            State::Missing if !progress.has_listed && may_lack(kind) => Duration::ZERO,
            _ => progress.since.elapsed(),
        };
        let kinds = self.lock();
        kinds
            .iter()
            .map(|(kind, progress)| (*kind, age(kind, progress)))
            .collect()
    }

    /// Failures of each watch so far, by why.
    pub fn failures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let kinds = self.lock();
        let each = kinds.iter().flat_map(|(kind, progress)| {
            let counts = progress.failures.iter();
            counts.map(move |(failure, count)| (*kind, failure.name(), *count))
        });
        each.collect()
    }

    fn with<T>(&self, kind: Kind, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut kinds = self.lock();
        // All kinds that are followed are in from the start.
        let progress = kinds.entry(kind.name()).or_insert_with(Progress::new);
        change(progress)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Progress>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_right_again_after_a_return_unless_it_broke_once_more() {
        let status = Status::default();
        assert!(!status.is_whole());
        Kind::ALL.iter().for_each(|kind| status.listed(*kind));
        assert!(status.is_whole());
        assert!(status.failed(Kind::Pods, Failure::Unreachable));
        assert!(!status.failed(Kind::Pods, Failure::Unreachable), "no news");
        assert_eq!(status.states()["pods"], "lost");
        let before = status.losses(Kind::Pods);
        status.failed(Kind::Pods, Failure::Gone);
        assert!(!status.resumed(Kind::Pods, before));
        assert!(status.resumed(Kind::Pods, status.losses(Kind::Pods)));
        assert!(status.is_whole());
        assert_eq!(
            status.failures(),
            [("pods", "unreachable", 2), ("pods", "gone", 1)]
        );
    }

    #[test]
    fn a_server_that_never_had_policies_lacks_nothing_and_names_do_not_depend_on_them() {
        let status = Status::with_policies();
        Kind::ALL.iter().for_each(|kind| status.listed(*kind));
        let age = |kind: Kind| {
            status
                .ages()
                .iter()
                .find(|(name, _)| *name == kind.name())
                .unwrap()
                .1
        };
        let [of_namespaces, of_cluster] = Kind::POLICIES;
        status.failed(of_namespaces, Failure::Missing);
        status.failed(of_cluster, Failure::Forbidden);
        assert!(status.is_whole() && age(of_namespaces).is_zero() && !age(of_cluster).is_zero());
        status.listed(of_namespaces);
        status.failed(of_namespaces, Failure::Missing);
        assert!(!age(of_namespaces).is_zero(), "they were there");
    }

    #[test]
    fn a_role_that_lacks_a_verb_is_told_from_a_server_that_is_down() {
        let status = Status::default();
        status.failed(Kind::Nodes, Failure::Forbidden);
        assert_eq!(status.states()["nodes"], "forbidden");
        let ages = status.ages();
        assert!(
            ages.iter()
                .any(|(kind, age)| *kind == "nodes" && *age > Duration::ZERO)
        );
        assert!(
            !status.resumed(Kind::Nodes, status.losses(Kind::Nodes)),
            "it has no list"
        );
    }
}
