//! Files that decide what auditor does, and those it keeps for itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

/// Why what a file says is not followed.
#[derive(Debug)]
pub enum Unusable {
    Read(io::Error),
    TooLarge,
    /// Everybody may change it.
    Writable,
}

/// The text of a file that decides something: of `most` bytes, and not everybody's to change.
///
/// # Errors
/// When it can not be read, or is not such a file.
pub fn deciding(path: &Path, most: u64) -> Result<String, Unusable> {
    let file = File::open(path).map_err(Unusable::Read)?;
    let metadata = file.metadata().map_err(Unusable::Read)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o002 != 0 {
        return Err(Unusable::Writable);
    }
    let mut text = String::new();
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(Unusable::Read)?;
    match text.len() as u64 > most {
        true => Err(Unusable::TooLarge),
        false => Ok(text),
    }
}

/// Whether the disk of a file is read-only. The kernel may make it so under a file that is open: what is written then
/// goes to memory, is said to be on the disk, and no error tells of it.
pub fn is_on_read_only_disk(path: &Path) -> bool {
    let disk = path.parent().and_then(|folder| statvfs(folder).ok());
    disk.is_some_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Opens a regular file that its owner alone may read, and makes it where there is none. `options` say whether it is
/// written at its end or anywhere.
///
/// # Errors
/// When it can not be opened, or is a link, a device or a pipe.
pub fn own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options
        .read(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
    }
}
