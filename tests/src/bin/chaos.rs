//! chaos MINUTES: everything around a daemon goes wrong for so long. `cargo xtask soak` builds and runs it.

use std::{env, process::ExitCode, time::Duration};

use anyhow::Context as _;
use auditor_tests::{chaos::Chaos, scratch::Scratch};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How long a daemon lives, minutes, where there is time for more than three.
const LIFE: u64 = 8;

fn run() -> anyhow::Result<()> {
    let minutes: u64 = env::args().nth(1).context("how many minutes?")?.parse()?;
    let lives = u32::try_from((minutes / LIFE).max(3))?;
    let scratch = Scratch::new()?;
    let outcome = Chaos::start(&scratch)?.run(Duration::from_secs(60 * minutes), lives)?;
    print!("{outcome}");
    Ok(())
}
