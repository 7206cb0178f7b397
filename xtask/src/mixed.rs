//! `cargo xtask mixed`: all servers of the tests at once, under load, watched for minutes, and the account of it.
//!
//! The servers are those of tests/src/mixed.rs; the tests do the same for half a minute.

use std::process::ExitCode;

use crate::{
    build::{self, Profile},
    process, setup,
    test::{Built, Targets},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long to watch.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let auditor = build::auditor(Profile::Release)?;
    let mut mixed = process::command(Built::new(Targets::Programs)?.program("mixed"));
    mixed.arg(arguments.minutes.to_string()).env("AUDITOR", auditor);
    Ok(if process::succeeds(&mut mixed)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
