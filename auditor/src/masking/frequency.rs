//! How often fields without a row of their own were seen, about.
//!
//! Goes in: hashes of fields. Comes out: a count that is never too low by more than what has aged
//! away: a count-min sketch with conservative update (Estan and Varghese, 2002), halved each time
//! it has counted as much as it has columns, so that a flood of the past says nothing of today.

/// Columns of a line: a power of two.
const COLUMNS: usize = 1 << 20;
const LINES: usize = 4;

/// A sketch of 4 MiB, made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Frequency {
    cells: Vec<u8>,
    counted: usize,
}

impl Frequency {
    /// Counts one more and returns how many that is by now.
    pub(super) fn count(&mut self, hash: u128) -> u64 {
        if self.cells.is_empty() {
            self.cells = vec![0; COLUMNS * LINES];
        }
        self.counted += 1;
        if self.counted >= COLUMNS {
            self.counted = 0;
            self.cells.iter_mut().for_each(|cell| *cell /= 2);
        }
        let places = places(hash);
        let least = places.iter().map(|&place| self.cells[place]).min().unwrap_or(0);
        let more = least.saturating_add(1);
        for place in places {
            self.cells[place] = self.cells[place].max(more);
        }
        u64::from(more)
    }

    /// How often it was counted, about; never less than what has not aged.
    pub(super) fn of(&self, hash: u128) -> u64 {
        let cells = places(hash).map(|place| self.cells.get(place).copied().unwrap_or(0));
        u64::from(cells.into_iter().min().unwrap_or(0))
    }

    /// Puts a count of before into it.
    pub(super) fn keep(&mut self, hash: u128, count: u64) {
        if self.cells.is_empty() {
            self.cells = vec![0; COLUMNS * LINES];
        }
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        for place in places(hash) {
            self.cells[place] = self.cells[place].max(count);
        }
    }
}

fn places(hash: u128) -> [usize; LINES] {
    let mut line = 0;
    [(); LINES].map(|()| {
        let column = (hash >> (32 * line)) as usize % COLUMNS;
        line += 1;
        (line - 1) * COLUMNS + column
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_not_too_low_and_a_flood_ages() {
        let spread = |n: u64| {
            let [a, b] =
                [n, n ^ u64::MAX].map(|n| u128::from(foldhash::fast::FixedState::with_seed(7).hash(n)));
            a << 64 | b
        };
        let mut frequency = Frequency::default();
        assert_eq!(frequency.of(spread(1)), 0);
        for _ in 0..5 {
            frequency.count(spread(1));
        }
        assert_eq!(frequency.of(spread(1)), 5);
        frequency.keep(spread(2), 100);
        assert_eq!(frequency.of(spread(2)), 100);
        let others = (10..10 + COLUMNS as u64).filter(|&n| frequency.count(spread(n)) > 2);
        assert!(others.count() < COLUMNS / 50);
        assert!((1..=5).contains(&frequency.of(spread(1))));
        assert!(frequency.of(spread(2)) <= 51);
    }

    trait Hash64 {
        fn hash(&self, n: u64) -> u64;
    }

    impl Hash64 for foldhash::fast::FixedState {
        fn hash(&self, n: u64) -> u64 {
            std::hash::BuildHasher::hash_one(self, n)
        }
    }
}
