//! `cargo xtask soak`: auditor comes to servers under load and goes again, thousands of times.
//!
//! The cycles are those of tests/tests/harmless.rs; tests/src/bin/soak.rs runs them and judges memory.

use std::process::ExitCode;

use crate::{
    build::{self, Profile},
    process, setup,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Times auditor is attached and taken away.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(21..))]
    cycles: u64,
    /// End after this time, however many cycles that was.
    #[arg(long)]
    minutes: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let auditor = build::auditor(Profile::Dev)?;
    process::run(process::cargo("build").args(["--package", "auditor-tests", "--bin", "soak"]))?;
    let mut soak = process::command(build::target_directory().join("debug/soak"));
    soak.arg(arguments.cycles.to_string()).env("AUDITOR", auditor);
    soak.args(arguments.minutes.map(|minutes| minutes.to_string()));
    Ok(if process::succeeds(&mut soak)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
