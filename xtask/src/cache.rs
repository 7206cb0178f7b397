//! Where things stay that are worth keeping from run to run: kernels, the Python environment.

use std::{env, path::PathBuf};

use anyhow::Context as _;

/// `$XDG_CACHE_HOME/auditor` or `~/.cache/auditor`.
///
/// # Errors
/// When neither XDG_CACHE_HOME nor HOME is set.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => env::home_dir()
            .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place to keep downloads in")?
            .join(".cache"),
    };
    Ok(base.join("auditor"))
}
