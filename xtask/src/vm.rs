//! `cargo xtask vm`: the scenarios of tests/src/bin/vm_guest on Debian kernels, each in a virtual machine.
//!
//! The root file system is a cpio archive in memory: /init, the guest's test program, auditor, and copies of this machine's
//! peers, with the libraries of all of them.

mod closure;
mod console;
mod cpio;
mod image;
mod kernel;
mod peers;
mod qemu;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};

use crate::{
    build, kernel_support, process, setup,
    test::{Built, Tally, Targets},
};
pub(crate) use console::Outcome;
use console::Report;
use kernel::Kernel;

/// The kernels CI runs on.
pub(crate) const KERNELS: [&str; 2] = ["6.1", "6.12"];
/// Machines at a time: each is one thread of this machine's.
const MACHINES: usize = 2;

/// Seconds after which a machine is killed; on cores that others use as well it is several times as slow.
const TIMEOUT: u64 = 900;

/// Size of a machine's disk, bytes.
const DISK: u64 = 16 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only scenarios whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Kernel series, such as 6.1.
    #[arg(long, value_delimiter = ',', default_values_t = KERNELS.map(str::to_owned))]
    pub(crate) kernels: Vec<String>,
    /// Write what was found to docs/kernel-support.json, and the page made of it; a kernel that fails is a row then,
    /// and no failure.
    #[arg(long, conflicts_with = "filter")]
    write: bool,
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
    #[arg(long, default_value_t = TIMEOUT)]
    timeout: u64,
}

impl Arguments {
    /// As `cargo xtask vm FILTER` runs.
    pub(crate) fn with_filter(filter: &str) -> Self {
        Self {
            filter: filter.to_owned(),
            kernels: KERNELS.map(str::to_owned).to_vec(),
            write: false,
            auditor: None,
            refresh: false,
            keep: false,
            timeout: TIMEOUT,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Vm])?;
    let booted = check(arguments)?;
    let tally = tally(&booted);
    println!("{tally}");
    if arguments.write {
        kernel_support::write(&booted)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What one kernel came to.
pub(crate) struct Booted {
    pub(crate) series: String,
    /// The package it came from; empty when there is none.
    pub(crate) package: String,
    pub(crate) scenarios: Vec<Scenario>,
    /// What went wrong besides scenarios: no such kernel, a panic, a machine that hangs.
    pub(crate) trouble: Option<String>,
}

impl Booted {
    /// A kernel that there is no machine for.
    fn not(series: &str, why: String) -> Self {
        println!("{series}: {why}");
        Self {
            series: series.to_owned(),
            package: String::new(),
            scenarios: Vec::new(),
            trouble: Some(why),
        }
    }
}

/// One scenario, as the guest reported it.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    /// What it says for people, without the time it took.
    pub(crate) detail: String,
}

impl Scenario {
    /// `NAME: SECONDS s, DETAIL`
    fn read(outcome: Outcome, text: &str) -> Self {
        let (name, detail) = text.split_once(": ").unwrap_or((text, ""));
        let detail = detail.split_once(" s, ").map_or(detail, |(_, detail)| detail);
        Self {
            name: name.to_owned(),
            outcome,
            detail: detail.to_owned(),
        }
    }
}

/// The sum over all kernels.
pub(crate) fn tally(booted: &[Booted]) -> Tally {
    let mut tally = Tally::default();
    for run in booted {
        let failed = tally.failed;
        for scenario in &run.scenarios {
            let text = format!("vm {}: {}: {}", run.series, scenario.name, scenario.detail);
            match scenario.outcome {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed => tally.fail(text),
                Outcome::Skipped => tally.skip(text),
            }
        }
        // A failed scenario has been counted; anything else is a failure of its own.
        if let Some(why) = &run.trouble
            && tally.failed == failed
        {
            tally.fail(format!("vm {}: {why}", run.series));
        }
    }
    tally
}

/// Boots every kernel; every scenario on every kernel counts.
///
/// # Errors
/// When something is missing to boot any: QEMU, a binary.
pub(crate) fn check(arguments: &Arguments) -> anyhow::Result<Vec<Booted>> {
    if arguments.filter.contains(|c: char| c.is_whitespace() || c == '"') {
        bail!("a scenario's name has no spaces or quotes: {}", arguments.filter);
    }
    let folder = build::target_directory().join("vm");
    fs::create_dir_all(&folder)?;
    let root = root_file_system(arguments, &folder)?;
    let mut booted = Vec::new();
    for series in arguments.kernels.chunks(MACHINES) {
        // One after the other, as they may be installed.
        let kernels: Vec<_> = series
            .iter()
            .map(|series| (series, kernel::fetch(series, arguments.refresh)))
            .collect();
        thread::scope(|scope| {
            let machines: Vec<_> = kernels
                .iter()
                .map(|(series, kernel)| match kernel {
                    Ok(kernel) => Ok(scope.spawn(|| boot(arguments, kernel, &root, &folder))),
                    Err(error) => Err(Booted::not(series, format!("{error:#}"))),
                })
                .collect();
            for machine in machines {
                booted.push(match machine {
                    Ok(thread) => thread
                        .join()
                        .map_err(|_| anyhow!("a thread that runs a machine panicked"))?,
                    Err(not) => not,
                });
            }
            anyhow::Ok(())
        })?;
    }
    if !arguments.keep {
        fs::remove_file(root)?;
    }
    Ok(booted)
}

/// Builds what goes in and writes the archive.
fn root_file_system(arguments: &Arguments, folder: &Path) -> anyhow::Result<PathBuf> {
    let built = Built::new(Targets::Programs)?;
    let auditor = match &arguments.auditor {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("no file {}", path.display()))?,
        None => stripped(&built.program("auditor"), folder)?,
    };
    let start = Instant::now();
    let mut tree = image::Tree::base()?;
    tree.add_binary(&auditor, "/usr/bin/auditor")?;
    for (name, path) in [
        ("vm_init", "/init"),
        ("vm_guest", "/usr/bin/vm_guest"),
        ("uring_client", "/usr/bin/uring_client"),
    ] {
        tree.add_binary(&stripped(&built.program(name), folder)?, path)?;
    }
    if peers::are_needed(&arguments.filter) {
        tree.add_binary(&peers::go(folder)?, "/usr/bin/go-peer")?;
        tree.add_binary(&peers::rustls(folder)?, "/usr/bin/rustls-peer")?;
    }
    let root = folder.join("root.cpio");
    tree.write(&root)?;
    let size = fs::metadata(&root)?.len() >> 20;
    eprintln!(
        "root file system: {size} MiB in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(root)
}

/// An empty disk with ext4 on it, made anew for each machine.
fn disk(folder: &Path, series: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{series}.img"));
    fs::File::create(&path)?.set_len(DISK)?;
    // Of users who are not root, /usr/sbin may not be in PATH.
    let program = process::find("mke2fs").context("no mke2fs: run `cargo xtask setup --only vm`")?;
    let mut make = process::command(program);
    process::output(make.args(["-q", "-F", "-t", "ext4"]).arg(&path))?;
    Ok(path)
}

/// A copy without debug information: it would be most of the archive.
fn stripped(binary: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let copy = folder.join(binary.file_name().context("a binary has a name")?);
    process::output(
        process::command("strip")
            .args(["--strip-debug", "-o"])
            .args([&copy, binary]),
    )?;
    Ok(copy)
}

fn boot(arguments: &Arguments, kernel: &Kernel, root: &Path, folder: &Path) -> Booted {
    let series = &kernel.series;
    println!("{series}: {}", kernel.package);
    let log = folder.join(format!("{series}.log"));
    let start = Instant::now();
    let mut run = Run::of(series);
    let ran = disk(folder, series).and_then(|disk| {
        let boot = qemu::Boot {
            kernel,
            root,
            disk: &disk,
            filter: &arguments.filter,
            log: &log,
            limit: Duration::from_secs(arguments.timeout),
        };
        qemu::run(&boot, |line| run.read_line(line))
    });
    println!("{series}: ended after {:.1} s", start.elapsed().as_secs_f64());
    let trouble = match ran {
        Ok(()) => run.trouble(),
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(why) = &trouble {
        println!("{series}: {why}; console: {}", log.display());
    }
    Booted {
        series: series.clone(),
        package: kernel.package.clone(),
        scenarios: run.scenarios,
        trouble,
    }
}

/// What the console has said so far.
#[derive(Default)]
struct Run {
    /// The kernel, at the start of every line.
    series: String,
    scenarios: Vec<Scenario>,
    planned: Option<usize>,
    end: Option<Result<(), String>>,
}

impl Run {
    fn of(series: &str) -> Self {
        Self {
            series: series.to_owned(),
            ..Self::default()
        }
    }

    fn read_line(&mut self, line: &str) {
        match console::parse(line) {
            Some(Report::Planned(number)) => self.planned = Some(number as usize),
            Some(Report::Scenario { outcome, text }) => {
                let shown: String = text.chars().take(400).collect();
                println!("{}: {outcome:?} {shown}", self.series);
                self.scenarios.push(Scenario::read(outcome, &text));
            }
            Some(Report::Init(result)) => self.end = Some(result),
            Some(Report::Panic(text)) => self.end = Some(Err(text)),
            None => {}
        }
    }

    /// Why a machine that ended by itself is no success, other than by a failed scenario.
    fn trouble(&self) -> Option<String> {
        let seen = self.scenarios.len();
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
            run.read_line(line);
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

    #[test]
    fn a_scenario_is_a_name_and_what_it_says_without_its_time() {
        let read = Scenario::read(Outcome::Passed, "sockets_fexit: 1.5 s, moved: 7 s, more");
        assert_eq!(
            (&*read.name, &*read.detail),
            ("sockets_fexit", "moved: 7 s, more")
        );
    }
}
