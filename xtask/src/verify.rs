//! `cargo xtask verify`: how much work the kernel programs are for the verifier, kernel by kernel.
//!
//! `auditor doctor --programs` loads every program and says how many instructions the verifier walked through. Goes in:
//! its answers from this kernel and from those of the virtual machines, and docs/verifier.json. Comes out: an error
//! when a program is refused that was not before, or costs more than a tenth more; with --write, the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::{
    process, setup,
    test::{Built, Targets},
    vm,
};

/// Instructions may rise by this share, in percent, before somebody has to look.
const TOLERANCE: u64 = 10;
/// The scenario that asks for the programs inside a virtual machine.
pub(crate) const SCENARIO: &str = "auditor_programs_load";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write what was found instead of comparing with it.
    #[arg(long)]
    write: bool,
    /// Kernel series of the virtual machines, or `none` for this machine's kernel alone.
    #[arg(long, value_delimiter = ',', default_values_t = vm::KERNELS.map(str::to_owned))]
    kernels: Vec<String>,
}

/// Verified instructions by program; `None` where the kernel refuses it.
type Counts = BTreeMap<String, Option<u64>>;
/// The same by kernel.
type Kernels = BTreeMap<String, Counts>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut found = Kernels::new();
    if process::is_root() {
        found.insert(native_name()?, native()?);
    } else {
        println!("skipped: this machine's kernel, as only root may load programs");
    }
    let kernels: Vec<String> = arguments
        .kernels
        .iter()
        .filter(|series| *series != "none")
        .cloned()
        .collect();
    if !kernels.is_empty() {
        setup::ensure(&[setup::Needs::Build, setup::Needs::Vm])?;
        let mut machines = vm::Arguments::with_filter(SCENARIO);
        machines.kernels = kernels;
        for run in vm::check(&machines)? {
            found.insert(run.series.clone(), counts_of_run(&run)?);
        }
    }
    if arguments.write {
        let mut all = recorded()?;
        all.extend(found);
        write(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let risen = compare(&recorded()?, &found);
    for line in &risen {
        println!("FAILED {line}");
    }
    for (kernel, counts) in &found {
        let loads = counts.values().flatten().count();
        let total: u64 = counts.values().flatten().sum();
        println!("{kernel}: {loads} programs load, {total} instructions verified");
    }
    Ok(if risen.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("when there is a reason, say it in the commit and run `cargo xtask verify --write`");
        ExitCode::FAILURE
    })
}

/// Records what these machines said of the programs, where they were asked.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn record(booted: &[vm::Booted]) -> anyhow::Result<()> {
    let mut all = recorded()?;
    for run in booted {
        if let Ok(counts) = counts_of_run(run) {
            all.insert(run.series.clone(), counts);
        }
    }
    write(&all)
}

fn write(kernels: &Kernels) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&json!(kernels))? + "\n";
    fs::write(file(), text).context("docs/verifier.json can not be written")?;
    println!("wrote docs/verifier.json");
    Ok(())
}

fn file() -> PathBuf {
    process::root().join("docs/verifier.json")
}

fn recorded() -> anyhow::Result<Kernels> {
    let Ok(text) = fs::read_to_string(file()) else {
        return Ok(Kernels::new());
    };
    serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| {
            value
                .as_object()?
                .iter()
                .map(|(kernel, counts)| {
                    let counts = counts.as_object()?.iter();
                    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64()));
                    Some((kernel.clone(), counts.collect()))
                })
                .collect()
        })
        .context("docs/verifier.json is not what `cargo xtask verify --write` writes")
}

/// The name of this machine's kernel in the file. It may be built like no other of its version.
fn native_name() -> anyhow::Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let series: Vec<&str> = release.trim().split('.').take(2).collect();
    Ok(format!("{} (native)", series.join(".")))
}

fn native() -> anyhow::Result<Counts> {
    let auditor = Built::new(Targets::Programs)?.program("auditor");
    let text = process::command(auditor)
        .args(["doctor", "--programs", "--format", "json"])
        .output()?
        .stdout;
    counts(&serde_json::from_slice(&text).context("`auditor doctor` prints no JSON")?)
}

fn counts_of_run(run: &vm::Booted) -> anyhow::Result<Counts> {
    let text = run
        .scenarios
        .iter()
        .find(|scenario| scenario.name == SCENARIO && scenario.outcome == vm::Outcome::Passed)
        .with_context(|| format!("kernel {}: the programs were not loaded", run.series))?;
    counts(&serde_json::from_str(&text.detail).context("the scenario reports no JSON")?)
}

/// From what `auditor doctor --programs` prints.
fn counts(doctor: &Value) -> anyhow::Result<Counts> {
    let Some(programs) = doctor["programs"].as_array() else {
        bail!("`auditor doctor` says nothing of programs: {doctor}");
    };
    Ok(programs
        .iter()
        .filter_map(|program| {
            let loads = program["refused"].is_null();
            // Kernels before 5.16 load without a count.
            let count = loads.then(|| program["instructions"].as_u64().unwrap_or(0));
            Some((program["name"].as_str()?.to_owned(), count))
        })
        .collect())
}

/// One line for each program that got worse.
fn compare(before: &Kernels, now: &Kernels) -> Vec<String> {
    let mut worse = Vec::new();
    for (kernel, counts) in now {
        let Some(before) = before.get(kernel) else {
            println!("{kernel}: nothing is recorded to compare with");
            continue;
        };
        let names: BTreeSet<&String> = before.keys().chain(counts.keys()).collect();
        for name in names {
            match (
                before.get(name).copied().flatten(),
                counts.get(name).copied().flatten(),
            ) {
                (Some(was), Some(is)) if is > was + was * TOLERANCE / 100 => worse.push(format!(
                    "{kernel}: {name} takes {is} verified instructions, more than {TOLERANCE} % above {was}"
                )),
                (Some(_), None) if counts.contains_key(name) => {
                    worse.push(format!("{kernel}: {name} is refused and was not before"));
                }
                (Some(_), None) => worse.push(format!("{kernel}: {name} is gone")),
                (None, Some(_)) if !before.contains_key(name) => {
                    worse.push(format!("{kernel}: {name} is new and not recorded"));
                }
                _ => {}
            }
        }
    }
    worse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(counts: &[(&str, Option<u64>)]) -> Kernels {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
        Kernels::from([("6.1".to_owned(), counts.collect())])
    }

    #[test]
    fn a_tenth_more_is_let_pass_and_anything_worse_is_said() {
        let before = kernels(&[("a", Some(1000)), ("b", None)]);
        for (now, wrong) in [
            (kernels(&[("a", Some(1100)), ("b", None)]), 0),
            (kernels(&[("a", Some(10)), ("b", Some(9))]), 0),
            (kernels(&[("a", Some(1101)), ("b", None)]), 1),
            (kernels(&[("a", None), ("b", None)]), 1),
            (kernels(&[("b", None)]), 1),
            (kernels(&[("a", Some(1000)), ("b", None), ("c", Some(1))]), 1),
        ] {
            assert_eq!(compare(&before, &now).len(), wrong, "{now:?}");
        }
    }

    #[test]
    fn what_the_doctor_says_becomes_counts() {
        let doctor = json!({"programs": [
            {"name": "a", "instructions": 7},
            {"name": "b", "instructions": null, "refused": "no such function"},
            {"name": "c", "instructions": null},
        ]});
        let expected = [("a", Some(7)), ("b", None), ("c", Some(0))];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counts(&doctor).expect("well formed"), Counts::from(expected));
        assert!(counts(&json!({})).is_err());
    }
}
