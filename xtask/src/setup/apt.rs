//! Installs Debian packages, as root or through sudo, without starting the services they bring.

use std::process::Command;

use anyhow::Context as _;

use super::services;
use crate::process;

/// How to become root.
pub(super) struct Root {
    sudo: bool,
}

impl Root {
    /// None when this process is not root and there is no sudo.
    pub(super) fn find() -> Option<Self> {
        if process::is_root() {
            return Some(Self { sudo: false });
        }
        process::find("sudo").map(|_| Self { sudo: true })
    }

    /// A command that runs as root.
    pub(super) fn command(&self, program: &str) -> Command {
        if !self.sudo {
            return process::command(program);
        }
        let mut sudo = process::command("sudo");
        // sudo passes no environment on; these two keep dpkg from asking.
        sudo.args(["DEBIAN_FRONTEND=noninteractive", program]);
        sudo
    }
}

/// Installs packages; `apt-get update` comes first, since a list that is missing or old is the usual cause of failure.
///
/// # Errors
/// When apt fails, with what is likely the cause.
pub(super) fn install(root: &Root, packages: &[&str]) -> anyhow::Result<()> {
    eprintln!("missing packages: {}", packages.join(" "));
    process::run(root.command("apt-get").args(["update", "--quiet"]))?;
    let guard = services::Guard::set(root)?;
    let installed = process::run(
        root.command("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(packages),
    );
    guard.release(packages)?;
    installed.context(
        "apt could not install them all; rustc-web and llvm-22 come from the security suite of Debian 12, \
         so check that apt's sources name it",
    )
}
