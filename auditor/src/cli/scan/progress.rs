//! How far a scan has come, for somebody at a terminal.
//!
//! Goes in: bytes as they are read. Comes out, on standard error when that is a terminal and the scan
//! takes more than a second: one line that is drawn anew. It has no colour, and what is printed on
//! standard output never mixes with it.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a scan is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// The line; hidden at first.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    /// Standard error is a terminal.
    wanted: bool,
    /// Standard output is one too, most likely the same.
    shared: bool,
    shown: OnceLock<()>,
}

impl Progress {
    /// For the files of a command line.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let sizes: Option<Vec<u64>> = paths
            .iter()
            .map(|path| {
                path.metadata()
                    .ok()
                    .filter(|file| file.is_file())
                    .map(|file| file.len())
            })
            .collect();
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            wanted: io::stderr().is_terminal() && !is_dumb,
            shared: io::stdout().is_terminal(),
            ..Self::hidden(sizes.map(|sizes| sizes.iter().sum()))
        }
    }

    /// One that is never shown.
    pub(super) fn hidden(total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let style = match total {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left",
            None => "{spinner} {bytes} read, {binary_bytes_per_sec}",
        };
        // Without a style that can be read, the default one serves.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            started: Instant::now(),
            wanted: false,
            shared: false,
            shown: OnceLock::new(),
        }
    }

    /// So many bytes were read.
    pub(super) fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.wanted && self.started.elapsed() >= QUIET {
            self.shown.get_or_init(|| {
                self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            });
        }
    }

    /// Calls `print` while nothing is drawn where it prints.
    pub(super) fn beside<T>(&self, stderr: bool, print: impl FnOnce() -> T) -> T {
        if self.shown.get().is_some() && (stderr || self.shared) {
            self.bar.suspend(print)
        } else {
            print()
        }
    }

    /// Removes the line.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
