//! The command line: one file per subcommand.

pub mod detectors;
pub mod doctor;
mod engine;
pub mod run;
pub mod scan;
pub mod table;
pub mod tail;
pub mod watch;

use std::process::ExitCode;

use clap::Parser;

/// Proves that personal data and secrets are masked between services.
#[derive(Debug, Parser)]
#[command(name = "auditor", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Args),
    /// Watch some processes, or run a command and watch it
    Watch(watch::Args),
    /// Show the findings of a running daemon
    Tail(tail::Args),
    /// Show what this kernel, these privileges and this host allow
    Doctor(doctor::Args),
    /// What can be detected, and why a value is or is not
    Detectors(detectors::Args),
}

/// Parses the command line, runs the command and returns its exit code: 0 fine, 1 leaks (where
/// the command says so), 2 an error.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    let result = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Detectors(args) => detectors::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("auditor: {error:#}");
        ExitCode::from(2)
    })
}

/// Warnings and errors go to standard error; `RUST_LOG` asks for more. No stage logs a value.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
