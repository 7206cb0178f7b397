//! Findings over the network, as it is configured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Not set: nowhere.
    pub listen: Option<SocketAddr>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Not set: that of the API server.
    pub audience: Option<String>,
    pub max_streams: usize,
    pub recheck_seconds: u64,
}

impl Tail {
    pub const fn recheck(&self) -> Duration {
        Duration::from_secs(self.recheck_seconds)
    }

    /// Where to listen, and the files of certificate and key; both are there where it listens.
    pub fn served(&self) -> Option<(SocketAddr, &Path, &Path)> {
        Some((
            self.listen?,
            self.cert_file.as_deref()?,
            self.key_file.as_deref()?,
        ))
    }

    /// Whether it listens without what that takes.
    pub(super) fn is_incomplete(&self) -> bool {
        self.listen.is_some() && self.served().is_none()
    }
}
