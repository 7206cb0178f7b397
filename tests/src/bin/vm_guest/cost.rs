//! How long the kernel programs run that see every socket operation of the machine, by the kernel's own count.
//!
//! An emulated machine's nanoseconds are not a real one's: what counts is how programs compare with each other, and with
//! those that a real machine runs as well.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};
use serde_json::{Map, Value, json};

use crate::{Outcome, program::Running};

const TRAFFIC: &str = include_str!("traffic.py");
const GO: &str = "/tmp/cost_go";
const DONE: &str = "/tmp/cost_done";
const READY: &str = "/tmp/cost_ready";
/// Loading the programs takes most of it.
const LIMIT: Duration = Duration::from_secs(150);
/// Runs from which an average is worth something.
const ENOUGH: u64 = 1000;

/// 5,000 sends and receives over TCP and a UNIX domain socket, of a process that is not watched and of one that is.
pub(crate) fn socket_programs() -> Outcome {
    fs::write("/tmp/traffic.py", TRAFFIC)?;
    let (others, own) = (of_traffic(false)?, of_traffic(true)?);
    Ok(json!({"not_watched_ns": others, "watched_ns": own}).to_string())
}

fn of_traffic(watched: bool) -> anyhow::Result<Value> {
    for file in [GO, DONE, READY] {
        let _ = fs::remove_file(file);
    }
    let traffic = Running::start(Command::new("python3").args(["/tmp/traffic.py", GO, DONE]))?;
    let quiet = Running::start(Command::new("python3").args(["-c", "import time; time.sleep(600)"]))?;
    let pid = if watched { traffic.pid() } else { quiet.pid() };
    let _auditor = Running::start(Command::new("auditor").args([
        "watch",
        "--ready-file",
        READY,
        "--pid",
        &pid.to_string(),
    ]))?;
    appears(READY)?;
    let _stats = enable_stats(Stats::RunTime).context("the kernel does not count")?;
    fs::write(GO, "")?;
    appears(DONE)?;
    let mut average = Map::new();
    for program in loaded_programs() {
        let program = program?;
        let runs = program.run_count();
        if let Some(name) = program.name_as_str()
            && runs >= ENOUGH
        {
            let each = program.run_time().as_nanos() / u128::from(runs);
            average.insert(name.to_owned(), json!(u64::try_from(each)?));
        }
    }
    ensure!(!average.is_empty(), "no program ran {ENOUGH} times");
    Ok(Value::Object(average))
}

fn appears(file: &str) -> anyhow::Result<()> {
    let since = Instant::now();
    while !Path::new(file).exists() {
        ensure!(since.elapsed() < LIMIT, "no {file} within {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
