//! `cargo xtask build`, and the build every other command starts with.

use std::{env, path::PathBuf, process::ExitCode};

use crate::{
    ebpf_toolchain::{Found, Toolchain},
    process,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build with the release profile.
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let profile = if arguments.release {
        Profile::Release
    } else {
        Profile::Dev
    };
    println!("{}", auditor(profile)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Which of cargo's profiles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// Builds auditor with its kernel programs and returns the binary.
///
/// # Errors
/// When the eBPF toolchain is missing (says what, before cargo starts) or the build fails.
pub(crate) fn auditor(profile: Profile) -> anyhow::Result<PathBuf> {
    eprintln!("kernel programs: {}", kernel_compiler()?);
    let mut cargo = process::cargo("build");
    cargo.args(["--package", "auditor"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    process::run(&mut cargo)?;
    let folder = if profile == Profile::Release {
        "release"
    } else {
        "debug"
    };
    Ok(target_directory().join(folder).join("auditor"))
}

/// What will build the kernel programs, as auditor/build.rs chooses it.
///
/// # Errors
/// When there is nothing that could.
pub(crate) fn kernel_compiler() -> anyhow::Result<String> {
    match env::var_os("AUDITOR_EBPF_OBJECT") {
        Some(object) => Ok(format!("prebuilt object {}", object.display())),
        None => Found::on_this_machine()
            .choose()
            .map(|toolchain: Toolchain| toolchain.to_string())
            .map_err(anyhow::Error::msg),
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => process::root().join(folder),
        None => process::root().join("target"),
    }
}

/// Installs a cargo subcommand unless it is there.
///
/// # Errors
/// When the installation fails.
pub(crate) fn ensure_subcommand(name: &str) -> anyhow::Result<()> {
    if process::find(name).is_some() {
        return Ok(());
    }
    eprintln!("{name} is missing; building it takes some minutes, once");
    process::run(process::cargo("install").args(["--locked", name]))
}
