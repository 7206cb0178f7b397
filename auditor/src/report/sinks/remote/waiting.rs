//! What a remote sink has accepted: on disk, or in memory while the disk can not be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Settings;
use crate::report::sinks::spool::{Record, Spool, SpoolError};

/// Records in memory at which they are written without waiting for more.
pub(super) const MANY: usize = 256;
/// Most records in memory, while the disk can not be written.
const MOST: usize = 4096;
/// Number of a record that is in memory only.
const NOWHERE: u64 = u64::MAX;

/// Records that were accepted and did not arrive yet.
pub(super) struct Waiting {
    name: &'static str,
    queue: std::path::PathBuf,
    max_bytes: u64,
    spool: Option<Spool>,
    /// Not on disk yet; the newest revision of each finding.
    unstored: Vec<(String, Vec<u8>)>,
    is_failing: bool,
    dropped: Arc<AtomicU64>,
}

impl Waiting {
    pub(super) fn open(settings: &Settings, dropped: &Arc<AtomicU64>) -> Result<Self, SpoolError> {
        let (spool, said) = Spool::open(&settings.queue, settings.max_bytes)?;
        if let Some(said) = said {
            tracing::error!(sink = settings.name, said, "what waited for this sink is lost");
        }
        if !spool.is_empty() {
            tracing::info!(
                sink = settings.name,
                findings = spool.len(),
                "findings of before wait for this sink"
            );
        }
        Ok(Self {
            name: settings.name,
            queue: settings.queue.clone(),
            max_bytes: settings.max_bytes,
            spool: Some(spool),
            unstored: Vec::new(),
            is_failing: false,
            dropped: Arc::clone(dropped),
        })
    }

    /// Takes one, to [`Self::store`] it.
    pub(super) fn push(&mut self, id: String, json: Vec<u8>) {
        if let Some((_, waiting)) = self.unstored.iter_mut().find(|(other, _)| *other == id) {
            *waiting = json;
        } else if self.unstored.len() >= MOST {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unstored.push((id, json));
        }
    }

    pub(super) fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// Writes what is in memory to the disk, if it can be; returns how many older revisions it replaced.
    pub(super) fn store(&mut self) -> u64 {
        if self.unstored.is_empty() {
            return 0;
        }
        match self.try_store() {
            Ok(replaced) => {
                self.unstored.clear();
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(sink = self.name, "the queue can be written again");
                }
                replaced
            }
            Err(error) => {
                self.failed(&error);
                0
            }
        }
    }

    fn try_store(&mut self) -> Result<u64, SpoolError> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => {
                let (spool, said) = Spool::open(&self.queue, self.max_bytes)?;
                if let Some(said) = said {
                    tracing::error!(sink = self.name, said, "what waited for this sink is lost");
                }
                none.insert(spool)
            }
        };
        let added = spool.add(&self.unstored)?;
        if added.dropped > 0 {
            let already = self.dropped.fetch_add(added.dropped, Ordering::Relaxed);
            if already == 0 {
                tracing::error!(
                    sink = self.name,
                    "the queue is full: the oldest findings are dropped"
                );
            }
        }
        Ok(added.replaced)
    }

    fn failed(&mut self, error: &SpoolError) {
        // Opened again at the next write.
        self.spool = None;
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(sink = self.name, %error, "the queue can not be written: findings wait in memory");
        }
    }

    /// The oldest records; of the disk first, if it can be read.
    pub(super) fn oldest(&mut self, records: usize, bytes: usize) -> Vec<Record> {
        if let Some(spool) = &self.spool {
            match spool.oldest(records, bytes) {
                Ok(oldest) if oldest.is_empty() && self.is_failing => (),
                Ok(oldest) => return oldest,
                Err(error) => self.failed(&error),
            }
        }
        if !self.is_failing {
            return Vec::new();
        }
        let mut sum = 0;
        let fits = |(_, json): &&(String, Vec<u8>)| {
            sum += json.len();
            sum <= bytes.max(json.len())
        };
        let oldest = self.unstored.iter().take(records).take_while(fits);
        oldest
            .map(|(_, json)| Record {
                number: NOWHERE,
                json: json.clone(),
            })
            .collect()
    }

    /// Takes out what arrived.
    pub(super) fn remove(&mut self, records: &[Record]) {
        if records.first().is_some_and(|first| first.number == NOWHERE) {
            self.unstored
                .retain(|(_, json)| !records.iter().any(|record| record.json == *json));
            return;
        }
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.remove(records)
        {
            self.failed(&error);
        }
    }

    /// Records and bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let unstored: usize = self.unstored.iter().map(|(_, json)| json.len()).sum();
        let (stored, bytes) = self
            .spool
            .as_ref()
            .map_or((0, 0), |spool| (spool.len(), spool.bytes()));
        (stored + self.unstored.len() as u64, bytes + unstored as u64)
    }
}
