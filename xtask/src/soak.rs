//! `cargo xtask soak`: half an hour in which everything around the daemon goes wrong; or, with `--cycles`, auditor comes to
//! servers under load and goes again, thousands of times.
//!
//! What goes wrong is in tests/src/chaos, and the cycles are those of tests/tests/harmless.rs; tests/src/bin/chaos.rs and
//! tests/src/bin/soak.rs run them.

use std::process::ExitCode;

use crate::{
    kube, process, setup,
    test::{Built, Targets},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long; of cycles: end after this time, however many that was.
    #[arg(long, value_parser = clap::value_parser!(u64).range(3..))]
    minutes: Option<u64>,
    /// Attach auditor and take it away so often, instead.
    #[arg(long, value_parser = clap::value_parser!(u64).range(21..))]
    cycles: Option<u64>,
}

/// Minutes of a soak, unless it is said.
const MINUTES: u64 = 30;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let built = Built::new(Targets::Programs)?;
    let (name, numbers) = match arguments.cycles {
        Some(cycles) => ("soak", [Some(cycles), arguments.minutes]),
        None => ("chaos", [Some(arguments.minutes.unwrap_or(MINUTES)), None]),
    };
    let mut soak = process::command(built.program(name));
    soak.args(numbers.into_iter().flatten().map(|number| number.to_string()));
    soak.env("AUDITOR", built.program("auditor"));
    // It says so where there can be no cluster.
    if let Ok(servers) = kube::programs() {
        soak.env("AUDITOR_KUBE", servers);
    }
    Ok(if process::succeeds(&mut soak)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
