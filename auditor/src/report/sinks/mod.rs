//! Where findings go.
//!
//! Goes in: [`Finding`]s. Comes out: lines in a file or on standard output. A sink never stops or
//! slows the capture: what cannot be written is counted and reported once, not once a finding.

pub mod journal;
pub mod stdout;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, TrySendError, bounded};

use super::finding::Finding;

/// A place findings are written to.
pub trait Sink: Send {
    /// Value of the label `sink` in metrics.
    fn name(&self) -> &'static str;
    /// Writes one finding, or counts it as dropped.
    fn write(&mut self, finding: &Finding);
    /// Makes what was written visible to readers (not necessarily durable).
    fn flush(&mut self);
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
    thread: Option<JoinHandle<()>>,
}

impl Queued {
    /// Moves `sink` to a thread of its own with a queue of `capacity` findings.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(mut sink: Box<dyn Sink>, capacity: usize) -> std::io::Result<Self> {
        let (sender, receiver) = bounded::<Finding>(capacity.max(1));
        let (name, dropped) = (sink.name(), sink.dropped());
        let thread = std::thread::Builder::new()
            .name(format!("sink-{name}"))
            .spawn(move || {
                while let Ok(finding) = receiver.recv() {
                    sink.write(&finding);
                    if receiver.is_empty() {
                        sink.flush();
                    }
                }
                sink.flush();
            })?;
        Ok(Self {
            name,
            sender: Some(sender),
            dropped,
            thread: Some(thread),
        })
    }
}

impl Sink for Queued {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&mut self, finding: &Finding) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            sender.try_send(finding.clone())
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&mut self) {}

    fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

impl Drop for Queued {
    /// Waits until the queue is written.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // The thread only fails by a panic, which the panic hook has already reported.
            let _ = thread.join();
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
}
