//! Writes the masking ledger while the daemon runs.
//!
//! Goes in: the ledger, shared with the reporter. Comes out: its file, brought up to date so often
//! that a daemon that is killed has lost less than a second. What can not be written stays in
//! memory and is tried again; a file that can not be used is set aside and kept. Capture never
//! waits for the disk: the ledger is locked only while what changed is copied.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Book;
use super::store::{self, Store, StoreError, Stored, Traffic};
use crate::ledger::ByteLedger;
use crate::vital;

/// Between the starts of two transactions. What was counted since the last one began is lost with a daemon that is killed
/// before this one is whole: this time and that which a transaction takes, which together are to be less than [`MOST`].
pub const EVERY: Duration = Duration::from_millis(500);
/// Least time between the end of a transaction and the next one.
const BREATH: Duration = Duration::from_millis(50);
/// Most that is lost.
const MOST: Duration = Duration::from_secs(1);
/// Between the end of an attempt to write what could not be written and the next one, in which nobody has the file open.
const RETRY: Duration = Duration::from_secs(2);
/// With nothing new, time alone is written so often.
const IDLE: Duration = Duration::from_secs(10);
/// Between two looks for what is too old and for room to give back.
const TIDY: Duration = Duration::from_secs(600);
/// A file is compacted when it is larger than this, bytes, and than four times what it was after
/// the last time.
const SMALL: u64 = 16 << 20;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    pub path: PathBuf,
    /// Fields that were not seen for this long are forgotten. It passes while the daemon runs.
    pub max_age: Duration,
    /// A larger file is compacted; one that is larger even then loses fields.
    pub max_bytes: u64,
}

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why the ledger is not written now.
    pub failing: Option<String>,
    /// The same in a word, as in the metric.
    pub reason: Option<&'static str>,
    /// Where a file that could not be used went, in this run.
    pub set_aside: Option<PathBuf>,
    /// Failures so far, by their reason.
    pub failures: std::collections::BTreeMap<&'static str, u64>,
    /// Transactions so far, the size of the file, and what its disk has left, bytes.
    pub written: u64,
    pub bytes: u64,
    pub room: Option<u64>,
}

impl Status {
    /// One word for `/readyz`: `kept`, `set_aside` (it began anew), or `failing`.
    pub fn word(&self) -> &'static str {
        match (&self.failing, &self.set_aside) {
            (Some(_), _) => "failing",
            (None, Some(_)) => "set_aside",
            (None, None) => "kept",
        }
    }
}

/// What earlier runs moved, and this one.
fn sum(before: &Mutex<Traffic>, now: &ByteLedger) -> Traffic {
    let mut traffic = before.lock().unwrap_or_else(PoisonError::into_inner).clone();
    traffic.add(&Traffic::of(now));
    traffic
}

/// The thread that writes.
pub struct Keeper {
    status: Arc<Mutex<Status>>,
    traffic: Arc<Mutex<Traffic>>,
    bytes: Arc<ByteLedger>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Reads the file into the ledger and starts to write it. A file that can not be used stops
    /// nothing: see [`Self::status`].
    ///
    /// # Errors
    /// When the thread can not be started.
    pub fn start(
        book: Arc<Mutex<Book>>,
        bytes: Arc<ByteLedger>,
        settings: Settings,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = bounded(1);
        let status = Arc::new(Mutex::new(Status::default()));
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let mut work = Work {
            book,
            bytes: Arc::clone(&bytes),
            settings,
            status: Arc::clone(&status),
            traffic: Arc::clone(&traffic),
            store: None,
            is_loaded: false,
            compacted: 0,
            wrote: None,
        };
        work.open();
        let thread = vital::spawn("masking", move || work.run(&stopped))?;
        Ok(Self {
            status,
            traffic,
            bytes,
            stop,
            thread: Some(thread),
        })
    }

    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes that the ledger stands for, of this run and those before.
    pub fn traffic(&self) -> Traffic {
        sum(&self.traffic, &self.bytes)
    }

    /// Writes for the last time.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(());
        // Of a panic it was told when it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

struct Work {
    book: Arc<Mutex<Book>>,
    bytes: Arc<ByteLedger>,
    settings: Settings,
    status: Arc<Mutex<Status>>,
    /// Of earlier runs.
    traffic: Arc<Mutex<Traffic>>,
    store: Option<Store>,
    /// What earlier runs wrote is in the ledger.
    is_loaded: bool,
    /// Size of the file after it was compacted.
    compacted: u64,
    wrote: Option<Instant>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut tidied = Instant::now();
        let mut next = Instant::now() + EVERY;
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            vital::may_fail();
            let is_last = !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
            if tidied.elapsed() >= TIDY {
                tidied = Instant::now();
                self.tidy();
            }
            let began = Instant::now();
            self.write(is_last);
            if is_last {
                return;
            }
            next = began + pause(began.elapsed(), self.store.is_some());
        }
    }

    /// Opens the file; one that can not be used is set aside.
    fn open(&mut self) {
        let mut opened = Store::open(&self.settings.path);
        if let Err(error) = &opened
            && error.is_of_the_file()
        {
            self.set_aside(error);
            opened = Store::open(&self.settings.path);
        }
        match opened {
            Ok((store, stored)) => {
                self.load(stored);
                self.compacted = store.bytes();
                self.store = Some(store);
                self.status(|status| status.bytes = 0);
            }
            Err(error) => {
                // It may still be read.
                if !self.is_loaded
                    && let Ok(stored) = store::read(&self.settings.path)
                {
                    self.load(stored);
                }
                self.fails(&error);
            }
        }
    }

    fn load(&mut self, stored: Stored) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut self.is_loaded, true) {
            // What is in memory goes on from it.
            book.write_all_again();
            return;
        }
        tracing::debug!(
            fields = stored.rows.len(),
            batch = stored.batch,
            "masking ledger read"
        );
        book.load(stored.rows, stored.edges, stored.totals);
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        *traffic = stored.traffic;
    }

    fn set_aside(&mut self, error: &StoreError) {
        match store::set_aside(&self.settings.path) {
            Ok(kept) => {
                tracing::error!(
                    %error,
                    kept_as = %kept.display(),
                    "the masking ledger can not be used and is set aside; capture goes on, and counting begins anew"
                );
                self.status(|status| {
                    *status.failures.entry(error.reason()).or_default() += 1;
                    status.set_aside = Some(kept);
                });
            }
            Err(why) => tracing::error!(%error, %why, "the masking ledger can not be used, nor set aside"),
        }
    }

    fn fails(&mut self, error: &StoreError) {
        self.store = None;
        let room = store::room(&self.settings.path);
        let text = error.to_string();
        let mut is_new = false;
        self.status(|status| {
            is_new = status.reason != Some(error.reason());
            status.failing = Some(text);
            status.reason = Some(error.reason());
            status.room = room;
            *status.failures.entry(error.reason()).or_default() += 1;
        });
        if is_new {
            tracing::error!(
                %error,
                "the masking ledger can not be written; capture goes on, what is counted stays in memory, and it is tried again"
            );
        }
        self.book().write_all_again();
    }

    fn write(&mut self, is_last: bool) {
        if self.store.is_none() {
            self.open();
        }
        if self.store.is_none() {
            return;
        }
        let batch = self.book().take_batch(Instant::now());
        let is_due = self.wrote.is_none_or(|at| at.elapsed() >= IDLE);
        if batch.is_empty() && !is_due && !is_last {
            return;
        }
        let traffic = sum(&self.traffic, &self.bytes);
        let Some(store) = &mut self.store else { return };
        match store.write(&batch, &traffic) {
            Ok(()) => {
                self.wrote = Some(Instant::now());
                let (bytes, room) = (store.bytes(), store::room(&self.settings.path));
                let mut was_failing = false;
                self.status(|status| {
                    was_failing = status.failing.take().is_some();
                    status.reason = None;
                    status.written += 1;
                    (status.bytes, status.room) = (bytes, room);
                });
                if was_failing {
                    tracing::warn!("the masking ledger is written again; nothing of it was lost");
                }
            }
            Err(error) => {
                self.fails(&error);
                if error.is_of_the_file() {
                    self.set_aside(&error);
                }
            }
        }
    }

    /// Forgets what is old, and gives room back.
    fn tidy(&mut self) {
        let age = self.settings.max_age;
        self.book().expire(age, Instant::now());
        let Some(store) = &mut self.store else { return };
        let bytes = store.bytes();
        let is_loose = bytes > SMALL && bytes / 4 > self.compacted;
        if !is_loose && bytes <= self.settings.max_bytes {
            return;
        }
        if let Err(error) = store.compact() {
            self.fails(&error);
            return;
        }
        self.compacted = store.bytes();
        if self.compacted > self.settings.max_bytes {
            let fields = self.book().shed();
            tracing::warn!(
                fields,
                bytes = self.compacted,
                "the masking ledger is larger than masking.max_bytes: the lightest fields are counted together"
            );
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// From the start of an attempt to that of the next one.
fn pause(took: Duration, is_written: bool) -> Duration {
    match is_written {
        // On a slow disk the next one begins earlier, but others may write in between.
        true => EVERY.min(MOST.saturating_sub(2 * took)).max(took + BREATH),
        // Reading a large file again may take longer than this.
        false => took + RETRY,
    }
}

#[cfg(test)]
mod tests;
