//! The journal: one finding a line, in a file that only the daemon's user reads.
//!
//! Goes in: [`Finding`]s. Comes out: `findings.jsonl`, and older `findings.jsonl.1`, `.2`, … It
//! syncs on rotation, on close, and as often as it is told to. A disk that fails is reported once and
//! every finding it costs is counted; writing goes on when the disk does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Sink;
use super::format::Format;
use crate::report::finding::Finding;

/// Where the journal is and how large it grows.
#[derive(Clone, Debug)]
pub struct Settings {
    pub path: PathBuf,
    /// Size at which the file is rotated, bytes.
    pub max_bytes: u64,
    /// Rotated files kept beside the current one; 0 keeps none.
    pub keep: u32,
    pub format: Format,
    pub sync: Sync,
}

/// When what was written is certain to be on the disk, besides on rotation and on close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    Close,
    /// At most a second after it was written.
    #[default]
    Second,
    /// Before the next finding is written.
    Each,
}

/// See [`Sync::Second`].
const SECOND: Duration = Duration::from_secs(1);

/// An open journal.
pub struct Journal {
    settings: Settings,
    /// `None` after a failed rotation; opened again at the next write.
    file: Option<File>,
    size: u64,
    failing: bool,
    dropped: Arc<AtomicU64>,
    line: Vec<u8>,
    /// When the oldest line was written that is not synced.
    unsynced: Option<Instant>,
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the journal {path}: {source}; make its folder writable or set report.journal.path")]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

impl Journal {
    /// Opens (or creates, with mode 0600) the journal and appends to it.
    ///
    /// # Errors
    /// When the file cannot be created or written, or is a symbolic link.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let (file, size) = open(&settings.path).map_err(|source| OpenError {
            path: settings.path.clone(),
            source,
        })?;
        Ok(Self {
            settings,
            file: Some(file),
            size,
            failing: false,
            dropped: Arc::default(),
            line: Vec::new(),
            unsynced: None,
        })
    }

    fn append(&mut self, finding: &Finding) -> io::Result<()> {
        self.line.clear();
        let line = crate::report::json::line(finding)?;
        self.line
            .extend(self.settings.format.line(line.as_bytes())?.bytes());
        self.line.push(b'\n');
        let length = self.line.len() as u64;
        if self.size > 0 && self.size.saturating_add(length) > self.settings.max_bytes {
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let (file, size) = open(&self.settings.path)?;
                self.size = size;
                none.insert(file)
            }
        };
        if crate::files::is_on_read_only_disk(&self.settings.path) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if let Err(error) = file.write_all(&self.line) {
            // Take back half a line, so that every line in the file is whole.
            let _ = file.set_len(self.size);
            return Err(error);
        }
        self.size += length;
        self.unsynced.get_or_insert_with(Instant::now);
        if self.settings.sync == Sync::Each {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced = None;
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Shifts `journal.n` to `journal.n+1` and starts a new file. While it fails, findings are
    /// dropped and counted: the limit on the disk holds.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_data()?;
        }
        self.unsynced = None;
        let path = &self.settings.path;
        if self.settings.keep == 0 {
            ignore_missing(fs::remove_file(path))?;
        } else {
            for number in (1..self.settings.keep).rev() {
                ignore_missing(fs::rename(numbered(path, number), numbered(path, number + 1)))?;
            }
            ignore_missing(fs::rename(path, numbered(path, 1)))?;
        }
        let (file, size) = open(path)?;
        (self.file, self.size) = (Some(file), size);
        Ok(())
    }
}

impl Sink for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn write(&mut self, finding: &Finding) {
        let path = self.settings.path.display().to_string();
        match self.append(finding) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(
                    path,
                    dropped = self.dropped.load(Ordering::Relaxed),
                    "the journal can be written again"
                );
            }
            Ok(()) => (),
            Err(error) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(path, %error, "cannot write the journal: findings are dropped from it until it can be written");
                }
            }
        }
    }

    /// A file that somebody removed is made again, instead of written on where nobody can read it.
    fn flush(&mut self) {
        let removed = |file: &File| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        if self.file.as_ref().is_some_and(removed) {
            self.file = None;
            self.size = 0;
        }
        self.tick();
    }

    fn tick(&mut self) {
        let is_due = self.unsynced.is_some_and(|since| since.elapsed() >= SECOND);
        if self.settings.sync == Sync::Second
            && is_due
            && let Err(error) = self.sync()
        {
            tracing::error!(path = %self.settings.path.display(), %error, "cannot sync the journal");
        }
    }

    fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(file) = &self.file
            && let Err(error) = file.sync_all()
        {
            tracing::error!(path = %self.settings.path.display(), %error, "cannot sync the journal");
        }
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    // A file from before, or a loose umask, must not leave it open to others.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let mut size = metadata.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last != *b"\n" {
        // A crash left half a line: the next one must not continue it.
        file.write_all(b"\n")?;
        size += 1;
    }
    Ok((file, size))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::observation::tests::card;

    fn finding() -> Finding {
        card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH)
    }

    fn journal(path: PathBuf, max_bytes: u64, keep: u32) -> Journal {
        Journal::open(Settings {
            path,
            max_bytes,
            keep,
            format: Format::Auditor,
            sync: Sync::Second,
        })
        .unwrap()
    }

    #[test]
    fn findings_are_appended_one_a_line_to_a_file_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.jsonl");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for _ in 0..2 {
            journal(path.clone(), 1 << 20, 1).write(&finding());
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(line).unwrap()["id"],
                "id"
            );
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn rotation_keeps_as_many_files_as_asked_each_within_its_size() {
        for keep in [0, 1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("findings.jsonl");
            let size = serde_json::to_vec(&finding()).unwrap().len() as u64 + 1;
            let mut journal = journal(path.clone(), 2 * size, keep);
            for _ in 0..20 {
                journal.write(&finding());
            }
            assert_eq!(
                fs::read_dir(folder.path()).unwrap().count(),
                keep as usize + 1,
                "keep {keep}"
            );
            for entry in fs::read_dir(folder.path()).unwrap() {
                assert_eq!(entry.unwrap().metadata().unwrap().len(), 2 * size);
            }
            assert_eq!(journal.dropped().load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn a_disk_that_fails_costs_counted_findings_and_is_used_again_when_it_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/findings.jsonl");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let mut journal = journal(path.clone(), 1, 1);
        journal.write(&finding());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        journal.write(&finding());
        journal.write(&finding());
        assert_eq!(journal.dropped().load(Ordering::Relaxed), 2);
        fs::create_dir(path.parent().unwrap()).unwrap();
        journal.write(&finding());
        assert_eq!(journal.dropped().load(Ordering::Relaxed), 2);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn half_a_line_from_a_crash_is_closed_and_a_removed_file_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.jsonl");
        fs::write(&path, "{\"half\":").unwrap();
        let mut journal = journal(path.clone(), 1 << 20, 1);
        journal.write(&finding());
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(serde_json::from_str::<serde_json::Value>(lines[1]).is_ok());
        fs::remove_file(&path).unwrap();
        journal.flush();
        journal.write(&finding());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_link_or_a_device_is_not_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [
            link,
            PathBuf::from("/dev/null"),
            folder.path().to_owned(),
            folder.path().join("no/such"),
        ] {
            let error = Journal::open(Settings {
                path,
                max_bytes: 1,
                keep: 1,
                format: Format::Auditor,
                sync: Sync::Close,
            })
            .err()
            .unwrap()
            .to_string();
            assert!(error.contains("report.journal.path"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_counted_and_leaves_no_half_line() {
        let dropped = {
            let mut full = Journal {
                settings: Settings {
                    path: "/dev/full".into(),
                    max_bytes: u64::MAX,
                    keep: 1,
                    format: Format::Auditor,
                    sync: Sync::Each,
                },
                file: Some(OpenOptions::new().write(true).open("/dev/full").unwrap()),
                size: 0,
                failing: false,
                dropped: Arc::default(),
                line: Vec::new(),
                unsynced: None,
            };
            full.write(&finding());
            full.dropped()
        };
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }
}
