//! Whose bytes were left out: a process for each hole in a stream, with the bytes that are missing.
//!
//! Goes in: holes, as the stage of streams comes upon them. Comes out: the process at which most was missing lately.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Most processes that are counted; others are not told of.
const MOST: usize = 1024;

/// Bytes by process, since it was asked last.
#[derive(Default)]
pub struct Shed(Mutex<HashMap<u32, u64>>);

impl Shed {
    /// So many bytes are missing in a stream of a process.
    pub(super) fn add(&self, tgid: u32, bytes: u64) {
        let mut by = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if by.len() < MOST || by.contains_key(&tgid) {
            let sum = by.entry(tgid).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// The process at which most was missing since this was asked before.
    pub fn most(&self) -> Option<u32> {
        let by = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        by.into_iter()
            .max_by_key(|(_, bytes)| *bytes)
            .map(|(tgid, _)| tgid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_misses_most_is_told_once_and_their_number_is_bounded() {
        let shed = Shed::default();
        for tgid in 0..2 * MOST as u32 {
            shed.add(tgid, u64::from(tgid));
        }
        shed.add(7, 1 << 20);
        assert_eq!(shed.most(), Some(7));
        assert_eq!(shed.most(), None);
    }
}
