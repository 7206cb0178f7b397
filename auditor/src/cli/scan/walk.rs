//! Which files are scanned, and how they are opened.
//!
//! Goes in: a path of the command line. Comes out: regular files below it, as ignore files say, and
//! what was left out, with the reason. No link is followed out of a directory, and nothing that might
//! wait for ever (FIFOs, devices, sockets) is read unless it was handed over by a shell.

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What a walk comes across.
pub(super) enum Entry {
    File(PathBuf),
    /// Not scanned: what it is.
    Skipped(PathBuf, &'static str),
    /// Could not be walked.
    Error(ignore::Error),
}

/// What is never opened: a link found in a directory.
pub(super) const LINK: &str = "symbolic link";

/// Calls `each` for all below `path`; stops when that says false. Ignore files count only inside
/// directories.
pub(super) fn walk(path: &Path, mut each: impl FnMut(Entry) -> bool) {
    if !path.is_dir() {
        each(Entry::File(path.to_owned()));
        return;
    }
    let mut walk = ignore::WalkBuilder::new(path);
    walk.hidden(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp);
    walk.filter_entry(|entry| entry.file_name() != ".git");
    for entry in walk.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                if each(Entry::Error(error)) {
                    continue;
                }
                return;
            }
        };
        let found = match entry.file_type() {
            Some(kind) if kind.is_file() => Entry::File(entry.into_path()),
            Some(kind) if kind.is_dir() => continue,
            Some(kind) if kind.is_symlink() => Entry::Skipped(entry.into_path(), LINK),
            Some(kind) => Entry::Skipped(entry.into_path(), special(kind)),
            None => continue,
        };
        if !each(found) {
            return;
        }
    }
}

/// Opens a file to be read to its end.
///
/// # Errors
/// When it cannot be opened, or is not a regular file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if is_handed_over(path) {
        return File::open(path);
    }
    let kind = path.metadata()?.file_type();
    if !kind.is_file() {
        return Err(refused(kind));
    }
    // It may have been replaced in between; opening a FIFO must not wait for its writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else {
        Err(refused(kind))
    }
}

/// `/dev/stdin`, or what `<(command)` stands for.
fn is_handed_over(path: &Path) -> bool {
    ["/dev/stdin", "/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|known| path.starts_with(known))
}

fn refused(kind: FileType) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "it is a {} and may never end; pipe what it gives into `auditor scan -`",
            special(kind)
        ),
    )
}

fn special(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "FIFO",
        kind if kind.is_socket() => "socket",
        kind if kind.is_char_device() || kind.is_block_device() => "device",
        kind if kind.is_dir() => "directory",
        _ => "special file",
    }
}
