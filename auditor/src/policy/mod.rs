//! Judges a value by the data-flow policy in force.
//!
//! Goes in: an [`Observation`]. Comes out: a [`PolicyVerdict`]. It never sees a value, and where
//! no rule matches the verdict is `violation`: silence in a policy is not permission.

use crate::report::finding::{PolicyVerdict, Verdict};
use crate::report::observation::Observation;

/// The rules in force. There are none yet, so every clear value is a violation.
#[derive(Clone, Debug, Default)]
pub struct Judge {}

impl Judge {
    /// What policy says about `observation`.
    pub fn judge(&self, _observation: &Observation) -> PolicyVerdict {
        PolicyVerdict {
            name: None,
            version: None,
            rule: None,
            action: None,
            verdict: Verdict::Violation,
        }
    }
}
