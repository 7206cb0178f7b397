//! The Python environment of the detectors' evaluation, in the cache: exactly what tests/detect/requirements.txt pins.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{cache, process};

/// Debian's own, which python3-venv belongs to; another one may come first on PATH.
const PYTHON: &str = "/usr/bin/python3";
/// Copy of the requirements the environment was made from; written last.
const STAMP: &str = "requirements.txt";

/// The environment's interpreter.
///
/// # Errors
/// When there is no place for a cache.
pub(crate) fn interpreter() -> anyhow::Result<PathBuf> {
    Ok(folder()?.join("bin/python"))
}

/// Whether the environment is there and of the pinned versions.
pub(super) fn is_there() -> bool {
    let stamp = folder().and_then(|folder| Ok(fs::read(folder.join(STAMP))?));
    matches!((stamp, fs::read(requirements())), (Ok(made), Ok(wanted)) if made == wanted)
        && interpreter().is_ok_and(|python| python.is_file())
}

/// Makes it anew.
///
/// # Errors
/// When a command fails: without python3-venv, or when pip reaches no package index.
pub(super) fn make() -> anyhow::Result<()> {
    for mut command in commands()? {
        process::run(&mut command).context("the environment for tests/detect could not be made")?;
    }
    fs::copy(requirements(), folder()?.join(STAMP)).context("can not finish the environment")?;
    Ok(())
}

/// What makes it, in order.
pub(super) fn commands() -> anyhow::Result<[Command; 2]> {
    let python = if Path::new(PYTHON).exists() {
        PYTHON
    } else {
        "python3"
    };
    let mut environment = process::command(python);
    environment.args(["-m", "venv", "--clear"]).arg(folder()?);
    let mut packages = process::command(interpreter()?);
    packages.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    packages.arg(requirements());
    Ok([environment, packages])
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("python"))
}

fn requirements() -> PathBuf {
    process::root().join("tests/detect/requirements.txt")
}
