//! What capturing costs the program that is watched: real servers under load, with nothing, with
//! auditor, and with a peer, each with probes at two kinds of places, in turns.
//!
//! Goes in: servers and sizes of bodies. Comes out: requests a second and latency for each observer,
//! the ratio to nothing within the same round, and what auditor itself took. Everything stays on
//! loopback; only the servers that were started here are watched.

mod load;
mod observer;
mod pace;
pub mod server;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum as _;

use load::Load;
use observer::{Observed, Observer};
use pace::Client;
use server::{Body, Kind, Server};
use table::{Row, Table};

/// `auditor-bench capture`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these servers
    #[arg(long, value_enum, value_delimiter = ',')]
    server: Vec<Kind>,
    /// Only these sizes of bodies
    #[arg(long, value_enum, value_delimiter = ',')]
    body: Vec<Body>,
    /// Only these observers, beside none
    #[arg(long, value_enum, value_delimiter = ',')]
    observer: Vec<Observer>,
    /// Seconds of load for each measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    /// Load of the part that leaves servers time to spare, percent of what they do alone
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=90))]
    pace: u8,
    /// Connections that are kept busy
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Binary that watches
    #[arg(long, value_name = "PATH")]
    auditor: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the comparison and prints it.
///
/// # Errors
/// When nothing could be measured at all.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::tempdir().context("can not make a folder for servers and their keys")?;
    let mut table = Table::default();
    let client = Client::build(scratch.path())
        .map_err(|error| table.notes.push(format!("no paced load: {error:#}")))
        .ok();
    let servers = chosen(&arguments.server, Kind::value_variants());
    let observers = chosen(&arguments.observer, Observer::value_variants());
    for kind in servers {
        let server = match Server::start(kind, scratch.path()) {
            Ok(server) => server,
            Err(error) => {
                table.notes.push(format!("{}: left out: {error:#}", kind.name()));
                continue;
            }
        };
        for body in chosen(&arguments.body, Body::value_variants()) {
            if let Err(error) = compare(arguments, &server, client.as_ref(), body, &observers, &mut table) {
                table
                    .notes
                    .push(format!("{}, {}: {error:#}", kind.name(), body.name()));
            }
        }
    }
    anyhow::ensure!(
        !table.rows.is_empty(),
        "nothing was measured: {}",
        table.notes.join("; ")
    );
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        print!("{}", table.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(
    arguments: &Arguments,
    server: &Server,
    client: Option<&Client>,
    body: Body,
    observers: &[Observer],
    table: &mut Table,
) -> anyhow::Result<()> {
    let load = Load {
        url: server.url(body),
        seconds: arguments.seconds,
        connections: arguments.connections,
    };
    // What is measured first pays for cold caches.
    let unwatched = load.run_for(1)?;
    let rate = (unwatched.requests_a_second * f64::from(arguments.pace) / 100.0).max(1.0) as u64;
    let mut rows: Vec<Row> = std::iter::once(None)
        .chain(observers.iter().copied().map(Some))
        .map(|observer| {
            Row::new(
                server.kind.name(),
                body.name(),
                observer.map_or(table::NOBODY, Observer::name),
            )
        })
        .collect();
    for _ in 0..arguments.rounds {
        let mut alone = None;
        for (row, observer) in rows
            .iter_mut()
            .zip(std::iter::once(None).chain(observers.iter().map(Some)))
        {
            let observed = match observer {
                None => None,
                Some(observer) => match Observed::start(*observer, server, &arguments.auditor) {
                    Ok(observed) => Some(observed),
                    Err(error) => {
                        row.note(format!("{error:#}"));
                        continue;
                    }
                },
            };
            // Before the servers are saturated, as what is then behind would still be at work.
            let paced = client
                .map(|client| client.run(server, &load.url, rate, arguments.seconds, arguments.connections))
                .transpose();
            let measured = load.run_for(arguments.seconds);
            let took = observed.map(|observed| observed.stop()).transpose()?.flatten();
            let measured = measured?;
            let base = *alone.get_or_insert(measured.requests_a_second);
            row.add(&measured, base, took);
            row.pace(rate, paced?);
        }
    }
    table.rows.extend(rows);
    Ok(())
}

/// Those that were asked for, or all.
fn chosen<T: Copy>(asked: &[T], all: &[T]) -> Vec<T> {
    if asked.is_empty() {
        all.to_vec()
    } else {
        asked.to_vec()
    }
}

/// How long a server or an observer may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// Time of a process on a core so far, seconds; `None` when there is no such process.
fn processor_s(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state is field 3, utime 14, stime 15 (proc(5)).
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Asks `is_ready` until it says so.
fn wait_for(what: &str, mut is_ready: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    while !is_ready()? {
        anyhow::ensure!(
            start.elapsed() < READY,
            "{what}: not within {} s",
            READY.as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
