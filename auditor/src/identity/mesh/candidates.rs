//! Who may turn out to be a proxy.
//!
//! Goes in: processes in pods whose containers' names are asked for. Comes out: in which network namespaces there are
//! such. Without this, the first message of a pod would be taken for one that no proxy passes on.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most of them. Answers take milliseconds, and 2 seconds at most.
const CAPACITY: usize = 1_024;

/// A process with a socket in a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) netns: u32,
    /// Its id.
    pub(super) container: String,
    pub(super) exe: Option<String>,
    pub(super) uid: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Candidates(Mutex<HashSet<Candidate>>);

impl Candidates {
    pub(super) fn add(&self, candidate: Candidate) {
        let mut all = self.lock();
        // Without room it is told by its first message.
        if all.len() < CAPACITY {
            all.insert(candidate);
        }
    }

    /// True when there is one in this namespace, after those of which `may_be` is not true any more were left out.
    pub(super) fn are_in(&self, netns: u32, may_be: impl Fn(&Candidate) -> bool) -> bool {
        let mut all = self.lock();
        all.retain(may_be);
        all.iter().any(|candidate| candidate.netns == netns)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Candidate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
