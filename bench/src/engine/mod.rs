//! What is compared: one pass of an engine over a corpus.
//!
//! Goes in: a corpus and the time a pass may take. Comes out: how many bytes were searched, how
//! long it took and how many hits there were; never where or what they are.

pub mod auditor;
pub mod clock;
pub mod hyperscan;
pub mod regexes;

use std::time::Duration;

use clock::Moment;

use crate::corpus::Corpus;

/// Bytes that are searched at once; the default length of a reader's window.
pub const WINDOW: usize = 64 << 10;

/// What one pass measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// Bytes of the corpus that were searched: all of it, or what the time allowed.
    pub bytes: u64,
    /// Of the thread's own time.
    pub elapsed: Duration,
    pub hits: u64,
}

impl Pass {
    /// Speed in MB/s (10⁶ bytes).
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Something that searches.
pub trait Engine {
    /// Names of the rows it measures, in the order of what [`Self::pass`] returns.
    fn rows(&self) -> &[&'static str];
    /// Searches `corpus` from its start until its end or for about `limit`; one result per row.
    fn pass(&mut self, corpus: &Corpus, limit: Duration) -> Vec<Pass>;
}

/// Calls `search` with windows of the corpus and adds up the hits that it returns.
fn over_windows(corpus: &Corpus, limit: Duration, mut search: impl FnMut(&[u8]) -> u64) -> Pass {
    let mut pass = Pass::default();
    let start = Moment::now();
    for window in corpus.bytes.chunks(WINDOW) {
        pass.hits += search(window);
        pass.bytes += window.len() as u64;
        pass.elapsed = start.elapsed();
        if pass.elapsed >= limit {
            break;
        }
    }
    pass
}
