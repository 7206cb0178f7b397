//! `cargo xtask deny`: licences, bans and sources of the dependencies, by deny.toml. Advisories are not checked:
//! their database has to be fetched, and the result of a check must not change with the day.

use std::process::ExitCode;

use crate::{build, process};

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    Ok(if check()? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the check, installing cargo-deny when it is missing (two minutes).
///
/// # Errors
/// When cargo-deny can not be installed or started.
pub(crate) fn check() -> anyhow::Result<bool> {
    build::ensure_subcommand("cargo-deny")?;
    process::succeeds(process::cargo("deny").args([
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}
