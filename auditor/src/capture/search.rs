//! Looking for TLS libraries in files, on a thread of its own: a large program takes a while, and
//! process events do not wait.
//!
//! Goes in: paths of files that processes have mapped. Comes out, for each file once and on a channel for
//! whoever attaches: what to attach. It attaches nothing.

use std::{
    collections::HashSet,
    fs::{File, Metadata},
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    elf::{Elf, ElfError, Machine},
    file::FileId,
    tls::{self, Placement, Target},
};
use crate::vital;

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
    /// How it came to be looked at.
    pub why: Why,
    _pending: Pending,
}

/// How a file came to be looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Why {
    /// When a process was seen to map it, `CLOCK_MONOTONIC` nanoseconds.
    pub mapped_ns: Option<u64>,
    /// It is hooked before anybody uses it, and stays so.
    pub ahead: bool,
}

/// Counts a file from when it is offered until it was dealt with.
struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Offer {
    path: PathBuf,
    why: Why,
    pending: Pending,
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

impl From<&Metadata> for Seen {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The way to the thread.
pub struct Search {
    waiting: Sender<Offer>,
    /// auditor itself, which a process that it is about to turn into another program still has mapped.
    own: Option<Seen>,
    seen: HashSet<Seen>,
    /// Files that were offered and not dealt with yet.
    pending: Arc<AtomicUsize>,
}

impl Search {
    /// Starts the thread; it ends when this is dropped. What it finds, and where in it to attach by `placement`, comes
    /// through the channel.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub fn start(placement: Placement) -> io::Result<(Self, Receiver<Found>)> {
        let (waiting, files) = bounded::<Offer>(MAX_WAITING);
        let (sender, found) = bounded(MAX_FOUND);
        vital::spawn("search", move || {
            for offer in files {
                vital::may_fail();
                if sender.send(look(offer, placement)).is_err() {
                    return;
                }
            }
        })?;
        let own = std::fs::metadata("/proc/self/exe").ok();
        let search = Self {
            waiting,
            own: own.as_ref().map(Seen::from),
            seen: HashSet::new(),
            pending: Arc::default(),
        };
        Ok((search, found))
    }

    /// Has a file looked at, unless that was done before. Never waits. Returns which file it is.
    pub fn offer(&mut self, path: &Path, why: Why) -> Option<FileId> {
        let metadata = std::fs::metadata(path).ok()?;
        let seen = Seen::from(&metadata);
        if !metadata.is_file() {
            return None;
        }
        let id = FileId::from(&metadata);
        if self.own == Some(seen) || self.seen.contains(&seen) {
            return Some(id);
        }
        let offer = Offer {
            path: path.to_owned(),
            why,
            pending: Pending::new(&self.pending),
        };
        if self.waiting.try_send(offer).is_ok() {
            if self.seen.len() >= MAX_SEEN {
                self.seen.clear();
            }
            self.seen.insert(seen);
        }
        Some(id)
    }

    /// A file is not attached to any more: the next who maps it has it looked at again.
    pub fn forget(&mut self, file: FileId) {
        self.seen
            .retain(|seen| (seen.device, seen.inode) != (file.device, file.inode));
    }

    /// Files that were offered and not dealt with yet.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }
}

fn look(offer: Offer, placement: Placement) -> Found {
    let Offer {
        path,
        why,
        pending: _pending,
    } = offer;
    let nowhere = FileId { device: 0, inode: 0 };
    match Elf::open(&path) {
        Ok(elf) => Found {
            id: elf.id().unwrap_or(nowhere),
            targets: find(&elf, placement).map_err(|error| error.to_string()),
            file: elf.into_file().into(),
            path,
            why,
            _pending,
        },
        Err(error) => Found {
            id: FileId::of(&path).unwrap_or(nowhere),
            targets: Err(error.to_string()),
            file: None,
            path,
            why,
            _pending,
        },
    }
}

/// What to attach to on this machine: its kernel runs no other processor's code.
fn find(elf: &Elf, placement: Placement) -> Result<Vec<Target>, ElfError> {
    if elf.machine()? != Machine::HERE {
        return Ok(Vec::new());
    }
    match placement {
        Placement::Chosen => tls::find(elf),
        Placement::Exported => tls::exported::find(elf),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_file_is_looked_at_once_whatever_path_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["one", "two"].map(|name| folder.path().join(name));
        std::fs::copy("/bin/true", &first).unwrap();
        std::fs::hard_link(&first, &second).unwrap();
        let (mut search, files) = Search::start(Placement::Chosen).unwrap();
        for path in [&first, &second, &first] {
            assert_eq!(search.offer(path, Why::default()), FileId::of(&first).ok());
        }
        assert_eq!(search.pending(), 1);
        let found = files.recv_timeout(SOON).unwrap();
        assert!(found.targets.as_ref().is_ok_and(Vec::is_empty));
        assert_eq!(found.id, FileId::of(&first).unwrap());
        drop(found);
        assert_eq!(search.pending(), 0);
        search.forget(FileId::of(&first).unwrap());
        search.offer(&second, Why::default());
        assert_eq!(search.pending(), 1);
    }

    #[test]
    fn auditor_itself_is_not_looked_at() {
        let (mut search, _files) = Search::start(Placement::Chosen).unwrap();
        let own = std::env::current_exe().unwrap();
        assert_eq!(search.offer(&own, Why::default()), FileId::of(&own).ok());
        assert_eq!(search.pending(), 0);
    }

    #[test]
    fn a_file_that_is_gone_from_its_path_can_still_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        std::fs::copy("/bin/true", &path).unwrap();
        let (mut search, files) = Search::start(Placement::Chosen).unwrap();
        search.offer(&path, Why::default());
        let found = files.recv_timeout(SOON).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::fs::read(found.open_path()).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")));
    }
}
