//! Line numbers of positions in a file that is read once.
//!
//! Goes in: the blocks of a file in order. Comes out: the line of a position not too far back. It
//! keeps positions of line ends, no content, for the last [`REACH`] bytes.

use std::collections::VecDeque;

/// How far behind the end of what was read a line is still known, bytes: the windows under way and
/// a header block, with room.
const REACH: u64 = 2 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Lines {
    read: u64,
    /// Line ends forgotten so far.
    before: u64,
    ends: VecDeque<u64>,
}

impl Lines {
    pub(super) fn add(&mut self, block: &[u8]) {
        let read = self.read;
        self.ends
            .extend(memchr::memchr_iter(b'\n', block).map(|at| read + at as u64));
        self.read += block.len() as u64;
        let old = self.read.saturating_sub(REACH);
        let forget = self.ends.partition_point(|end| *end < old);
        self.ends.drain(..forget);
        self.before += forget as u64;
    }

    /// From 1.
    pub(super) fn line_of(&self, position: u64) -> u64 {
        self.before + self.ends.partition_point(|end| *end < position) as u64 + 1
    }
}
