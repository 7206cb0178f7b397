//! A daemon from its start to its end, and what it used and saw in between.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemon::Daemon,
    meter::{Bytes, Course, FILES, OWN_MEMORY, Quantity, THREADS},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    values,
};

use super::shops::Marker;

/// What growth is none: of memory, bytes, and of the rest. A file descriptor that is left at every event, or a kilobyte at
/// every request, is more.
const MEMORY_BOUND: f64 = (6 << 20) as f64;
const OTHER_BOUND: f64 = 6.0;

/// How long caches may fill, tables find their size and libraries be looked for: at least, and as a part of a life. What
/// leaks goes on growing; in a longer life it has grown more by its end, however long that was.
const WARM_UP: Duration = Duration::from_secs(15);
const WARM_UP_PART: u32 = 4;

/// A daemon that runs.
pub struct Life {
    pub daemon: Daemon,
    course: Course,
}

/// A daemon that has ended.
pub struct Lived {
    pub course: Course,
    pub bytes: Bytes,
    /// The signal that ended it.
    pub by: Signal,
}

impl Life {
    /// Starts a daemon, and waits until it has seen every marker.
    ///
    /// # Errors
    /// When it does not come up, or misses one.
    pub fn begin(
        scratch: &Scratch,
        pid: u32,
        environment: &[(&str, &str)],
        markers: &[Marker],
    ) -> anyhow::Result<Self> {
        let daemon = Daemon::start(scratch, &[pid], environment)?;
        let course = Course::of(daemon.pid());
        let life = Self { daemon, course };
        for marker in markers {
            let sample = values::card_sample(&marker.card);
            wait_for("a marker", LIMIT, || {
                let found = life.daemon.remembered()?;
                Ok(found.iter().any(|line| is_leak_of(line, &sample)).then_some(()))
            })
            .with_context(|| format!("of {}", marker.shop.name()))?;
        }
        Ok(life)
    }

    /// Looks at what it uses.
    ///
    /// # Errors
    /// When it has ended.
    pub fn look(&mut self) -> anyhow::Result<()> {
        self.course.look()
    }

    /// What it says of the bytes it saw.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn bytes(&self) -> anyhow::Result<Bytes> {
        Bytes::read(&self.daemon.page("/metrics")?)
    }

    /// Waits until it has scanned more than it had when this was called.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn sees(&mut self) -> anyhow::Result<()> {
        let before = self.bytes()?.get("tls", "scanned");
        wait_for("the daemon to scan", LIMIT, || {
            ensure!(self.daemon.lives()?, "the daemon has ended");
            Ok((self.bytes()?.get("tls", "scanned") > before).then_some(()))
        })
    }

    /// Ends it. Nothing moves; every byte has gone somewhere, and no finding was dropped.
    ///
    /// # Errors
    /// When the account does not balance, something was dropped or grew, or it ends otherwise than it was told.
    pub fn judged(&mut self) -> anyhow::Result<Bytes> {
        self.daemon.balanced()?;
        let dropped = self.daemon.metric("auditor_sink_dropped_total{")?;
        ensure!(dropped == 0.0, "{dropped} findings were dropped");
        for (quantity, bound) in [
            (OWN_MEMORY, MEMORY_BOUND),
            (FILES, OTHER_BOUND),
            (THREADS, OTHER_BOUND),
        ] {
            is_flat(&self.course, quantity, bound)?;
        }
        self.bytes()
    }

    /// Ends it by this signal, and looks whether it ended as it should.
    ///
    /// # Errors
    /// When it does not.
    pub fn end(mut self, by: Signal, bytes: Bytes) -> anyhow::Result<Lived> {
        ensure!(self.daemon.lives()?, "the daemon has ended by itself");
        let ended = if by == Signal::KILL {
            self.daemon.kill()?
        } else {
            let ended = self.daemon.stop()?;
            ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
            ended
        };
        ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        Ok(Lived {
            course: self.course,
            bytes,
            by,
        })
    }
}

fn is_flat(course: &Course, quantity: Quantity, bound: f64) -> anyhow::Result<()> {
    let warm_up = WARM_UP.max(course.length() / WARM_UP_PART);
    let Some(growth) = course.growth(quantity, warm_up) else {
        return Ok(());
    };
    ensure!(
        growth < bound,
        "{} grew by {growth:.0}, and not more than {bound:.0} is none: {:?}",
        quantity.name,
        course.three()
    );
    Ok(())
}

/// Whether it is a leak with this sample.
pub fn is_leak_of(line: &str, sample: &str) -> bool {
    serde_json::from_str::<Value>(line)
        .is_ok_and(|finding| finding["kind"] == "leak" && finding["sample"] == sample)
}
