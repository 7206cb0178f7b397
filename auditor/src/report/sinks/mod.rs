//! Where findings go.
//!
//! Goes in: [`Finding`]s. Comes out: lines in a file or on standard output, and what goes over a network.
//! A sink never stops or slows the capture: what cannot be written is counted and reported once, not once
//! a finding.

pub mod events;
pub mod format;
pub mod journal;
mod ocsf;
pub mod otlp;
pub mod remote;
mod spool;
pub mod stdout;
pub mod tls;
pub mod webhook;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::finding::Finding;
use crate::vital;

/// How long a sink that is dropped may take to write what waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a sink's thread waits for the next finding.
const TICK: Duration = Duration::from_millis(500);

/// A place findings are written to.
pub trait Sink: Send {
    /// Value of the label `sink` in metrics.
    fn name(&self) -> &'static str;
    /// Writes one finding, or counts it as dropped.
    fn write(&mut self, finding: &Finding);
    /// Makes what was written visible to readers (not necessarily durable).
    fn flush(&mut self);
    /// Called every [`TICK`] in which nothing came.
    fn tick(&mut self) {}
    /// Findings dropped so far; a counter that outlives the sink.
    fn dropped(&self) -> Arc<AtomicU64>;
    /// True when nobody reads any more (a closed pipe): further writes are pointless.
    fn broken(&self) -> bool {
        false
    }
}

/// Runs a sink on its own thread behind a bounded queue, so that a disk that hangs never holds up
/// the pipeline. A full queue drops the finding and counts it.
pub struct Queued {
    name: &'static str,
    sender: Option<Sender<Finding>>,
    dropped: Arc<AtomicU64>,
    /// Disconnects when the thread has closed the sink.
    closed: Receiver<Infallible>,
}

impl Queued {
    /// Moves `sink` to a thread of its own with a queue of `capacity` findings.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(mut sink: Box<dyn Sink>, capacity: usize) -> std::io::Result<Self> {
        let (sender, receiver) = bounded::<Finding>(capacity.max(1));
        let (closing, closed) = bounded::<Infallible>(0);
        let (name, dropped) = (sink.name(), sink.dropped());
        vital::spawn(&format!("sink-{name}"), move || {
            loop {
                vital::may_fail();
                match receiver.recv_timeout(TICK) {
                    Ok(finding) => {
                        sink.write(&finding);
                        if receiver.is_empty() {
                            sink.flush();
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => sink.tick(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            sink.flush();
            drop(sink);
            drop(closing);
        })?;
        Ok(Self {
            name,
            sender: Some(sender),
            dropped,
            closed,
        })
    }

    /// Writes the last findings, waiting up to `patience` altogether for room in the queue and for
    /// the sink to close; what is left then is dropped and counted. Returns whether all went well.
    pub fn close(mut self, last: Vec<Finding>, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut lost = 0;
        if let Some(sender) = self.sender.take() {
            for finding in last {
                lost += u64::from(sender.send_deadline(finding, deadline).is_err());
            }
        }
        self.dropped.fetch_add(lost, Ordering::Relaxed);
        lost == 0 && self.wait_until(deadline)
    }

    fn wait_until(&self, deadline: Instant) -> bool {
        let closed = matches!(
            self.closed.recv_deadline(deadline),
            Err(RecvTimeoutError::Disconnected)
        );
        if !closed {
            tracing::error!(sink = self.name, "the sink hangs: what waits for it is lost");
        }
        closed
    }
}

impl Sink for Queued {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&mut self, finding: &Finding) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(finding.clone()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&mut self) {}

    fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

impl Drop for Queued {
    /// Waits until the queue is written, but not for ever.
    fn drop(&mut self) {
        if self.sender.take().is_some() {
            self.wait_until(Instant::now() + PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::report::observation::tests::card;

    struct Stuck {
        started: mpsc::Sender<()>,
        release: mpsc::Receiver<()>,
        dropped: Arc<AtomicU64>,
    }

    impl Sink for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }
        fn write(&mut self, _: &Finding) {
            let _ = self.started.send(());
            let _ = self.release.recv();
        }
        fn flush(&mut self) {}
        fn dropped(&self) -> Arc<AtomicU64> {
            Arc::clone(&self.dropped)
        }
    }

    #[test]
    fn a_sink_that_hangs_costs_findings_and_never_the_caller() {
        let (started, starts) = mpsc::channel();
        let (releases, release) = mpsc::channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let mut sink = Queued::new(
            Box::new(Stuck {
                started,
                release,
                dropped: Arc::clone(&dropped),
            }),
            2,
        )
        .unwrap();
        let finding = card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH);
        sink.write(&finding);
        starts.recv().unwrap();
        for _ in 0..10 {
            sink.write(&finding);
        }
        assert_eq!(
            dropped.load(Ordering::Relaxed),
            8,
            "one is being written, two wait"
        );
        drop(releases);
        drop(sink);
        assert_eq!(starts.try_iter().count(), 2);
    }

    #[test]
    fn closing_waits_for_a_sink_that_writes_and_not_for_one_that_hangs() {
        let finding = card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.jsonl");
        let settings = journal::Settings {
            path: path.clone(),
            max_bytes: 1 << 30,
            keep: 1,
            format: format::Format::Auditor,
            sync: journal::Sync::Second,
        };
        let journal = Box::new(journal::Journal::open(settings).unwrap());
        let sink = Queued::new(journal, 1).unwrap();
        assert!(sink.close(vec![finding.clone(); 500], Duration::from_secs(60)));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 500);

        let (started, _starts) = mpsc::channel();
        let (_releases, release) = mpsc::channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let stuck = Stuck {
            started,
            release,
            dropped: Arc::clone(&dropped),
        };
        let sink = Queued::new(Box::new(stuck), 1).unwrap();
        assert!(!sink.close(vec![finding; 5], Duration::from_millis(50)));
        assert!(dropped.load(Ordering::Relaxed) >= 3);
    }
}
