//! Threads of a daemon that panic or hang as a test asks, which builds with debug assertions can be asked for and no others.

use std::fs;

use anyhow::ensure;

use crate::process;

/// The variable of the daemon that names the file with what is asked.
pub const ASK: &str = "AUDITOR_TEST_FAIL";

/// Makes sure that the binary under test is one that can be asked.
///
/// # Errors
/// When it is a release, or there is none.
pub fn can_be_asked() -> anyhow::Result<()> {
    let binary = fs::read(process::auditor()?)?;
    let is_there = binary.windows(ASK.len()).any(|bytes| bytes == ASK.as_bytes());
    ensure!(
        is_there,
        "this build of auditor has no way to make a thread fail, as no release has: test one for development"
    );
    Ok(())
}
