//! The command line: one file per subcommand.

pub mod detectors;
pub mod scan;
pub mod table;
pub mod tail;

use std::process::ExitCode;

/// Parses the command line, runs the command and returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
