//! Why the file of the masking ledger can not be used.
//!
//! Goes in: an error of the database or the disk. Comes out: what it means for the ledger. A full disk and one that is
//! read-only are told apart from the rest, as they are what a person can do something about.

use std::io;
use std::path::{Path, PathBuf};

use super::FORMAT;

/// Why the file can not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}: the file is damaged: {1}")]
    Corrupt(PathBuf, String),
    #[error("{0} is of format {1}, which a newer auditor wrote; this one reads up to {FORMAT}")]
    Newer(PathBuf, u64),
    #[error(
        "{0} is in use by another process: ask the daemon through its socket, or copy the file once it ended"
    )]
    InUse(PathBuf),
    #[error("{0}: the disk is full{left}: make room there, or give masking.max_bytes less", left = left(*.1))]
    Full(PathBuf, Option<u64>),
    #[error("{0}: the disk is read-only: mount it so that it can be written, or set another state_dir")]
    ReadOnly(PathBuf),
    #[error("{0}: {1}")]
    Io(PathBuf, String),
}

/// Every reason there is, for the metric.
pub const REASONS: [&str; 6] = ["corrupt", "newer", "in_use", "full", "read_only", "io"];

impl StoreError {
    /// Whether the file is to be set aside, as it will not get better.
    pub const fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Corrupt(..) | Self::Newer(..))
    }

    /// For the metric.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Corrupt(..) => "corrupt",
            Self::Newer(..) => "newer",
            Self::InUse(..) => "in_use",
            Self::Full(..) => "full",
            Self::ReadOnly(..) => "read_only",
            Self::Io(..) => "io",
        }
    }

    pub(super) fn of(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse(path),
            redb::Error::Io(error) if is_about_content(&error) => Self::Corrupt(path, error.to_string()),
            redb::Error::Io(error) => Self::io(&path, &error),
            error @ redb::Error::PreviousIo => Self::Io(path, error.to_string()),
            error => Self::Corrupt(path, error.to_string()),
        }
    }

    /// What the disk says.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let owned = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(owned, room(path)),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(owned),
            _ => Self::Io(owned, error.to_string()),
        }
    }
}

/// Bytes that who is no superuser may still write on the disk of a file, which need not be there.
pub fn room(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path.parent()?).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

fn left(room: Option<u64>) -> String {
    // A quota may be used up where the disk has room.
    room.map_or_else(String::new, |room| format!(" ({} KiB are left)", room >> 10))
}

/// A file that is too short, or whose beginning is no database's.
fn is_about_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
