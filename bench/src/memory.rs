//! Peak memory of `auditor scan` on a large file.
//!
//! Goes in: the binary and a corpus, which is written to a temporary file until it is long enough.
//! Comes out: what the kernel says was the most memory the process held. The file is deleted.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::corpus::Corpus;

/// Between two looks at the process; its peak only grows, so that little is missed at the end.
const INTERVAL: Duration = Duration::from_millis(5);

/// What the run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub file_bytes: u64,
    /// `VmHWM` of `/proc/PID/status`, bytes.
    pub peak_bytes: u64,
    pub seconds: f64,
}

/// Runs `auditor scan` on `length` bytes of `corpus`, repeated.
///
/// # Errors
/// When the file can not be written or the binary does not run to its end.
pub fn measure(auditor: &Path, corpus: &Corpus, length: u64) -> anyhow::Result<Memory> {
    let mut file = tempfile::NamedTempFile::new().context("can not create a temporary file")?;
    let mut left = length;
    while left > 0 {
        let piece = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(corpus.bytes.len());
        file.write_all(&corpus.bytes[..piece])
            .context("can not write the temporary file")?;
        left -= piece as u64;
    }
    let start = Instant::now();
    let mut child = Command::new(auditor)
        .arg("scan")
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can not start {}", auditor.display()))?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water_mark(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(INTERVAL);
    };
    // 1 says that something was found.
    if !matches!(status.code(), Some(0 | 1)) {
        bail!("auditor scan ended with {status}");
    }
    Ok(Memory {
        file_bytes: length,
        peak_bytes: peak,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// `VmHWM` in bytes; `None` when the process has ended.
fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_living_process_has_a_peak() {
        assert!(super::high_water_mark(std::process::id()).is_some_and(|peak| peak > 100_000));
    }
}
