//! Peak memory of `auditor scan` on a large file.
//!
//! Goes in: the binary and a corpus, which is written to a temporary file until it is long enough.
//! Comes out: what the kernel says was the most memory the process held. The file is deleted.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::corpus::Corpus;
use crate::run;

/// Longest run.
const LONGEST: Duration = Duration::from_secs(3600);

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
    let mut child = Command::new(auditor)
        .arg("scan")
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can not start {}", auditor.display()))?;
    let run = run::watch(&mut child, LONGEST)?;
    // 1 says that something was found.
    if !matches!(run.status.code(), Some(0 | 1)) {
        bail!("auditor scan ended with {}", run.status);
    }
    Ok(Memory {
        file_bytes: length,
        peak_bytes: run.peak_bytes,
        seconds: run.elapsed.as_secs_f64(),
    })
}
