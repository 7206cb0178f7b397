//! Requests at a pace that leaves a server time to spare, and how long its answers took: a client in
//! Go, built here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::server::{Server, build_go};

const CLIENT: &str = include_str!("programs/pace.go");

/// Latencies of one paced load, microseconds, and what the server took for it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Paced {
    pub requests: u64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// Time of the server on a core for a request, microseconds.
    #[serde(default)]
    pub server_us: f64,
}

/// The client.
pub struct Client(PathBuf);

impl Client {
    /// Builds it below `folder`.
    ///
    /// # Errors
    /// Without Go, or when it does not build.
    pub fn build(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("pace");
        fs::create_dir_all(&folder)?;
        let source = folder.join("pace.go");
        fs::write(&source, CLIENT)?;
        Ok(Self(build_go(&folder, &source)?))
    }

    /// `rate` requests a second over `connections`, for so many seconds.
    ///
    /// # Errors
    /// When a request fails.
    pub fn run(
        &self,
        server: &Server,
        url: &str,
        rate: u64,
        seconds: u64,
        connections: u16,
    ) -> anyhow::Result<Paced> {
        let before = server.processor_s()?;
        let output = Command::new(&self.0)
            .arg(url)
            .args([rate, seconds, u64::from(connections)].map(|number| number.to_string()))
            // One core at most: the server and who watches it have the other.
            .env("GOMAXPROCS", "1")
            .output()
            .context("can not start the client that keeps a pace")?;
        ensure!(
            output.status.success(),
            "the client that keeps a pace ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let mut paced: Paced = serde_json::from_slice(&output.stdout)?;
        paced.server_us = (server.processor_s()? - before) * 1e6 / paced.requests as f64;
        Ok(paced)
    }
}
