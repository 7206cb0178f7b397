//! `cargo xtask deb`: the Debian package, from the release binary.

use std::process::ExitCode;

use crate::{
    build::{self, Profile},
    process,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pack the binary of the development profile.
    #[arg(long)]
    dev: bool,
}

/// Builds auditor, and packs it with what belongs beside it (deploy/debian/build.sh).
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let profile = if arguments.dev {
        Profile::Dev
    } else {
        Profile::Release
    };
    let auditor = build::auditor(profile)?;
    process::run(
        process::command("deploy/debian/build.sh")
            .arg(auditor)
            .arg(build::target_directory().join("debian")),
    )?;
    Ok(ExitCode::SUCCESS)
}
