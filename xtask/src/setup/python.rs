//! Python environments in the cache, each of exactly what its requirements pin: what the detectors' evaluation is made
//! with, and packages that bring TLS libraries of their own, old ones of them in folders beside, and packages that speak
//! protocols or receive findings.

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
    kind: Kind,
}

enum Kind {
    /// With an interpreter.
    Whole,
    /// Packages alone, for the interpreter of [`PEERS`]: others of the same names are there. With what pip is told
    /// besides, where they were made for another version of Python.
    Packages(&'static [&'static str]),
}

const EVALUATION: Environment = Environment {
    folder: "python",
    requirements: "tests/detect/requirements.txt",
    kind: Kind::Whole,
};

/// tests/src/peers.rs looks for it, and for those below, under these names.
const PEERS: Environment = Environment {
    folder: "python-peers",
    requirements: "tests/programs/requirements.txt",
    kind: Kind::Whole,
};

const OPENSSL_1_1_1: Environment = Environment {
    folder: "python-openssl-1.1.1",
    requirements: "tests/programs/requirements-openssl-1.1.1.txt",
    kind: Kind::Packages(&[]),
};

const OPENSSL_1_1_0: Environment = Environment {
    folder: "python-openssl-1.1.0",
    requirements: "tests/programs/requirements-openssl-1.1.0.txt",
    kind: Kind::Packages(&[]),
};

const OPENSSL_1_0_2: Environment = Environment {
    folder: "python-openssl-1.0.2",
    requirements: "tests/programs/requirements-openssl-1.0.2.txt",
    kind: Kind::Packages(&[
        "--python-version=3.6",
        "--implementation=cp",
        "--abi=cp36m",
        "--platform=manylinux1_x86_64",
    ]),
};

const S2N: Environment = Environment {
    folder: "python-s2n",
    requirements: "tests/programs/requirements-s2n.txt",
    kind: Kind::Packages(&[]),
};

const PROTOCOLS: Environment = Environment {
    folder: "python-protocols",
    requirements: "tests/programs/requirements-protocols.txt",
    kind: Kind::Packages(&[]),
};

const SINKS: Environment = Environment {
    folder: "python-sinks",
    requirements: "tests/programs/requirements-sinks.txt",
    kind: Kind::Packages(&[]),
};

/// Packages without an interpreter come behind the one whose pip installs them.
const ALL: [Environment; 8] = [
    EVALUATION,
    PEERS,
    OPENSSL_1_1_1,
    OPENSSL_1_1_0,
    OPENSSL_1_0_2,
    S2N,
    PROTOCOLS,
    SINKS,
];

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
        match self.kind {
            Kind::Whole => Ok(self.folder()?.join("bin/python")),
            Kind::Packages(_) => PEERS.interpreter(),
        }
    }

    fn is_there(&self) -> bool {
        let stamp = self.folder().and_then(|folder| Ok(fs::read(folder.join(STAMP))?));
        matches!((stamp, fs::read(self.pinned())), (Ok(made), Ok(wanted)) if made == wanted)
            && self.interpreter().is_ok_and(|python| python.is_file())
    }

    fn commands(&self) -> anyhow::Result<Vec<Command>> {
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
        let Kind::Packages(more) = self.kind else {
            let python = if Path::new(PYTHON).exists() {
                PYTHON
            } else {
                "python3"
            };
            let mut environment = process::command(python);
            environment.args(["-m", "venv", "--clear"]).arg(self.folder()?);
            return Ok(vec![environment, packages]);
        };
        packages.args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--upgrade",
        ]);
        packages.args(more).arg("--target").arg(self.folder()?);
        Ok(vec![packages])
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(cache::folder()?.join(self.folder))
    }

    fn pinned(&self) -> PathBuf {
        process::root().join(self.requirements)
    }
}
