//! `cargo xtask bench`: builds and runs the comparisons of the bench crate.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::build::{self, Profile};
use crate::test::{Built, Targets};
use crate::{kube, process, setup};

const PACKAGE: &str = "auditor-bench";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand)]
enum Subject {
    /// The scanner against regex engines on generated traffic, and the peak memory of a scan.
    #[command(disable_help_flag = true)]
    Detect {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// `auditor scan` on content that is made to hold it up: up to 1 GiB each of what a peer could send.
    #[command(disable_help_flag = true)]
    Hostile {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// What capturing costs nginx, Node.js and Go servers under load, next to bpftrace.
    #[command(disable_help_flag = true)]
    Capture {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// All stages behind the rings on recorded traffic of nginx, next to the plain work of libraries.
    #[command(disable_help_flag = true)]
    Pipeline {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// nginx at saturation under wrk, plain and with TLS, watched on the processors that they share.
    Load(Load),
    /// The masking ledger: values counted a second, next to a plain hash map.
    #[command(disable_help_flag = true)]
    Masking {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// What following a cluster of 10,000 pods and 5,000 services costs, with a real API server, while it changes.
    Cluster(Cluster),
    /// Judging by policies of up to 10,000 rules, and reading those.
    #[command(disable_help_flag = true)]
    Judge {
        /// Arguments of the bench itself; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

/// `cargo xtask bench load`.
#[derive(clap::Args)]
struct Load {
    /// How long, half of it with TLS.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
}

/// `cargo xtask bench cluster`.
#[derive(clap::Args)]
struct Cluster {
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(400..=60_000))]
    pods: u32,
    /// Each has two pods behind it, and an EndpointSlice.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=30_000))]
    services: u32,
    /// Writes a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// How long so much is written.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    seconds: u32,
    /// End with 1 when a goal is missed.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (subject, rest) = match &arguments.subject {
        Subject::Detect { rest } => {
            // The bench says itself what is missing then.
            if let Err(error) = setup::ensure(&[setup::Needs::Bench]) {
                eprintln!("hyperscan can not be installed, so that comparison will be missing: {error:#}");
            }
            ("detect", rest)
        }
        Subject::Hostile { rest } => ("hostile", rest),
        Subject::Judge { rest } => ("judge", rest),
        Subject::Masking { rest } => ("masking", rest),
        Subject::Capture { rest } => {
            if let Err(error) = setup::ensure(&[setup::Needs::Bench]) {
                eprintln!("not all can be installed, so some comparisons will be missing: {error:#}");
            }
            ("capture", rest)
        }
        Subject::Pipeline { rest } => {
            setup::ensure(&[setup::Needs::Bench])?;
            ("pipeline", rest)
        }
        Subject::Cluster(cluster) => return follow(cluster),
        Subject::Load(load) => return saturate(load),
    };
    let auditor = build::auditor(Profile::Release)?;
    process::run(process::cargo("build").args(["--package", PACKAGE, "--release"]))?;
    let mut bench = Command::new(auditor.with_file_name(PACKAGE));
    bench.arg(subject).arg("--auditor").arg(&auditor).args(rest);
    eprintln!("$ {}", process::shown(&bench));
    let status = bench
        .status()
        .with_context(|| format!("can not start {PACKAGE}"))?;
    let Some(code) = status.code() else {
        bail!("{PACKAGE} ended with {status}");
    };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// It is a test that takes longer: tests/src/bin/load.rs.
fn saturate(load: &Load) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let auditor = build::auditor(Profile::Release)?;
    let mut bench = process::command(Built::new(Targets::Programs)?.program("load"));
    bench.arg(load.minutes.to_string()).env("AUDITOR", auditor);
    Ok(if process::succeeds(&mut bench)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// It needs the servers of the tests, so it is theirs: tests/src/bin/cluster.
fn follow(cluster: &Cluster) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let servers = kube::programs()?;
    let auditor = build::auditor(Profile::Release)?;
    let what = ["--package", "auditor-tests", "--bin", "cluster", "--release"];
    process::run(process::cargo("build").args(what))?;
    let mut bench = process::command(auditor.with_file_name("cluster"));
    let numbers = [cluster.pods, cluster.services, cluster.rate, cluster.seconds];
    bench.args(numbers.map(|number| number.to_string()));
    bench.args(cluster.check.then_some("check"));
    bench.env("AUDITOR", auditor).env("AUDITOR_KUBE", servers);
    let status = bench.status().context("can not start it")?;
    Ok(match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => ExitCode::from(code),
        None => bail!("it ended with {status}"),
    })
}
