//! Which file it is, whatever path leads to it.

use auditor_common::mapping::FileKey;

use std::{fs::File, io, os::unix::fs::MetadataExt as _, path::Path};

/// Identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    /// The identity of the file at `path`.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&std::fs::metadata(path)?))
    }

    /// The identity of an open file.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn of_open(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl FileId {
    /// As the kernel names it: `st_dev` has another layout (linux/kdev_t.h).
    pub fn key(self) -> FileKey {
        let (major, minor) = (libc::major(self.device), libc::minor(self.device));
        FileKey {
            device: u64::from(major) << 20 | u64::from(minor),
            inode: self.inode,
        }
    }
}

impl From<&std::fs::Metadata> for FileId {
    fn from(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}
