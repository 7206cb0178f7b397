//! The configuration of a running daemon, as its file changes.
//!
//! Goes in: SIGHUP, or another content of the file. Comes out: a configuration in which keys changed that a running
//! daemon can take ([`LIVE`](crate::config::keys::LIVE)); the names of those that need a restart.
//! What can not be used changes nothing, and metrics and health say so until it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::config::{Config, Effective};
use crate::serve::health::Health;
use crate::serve::metrics::Metrics;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The configuration in force, and how to read it again.
pub(super) struct Reload {
    file: Option<PathBuf>,
    flags: Vec<(String, String)>,
    /// In force, but for the keys that wait for a restart.
    current: Effective,
    /// Of the file, when it was last read.
    content: Option<Vec<u8>>,
    looked: Instant,
    asked: Arc<AtomicBool>,
}

impl Reload {
    pub(super) fn new(
        file: Option<PathBuf>,
        flags: Vec<(String, String)>,
        current: Effective,
        asked: Arc<AtomicBool>,
    ) -> Self {
        let content = file.as_deref().and_then(content);
        Self {
            file,
            flags,
            current,
            content,
            looked: Instant::now(),
            asked,
        }
    }

    /// The configuration, if it changed in a way that is to be taken over now.
    pub(super) fn due(&mut self, metrics: &Metrics, health: &Health) -> Option<Config> {
        let asked = self.asked.swap(false, Ordering::AcqRel);
        if !asked && self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        let content = self.file.as_deref().and_then(content);
        if !asked && content == self.content {
            return None;
        }
        self.content = content;
        let flags: Vec<(&str, String)> = self
            .flags
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        let loaded = Effective::load(self.file.as_deref(), std::env::vars(), &flags);
        let usable = loaded.map_err(anyhow::Error::from).and_then(|new| {
            super::selection(&new.config.capture.leave_out)?;
            super::exclusion(&new.config.scope.exclude)?;
            Ok(new)
        });
        match usable {
            Ok(new) => Some(self.taken(new, metrics, health)),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the configuration is refused; that of before stays in force"
                );
                metrics.config_reloaded("refused");
                health.set_config("stale", Vec::new());
                None
            }
        }
    }

    fn taken(&mut self, new: Effective, metrics: &Metrics, health: &Health) -> Config {
        let changed = self.current.differences(&new);
        let (live, waits): (Vec<_>, Vec<_>) = changed.into_iter().partition(|key| key.is_live());
        let names = |keys: &[&crate::config::keys::Key]| keys.iter().map(|key| key.path).collect::<Vec<_>>();
        let (live, waits) = (names(&live), names(&waits));
        tracing::warn!(
            taken = live.join(", "),
            need_a_restart = waits.join(", "),
            "the configuration was read again"
        );
        metrics.config_reloaded("loaded");
        health.set_config("loaded", waits.clone());
        let config = new.config.clone();
        // What waits is told again with the next change, until it is taken back or in force.
        self.current.take(&new, &live);
        config
    }
}

/// What the file holds; none where it can not be read, which reading it for good will say.
fn content(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
