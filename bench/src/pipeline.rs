//! From the record of a ring to the finding, one thread: recorded traffic of real servers through all stages.
//!
//! Goes in: what nginx and its clients wrote, kept by a relay in the open. Comes out: messages and megabytes a
//! second of the thread's own time, and the same for the plain work of libraries on the same bytes: `httparse`,
//! `serde_json` and a set of regular expressions.

mod plain;
mod recording;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use auditor::capture::ring::Record;
use auditor::pipeline::replay::Replay;
use auditor_common::record::{HEADER_LEN, Kind, RecordHeader, Source};

use crate::engine::auditor::scanner;
use crate::engine::clock::Moment;
use recording::{Recording, Segment};

/// `auditor-bench pipeline`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each measurement is repeated, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Requests of each recording
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,
    /// Rows whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Not used: nothing is started
    #[arg(long, value_name = "PATH", hide = true)]
    auditor: Option<PathBuf>,
}

/// One row: what is replayed, and how fast it should be.
struct Row {
    name: &'static str,
    protocol: recording::Protocol,
    path: &'static str,
    /// Of the requests, as large answers make long recordings.
    share: u32,
    goal: Goal,
}

#[derive(Clone, Copy)]
enum Goal {
    Messages(f64),
    Megabytes(f64),
}

const ROWS: [Row; 4] = [
    Row {
        name: "http/1.1, 1 KB",
        protocol: recording::Protocol::Http1,
        path: "1k",
        share: 1,
        goal: Goal::Messages(100_000.0),
    },
    Row {
        name: "http/2, 1 KB",
        protocol: recording::Protocol::Http2,
        path: "1k",
        share: 1,
        goal: Goal::Messages(60_000.0),
    },
    Row {
        name: "http/1.1, 64 KB",
        protocol: recording::Protocol::Http1,
        path: "64k",
        share: 20,
        goal: Goal::Megabytes(300.0),
    },
    Row {
        name: "http/2, 64 KB",
        protocol: recording::Protocol::Http2,
        path: "64k",
        share: 20,
        goal: Goal::Megabytes(300.0),
    },
];

/// What one pass took.
#[derive(Clone, Copy)]
struct Pass {
    seconds: f64,
}

/// Records, replays and prints.
///
/// # Errors
/// When a server or client is missing, or a recording does not hold what was asked for.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let _ = &arguments.auditor;
    let folder = tempfile::tempdir()?;
    let mut plain = plain::Plain::new()?;
    println!(
        "| recording | answers | MB | auditor: answers/s | MB/s | plain: answers/s | MB/s | auditor takes | goal |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in ROWS.iter().filter(|row| row.name.contains(&arguments.only)) {
        let requests = (arguments.requests / row.share).max(100);
        let recording = Recording::of(row.protocol, row.path, requests, folder.path())
            .with_context(|| format!("can not record {}", row.name))?;
        let mut passes = Vec::new();
        // The first ones are not counted.
        for at in 0..=arguments.repeat {
            let pass = (replay(&recording)?, plain.pass(&recording, row.protocol)?);
            if at > 0 {
                passes.push(pass);
            }
        }
        print(row, &recording, &passes);
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a recording through all stages once.
fn replay(recording: &Recording) -> anyhow::Result<Pass> {
    let mut replay = Replay::new(scanner()).context("the stages")?;
    let mut header = RecordHeader::decode(&[0; HEADER_LEN]).context("a header")?;
    header.tgid = std::process::id();
    let start = Moment::now();
    for Segment {
        connection,
        to_server,
        offset,
        bytes,
    } in &recording.segments
    {
        header.stream = *connection;
        header.cookie = *connection;
        header.offset = *offset;
        header.len = u32::try_from(bytes.len())?;
        header.total = header.len;
        // As the server's records would be.
        header.ingress = u8::from(*to_server);
        replay.record(&Record {
            header,
            kind: Kind::Data,
            source: Source::Socket,
            payload: bytes,
        });
    }
    replay.finish();
    let seconds = start.elapsed().as_secs_f64();
    let spoken: Vec<_> = replay.shared().protocols.tallies().collect();
    anyhow::ensure!(
        spoken.len() == 1 && spoken[0].lost_sync == 0,
        "not all of it was read as one protocol: {spoken:?}"
    );
    Ok(Pass { seconds })
}

fn print(row: &Row, recording: &Recording, passes: &[(Pass, Pass)]) {
    let (answers, megabytes) = (f64::from(recording.answers), recording.bytes as f64 / 1e6);
    let own = median(passes.iter().map(|(own, _)| own.seconds).collect());
    let plain = median(passes.iter().map(|(_, plain)| plain.seconds).collect());
    let ratio = median(
        passes
            .iter()
            .map(|(own, plain)| own.seconds / plain.seconds)
            .collect(),
    );
    let (goal, met) = match row.goal {
        Goal::Messages(goal) => (format!("{goal:.0} answers/s"), answers / own >= goal),
        Goal::Megabytes(goal) => (format!("{goal:.0} MB/s"), megabytes / own >= goal),
    };
    println!(
        "| {} | {answers} | {megabytes:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {ratio:.2} × plain | {goal}: {} |",
        row.name,
        answers / own,
        megabytes / own,
        answers / plain,
        megabytes / plain,
        if met { "met" } else { "not met" },
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
