//! Looking for TLS libraries in files, on a thread of its own: a large program takes a while, and
//! process events do not wait.
//!
//! Goes in: paths of files that processes have mapped. Comes out, for each file once: what to attach.
//! It attaches nothing.

use std::{
    collections::HashSet,
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{
    elf::Elf,
    file::FileId,
    tls::{self, Target},
};

/// Files that wait; those that find no room are offered again with the next look at their process.
const MAX_WAITING: usize = 16_384;

/// Files that were looked at and wait to be attached to; each is kept open.
const MAX_FOUND: usize = 64;

/// Files that are remembered as looked at. Past it all are looked at again, which costs time and
/// nothing else: what is attached stays known.
const MAX_SEEN: usize = 65_536;

/// A file that was looked at.
pub struct Found {
    pub id: FileId,
    /// The path under which it was found, for people; the file may be gone from there.
    pub path: PathBuf,
    file: Option<File>,
    /// What to attach, or the reason why that can not be told.
    pub targets: Result<Vec<Target>, String>,
}

impl Found {
    /// A path that leads to the very file that was searched, whatever became of its name.
    pub fn open_path(&self) -> PathBuf {
        match &self.file {
            Some(file) => PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
            None => self.path.clone(),
        }
    }
}

/// A file as it was when it was looked at: another one may get the same number later.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The thread, and who waits for it.
pub struct Search {
    waiting: Sender<PathBuf>,
    found: Receiver<Found>,
    seen: HashSet<Seen>,
    /// Files that were offered and not taken out yet.
    pending: usize,
}

impl Search {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub fn start() -> io::Result<Self> {
        let (waiting, files) = bounded::<PathBuf>(MAX_WAITING);
        let (sender, found) = bounded(MAX_FOUND);
        thread::Builder::new().name("search".to_owned()).spawn(move || {
            for path in files {
                if sender.send(look(path)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            waiting,
            found,
            seen: HashSet::new(),
            pending: 0,
        })
    }

    /// Has a file looked at, unless that was done before. Never waits.
    pub fn offer(&mut self, path: &Path) {
        let Ok(metadata) = std::fs::metadata(path) else {
            return;
        };
        let seen = Seen {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        if !metadata.is_file() || self.seen.contains(&seen) {
            return;
        }
        if self.waiting.try_send(path.to_owned()).is_ok() {
            if self.seen.len() >= MAX_SEEN {
                self.seen.clear();
            }
            self.seen.insert(seen);
            self.pending += 1;
        }
    }

    /// A file that was looked at, if one is there.
    pub fn take(&mut self) -> Option<Found> {
        let found = self.found.try_recv().ok()?;
        self.pending -= 1;
        Some(found)
    }

    /// Waits for the next file; `None` when all were taken, or none came in time.
    pub fn wait(&mut self, at_most: Duration) -> Option<Found> {
        if self.pending == 0 {
            return None;
        }
        match self.found.recv_timeout(at_most) {
            Ok(found) => {
                self.pending -= 1;
                Some(found)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}

fn look(path: PathBuf) -> Found {
    let nowhere = FileId { device: 0, inode: 0 };
    match Elf::open(&path) {
        Ok(elf) => Found {
            id: elf.id().unwrap_or(nowhere),
            targets: tls::find(&elf).map_err(|error| error.to_string()),
            file: elf.into_file().into(),
            path,
        },
        Err(error) => Found {
            id: FileId::of(&path).unwrap_or(nowhere),
            targets: Err(error.to_string()),
            file: None,
            path,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_file_is_looked_at_once_whatever_path_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["one", "two"].map(|name| folder.path().join(name));
        std::fs::copy("/bin/true", &first).unwrap();
        std::fs::hard_link(&first, &second).unwrap();
        let mut search = Search::start().unwrap();
        for path in [&first, &second, &first] {
            search.offer(path);
        }
        let found = search.wait(SOON).unwrap();
        assert!(found.targets.as_ref().is_ok_and(Vec::is_empty));
        assert_eq!(found.id, FileId::of(&first).unwrap());
        assert!(search.wait(SOON).is_none());
    }

    #[test]
    fn a_file_that_is_gone_from_its_path_can_still_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        std::fs::copy("/bin/true", &path).unwrap();
        let mut search = Search::start().unwrap();
        search.offer(&path);
        let found = search.wait(SOON).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::fs::read(found.open_path()).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")));
    }
}
