//! Hands every finding to every client that wants it and may see it.
//!
//! Goes in: findings, from the pipeline. Comes out: per client a bounded queue of lines. Publishing
//! never waits: a client that does not keep up loses its oldest lines and is told how many.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::Notify;

use super::filter::Matcher;
use super::view::View;
use crate::masking::snapshot::Snapshot;
use crate::report::finding::Finding;

/// Bounds of a [`Hub`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Findings remembered for `last`.
    pub history: usize,
    /// Lines a client may be behind.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            history: 1000,
            queue: 1024,
        }
    }
}

/// Shared by the pipeline and the clients.
#[derive(Default)]
pub struct Hub {
    limits: Limits,
    inner: Mutex<Inner>,
    ledger: OnceLock<Source>,
}

/// Who says what the masking ledger holds now.
type Source = Box<dyn Fn() -> Snapshot + Send + Sync>;

#[derive(Default)]
struct Inner {
    history: VecDeque<Arc<Entry>>,
    clients: Vec<Weak<Queue>>,
}

struct Entry {
    finding: Finding,
    line: Arc<str>,
}

/// What waits for one client.
pub struct Queue {
    matcher: Matcher,
    view: View,
    /// Lines it may be behind.
    limit: usize,
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Arc<str>>,
    /// Of the lines, so many are of what was remembered, and are not counted as behind.
    replayed: usize,
    dropped: u64,
}

/// What a client has to be sent now.
pub struct Batch {
    /// Lines it lost, all older than `lines`.
    pub dropped: u64,
    pub lines: VecDeque<Arc<str>>,
}

impl Hub {
    /// An empty hub.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            inner: Mutex::default(),
            ledger: OnceLock::new(),
        }
    }

    /// Clients may ask for the masking ledger from now on.
    pub fn serve_ledger(&self, source: impl Fn() -> Snapshot + Send + Sync + 'static) {
        let _ = self.ledger.set(Box::new(source));
    }

    /// The masking ledger now; `None` where there is none, or none yet.
    pub fn ledger(&self) -> Option<Snapshot> {
        self.ledger.get().map(|source| source())
    }

    /// Remembers the finding and queues it for the clients that want it. A later revision takes
    /// the place of an earlier one in what is remembered.
    pub fn publish(&self, finding: Finding) {
        let line: Arc<str> = match crate::report::json::line(&finding) {
            Ok(line) => line.into(),
            Err(error) => return tracing::error!(%error, "cannot serialise a finding"),
        };
        let mut inner = self.inner();
        inner.clients.retain(|client| {
            let Some(queue) = client.upgrade() else {
                return false;
            };
            if let Some(line) = queue.line(&finding, &line) {
                queue.push(line);
            }
            true
        });
        if finding.revision > 1
            && let Some(earlier) = inner
                .history
                .iter()
                .rposition(|entry| entry.finding.id == finding.id)
        {
            inner.history.remove(earlier);
        }
        while inner.history.len() >= self.limits.history.max(1) {
            inner.history.pop_front();
        }
        inner.history.push_back(Arc::new(Entry { finding, line }));
    }

    /// The newest `last` findings that match, and, with `follow`, everything after them: nothing
    /// is missed or sent twice in between.
    pub fn subscribe(&self, matcher: Matcher, last: usize, follow: bool) -> Arc<Queue> {
        self.subscribe_as(View::everything(), matcher, last, follow)
    }

    /// The same, for a client who may not see everything. Filters are about what it sees: they can not be used to ask for
    /// the rest.
    pub fn subscribe_as(&self, view: View, matcher: Matcher, last: usize, follow: bool) -> Arc<Queue> {
        let queue = Arc::new(Queue {
            matcher,
            view,
            limit: self.limits.queue.max(1),
            waiting: Mutex::default(),
            notify: Notify::new(),
        });
        let remembered: Vec<Arc<Entry>> = {
            let mut inner = self.inner();
            if follow {
                inner.clients.push(Arc::downgrade(&queue));
            }
            inner.history.iter().cloned().collect()
        };
        // Whoever publishes does not wait for this.
        let newest = remembered.iter().rev();
        let newest = newest.filter_map(|entry| queue.line(&entry.finding, &entry.line));
        let mut lines: VecDeque<Arc<str>> = VecDeque::new();
        for line in newest.take(last) {
            lines.push_front(line);
        }
        queue.replay(lines);
        queue
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// All that waits now; may be empty.
    pub fn take(&self) -> Batch {
        self.take_some(usize::MAX)
    }

    /// The oldest of what waits, of about so many bytes, and one line at least.
    pub fn take_some(&self, bytes: usize) -> Batch {
        let mut waiting = self.waiting();
        let mut length = 0;
        let fits = |line: &&Arc<str>| {
            let is_first = length == 0;
            length = line.len().saturating_add(length);
            is_first || length <= bytes
        };
        let count = waiting.lines.iter().take_while(fits).count();
        waiting.replayed = waiting.replayed.saturating_sub(count);
        Batch {
            dropped: std::mem::take(&mut waiting.dropped),
            lines: waiting.lines.drain(..count).collect(),
        }
    }

    /// Ready when something waits.
    pub async fn ready(&self) {
        loop {
            let notified = self.notify.notified();
            if !self.waiting().lines.is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// What the client gets of a finding that has this line, if it wants it and may see it.
    fn line(&self, finding: &Finding, line: &Arc<str>) -> Option<Arc<str>> {
        let seen = self.view.shown(finding)?;
        if !self.matcher.matches(&seen) {
            return None;
        }
        match seen {
            Cow::Borrowed(_) => Some(Arc::clone(line)),
            Cow::Owned(seen) => crate::report::json::line(&seen).ok().map(Into::into),
        }
    }

    /// Puts what was remembered before what came since.
    fn replay(&self, mut lines: VecDeque<Arc<str>>) {
        let mut waiting = self.waiting();
        waiting.replayed = lines.len();
        lines.append(&mut waiting.lines);
        waiting.lines = lines;
    }

    fn push(&self, line: Arc<str>) {
        let mut waiting = self.waiting();
        if waiting.lines.len() >= self.limit.max(waiting.replayed) {
            waiting.lines.pop_front();
            waiting.replayed = waiting.replayed.saturating_sub(1);
            waiting.dropped += 1;
        }
        waiting.lines.push_back(line);
        drop(waiting);
        self.notify.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::observation::tests::card;

    pub(crate) fn finding(id: &str, revision: u32) -> Finding {
        let finding = card().into_finding(id.into(), None, jiff::Timestamp::UNIX_EPOCH);
        Finding { revision, ..finding }
    }

    fn ids(batch: &Batch) -> Vec<(String, u64)> {
        let read = |line: &Arc<str>| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            (
                value["id"].as_str().unwrap().to_owned(),
                value["revision"].as_u64().unwrap(),
            )
        };
        batch.lines.iter().map(read).collect()
    }

    #[test]
    fn a_client_gets_the_newest_revisions_and_then_what_is_new() {
        let hub = Hub::new(Limits {
            history: 3,
            queue: 10,
        });
        for id in ["a", "b", "c", "d"] {
            hub.publish(finding(id, 1));
        }
        hub.publish(finding("c", 2));
        let queue = hub.subscribe(Matcher::default(), 2, true);
        assert_eq!(ids(&queue.take()), [("d".into(), 1), ("c".into(), 2)]);
        hub.publish(finding("e", 1));
        assert_eq!(ids(&queue.take()), [("e".into(), 1)]);
        assert_eq!(
            hub.subscribe(Matcher::default(), 100, false).take().lines.len(),
            3,
            "a is forgotten"
        );
    }

    #[test]
    fn a_client_that_does_not_keep_up_loses_its_oldest_lines_and_is_told() {
        let hub = Hub::new(Limits { history: 1, queue: 2 });
        let queue = hub.subscribe(Matcher::default(), 0, true);
        for id in ["a", "b", "c", "d", "e"] {
            hub.publish(finding(id, 1));
        }
        let batch = queue.take();
        assert_eq!(batch.dropped, 3);
        assert_eq!(ids(&batch), [("d".into(), 1), ("e".into(), 1)]);
        assert_eq!(queue.take().dropped, 0);
    }

    #[test]
    fn a_client_that_left_is_forgotten() {
        let hub = Hub::default();
        drop(hub.subscribe(Matcher::default(), 0, true));
        hub.publish(finding("a", 1));
        assert!(hub.inner().clients.is_empty());
    }
}
