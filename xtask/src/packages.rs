//! Packages of another release of Debian, or for another processor: downloaded and unpacked, never installed.
//!
//! apt gets its own lists and configuration, so the machine's own are neither needed nor touched. The mirror is the one
//! the machine's own apt sources name.

mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use self::sources::Mirrors;
use crate::process;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt of its own: lists, cache, sources and status in one folder.
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// An apt for a release, for this machine's processor unless another is named.
    ///
    /// # Errors
    /// When no mirror is known, or reached.
    pub(crate) fn set_up(release: &str, processor: Option<&str>, folder: &Path) -> anyhow::Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("status"), "")?;
        let mirrors = Mirrors::of_this_machine()?;
        fs::write(
            folder.join("sources.list"),
            sources::list(&mirrors, release, KEYRING),
        )?;
        if let Some(name) = processor {
            let text = format!("APT::Architecture \"{name}\";\nAPT::Architectures {{ \"{name}\"; }};\n");
            fs::write(folder.join("processor.conf"), text)?;
        }
        let apt = Self {
            folder: folder.to_owned(),
        };
        process::output(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    /// One of apt's programs on these lists.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = process::command(program);
        command.current_dir(&self.folder);
        let processor = self.folder.join("processor.conf");
        if processor.exists() {
            command.env("APT_CONFIG", processor);
        }
        for (key, value) in [
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "sources.list"),
        ] {
            command
                .arg("-o")
                .arg(format!("{key}={}", self.folder.join(value).display()));
        }
        command.args(["-o", "Dir::Etc::sourceparts=-"]);
        // apt's own user may not read a home folder; and the machine's hooks are not for these lists.
        command.args([
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        ]);
        command.args(["-o", "APT::Update::Post-Invoke-Success::=true"]);
        command
    }

    /// The upstream archive of a source package, downloaded.
    ///
    /// # Errors
    /// When it can not be had.
    pub(crate) fn source(&self, package: &str) -> anyhow::Result<PathBuf> {
        let list = self.folder.join("sources.list");
        let binaries = fs::read_to_string(&list)?;
        fs::write(&list, sources::with_sources(&binaries))?;
        process::output(self.command("apt-get").arg("update"))?;
        process::output(
            self.command("apt-get")
                .args(["source", "--download-only", package]),
        )?;
        let mut files = self.folder.read_dir()?.flatten().map(|entry| entry.path());
        files
            .find(|file| {
                let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
                name.is_some_and(|name| name.starts_with(package) && name.contains(".orig.tar."))
            })
            .with_context(|| format!("the source package {package} has no archive"))
    }

    /// The folder in which these packages' files are, downloaded and unpacked.
    ///
    /// # Errors
    /// When one can not be had.
    pub(crate) fn unpack(&self, packages: &[String]) -> anyhow::Result<PathBuf> {
        process::output(self.command("apt-get").arg("download").args(packages))?;
        let unpacked = self.folder.join("unpacked");
        for entry in self.folder.read_dir()? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|extension| extension == "deb") {
                process::output(process::command("dpkg-deb").arg("-x").args([&archive, &unpacked]))?;
            }
        }
        Ok(unpacked)
    }
}
