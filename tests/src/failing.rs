//! Threads of a daemon that panic or hang as a test asks, which builds with debug assertions can be asked for and no others.

use std::fs;

use crate::process;

/// The variable of the daemon that names the file with what is asked.
pub const ASK: &str = "AUDITOR_TEST_FAIL";

/// Whether the binary under test is one that can be asked.
///
/// # Errors
/// When there is none.
pub fn can_be_asked() -> anyhow::Result<bool> {
    let binary = fs::read(process::auditor()?)?;
    let is_there = binary.windows(ASK.len()).any(|bytes| bytes == ASK.as_bytes());
    if !is_there {
        println!("skipped: this build of auditor has no way to make a thread fail, as no release has");
    }
    Ok(is_there)
}
