//! `auditor`: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    auditor::cli::main()
}
