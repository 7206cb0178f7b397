//! Choices that a writer of content is free to make: blanks, quotes, escapes, lengths of numbers.

/// Chooses the same for the same seed.
#[derive(Clone)]
pub struct Whim(u64);

impl Whim {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `below`.
    pub fn below(&mut self, below: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
