//! Time that this thread has spent on a core: what other processes take does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of the thread's own time.
#[derive(Clone, Copy)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        // Never negative for this clock.
        Self(Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        ))
    }

    /// Time spent since then.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
