//! What a package ships beside the program: completions for shells, and manual pages. Both come from the command line as it
//! is declared, so they are never old.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Completions for a shell, on standard output.
#[derive(clap::Args)]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

/// The manual pages, one for each command, as files of a folder.
#[derive(clap::Args)]
pub struct Man {
    /// Folder that the pages go to; it is made when it is missing
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// `auditor completions SHELL`.
///
/// # Errors
/// When standard output can not be written.
pub fn completions(args: &Completions) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Line::command(), "auditor", &mut text);
    std::io::stdout().lock().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `auditor man --output FOLDER`.
///
/// # Errors
/// When a page can not be written.
pub fn man(args: &Man) -> anyhow::Result<ExitCode> {
    let folder = &args.output;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    // The version has a second line, about the kernel programs; a page has the first.
    let command = super::Line::command().version(env!("CARGO_PKG_VERSION"));
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
