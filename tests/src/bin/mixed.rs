//! mixed MINUTES: all servers at once under load, watched for so long, and the account of it. `cargo xtask mixed` builds
//! and runs it.

use std::{env, process::ExitCode, time::Duration};

use anyhow::Context as _;
use auditor_tests::mixed::Mixed;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED mixed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let minutes: u64 = env::args().nth(1).context("how many minutes?")?.parse()?;
    let outcome = Mixed::start()?.watch(Duration::from_secs(60 * minutes))?;
    print!("{}", outcome.account());
    outcome.judged()?;
    println!("every byte accounted, every server's leak found, no request failed");
    Ok(())
}
