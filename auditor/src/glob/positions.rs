//! A set of places in a pattern. Goes in: places, up to the longest pattern's. Comes out: which are in it.

use super::MOST;

/// Words of a set.
const WORDS: usize = MOST / 64 + 1;

/// Places in a pattern at which the next character may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Positions([u64; WORDS]);

impl Positions {
    pub(super) fn add(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    pub(super) fn has(&self, position: usize) -> bool {
        self.0
            .get(position / 64)
            .is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn forget_below(&mut self, position: usize) {
        for (index, word) in self.0.iter_mut().enumerate() {
            match position.saturating_sub(index * 64) {
                below @ 0..64 => *word &= u64::MAX << below,
                _ => *word = 0,
            }
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                (left != 0).then(|| {
                    left &= left - 1;
                    index * 64 + bit as usize
                })
            })
        })
    }
}
