//! Counts of passed, failed and skipped, with the names of the latter two.

use std::{fmt, ops::AddAssign};

/// What a stage came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
    /// Which failed; may name fewer than there are.
    pub(crate) failures: Vec<String>,
    /// What was skipped and why.
    pub(crate) reasons: Vec<String>,
}

impl Tally {
    /// One more that failed.
    pub(crate) fn fail(&mut self, what: String) {
        self.failed += 1;
        self.failures.push(what);
    }

    /// One more that was skipped.
    pub(crate) fn skip(&mut self, what: String) {
        self.skipped += 1;
        self.reasons.push(what);
    }

    /// One check, under the name it fails by.
    pub(crate) fn check(&mut self, passed: bool, name: &str) {
        if passed {
            self.passed += 1;
        } else {
            self.fail(name.to_owned());
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.reasons.extend(other.reasons);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_summed_and_keep_their_reasons() {
        let mut total = Tally {
            passed: 3,
            ..Tally::default()
        };
        let mut stage = Tally::default();
        stage.check(true, "a");
        stage.check(false, "b");
        stage.skip("c: not here".into());
        total += stage;
        assert_eq!(total.to_string(), "4 passed, 1 failed, 1 skipped");
        assert_eq!(
            (total.failures, total.reasons),
            (vec!["b".to_owned()], vec!["c: not here".to_owned()])
        );
    }
}
