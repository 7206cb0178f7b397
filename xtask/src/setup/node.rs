//! Packages for Node.js in the cache: exactly what the lock file of tests/programs/npm pins.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context as _;

use crate::{cache, process};

/// Where the list and the lock file are.
const SOURCE: &str = "tests/programs/npm";
const LIST: &str = "package.json";
const LOCK: &str = "package-lock.json";
/// Copy of the lock file that was installed; written last.
const STAMP: &str = "installed.json";

/// Whether what is pinned is installed.
pub(super) fn is_there() -> bool {
    let installed = folder().and_then(|folder| Ok(fs::read(folder.join(STAMP))?));
    let wanted = fs::read(process::root().join(SOURCE).join(LOCK));
    matches!((installed, wanted), (Ok(installed), Ok(wanted)) if installed == wanted)
}

/// Installs it.
///
/// # Errors
/// When npm fails, or reaches no registry.
pub(super) fn make() -> anyhow::Result<()> {
    let (source, folder) = (process::root().join(SOURCE), folder()?);
    fs::create_dir_all(&folder)?;
    for name in [LIST, LOCK] {
        fs::copy(source.join(name), folder.join(name))?;
    }
    process::run(&mut command()?).context("the packages for Node.js could not be installed")?;
    fs::copy(source.join(LOCK), folder.join(STAMP))?;
    Ok(())
}

/// What installs it, once list and lock file are copied there; no package runs a script of its own.
pub(super) fn command() -> anyhow::Result<Command> {
    let mut npm = process::command("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
    npm.arg(folder()?);
    Ok(npm)
}

/// tests/src/peers.rs looks for it under this name.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("npm-peers"))
}
