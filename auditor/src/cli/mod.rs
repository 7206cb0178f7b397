//! The command line: one file per subcommand.

pub mod detectors;
pub mod scan;
pub mod table;
pub mod tail;

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
    /// Scan files and directories
    Scan(scan::Args),
    /// Show the findings of a running daemon
    Tail(tail::Args),
    /// Say what can be detected, and why a value is or is not
    Detectors(detectors::Args),
}

/// Parses the command line, runs the command and returns its exit code: 2 for every error.
pub fn main() -> ExitCode {
    // Prints usage errors, help and version, and ends the process with 2 or 0.
    let line = Line::parse();
    run(line.command).unwrap_or_else(|error| {
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(std::io::stderr(), "auditor: {error:#}");
        ExitCode::from(2)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Scan(args) => scan::main(&args),
        Command::Tail(args) => tail::run(args),
        Command::Detectors(args) => detectors::run(args),
    }
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
