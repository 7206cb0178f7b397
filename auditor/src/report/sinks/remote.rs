//! Sinks at the other end of a network: what they are given is on disk first, and stays there until the
//! other side said that it has it.
//!
//! Goes in: [`Finding`]s. Comes out: each at least once, in batches, in the order they came, with the id
//! and revision by which a receiver tells repetitions. A receiver that refuses, hangs or is away is tried
//! again with growing pauses; what it says it will never take is dropped and counted. Nothing here holds up
//! the pipeline.

mod fresh;
mod pause;
mod waiting;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::Sink;
use super::spool::{Record, SpoolError};
use crate::detect::Severity;
use crate::report::finding::Finding;
use crate::vital;
use fresh::Fresh;
use pause::Pause;
use waiting::Waiting;

/// Most findings sent at once.
const MOST_RECORDS: usize = 256;
/// Most bytes of findings sent at once.
const MOST_BYTES: usize = 1 << 20;
/// What was accepted is taken over into the queue so often.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// How a remote sink waits and what it takes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Value of the label `sink` in metrics.
    pub name: &'static str,
    /// The queue on disk.
    pub queue: PathBuf,
    /// Most bytes that wait.
    pub max_bytes: u64,
    /// Findings below this are not for this sink.
    pub min_severity: Severity,
    /// Nor are those of which this says no.
    pub wants: fn(&Finding) -> bool,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Why a batch did not arrive.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may arrive later.
    Again {
        /// Value of the label `reason`.
        reason: &'static str,
        why: String,
        /// As the receiver asks.
        after: Option<Duration>,
    },
    /// It never will.
    Never { why: String },
    /// It is too much at once.
    TooLarge { why: String },
}

impl Failure {
    /// Something between here and there.
    pub fn transport(why: impl ToString) -> Self {
        Self::Again {
            reason: "transport",
            why: why.to_string(),
            after: None,
        }
    }
}

/// What came of a batch that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Records of it that the receiver did not take, and will not.
    pub refused: u64,
}

/// A receiver.
pub trait Target: Send + 'static {
    /// Most findings that it takes at once.
    fn most(&self) -> usize {
        MOST_RECORDS
    }

    /// How long it is to be left alone before the next batch.
    fn rest(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Sends a batch and waits for the answer.
    fn send(&mut self, batch: &[Record]) -> impl Future<Output = Result<Accepted, Failure>> + Send;
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Never arrive: no room on disk, or refused.
    pub dropped: Arc<AtomicU64>,
    pub delivered: AtomicU64,
    /// Older revisions that a newer one replaced before they were sent.
    pub replaced: AtomicU64,
    pub failed_transport: AtomicU64,
    pub failed_status: AtomicU64,
    pub failed_timeout: AtomicU64,
    pub refused: AtomicU64,
}

impl Counts {
    /// Attempts that failed, by reason.
    pub fn failures(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("transport", of(&self.failed_transport)),
            ("status", of(&self.failed_status)),
            ("timeout", of(&self.failed_timeout)),
            ("refused", of(&self.refused)),
        ]
    }

    fn failed(&self, reason: &'static str) {
        let count = match reason {
            "timeout" => &self.failed_timeout,
            "status" => &self.failed_status,
            _ => &self.failed_transport,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the threads that accept and store and the task that sends share.
pub struct Shared {
    pub settings: Settings,
    pub counts: Counts,
    fresh: Mutex<Fresh>,
    /// Something was accepted, or the sink is closed.
    news: Condvar,
    closed: AtomicBool,
    waiting: Mutex<Waiting>,
    more: Notify,
}

impl Shared {
    /// Findings that wait, and their bytes.
    pub fn waiting(&self) -> (u64, u64) {
        let (fresh, stored) = (lock(&self.fresh).size(), lock(&self.waiting).size());
        (fresh.0 + stored.0, fresh.1 + stored.1)
    }

    /// Takes over what was accepted into the queue.
    fn store(&self) {
        let records = lock(&self.fresh).take();
        let mut waiting = lock(&self.waiting);
        if records.is_empty() && !waiting.has_unstored() {
            drop(waiting);
            return lock(&self.fresh).are_stored();
        }
        for (id, json) in records {
            waiting.push(id, json);
        }
        let replaced = waiting.store();
        let is_stored = !waiting.has_unstored();
        drop(waiting);
        if is_stored {
            lock(&self.fresh).are_stored();
        }
        self.counts.replaced.fetch_add(replaced, Ordering::Relaxed);
        self.more.notify_one();
    }

    /// Does so every moment in which something came, until the sink is closed. Many findings share one write to the
    /// disk, which may take its time: nobody waits for this thread.
    fn keep_storing(&self) {
        let mut stored: Option<Instant> = None;
        loop {
            vital::may_fail();
            let mut fresh = lock(&self.fresh);
            loop {
                let since = stored.map_or(WRITE_EVERY, |at| at.elapsed());
                let count = fresh.size().0;
                let is_due = count > 0 && since >= WRITE_EVERY || count >= waiting::MANY as u64;
                // What the disk did not take is tried again.
                let is_late = since >= 2 * WRITE_EVERY;
                if is_due || is_late || self.closed.load(Ordering::Acquire) {
                    break;
                }
                let rest = (2 * WRITE_EVERY).saturating_sub(since);
                let rest = if count > 0 { rest - WRITE_EVERY } else { rest };
                let woken = self.news.wait_timeout(fresh, rest);
                fresh = woken.map_or_else(|error| error.into_inner().0, |(fresh, _)| fresh);
            }
            drop(fresh);
            let is_last = self.closed.load(Ordering::Acquire);
            self.store();
            stored = Some(Instant::now());
            if is_last {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The accepting side, for [`super::Queued`].
pub struct Remote {
    shared: Arc<Shared>,
    storing: Option<JoinHandle<()>>,
}

/// Why a sink can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Remote {
    /// Opens the queue. The second value is for [`deliver`].
    ///
    /// # Errors
    /// When the queue can not be opened, or no thread started.
    pub fn open(settings: Settings) -> Result<(Self, Arc<Shared>), OpenError> {
        let counts = Counts::default();
        let waiting = Waiting::open(&settings, &counts.dropped)?;
        let fresh = Fresh::open(&settings.queue, Arc::clone(&counts.dropped));
        let name = format!("queue-{}", settings.name);
        let shared = Arc::new(Shared {
            fresh: Mutex::new(fresh),
            news: Condvar::new(),
            closed: AtomicBool::new(false),
            waiting: Mutex::new(waiting),
            counts,
            settings,
            more: Notify::new(),
        });
        let stored = Arc::clone(&shared);
        let storing = vital::spawn(&name, move || stored.keep_storing())?;
        let sink = Self {
            shared: Arc::clone(&shared),
            storing: Some(storing),
        };
        Ok((sink, shared))
    }
}

impl Sink for Remote {
    fn name(&self) -> &'static str {
        self.shared.settings.name
    }

    fn write(&mut self, finding: &Finding) {
        let settings = &self.shared.settings;
        if finding.severity < settings.min_severity || !(settings.wants)(finding) {
            return;
        }
        match crate::report::json::line(finding) {
            Ok(line) => {
                if lock(&self.shared.fresh).push(finding.id.clone(), line.into_bytes()) {
                    self.shared.news.notify_one();
                }
            }
            Err(error) => {
                tracing::error!(sink = self.name(), %error, "a finding has no JSON");
                self.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&mut self) {}

    fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.counts.dropped)
    }
}

impl Drop for Remote {
    /// All that was accepted is in the queue then.
    fn drop(&mut self) {
        {
            let _fresh = lock(&self.shared.fresh);
            self.shared.closed.store(true, Ordering::Release);
        }
        self.shared.news.notify_one();
        // Of a panic it was told when it happened.
        let _ = self.storing.take().map(JoinHandle::join);
    }
}

/// Sends what waits, until `closing` is true and nothing waits, or the receiver fails then.
pub async fn deliver(shared: Arc<Shared>, mut target: impl Target, mut closing: watch::Receiver<bool>) {
    let mut pause = Pause::default();
    // Fewer after a batch that the receiver does not take: one of it may be at fault.
    let mut most = target.most();
    loop {
        let batch = lock(&shared.waiting).oldest(most, MOST_BYTES);
        if batch.is_empty() {
            if *closing.borrow() {
                return;
            }
            tokio::select! {
                () = shared.more.notified() => (),
                _ = closing.changed() => (),
            }
            continue;
        }
        let rest = target.rest();
        if !rest.is_zero() {
            if *closing.borrow() {
                return;
            }
            // What comes meanwhile may take the place of what waits.
            tokio::select! {
                () = tokio::time::sleep(rest) => (),
                _ = closing.changed() => (),
            }
            continue;
        }
        let sending = tokio::time::timeout(shared.settings.timeout, target.send(&batch));
        let result = sending.await.unwrap_or_else(|_| {
            Err(Failure::Again {
                reason: "timeout",
                why: format!("no answer within {} s", shared.settings.timeout.as_secs()),
                after: None,
            })
        });
        let wait = match result {
            Ok(accepted) => {
                arrived(&shared, &batch, accepted, &mut pause);
                most = (most * 2).min(target.most());
                continue;
            }
            Err(Failure::Never { why } | Failure::TooLarge { why }) => {
                if batch.len() == 1 {
                    refused(&shared, &batch, &why);
                }
                most = (batch.len() / 2).max(1);
                continue;
            }
            Err(Failure::Again { reason, why, after }) => {
                shared.counts.failed(reason);
                pause.failed(shared.settings.name, &why, after)
            }
        };
        if *closing.borrow() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => (),
            // One last attempt.
            _ = closing.changed() => (),
        }
    }
}

fn arrived(shared: &Shared, batch: &[Record], accepted: Accepted, pause: &mut Pause) {
    lock(&shared.waiting).remove(batch);
    let count = (batch.len() as u64).saturating_sub(accepted.refused);
    shared.counts.delivered.fetch_add(count, Ordering::Relaxed);
    shared
        .counts
        .refused
        .fetch_add(accepted.refused, Ordering::Relaxed);
    shared
        .counts
        .dropped
        .fetch_add(accepted.refused, Ordering::Relaxed);
    if accepted.refused > 0 {
        tracing::error!(
            sink = shared.settings.name,
            findings = accepted.refused,
            "the receiver took a batch but for some findings, which are dropped"
        );
    }
    pause.over(shared.settings.name);
}

fn refused(shared: &Shared, batch: &[Record], why: &str) {
    lock(&shared.waiting).remove(batch);
    shared.counts.refused.fetch_add(1, Ordering::Relaxed);
    shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
    tracing::error!(
        sink = shared.settings.name,
        why,
        "the receiver refuses a finding, which is dropped"
    );
}

#[cfg(test)]
mod tests;
