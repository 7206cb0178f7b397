//! soak CYCLES [MINUTES]: auditor comes to servers under load and goes again, CYCLES times, or until MINUTES are over.
//!
//! Says once a minute how far it is and what memory is in use. Ends with an error when auditor, a server or a request
//! fails, an account does not balance, something stays attached, or memory grows by more than [`GROWTH`] allows. Only
//! what it started itself is watched. `cargo xtask soak --cycles` builds and runs it.

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{cycles::Cycles, loaded::Kind};

/// Cycles after which memory is looked at for the first time: caches are full then.
const WARM: u64 = 20;
/// Bytes that any process may have in use at the end beyond what it had then. Garbage collectors take their time; a leak
/// of a kilobyte a cycle is ten megabytes in 10,000.
const GROWTH: u64 = 8 << 20;
/// The same for large processes, in percent of what they had.
const SHARE: u64 = 25;
const PROGRESS: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Memory in use after a cycle, bytes: the most of auditor, and each server.
type Memory = Vec<(&'static str, u64)>;

fn run() -> anyhow::Result<()> {
    let mut words = env::args().skip(1);
    let cycles: u64 = words.next().context("how many cycles?")?.parse()?;
    let minutes: Option<u64> = words.next().map(|word| word.parse()).transpose()?;
    ensure!(
        cycles > WARM,
        "more than {WARM} cycles are needed to see memory grow"
    );
    let mut servers = Cycles::start(&Kind::ALL)?;
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut first = None;
    let (mut last, mut moved, mut done) = (Memory::new(), 0, 0);
    while done < cycles {
        let cycle = servers
            .cycle()
            .with_context(|| format!("in cycle {} of {cycles}", done + 1))?;
        done += 1;
        moved += cycle.moved;
        last = vec![("auditor", cycle.auditor)];
        for server in &servers.servers {
            last.push((server.kind.name(), server.memory()?));
        }
        if done == WARM {
            first = Some(last.clone());
        }
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            say(done, cycles, start.elapsed(), moved, &last);
        }
        if minutes.is_some_and(|minutes| start.elapsed() >= Duration::from_secs(60 * minutes)) {
            break;
        }
    }
    let first = first.with_context(|| format!("fewer than {WARM} cycles in that time"))?;
    println!("memory after {WARM} cycles: {}", shown(&first));
    say(done, cycles, start.elapsed(), moved, &last);
    servers.end()?;
    for ((name, before), (_, now)) in first.iter().zip(&last) {
        let bound = before + GROWTH.max(before * SHARE / 100);
        ensure!(
            *now <= bound,
            "{name} has grown from {} to {}, more than {}",
            mebibytes(*before),
            mebibytes(*now),
            mebibytes(bound)
        );
    }
    println!("no crash, no failed request, every account balanced, nothing left attached");
    Ok(())
}

fn say(done: u64, cycles: u64, time: Duration, moved: i64, memory: &Memory) {
    println!(
        "{done} of {cycles} cycles in {:.1} min, {} MB of plaintext seen; memory: {}",
        time.as_secs_f64() / 60.0,
        moved / 1_000_000,
        shown(memory)
    );
}

fn shown(memory: &Memory) -> String {
    let each: Vec<String> = memory
        .iter()
        .map(|(name, bytes)| format!("{name} {}", mebibytes(*bytes)))
        .collect();
    each.join(", ")
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
