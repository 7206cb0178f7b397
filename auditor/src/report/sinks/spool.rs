//! A queue on disk: what a sink has accepted and not yet handed on.
//!
//! Goes in: records, in one transaction that is there as a whole or not at all. Comes out: the oldest of
//! them, until somebody says that they arrived. A newer revision of a finding takes the place of the one
//! that waits, as it says all that one did and more: an outage costs room for each finding once. A queue
//! that is full drops its oldest records and says how many.
//!
//! The file is a redb database. Table `waiting`: a number that only grows → the record's JSON.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use serde::Deserialize;

const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
/// Most memory for pages, bytes.
const CACHE: usize = 1 << 20;
/// A file is compacted at its opening when it is so many times as large as what waits in it…
const LOOSE: u64 = 4;
/// …and larger than this, bytes.
const SMALL: u64 = 16 << 20;
/// Damaged files that are kept.
const ASIDE: u32 = 4;

/// Why a queue can not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("{0}: the file is damaged: {1}")]
    Damaged(PathBuf, String),
    #[error("{0} is in use by another process: give each daemon a state_dir of its own")]
    InUse(PathBuf),
    #[error("{0}: {1}")]
    Io(PathBuf, String),
}

/// A record that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Place in the queue.
    pub number: u64,
    /// JSON of the finding.
    pub json: Vec<u8>,
}

/// What came of records that were added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Older revisions whose place they took.
    pub replaced: u64,
    /// The oldest, for which there was no room left.
    pub dropped: u64,
}

/// An open queue.
pub struct Spool {
    path: PathBuf,
    inode: u64,
    database: Database,
    /// Most bytes of records that wait.
    max_bytes: u64,
    bytes: u64,
    /// Of what waits: a hash of the finding's id → where its newest revision is.
    newest: HashMap<u64, u64, foldhash::fast::FixedState>,
    waiting: u64,
    next: u64,
}

/// What a record must have.
#[derive(Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// The revision of a record; 0 for one that has none.
pub(super) fn revision(json: &[u8]) -> u32 {
    #[derive(Deserialize)]
    struct Revised {
        revision: u32,
    }
    serde_json::from_slice::<Revised>(json).map_or(0, |record| record.revision)
}

impl Spool {
    /// Opens the queue, making it where there is none. One that is damaged is set aside and kept, and an
    /// empty one takes its place; the second value says so.
    ///
    /// # Errors
    /// When it can not be opened or written.
    pub fn open(path: &Path, max_bytes: u64) -> Result<(Self, Option<String>), SpoolError> {
        match Self::try_open(path, max_bytes) {
            Err(error @ SpoolError::Damaged(..)) => {
                let kept = set_aside(path).map_err(|why| SpoolError::Io(path.to_owned(), why.to_string()))?;
                let said = format!("{error}; it is kept as {}", kept.display());
                Self::try_open(path, max_bytes).map(|spool| (spool, Some(said)))
            }
            opened => opened.map(|spool| (spool, None)),
        }
    }

    fn try_open(path: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        let file = open(path).map_err(|error| SpoolError::Io(path.to_owned(), error.to_string()))?;
        let metadata = file
            .metadata()
            .map_err(|error| SpoolError::Io(path.to_owned(), error.to_string()))?;
        let (inode, length) = (metadata.ino(), metadata.len());
        guarded(path, || {
            let mut database = Database::builder()
                .set_cache_size(CACHE)
                .create_with_backend(FileBackend::new(file)?)?;
            database.check_integrity()?;
            let mut spool = Self {
                path: path.to_owned(),
                inode,
                database,
                max_bytes,
                bytes: 0,
                newest: HashMap::default(),
                waiting: 0,
                next: 0,
            };
            spool.count()?;
            if length > SMALL && length / LOOSE > spool.bytes {
                spool.database.compact()?;
            }
            Ok(spool)
        })
    }

    /// Reads once what is there.
    fn count(&mut self) -> Result<(), redb::Error> {
        let reading = self.database.begin_read()?;
        let table = match reading.open_table(WAITING) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (number, json) = entry?;
            let (number, json) = (number.value(), json.value());
            self.waiting += 1;
            self.bytes += json.len() as u64;
            self.next = number.saturating_add(1);
            if let Ok(record) = serde_json::from_slice::<Identified>(json) {
                self.newest.insert(key(&record.id), number);
            }
        }
        Ok(())
    }

    /// Records that wait.
    pub const fn len(&self) -> u64 {
        self.waiting
    }

    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Bytes of records that wait.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds records, each with the id of its finding; they are on the disk when this returns.
    ///
    /// # Errors
    /// When they can not be written: then none of them is, and the queue has to be opened again.
    pub fn add(&mut self, records: &[(String, Vec<u8>)]) -> Result<Added, SpoolError> {
        let path = self.path.clone();
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            return Err(SpoolError::Io(path, "it was removed or replaced".to_owned()));
        }
        let added = guarded(&path, || self.try_add(records))?;
        is_kept(&path)?;
        Ok(added)
    }

    fn try_add(&mut self, records: &[(String, Vec<u8>)]) -> Result<Added, redb::Error> {
        let (mut added, mut waiting, mut bytes, mut next) =
            (Added::default(), self.waiting, self.bytes, self.next);
        let mut newest = Vec::with_capacity(records.len());
        let writing = self.database.begin_write()?;
        {
            let mut table = writing.open_table(WAITING)?;
            for (id, json) in records {
                let key = key(id);
                let before = newest.iter().rev().find(|(other, _)| *other == key);
                let before = before
                    .map(|&(_, number)| number)
                    .or(self.newest.get(&key).copied());
                let old = match before {
                    Some(number) => table.get(number)?.map(|old| {
                        let (old, is_newer) = (old.value(), revision(old.value()) > revision(json));
                        (number, old.len() as u64, is_newer)
                    }),
                    None => None,
                };
                if old.is_some_and(|(.., is_newer)| is_newer) {
                    // What a kill left behind comes again.
                    added.replaced += 1;
                    continue;
                }
                bytes += json.len() as u64;
                if let Some((number, length, _)) = old {
                    // In its place: what changes often must not wait for ever behind what does not.
                    table.insert(number, json.as_slice())?;
                    added.replaced += 1;
                    bytes -= length;
                } else {
                    table.insert(next, json.as_slice())?;
                    newest.push((key, next));
                    (waiting, next) = (waiting + 1, next + 1);
                }
            }
            while bytes > self.max_bytes
                && let Some((_, json)) = table.pop_first()?
            {
                added.dropped += 1;
                waiting -= 1;
                bytes -= json.value().len() as u64;
            }
        }
        writing.commit()?;
        (self.waiting, self.bytes, self.next) = (waiting, bytes, next);
        self.newest.extend(newest);
        if self.newest.len() as u64 > waiting.saturating_mul(2).saturating_add(1024) {
            // What was dropped or arrived is not taken out one by one.
            let first = self.first()?.unwrap_or(next);
            self.newest.retain(|_, number| *number >= first);
        }
        Ok(added)
    }

    fn first(&self) -> Result<Option<u64>, redb::Error> {
        let table = self.database.begin_read()?.open_table(WAITING)?;
        Ok(table.first()?.map(|(number, _)| number.value()))
    }

    /// The oldest records: at most so many, and of so many bytes together, but one if there is any.
    ///
    /// # Errors
    /// When they can not be read.
    pub fn oldest(&self, records: usize, bytes: usize) -> Result<Vec<Record>, SpoolError> {
        guarded(&self.path, || {
            let reading = self.database.begin_read()?;
            let table = match reading.open_table(WAITING) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let (mut oldest, mut sum) = (Vec::new(), 0);
            for entry in table.iter()?.take(records) {
                let (number, json) = entry?;
                let json = json.value();
                sum += json.len();
                if !oldest.is_empty() && sum > bytes {
                    break;
                }
                oldest.push(Record {
                    number: number.value(),
                    json: json.to_vec(),
                });
            }
            Ok(oldest)
        })
    }

    /// Takes records out that arrived, or that nobody will ever take. Of what has a newer revision by now,
    /// that one stays.
    ///
    /// # Errors
    /// When the file can not be written: they stay, and the queue has to be opened again.
    pub fn remove(&mut self, records: &[Record]) -> Result<(), SpoolError> {
        let path = self.path.clone();
        guarded(&path, || {
            let (mut waiting, mut bytes) = (self.waiting, self.bytes);
            let writing = self.database.begin_write()?;
            {
                let mut table = writing.open_table(WAITING)?;
                for record in records {
                    let is_same = table
                        .get(record.number)?
                        .is_some_and(|now| now.value() == record.json);
                    if is_same {
                        table.remove(record.number)?;
                        waiting -= 1;
                        bytes -= record.json.len() as u64;
                    }
                }
            }
            writing.commit()?;
            (self.waiting, self.bytes) = (waiting, bytes);
            Ok(())
        })?;
        is_kept(&path)
    }
}

/// Whether what was just written can be on the disk.
fn is_kept(path: &Path) -> Result<(), SpoolError> {
    match crate::files::is_on_read_only_disk(path) {
        true => Err(SpoolError::Io(
            path.to_owned(),
            "its disk is read-only".to_owned(),
        )),
        false => Ok(()),
    }
}

fn key(id: &str) -> u64 {
    foldhash::fast::FixedState::with_seed(0x5b00).hash_one(id)
}

fn open(path: &Path) -> io::Result<File> {
    crate::files::own(path, OpenOptions::new().write(true).truncate(false))
}

/// The file gets a name of its own beside it; of those before, a few are kept.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged.{number}"));
        PathBuf::from(name)
    };
    for number in (1..ASIDE).rev() {
        match fs::rename(named(number), named(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    fs::rename(path, named(1))?;
    Ok(named(1))
}

/// What the database finds wrong, by what is to be done about it. It panics on some damage.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, SpoolError> {
    let path = path.to_owned();
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(SpoolError::InUse(path)),
        Ok(Err(redb::Error::Io(error)))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Err(SpoolError::Damaged(path, error.to_string()))
        }
        Ok(Err(error @ (redb::Error::Io(_) | redb::Error::PreviousIo))) => {
            Err(SpoolError::Io(path, error.to_string()))
        }
        Ok(Err(error)) => Err(SpoolError::Damaged(path, error.to_string())),
        Err(_) => Err(SpoolError::Damaged(path, "it contradicts itself".to_owned())),
    }
}

#[cfg(test)]
mod tests;
