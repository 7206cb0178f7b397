//! One build for all stages.
//!
//! Cargo chooses the features of a dependency by the packages that are built together, so every other choice of packages
//! compiles auditor once more, which takes longer than most stages. Goes in: which targets are wanted. Comes out: auditor,
//! the programs beside it, and the test binaries, always of the same choice of packages.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{build, process};

/// The choice of packages, of which there is one.
const PACKAGES: [&str; 5] = [
    "--workspace",
    "--exclude",
    "auditor-ebpf",
    "--features",
    "auditor-tests/kube",
];

/// The targets that cargo is asked for; with any of them come the programs of its package.
#[derive(Clone, Copy)]
pub(crate) enum Targets {
    All,
    /// Test binaries by name, `*` for any rest of it.
    Tests(&'static str),
    /// auditor, and the programs of tests/src/bin.
    Programs,
}

impl Targets {
    /// A test of auditor's package, and one of the tests': cargo builds a package's programs for its tests only.
    const WITH_PROGRAMS: [&str; 4] = ["--test", "cli_scan", "--test", "masking_disk"];

    fn arguments(self) -> Vec<&'static str> {
        match self {
            Self::All => Vec::new(),
            Self::Tests(names) => [&Self::WITH_PROGRAMS[..], &["--test", names]].concat(),
            Self::Programs => Self::WITH_PROGRAMS.to_vec(),
        }
    }
}

/// What was built.
pub(crate) struct Built {
    tests: Vec<TestBinary>,
}

/// A program of tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TestBinary {
    pub(super) name: String,
    /// The folder of its package, in which it is run.
    pub(super) package: PathBuf,
    program: PathBuf,
}

impl TestBinary {
    pub(super) fn is_of(&self, package: &str) -> bool {
        self.package.ends_with(package)
    }

    /// Runs it as cargo does.
    pub(super) fn command(&self) -> Command {
        let mut command = process::command(&self.program);
        command.current_dir(&self.package);
        command
    }
}

impl Built {
    /// # Errors
    /// When the eBPF toolchain is missing (says what, before cargo starts) or the build fails.
    pub(crate) fn new(targets: Targets) -> anyhow::Result<Self> {
        eprintln!("kernel programs: {}", build::kernel_compiler()?);
        let mut cargo = process::cargo("test");
        cargo
            .args(["--no-run", "--message-format", "json-render-diagnostics"])
            .args(PACKAGES)
            .args(targets.arguments())
            .stderr(Stdio::inherit());
        let shown = process::shown(&cargo);
        eprintln!("$ {shown}");
        let output = cargo.output().with_context(|| format!("can not start {shown}"))?;
        if !output.status.success() {
            bail!("failed: {shown}");
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            tests: text.lines().filter_map(test_binary).collect(),
        })
    }

    /// auditor, or one of the programs of tests/src/bin.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        build::target_directory().join("debug").join(name)
    }

    pub(super) fn tests(&self) -> &[TestBinary] {
        &self.tests
    }
}

/// The test binary that a message of cargo tells of.
fn test_binary(line: &str) -> Option<TestBinary> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    Some(TestBinary {
        name: message["target"]["name"].as_str()?.to_owned(),
        package: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
        program: message["executable"].as_str()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_binaries_are_read_from_the_messages_of_cargo() {
        let message = |test: bool, executable: Value| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": "/x/auditor/Cargo.toml",
                "target": {"name": "cli_scan", "kind": ["test"]},
                "profile": {"test": test},
                "executable": executable,
            })
            .to_string()
        };
        let binary = test_binary(&message(true, "/x/target/cli_scan-1".into())).unwrap();
        assert_eq!(
            binary,
            TestBinary {
                name: "cli_scan".into(),
                package: "/x/auditor".into(),
                program: "/x/target/cli_scan-1".into(),
            }
        );
        assert!(binary.is_of("auditor") && !binary.is_of("tests"));
        // The program itself, a library, and what is no message.
        assert_eq!(test_binary(&message(false, "/x/target/auditor".into())), None);
        assert_eq!(test_binary(&message(true, Value::Null)), None);
        assert_eq!(test_binary("   Compiling auditor"), None);
    }
}
