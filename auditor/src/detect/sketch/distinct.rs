//! How many different values there were, from the few smallest of their hashes.
//!
//! Goes in: hashes that are uniform and keyed, so that nobody can choose them. Comes out: their
//! number, exact below [`KEPT`] and estimated above, with a relative error of about one in four.
//! Never holds more than [`KEPT`] hashes, and merging two gives what one would have seen. The
//! estimate is that of k minimum values (Bar-Yossef et al., "Counting distinct elements in a data
//! stream", 2002).

/// Hashes that are kept.
pub(super) const KEPT: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Distinct {
    /// Ascending, without repeats, at most [`KEPT`].
    smallest: Vec<u64>,
}

impl Distinct {
    pub(super) fn insert(&mut self, hash: u64) {
        let Err(at) = self.smallest.binary_search(&hash) else {
            return;
        };
        if at < KEPT {
            if !self.is_exact() {
                self.smallest.pop();
            }
            self.smallest.insert(at, hash);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.smallest.iter().for_each(|hash| self.insert(*hash));
    }

    /// Different hashes so far.
    pub(super) fn count(&self) -> f64 {
        let kept = self.smallest.len() as f64;
        match self.smallest.last() {
            Some(&largest) if self.smallest.len() == KEPT => {
                let share = (largest as f64 + 1.0) / 2f64.powi(64);
                ((kept - 1.0) / share).max(kept)
            }
            _ => kept,
        }
    }

    /// True when [`Self::count`] is no estimate.
    pub(super) fn is_exact(&self) -> bool {
        self.smallest.len() < KEPT
    }

    pub(super) fn hashes(&self) -> &[u64] {
        &self.smallest
    }

    /// From what [`Self::hashes`] gave; `None` when it is not ascending or too much.
    pub(super) fn of_hashes(smallest: Vec<u64>) -> Option<Self> {
        let ascends = smallest.windows(2).all(|pair| pair[0] < pair[1]);
        (ascends && smallest.len() <= KEPT).then_some(Self { smallest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(hashes: &[u64]) -> Distinct {
        let mut distinct = Distinct::default();
        hashes.iter().for_each(|hash| distinct.insert(*hash));
        distinct
    }

    proptest! {
        #[test]
        fn merging_is_seeing_everything_in_any_order(
            one in prop::collection::vec(any::<u64>(), 0..60),
            other in prop::collection::vec(0..20u64, 0..60),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let mut reversed = of(&other);
            reversed.merge(&of(&one));
            prop_assert_eq!(&merged, &reversed);
            prop_assert_eq!(&merged, &of(&[one, other].concat()));
            prop_assert_eq!(Distinct::of_hashes(merged.hashes().to_vec()), Some(merged));
        }

        #[test]
        fn few_values_are_counted_exactly(hashes in prop::collection::btree_set(any::<u64>(), 0..KEPT)) {
            let twice: Vec<u64> = hashes.iter().chain(&hashes).copied().collect();
            prop_assert_eq!(of(&twice).count(), hashes.len() as f64);
            prop_assert!(of(&twice).is_exact());
        }
    }

    #[test]
    fn many_values_are_estimated() {
        for many in [100u64, 10_000, 1_000_000] {
            let spread = u64::MAX / many;
            let mut distinct = Distinct::default();
            (0..many).for_each(|n| distinct.insert(n * spread + spread / 2));
            assert!(
                (distinct.count() / many as f64 - 1.0).abs() < 0.1,
                "{} of {many}",
                distinct.count()
            );
        }
    }
}
