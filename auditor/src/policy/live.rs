//! The policies in force now.
//!
//! Goes in: policies, when they change. Comes out: the latest, whole. Who judges looks at one number
//! each time, and waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::compile::Policies;

/// Shared by who reads policies and who judges by them.
#[derive(Debug)]
pub struct Live {
    generation: AtomicU64,
    current: RwLock<Arc<Policies>>,
}

impl Default for Live {
    /// No policy.
    fn default() -> Self {
        Self::new(Policies::none())
    }
}

impl Live {
    pub fn new(policies: Policies) -> Self {
        Self {
            generation: AtomicU64::new(0),
            current: RwLock::new(Arc::new(policies)),
        }
    }

    /// Changes with each [`Self::set`].
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in force.
    pub fn set(&self, policies: Policies) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
        self.generation.fetch_add(1, Ordering::Release);
    }
}
