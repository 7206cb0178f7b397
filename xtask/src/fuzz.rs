//! `cargo xtask fuzz`: every target of tests/fuzz, one after the other. Without a sanitizer, so that a stable compiler
//! will do: what is looked for is panics, hangs and memory growth in safe code.
//!
//! A run starts from the committed corpus and leaves it as it is: what it learns stays in the target folder.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};

use crate::{build, process};

const FOLDER: &str = "tests/fuzz";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only targets whose name contains this.
    filter: Option<String>,
    /// How long to run each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut failed = Vec::new();
    let targets = targets(arguments.filter.as_deref())?;
    if targets.is_empty() {
        bail!("{FOLDER}/fuzz_targets has no target of that name");
    }
    for target in &targets {
        if !run_target(target, arguments.seconds)? {
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        println!(
            "{} fuzz targets ran {} s each without a finding",
            targets.len(),
            arguments.seconds
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "failed: {}; the inputs are in {FOLDER}/artifacts",
        failed.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

/// Runs one target; false when it found something.
///
/// # Errors
/// When cargo-fuzz can not be installed or started.
pub(crate) fn run_target(target: &str, seconds: u32) -> anyhow::Result<bool> {
    build::ensure_subcommand("cargo-fuzz")?;
    let folder = process::root().join(FOLDER);
    let learnt = folder.join("target/corpus").join(target);
    fs::create_dir_all(&learnt).with_context(|| format!("can not create {}", learnt.display()))?;
    let limit = format!("-max_total_time={seconds}");
    process::succeeds(
        process::cargo("fuzz")
            .args(["run", "--sanitizer", "none", "--fuzz-dir", FOLDER, target])
            .args([&learnt, &folder.join("corpus").join(target)])
            .args(["--", &limit, "-rss_limit_mb=2048", "-max_len=8192"])
            .args(["-timeout=10", "-print_final_stats=1"]),
    )
}

/// Names of the fuzz targets, sorted; empty when the repository has none.
///
/// # Errors
/// When the folder is there and can not be read.
pub(crate) fn targets(filter: Option<&str>) -> anyhow::Result<Vec<String>> {
    let folder = process::root().join(FOLDER).join("fuzz_targets");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in folder
        .read_dir()
        .with_context(|| format!("can not read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(stem(&path));
        }
    }
    names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    names.sort();
    Ok(names)
}

fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}
