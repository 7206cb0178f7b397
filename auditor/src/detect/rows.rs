//! Which detectors a scanner has, by number, and sets of them.
//!
//! Goes in: rows of the catalogue. Comes out: small numbers and sets that are copied, joined and
//! asked without a look-up. Never allocates.

use super::catalogue::DetectorInfo;

/// Rows a scanner can have: those of the catalogue and the user's own.
pub(crate) const MOST_ROWS: usize = 64 * WORDS;
const WORDS: usize = 8;

/// Place of a row in its scanner's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowId(u16);

impl RowId {
    /// `None` when there are too many rows.
    pub(crate) fn new(at: usize) -> Option<Self> {
        u16::try_from(at).ok().filter(|_| at < MOST_ROWS).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Some rows of a scanner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowSet([u64; WORDS]);

impl RowSet {
    pub(crate) const EMPTY: Self = Self([0; WORDS]);

    pub(crate) fn insert(&mut self, row: RowId) {
        self.0[row.index() / 64] |= 1 << (row.index() % 64);
    }

    #[inline]
    pub(crate) fn contains(&self, row: RowId) -> bool {
        self.0[row.index() / 64] & (1 << (row.index() % 64)) != 0
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether they have a row in common.
    #[inline]
    pub(crate) fn meets(&self, other: &Self) -> bool {
        !self.and(other).is_empty()
    }

    #[inline]
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] | other.0[n]))
    }

    #[inline]
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] & other.0[n]))
    }

    /// The rows, in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = RowId> {
        self.0.into_iter().enumerate().flat_map(|(n, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                (word != 0).then(|| {
                    word &= word - 1;
                    RowId((64 * n) as u16 + bit as u16)
                })
            })
        })
    }
}

impl Extend<RowId> for RowSet {
    fn extend<I: IntoIterator<Item = RowId>>(&mut self, rows: I) {
        rows.into_iter().for_each(|row| self.insert(row));
    }
}

/// Numbers the rows; what is beyond [`MOST_ROWS`] is left out.
pub(crate) fn numbered(
    rows: &[&'static DetectorInfo],
) -> impl Iterator<Item = (RowId, &'static DetectorInfo)> {
    rows.iter()
        .enumerate()
        .filter_map(|(at, row)| Some((RowId::new(at)?, *row)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(rows in prop::collection::btree_set(0..MOST_ROWS, 0..80)) {
            let mut set = RowSet::default();
            set.extend(rows.iter().filter_map(|row| RowId::new(*row)));
            let held: Vec<usize> = set.iter().map(RowId::index).collect();
            prop_assert_eq!(held, rows.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.is_empty(), rows.is_empty());
            prop_assert_eq!(set.and(&set), set);
        }
    }
}
