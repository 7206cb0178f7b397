//! The command line: one file per subcommand.

pub mod config;
pub mod coverage;
pub mod detectors;
pub mod doctor;
mod engine;
pub mod policy;
pub mod run;
pub mod scan;
pub mod shipped;
pub mod tail;
pub mod watch;
pub mod who;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use crate::vital::Lost;

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
    /// Show how much of each kind of data is masked, and require it
    Coverage(coverage::Args),
    /// Show what this kernel, these privileges and this host allow
    Doctor(doctor::Args),
    /// Explain step by step who a process, cgroup, container or address is
    Who(who::Args),
    /// Say what can be detected, and why a value is or is not
    Detectors(detectors::Args),
    /// Check the configuration, and show it with where each value is from
    Config(config::Args),
    /// Check and test policies: what is allowed from whom to whom
    Policy(policy::Args),
    /// Write completions for a shell to standard output
    Completions(shipped::Completions),
    /// Write the manual pages to a folder
    Man(shipped::Man),
}

/// Parses the command line, runs the command and returns its exit code: 2 for every error but a panic, whose code is 70.
pub fn main() -> ExitCode {
    crate::secret::hide_panic_messages();
    let line = match Line::try_parse() {
        Ok(line) => line,
        // Help (also for a bare `auditor`, which is an error) and version.
        Err(help) if !is_usage_error(&help) => help.exit(),
        Err(usage) => return refused(&one_sentence(&usage.to_string())),
    };
    log_to_stderr();
    // On the way out of a panic sinks write what waits.
    let ended = catch_unwind(AssertUnwindSafe(|| dispatch(line.command)));
    ended.map_or_else(
        |_| Lost::exit_code(),
        |ended| ended.unwrap_or_else(|error| failed(&error)),
    )
}

fn is_usage_error(error: &clap::Error) -> bool {
    error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let code = refused(&chain(error));
    if error.is::<Lost>() {
        Lost::exit_code()
    } else {
        code
    }
}

fn refused(why: &str) -> ExitCode {
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(std::io::stderr(), "auditor: {why}");
    ExitCode::from(2)
}

/// The error and its causes, but those that a message before them already repeats.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The first paragraph of a usage error on one line, and where to look.
fn one_sentence(usage: &str) -> String {
    let paragraph: Vec<&str> = usage
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect();
    let text = paragraph.join(" ");
    format!("{}; see --help", text.strip_prefix("error: ").unwrap_or(&text))
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Who(args) => who::run(args),
        Command::Scan(args) => scan::main(&args),
        Command::Tail(args) => tail::run(args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Detectors(args) => detectors::run(args),
        Command::Config(args) => config::run(&args),
        Command::Policy(args) => policy::run(args),
        Command::Completions(args) => shipped::completions(&args),
        Command::Man(args) => shipped::man(&args),
    }
}

/// What is logged unless `RUST_LOG` says otherwise: warnings and errors, and who reads findings. A target is meant by
/// how it begins, so none may be called as the crate begins.
const LOG: &str = "warn,access=info";

/// Logs to standard error. No stage logs a value.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOG));
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
