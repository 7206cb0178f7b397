//! The command line: one file per subcommand.

pub mod detectors;
pub mod doctor;
mod engine;
pub mod run;
pub mod scan;
pub mod table;
pub mod tail;
pub mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

/// Version, and how the eBPF programs inside were built.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\neBPF programs: ",
    env!("AUDITOR_EBPF_TOOLCHAIN")
);

/// Finds personal data and secrets that should have been masked, and says who sent them to whom
#[derive(clap::Parser)]
#[command(name = "auditor", version = VERSION, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Args),
    /// Watch some processes, or run a command and watch it
    Watch(watch::Args),
    /// Scan files and directories
    Scan(scan::Args),
    /// Show the findings of a running daemon
    Tail(tail::Args),
    /// Show what this kernel, these privileges and this host allow
    Doctor(doctor::Args),
    /// Say what can be detected, and why a value is or is not
    Detectors(detectors::Args),
}

/// Parses the command line, runs the command and returns its exit code: 2 for every error.
pub fn main() -> ExitCode {
    // Prints usage errors, help and version, and ends the process with 2 or 0.
    let line = Line::parse();
    log_to_stderr();
    dispatch(line.command).unwrap_or_else(|error| {
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(std::io::stderr(), "auditor: {error:#}");
        ExitCode::from(2)
    })
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Scan(args) => scan::main(&args),
        Command::Tail(args) => tail::run(args),
        Command::Detectors(args) => detectors::run(args),
    }
}

/// Warnings and errors go to standard error; `RUST_LOG` asks for more. No stage logs a value.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_two_options_of_a_command_collide() {
        Line::command().debug_assert();
    }
}
