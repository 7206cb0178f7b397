//! Which field has to make room first.
//!
//! Goes in: how much each field weighs. Comes out: the lightest, and of equals the one unseen for
//! longest. Weights count in powers of two, so that a field seldom changes its place.

use std::collections::BTreeMap;

/// Where a field stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    bucket: usize,
    touch: u64,
}

impl Place {
    pub(super) const fn touch(self) -> u64 {
        self.touch
    }
}

/// Fields of one class by their weight.
#[derive(Debug)]
pub(super) struct Pool {
    /// Last touch → field, oldest first.
    buckets: [BTreeMap<u64, u32>; 64],
    len: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            buckets: [const { BTreeMap::new() }; 64],
            len: 0,
        }
    }
}

impl Pool {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// `touch` is another one for each call.
    pub(super) fn insert(&mut self, field: u32, weight: u64, touch: u64) -> Place {
        let bucket = bucket(weight);
        self.buckets[bucket].insert(touch, field);
        self.len += 1;
        Place { bucket, touch }
    }

    pub(super) fn remove(&mut self, place: Place) {
        if self.buckets[place.bucket].remove(&place.touch).is_some() {
            self.len -= 1;
        }
    }

    /// Whether a field of this weight stands where it should.
    pub(super) fn is_at(place: Place, weight: u64) -> bool {
        place.bucket == bucket(weight)
    }

    /// The field to go first, if it weighs no more than `weight`.
    pub(super) fn lightest(&self, weight: u64) -> Option<u32> {
        let first = |bucket: &BTreeMap<u64, u32>| bucket.first_key_value().map(|(_, field)| *field);
        self.buckets[..=bucket(weight)].iter().find_map(first)
    }
}

fn bucket(weight: u64) -> usize {
    weight.max(1).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lightest_goes_first_and_of_equals_the_one_unseen_for_longest() {
        let mut pool = Pool::default();
        let heavy = pool.insert(1, 1000, 1);
        let light = pool.insert(2, 1, 2);
        pool.insert(3, 1, 3);
        assert_eq!(pool.lightest(1), Some(2));
        pool.remove(light);
        pool.remove(light);
        pool.insert(2, 1, 4);
        assert_eq!((pool.lightest(u64::MAX), pool.len()), (Some(3), 3));
        assert!(Pool::is_at(heavy, 1023) && !Pool::is_at(heavy, 1024));
        let mut only_heavy = Pool::default();
        only_heavy.insert(1, 1000, 1);
        assert_eq!(only_heavy.lightest(511), None);
        assert_eq!(only_heavy.lightest(512), Some(1));
    }
}
