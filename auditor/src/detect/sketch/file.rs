//! Sketches in a file, so that a restart forgets nothing.
//!
//! Goes in: [`Sketches`]. Comes out: one file with counts and keyed hashes, and the sketches again.
//! It holds no value, no name and no path; what waits for its field is not written. A file of
//! another key, a newer version or broken content is refused, with a reason, and changes nothing.
//!
//! Little-endian: magic (8 bytes), version (4), key check (16), number of fields (4), the fields,
//! oldest first, and the first 8 bytes of the SHA-256 of all before.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::distinct::{Distinct, KEPT};
use super::trials::Trials;
use super::{DETECTORS, Sketches, trials_of};
use crate::detect::catalogue;

const MAGIC: &[u8; 8] = b"auditsk\n";
const VERSION: u32 = 1;
/// Largest file read, bytes: far above what [`super::LIVE`] fields need.
const FILE_LIMIT: u64 = 256 << 20;
const SEAL: usize = 8;
/// Most fields of a file that are looked at.
const FIELDS: u32 = 1 << 20;

/// Why a file of sketches is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the sketches {}: {source}; check the file and its owner", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the sketches {} are damaged", .0.display())]
    Damaged(PathBuf),
    #[error("the sketches {} are of version {version}; this build reads version {VERSION}", path.display())]
    Version { path: PathBuf, version: u32 },
    #[error("the sketches {} were made with another fingerprint key", .0.display())]
    OtherKey(PathBuf),
}

/// Sketches as they will be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored(Vec<u8>);

impl Stored {
    /// Differs when the content does.
    pub fn seal(&self) -> u64 {
        self.0
            .last_chunk::<SEAL>()
            .map_or(0, |seal| u64::from_le_bytes(*seal))
    }

    /// Writes to a file beside `path` first, so that there is a whole one at any time. Mode 0600.
    ///
    /// # Errors
    /// When the file cannot be written, or not take the place of the one before.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = beside(path, "new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&self.0)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    }
}

/// What a file of these sketches holds, under the key of `key_check`.
pub fn store<T>(sketches: &Sketches<T>, key_check: u128) -> Stored {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(key_check.to_le_bytes());
    // Far fewer than four billion.
    out.extend((sketches.fields.len() as u32).to_le_bytes());
    for key in sketches.order.values() {
        let trials = sketches.fields.get(key).map(|live| live.trials.as_slice());
        let trials = trials.unwrap_or_default();
        out.extend(key.to_le_bytes());
        out.push(trials.len() as u8);
        trials.iter().for_each(|trials| write_trials(&mut out, trials));
    }
    let seal = Sha256::digest(&out);
    out.extend(&seal[..SEAL]);
    Stored(out)
}

/// Adds the sketches of a file to `sketches`. Without a file there is nothing to add. One that is
/// of no use is moved aside, to `<path>.bad`.
///
/// # Errors
/// When the file cannot be read, is damaged, or of another version or key.
pub fn load<T>(sketches: &mut Sketches<T>, key_check: u128, path: &Path) -> Result<(), LoadError> {
    let content = match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(LoadError::Read {
                path: path.to_owned(),
                source,
            });
        }
        Ok(content) => content,
    };
    parse(&content, key_check, path)
        .inspect_err(|_| {
            // It stays where it is when it cannot be moved, and is replaced with the next write.
            let _ = std::fs::rename(path, beside(path, "bad"));
        })
        .map(|fields| {
            fields
                .iter()
                .for_each(|(key, trials)| sketches.insert(*key, None, trials));
        })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut content)?;
    Ok(content)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Keys with what was counted.
type Fields = Vec<(u128, Vec<Trials>)>;

fn parse(content: &[u8], key_check: u128, path: &Path) -> Result<Fields, LoadError> {
    let damaged = || LoadError::Damaged(path.to_owned());
    let (body, seal) = content.split_last_chunk::<SEAL>().ok_or_else(damaged)?;
    let mut cursor = Cursor(body);
    if cursor.take::<8>() != Some(*MAGIC) {
        return Err(damaged());
    }
    let version = cursor.u32().ok_or_else(damaged)?;
    if version != VERSION {
        return Err(LoadError::Version {
            path: path.to_owned(),
            version,
        });
    }
    if Sha256::digest(body)[..SEAL] != *seal {
        return Err(damaged());
    }
    if cursor.u128().ok_or_else(damaged)? != key_check {
        return Err(LoadError::OtherKey(path.to_owned()));
    }
    read_fields(&mut cursor).ok_or_else(damaged)
}

fn read_fields(cursor: &mut Cursor<'_>) -> Option<Fields> {
    let count = cursor.u32().filter(|count| *count <= FIELDS)?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let key = cursor.u128()?;
        let detectors = usize::from(cursor.take::<1>()?[0]);
        let mut all = Vec::new();
        for _ in 0..detectors {
            let Some(read) = read_trials(cursor)? else {
                continue;
            };
            if let Some(trials) = trials_of(&mut all, read.detector) {
                trials.merge(&read);
            }
        }
        fields.push((key, all));
    }
    cursor.0.is_empty().then_some(fields)
}

fn write_trials(out: &mut Vec<u8>, trials: &Trials) {
    let id = trials.detector.as_bytes();
    let id = &id[..id.len().min(255)];
    out.push(id.len() as u8);
    out.extend(id);
    out.push(u8::from(trials.suspect) | u8::from(trials.against) << 1);
    for number in [trials.passes, trials.misses]
        .iter()
        .chain(&trials.states)
        .chain(&trials.lengths)
    {
        out.extend(number.to_le_bytes());
    }
    out.extend(trials.first.to_le_bytes());
    out.extend(trials.last.to_le_bytes());
    for distinct in [&trials.values, &trials.leads, &trials.missed] {
        out.push(distinct.hashes().len() as u8);
        distinct
            .hashes()
            .iter()
            .for_each(|hash| out.extend(hash.to_le_bytes()));
    }
}

/// `None` for what is no entry; within it, `None` for a detector this build has not.
fn read_trials(cursor: &mut Cursor<'_>) -> Option<Option<Trials>> {
    let length = usize::from(cursor.take::<1>()?[0]);
    let id = std::str::from_utf8(cursor.slice(length)?).ok()?;
    let row = catalogue::find(id);
    let mut trials = Trials::new(row.map_or("", |row| row.id));
    let flags = cursor.take::<1>()?[0];
    trials.suspect = flags & 1 != 0;
    trials.against = flags & 2 != 0;
    trials.passes = cursor.u64()?;
    trials.misses = cursor.u64()?;
    for count in trials.states.iter_mut().chain(&mut trials.lengths) {
        *count = cursor.u64()?;
    }
    trials.first = cursor.u64()? as i64;
    trials.last = cursor.u64()? as i64;
    for distinct in [&mut trials.values, &mut trials.leads, &mut trials.missed] {
        let kept = usize::from(cursor.take::<1>()?[0]);
        let hashes = (0..kept.min(KEPT + 1))
            .map(|_| cursor.u64())
            .collect::<Option<_>>()?;
        *distinct = Distinct::of_hashes(hashes)?;
    }
    Some(row.map(|_| trials))
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_le_bytes)
    }
}

// They are written as one byte.
const _: () = assert!(DETECTORS < 256);
const _: () = assert!(KEPT < 256);
