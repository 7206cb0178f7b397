//! `cargo xtask vm`: the scenarios of tests/src/bin/vm_guest on Debian kernels, each in a virtual machine.
//!
//! The root file system is a cpio archive in memory: a static /init, the guest's test program, auditor, and copies of
//! this machine's peers with their libraries.

mod closure;
mod console;
mod cpio;
mod image;
mod kernel;
mod qemu;
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::{
    build::{self, Profile},
    process, setup,
    test::Tally,
};
use console::{Outcome, Report};
use kernel::Kernel;

/// The kernels CI runs on.
pub(crate) const KERNELS: [&str; 2] = ["6.1", "6.12"];
/// The guest's binaries are static: there is no other way to start before any library is there.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only scenarios whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Kernel series, such as 6.1.
    #[arg(long, value_delimiter = ',', default_values_t = KERNELS.map(str::to_owned))]
    kernels: Vec<String>,
    /// Use this auditor instead of building one.
    #[arg(long)]
    auditor: Option<PathBuf>,
    /// Look for newer kernels even when there are some in the cache.
    #[arg(long)]
    refresh: bool,
    /// Keep the root file system.
    #[arg(long)]
    keep: bool,
    /// Seconds after which a machine is killed.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

impl Arguments {
    /// As `cargo xtask vm FILTER` runs.
    pub(crate) fn with_filter(filter: &str) -> Self {
        Self {
            filter: filter.to_owned(),
            kernels: KERNELS.map(str::to_owned).to_vec(),
            auditor: None,
            refresh: false,
            keep: false,
            timeout: 600,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Vm])?;
    let tally = check(arguments)?;
    println!("{tally}");
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Boots every kernel in turn; every scenario on every kernel counts.
///
/// # Errors
/// When something is missing to boot any: a kernel, QEMU, a binary.
pub(crate) fn check(arguments: &Arguments) -> anyhow::Result<Tally> {
    if arguments.filter.contains(|c: char| c.is_whitespace() || c == '"') {
        bail!("a scenario's name has no spaces or quotes: {}", arguments.filter);
    }
    let mut kernels = Vec::new();
    for series in &arguments.kernels {
        kernels.push(kernel::fetch(series, arguments.refresh)?);
    }
    let folder = build::target_directory().join("vm");
    fs::create_dir_all(&folder)?;
    let root = root_file_system(arguments, &folder)?;
    let mut tally = Tally::default();
    for kernel in &kernels {
        tally += boot(arguments, kernel, &root, &folder)?;
    }
    if !arguments.keep {
        fs::remove_file(root)?;
    }
    Ok(tally)
}

/// Builds what goes in and writes the archive.
fn root_file_system(arguments: &Arguments, folder: &Path) -> anyhow::Result<PathBuf> {
    let auditor = match &arguments.auditor {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("no file {}", path.display()))?,
        None => stripped(&build::auditor(Profile::Dev)?, folder)?,
    };
    let guest = guest_binaries(folder)?;
    let start = Instant::now();
    let mut tree = image::Tree::base()?;
    tree.add_binary(&auditor, "/usr/bin/auditor")?;
    tree.add_binary(&guest.join("vm_init"), "/init")?;
    tree.add_binary(&guest.join("vm_guest"), "/usr/bin/vm_guest")?;
    let root = folder.join("root.cpio");
    tree.write(&root)?;
    let size = fs::metadata(&root)?.len() >> 20;
    eprintln!(
        "root file system: {size} MiB in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(root)
}

/// A copy without debug information: it would be most of the archive.
fn stripped(binary: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let copy = folder.join("auditor");
    process::output(
        process::command("strip")
            .args(["--strip-debug", "-o"])
            .args([&copy, binary]),
    )?;
    Ok(copy)
}

/// Builds /init and the guest's test program, in a folder of their own as their flags differ from all else.
fn guest_binaries(folder: &Path) -> anyhow::Result<PathBuf> {
    let target = folder.join("guest");
    let mut cargo = process::cargo("build");
    cargo
        .args([
            "--package",
            "auditor-tests",
            "--bin",
            "vm_init",
            "--bin",
            "vm_guest",
            "--target",
            STATIC_TARGET,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    process::run(&mut cargo)?;
    Ok(target.join(STATIC_TARGET).join("debug"))
}

fn boot(arguments: &Arguments, kernel: &Kernel, root: &Path, folder: &Path) -> anyhow::Result<Tally> {
    let series = &kernel.series;
    println!("kernel {series} ({})", kernel.package);
    let log = folder.join(format!("{series}.log"));
    let boot = qemu::Boot {
        kernel,
        root,
        filter: &arguments.filter,
        log: &log,
        limit: Duration::from_secs(arguments.timeout),
    };
    let start = Instant::now();
    let mut run = Run::default();
    let ran = qemu::run(&boot, |line| run.read_line(series, line));
    println!("  kernel {series}: {:.1} s", start.elapsed().as_secs_f64());
    let trouble = match ran {
        Ok(()) => run.trouble(),
        Err(error) => Some(format!("{error:#}")),
    };
    let mut tally = run.tally;
    if let Some(why) = trouble {
        println!("  kernel {series}: {why}; console: {}", log.display());
        // A failed scenario has been counted; anything else is a failure of its own.
        if tally.failed == 0 {
            tally.fail(format!("vm {series}: {why}"));
        }
    }
    Ok(tally)
}

/// What the console has said so far.
#[derive(Default)]
struct Run {
    tally: Tally,
    planned: Option<u32>,
    end: Option<Result<(), String>>,
}

impl Run {
    fn read_line(&mut self, series: &str, line: &str) {
        match console::parse(line) {
            Some(Report::Planned(number)) => self.planned = Some(number),
            Some(Report::Scenario { outcome, text }) => {
                println!("  {outcome:?} {text}");
                self.count(outcome, format!("vm {series}: {text}"));
            }
            Some(Report::Init(result)) => self.end = Some(result),
            Some(Report::Panic(text)) => self.end = Some(Err(text)),
            None => {}
        }
    }

    fn count(&mut self, outcome: Outcome, text: String) {
        match outcome {
            Outcome::Passed => self.tally.passed += 1,
            Outcome::Failed => self.tally.fail(text),
            Outcome::Skipped => self.tally.skip(text),
        }
    }

    /// Why a machine that ended by itself is no success, other than by a failed scenario.
    fn trouble(&self) -> Option<String> {
        let seen = self.tally.passed + self.tally.failed + self.tally.skipped;
        match (&self.end, self.planned) {
            (None, _) => Some("ended without `init: success` or `init: failure`".to_owned()),
            (Some(Err(why)), _) => Some(why.clone()),
            (Some(Ok(())), Some(0)) => Some("has no scenario of that name".to_owned()),
            (Some(Ok(())), Some(planned)) if planned == seen => None,
            (Some(Ok(())), planned) => Some(format!(
                "planned {} scenarios and reported {seen}",
                planned.map_or_else(|| "an unknown number of".to_owned(), |number| number.to_string())
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(lines: &[&str]) -> Option<String> {
        let mut run = Run::default();
        for line in lines {
            run.read_line("6.1", line);
        }
        run.trouble()
    }

    #[test]
    fn only_a_run_whose_plan_is_fulfilled_is_a_success() {
        let (one, end) = ("scenario: passed a: 0.1 s", "init: success");
        assert_eq!(trouble(&["scenario: planned 1", one, end]), None);
        for lines in [
            &["scenario: planned 2", one, end][..],
            &["scenario: planned 0", end],
            &[one, end],
            &["scenario: planned 1", one],
            &["scenario: planned 1", one, "Kernel panic - not syncing: x"],
            &["scenario: planned 1", one, "init: failure: x"],
            &[],
        ] {
            assert!(trouble(lines).is_some(), "{lines:?}");
        }
    }
}
