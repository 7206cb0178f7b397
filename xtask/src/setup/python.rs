//! Python environments in the cache, each of exactly what its requirements pin: what the detectors' evaluation is made
//! with, and packages that bring TLS libraries of their own.

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

/// One environment: its folder in the cache, and the file that pins what is in it.
struct Environment {
    folder: &'static str,
    requirements: &'static str,
}

const EVALUATION: Environment = Environment {
    folder: "python",
    requirements: "tests/detect/requirements.txt",
};

/// tests/src/peers.rs looks for it under this name.
const PEERS: Environment = Environment {
    folder: "python-peers",
    requirements: "tests/programs/requirements.txt",
};

const ALL: [Environment; 2] = [EVALUATION, PEERS];

/// The interpreter of the detectors' evaluation.
///
/// # Errors
/// When there is no place for a cache.
pub(crate) fn interpreter() -> anyhow::Result<PathBuf> {
    EVALUATION.interpreter()
}

/// Whether all environments are there and of the pinned versions.
pub(super) fn is_there() -> bool {
    ALL.iter().all(Environment::is_there)
}

/// Makes anew what is missing.
///
/// # Errors
/// When a command fails: without python3-venv, or when pip reaches no package index.
pub(super) fn make() -> anyhow::Result<()> {
    for environment in ALL.iter().filter(|environment| !environment.is_there()) {
        for mut command in environment.commands()? {
            process::run(&mut command).with_context(|| {
                format!(
                    "the environment of {} could not be made",
                    environment.requirements
                )
            })?;
        }
        fs::copy(environment.pinned(), environment.folder()?.join(STAMP))
            .context("can not finish the environment")?;
    }
    Ok(())
}

/// What makes the missing ones, in order.
pub(super) fn commands() -> anyhow::Result<Vec<Command>> {
    let mut commands = Vec::new();
    for environment in ALL.iter().filter(|environment| !environment.is_there()) {
        commands.extend(environment.commands()?);
    }
    Ok(commands)
}

impl Environment {
    fn interpreter(&self) -> anyhow::Result<PathBuf> {
        Ok(self.folder()?.join("bin/python"))
    }

    fn is_there(&self) -> bool {
        let stamp = self.folder().and_then(|folder| Ok(fs::read(folder.join(STAMP))?));
        matches!((stamp, fs::read(self.pinned())), (Ok(made), Ok(wanted)) if made == wanted)
            && self.interpreter().is_ok_and(|python| python.is_file())
    }

    fn commands(&self) -> anyhow::Result<[Command; 2]> {
        let python = if Path::new(PYTHON).exists() {
            PYTHON
        } else {
            "python3"
        };
        let mut environment = process::command(python);
        environment.args(["-m", "venv", "--clear"]).arg(self.folder()?);
        let mut packages = process::command(self.interpreter()?);
        packages.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ]);
        packages.arg(self.pinned());
        Ok([environment, packages])
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(cache::folder()?.join(self.folder))
    }

    fn pinned(&self) -> PathBuf {
        process::root().join(self.requirements)
    }
}
