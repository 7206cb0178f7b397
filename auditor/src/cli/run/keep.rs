//! Keeps what fields carried in a file of the state folder, so that a restart forgets nothing.
//!
//! Goes in: the sketches of the reporter, once a minute and at the end. Comes out: a file. The
//! disk is waited for on a thread of its own, but for the last time.

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::detect::sketch::Stored;
use crate::pipeline::reporter::Reporter;

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(60);

/// The file of sketches.
pub(super) struct Keeper {
    path: PathBuf,
    kept: Instant,
    /// What was written last.
    seal: Option<u64>,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl Keeper {
    /// Reads the file, if there is one, into the reporter.
    pub(super) fn load(path: PathBuf, reporter: &mut Reporter) -> Self {
        reporter.load_sketches(&path);
        Self::new(path)
    }

    fn new(path: PathBuf) -> Self {
        Self {
            path,
            kept: Instant::now(),
            seal: None,
            writing: None,
        }
    }

    /// Writes the file when a minute is over and something changed. Call it often.
    pub(super) fn due(&mut self, reporter: &Reporter) {
        if self.kept.elapsed() >= EVERY && self.writing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.kept = Instant::now();
            self.begin(reporter.stored_sketches());
        }
    }

    /// Writes the file for the last time.
    pub(super) fn finish(mut self, reporter: &Reporter) {
        self.settle();
        self.begin(reporter.stored_sketches());
        self.settle();
    }

    fn begin(&mut self, stored: Stored) {
        self.settle();
        let seal = stored.seal();
        if self.seal == Some(seal) {
            return;
        }
        let path = self.path.clone();
        let thread = std::thread::Builder::new().name("sketches".to_owned());
        match thread.spawn(move || stored.write(&path)) {
            Ok(writing) => (self.seal, self.writing) = (Some(seal), Some(writing)),
            Err(error) => self.failed(&error),
        }
    }

    /// Waits for the thread, and says what it could not do.
    fn settle(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let written = writing
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes it panicked")));
        if let Err(error) = written {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.seal = None;
        tracing::warn!(
            path = %self.path.display(),
            %error,
            "cannot keep what fields carried; after a restart it is learned anew"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::sketch::{self, Sketches};

    #[test]
    fn what_was_written_is_not_written_again_and_what_failed_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("sketches");
        let stored = sketch::store(&Sketches::<()>::default(), 7);
        let mut keeper = Keeper::new(path.clone());
        keeper.begin(stored.clone());
        keeper.settle();
        assert!(!path.exists() && keeper.seal.is_none());

        std::fs::create_dir(folder.path().join("state")).unwrap();
        keeper.begin(stored.clone());
        keeper.settle();
        assert!(path.exists());
        std::fs::remove_file(&path).unwrap();
        keeper.begin(stored);
        keeper.settle();
        assert!(!path.exists());
    }
}
