//! The time of a daemon's threads on a core.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// The thread that follows the cluster.
const THREAD: &str = "kubernetes";

/// Time on a core so far.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    watches: Duration,
    process: Duration,
}

/// Per cent of a core.
pub struct Usage {
    pub mean: f64,
    /// Of one second.
    pub worst: f64,
    /// All threads.
    pub process: f64,
}

impl Cost {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let mut cost = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("the daemon has ended")? {
            let folder = task?.path();
            // One that has ended since.
            let Ok(text) = fs::read_to_string(folder.join("schedstat")) else {
                continue;
            };
            let first = text.split(' ').next().context("an empty schedstat")?;
            let time = Duration::from_nanos(first.parse()?);
            cost.process += time;
            if fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim_end() == THREAD) {
                cost.watches += time;
            }
        }
        Ok(cost)
    }

    /// Watches for so long, and calls `each` in every second.
    pub fn watch(
        pid: u32,
        time: Duration,
        mut each: impl FnMut(u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<Usage> {
        let (start, first) = (Instant::now(), Self::of(pid)?);
        let (mut since, mut last, mut worst) = (start, first, 0.0_f64);
        for second in 0.. {
            if start.elapsed() >= time {
                break;
            }
            each(second)?;
            thread::sleep(
                (start + Duration::from_secs(second + 1)).saturating_duration_since(Instant::now()),
            );
            let now = Self::of(pid)?;
            worst = worst.max(share(now.watches - last.watches, since.elapsed()));
            (since, last) = (Instant::now(), now);
        }
        Ok(Usage {
            mean: share(last.watches - first.watches, start.elapsed()),
            worst,
            process: share(last.process - first.process, start.elapsed()),
        })
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}
