//! The masking ledger on disk.
//!
//! Goes in: a [`Batch`], written in one transaction that is there as a whole or not at all. It holds
//! what rows are, not how they changed, so that nothing counts twice however often it is written.
//! Comes out: all of it, when the daemon starts or a person asks.
//!
//! The file is a redb database (copy-on-write B-trees, with a checksum of each page). Format 1: table
//! `meta`: `format` and `batch`, the number of the last transaction, in decimal; `totals` and `traffic`
//! in JSON. Tables `fields` and `edges`: a number → JSON of [`Row`] and of an edge. What is not known in
//! a row is left alone when it is read, and what is missing has its default, so that additions need no
//! new format. An older format is read, and written as the current one with the first batch.

mod error;
mod traffic;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable as _, StorageBackend as _,
    StorageError, TableDefinition, TableError,
};
use serde::Serialize;

use super::Row;
use super::book::{Batch, Totals};
use super::edge::Edge;
pub use error::{REASONS, StoreError, room};
pub use traffic::{Bytes, Traffic};

/// The format that is written.
pub const FORMAT: u64 = 1;
/// Most memory for pages, bytes.
const CACHE: usize = 8 << 20;
/// Files set aside that are kept.
const ASIDE: u32 = 8;
/// Largest file that is read into memory to repair it there, bytes.
const LARGEST: u64 = 1 << 30;

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const FIELDS: TableDefinition<'_, u64, &str> = TableDefinition::new("fields");
const EDGES: TableDefinition<'_, u64, &str> = TableDefinition::new("edges");

/// What a file holds.
#[derive(Debug, Default)]
pub struct Stored {
    pub rows: Vec<Row>,
    pub(super) edges: Vec<Edge>,
    pub totals: Totals,
    pub traffic: Traffic,
    /// Number of the last transaction.
    pub batch: u64,
}

/// An open file.
pub struct Store {
    path: PathBuf,
    inode: u64,
    database: Database,
    batch: u64,
}

impl Store {
    /// Opens the file, making it if there is none, and reads all of it.
    ///
    /// # Errors
    /// When it can not be opened or written, is damaged, or of a newer format.
    pub fn open(path: &Path) -> Result<(Self, Stored), StoreError> {
        let io = |error: io::Error| StoreError::io(path, &error);
        guarded(path, || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)
                .map_err(io)?;
            let inode = file.metadata().map_err(io)?.ino();
            let backend = FileBackend::new(file).map_err(|error| StoreError::of(path, error.into()))?;
            let mut database = Database::builder()
                .set_cache_size(CACHE)
                .create_with_backend(backend)
                .map_err(|error| StoreError::of(path, error.into()))?;
            database
                .check_integrity()
                .map_err(|error| StoreError::of(path, error.into()))?;
            let stored = all_of(&database, path)?;
            let store = Self {
                path: path.to_owned(),
                inode,
                database,
                batch: stored.batch,
            };
            Ok((store, stored))
        })
    }

    /// Writes a batch; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it can not be written: then nothing of it is, and the file has to be opened again.
    pub fn write(&mut self, batch: &Batch, traffic: &Traffic) -> Result<(), StoreError> {
        let path = self.path.clone();
        let is_there = std::fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == self.inode);
        if !is_there {
            return Err(StoreError::Io(path, "it was removed or replaced".to_owned()));
        }
        guarded(&path, || {
            self.try_write(batch, traffic)
                .map_err(|error| StoreError::of(&path, error))
        })?;
        match crate::files::is_on_read_only_disk(&path) {
            true => Err(StoreError::ReadOnly(path)),
            false => Ok(()),
        }
    }

    fn try_write(&mut self, batch: &Batch, traffic: &Traffic) -> Result<(), redb::Error> {
        let next = self.batch + 1;
        let transaction = self.database.begin_write()?;
        if batch.is_everything {
            transaction.delete_table(FIELDS)?;
            transaction.delete_table(EDGES)?;
        }
        {
            let mut fields = transaction.open_table(FIELDS)?;
            for id in &batch.gone {
                fields.remove(id)?;
            }
            for (id, row) in &batch.rows {
                fields.insert(id, json(row)?.as_str())?;
            }
            let mut edges = transaction.open_table(EDGES)?;
            for (id, edge) in &batch.edges {
                edges.insert(id, json(edge)?.as_str())?;
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT.to_string().as_str())?;
            meta.insert("batch", next.to_string().as_str())?;
            meta.insert("totals", json(&batch.totals)?.as_str())?;
            meta.insert("traffic", json(traffic)?.as_str())?;
        }
        transaction.commit()?;
        self.batch = next;
        Ok(())
    }

    /// Gives back room that rows of before took.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn compact(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        guarded(&path, || {
            self.database
                .compact()
                .map(|_| ())
                .map_err(|error| StoreError::of(&path, error.into()))
        })
    }

    /// Size of the file, bytes; 0 where it can not be told.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

/// Reads a file that no daemon uses, and changes nothing.
///
/// # Errors
/// As [`Store::open`], and when there is no such file.
pub fn read(path: &Path) -> Result<Stored, StoreError> {
    guarded(path, || {
        let io = |error: io::Error| StoreError::io(path, &error);
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(StoreError::Corrupt(path.to_owned(), "it is empty".to_owned()));
        }
        match ReadOnlyDatabase::open(path) {
            Ok(database) => all_of(&database, path),
            // Whoever wrote it did not end by itself: repaired where nobody sees it.
            Err(DatabaseError::RepairAborted) => all_of(&in_memory(path)?, path),
            Err(error) => Err(StoreError::of(path, error.into())),
        }
    })
}

fn in_memory(path: &Path) -> Result<Database, StoreError> {
    let io = |error: io::Error| StoreError::io(path, &error);
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > LARGEST {
        let why = format!("it has {length} bytes and was not closed: start the daemon with it once");
        return Err(StoreError::Io(path.to_owned(), why));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let memory = InMemoryBackend::new();
    memory.set_len(bytes.len() as u64).map_err(io)?;
    memory.write(0, &bytes).map_err(io)?;
    Database::builder()
        .set_cache_size(CACHE)
        .create_with_backend(memory)
        .map_err(|error| StoreError::of(path, error.into()))
}

/// Renames a file that can not be used, so that it is kept. Returns the new name.
///
/// # Errors
/// When it can not be renamed.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".bad.{number}"));
        PathBuf::from(name)
    };
    let free = (0..ASIDE).map(named).find(|name| !name.exists());
    let name = free.unwrap_or_else(|| named(ASIDE - 1));
    std::fs::rename(path, &name)?;
    Ok(name)
}

fn all_of(database: &impl ReadableDatabase, path: &Path) -> Result<Stored, StoreError> {
    let broken = |error: redb::Error| StoreError::of(path, error);
    let corrupt = |what: String| StoreError::Corrupt(path.to_owned(), what);
    let transaction = database.begin_read().map_err(|error| broken(error.into()))?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Stored::default()),
        Err(error) => return Err(broken(error.into())),
    };
    let text = |name: &str| -> Result<Option<String>, StoreError> {
        let value = meta.get(name).map_err(|error| broken(error.into()))?;
        Ok(value.map(|value| value.value().to_owned()))
    };
    let number = |name: &str| -> Result<u64, StoreError> {
        let text = text(name)?.ok_or_else(|| corrupt(format!("it has no {name}")))?;
        text.parse()
            .map_err(|_| corrupt(format!("its {name} is no number")))
    };
    let format = number("format")?;
    if format > FORMAT {
        return Err(StoreError::Newer(path.to_owned(), format));
    }
    let unreadable = |name: &str, error: serde_json::Error| corrupt(format!("{name}: {error}"));
    let mut stored = Stored {
        batch: number("batch")?,
        ..Stored::default()
    };
    if let Some(text) = text("totals")? {
        stored.totals = serde_json::from_str(&text).map_err(|error| unreadable("totals", error))?;
    }
    if let Some(text) = text("traffic")? {
        stored.traffic = serde_json::from_str(&text).map_err(|error| unreadable("traffic", error))?;
    }
    each(&transaction, FIELDS, path, |text| {
        let row = serde_json::from_str(text).map_err(|error| unreadable("a field", error))?;
        stored.rows.push(row);
        Ok(())
    })?;
    each(&transaction, EDGES, path, |text| {
        let edge = serde_json::from_str(text).map_err(|error| unreadable("an edge", error))?;
        stored.edges.push(edge);
        Ok(())
    })?;
    Ok(stored)
}

fn each(
    transaction: &redb::ReadTransaction,
    table: TableDefinition<'_, u64, &'static str>,
    path: &Path,
    mut take: impl FnMut(&str) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let broken = |error: StorageError| StoreError::of(path, error.into());
    let table = match transaction.open_table(table) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(StoreError::of(path, error.into())),
    };
    for entry in table.iter().map_err(broken)? {
        let (_, value) = entry.map_err(broken)?;
        take(value.value())?;
    }
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, redb::Error> {
    serde_json::to_string(value).map_err(|error| redb::Error::Io(io::Error::other(error)))
}

/// A damaged file may make the database panic: that is an error like another.
fn guarded<T>(path: &Path, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(StoreError::Corrupt(
            path.to_owned(),
            "reading it failed in an unforeseen way".to_owned(),
        ))
    })
}

#[cfg(test)]
mod tests;
