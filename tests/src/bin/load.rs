//! load MINUTES: nginx at saturation under wrk for so long, half of it with TLS, and a daemon that watches it. `cargo xtask
//! bench load` builds and runs it.

use std::{env, process::ExitCode, time::Duration};

use anyhow::Context as _;
use auditor_tests::load::Load;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let minutes: u64 = env::args().nth(1).context("how many minutes?")?.parse()?;
    for tls in [false, true] {
        let load = Load {
            tls,
            time: Duration::from_secs(30 * minutes),
            connections: 32,
            environment: &[],
        };
        let outcome = load.run()?;
        println!("{outcome}");
        outcome.judged()?;
    }
    Ok(())
}
