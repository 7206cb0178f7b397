//! `cargo xtask sbom`: every crate the binary is made of, as CycloneDX, by cargo-sbom.

use std::{fs, process::ExitCode};

use anyhow::Context as _;

use crate::{build, process};

#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Writes `auditor.cdx.json` into the target folder, installing cargo-sbom when it is missing.
pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    build::ensure_subcommand("cargo-sbom")?;
    let list = process::output(process::cargo("sbom").args([
        "--cargo-package",
        "auditor",
        "--output-format",
        "cyclone_dx_json_1_6",
    ]))?;
    let folder = build::target_directory();
    let file = folder.join("auditor.cdx.json");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&file, list).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}
