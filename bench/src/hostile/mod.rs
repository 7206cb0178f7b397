//! `auditor scan` on content that is made to hold it up, at several lengths.
//!
//! Goes in: the binary. Comes out: a table of rates and peak memory, and whether time stays in
//! proportion to the length and memory bounded. The content goes through a pipe and is stored nowhere.
//! Time is that on a core, so that what else the machine does hardly counts.

mod input;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::machine::Machine;
use crate::run::{self, Run};
use input::{KINDS, Kind};

/// Most memory, bytes.
const PEAK: u64 = 128 << 20;
/// Most growth of the time for a byte from the shortest length to the longest. Less is noise.
const GROWTH: f64 = 1.6;
/// Rate, MB/s, above which growth says nothing: most of the time the pipe is read.
const AS_FAST_AS_A_PIPE: f64 = 500.0;
/// Least rate, MB/s: a core is held up by 8 Mbit/s then.
const SLOWEST: f64 = 1.0;
/// How much longer than in proportion a run may take before it is stopped.
const PATIENCE: u32 = 16;

/// `auditor-bench hostile`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Lengths of the content, MiB, in ascending order
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1024], value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: Vec<u64>,
    /// Only kinds whose name contains this
    #[arg(long, default_value = "")]
    kind: String,
    /// Binary that is measured
    #[arg(long, value_name = "PATH")]
    auditor: PathBuf,
}

/// A kind at all lengths.
struct Row {
    name: &'static str,
    /// Length in bytes, and what it took.
    runs: Vec<(u64, Run)>,
}

/// Measures and prints; 1 when a bound is passed.
///
/// # Errors
/// When the binary can not be run or fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&Kind> = KINDS
        .iter()
        .filter(|kind| kind.name.contains(&arguments.kind))
        .collect();
    if chosen.is_empty() {
        bail!("no kind of content has this in its name");
    }
    print!("{}", head(&arguments.mib));
    let mut failures = Vec::new();
    for kind in chosen {
        let row = measure(&arguments.auditor, kind, &arguments.mib)?;
        println!("{}", row.text(&arguments.mib));
        failures.extend(row.failures());
    }
    println!();
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() {
        println!(
            "ok: time in proportion to the length, at least {SLOWEST} MB/s, at most {} MiB",
            PEAK >> 20
        );
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

fn head(mib: &[u64]) -> String {
    let machine = Machine::this();
    let mut out = format!(
        "{}, {} cores, Linux {}, load {}; MB for a second on a core, time for a byte at the longest over that at \
         the shortest, most memory\n\n{:<30}",
        machine.processor, machine.cores, machine.kernel, machine.load, "content"
    );
    for length in mib {
        let _ = write!(out, "{:>11}", format!("{length} MiB"));
    }
    let _ = writeln!(out, "{:>9}{:>12}", "growth", "peak MiB");
    out
}

fn measure(auditor: &Path, kind: &Kind, mib: &[u64]) -> anyhow::Result<Row> {
    let mut runs: Vec<(u64, Run)> = Vec::new();
    for length in mib.iter().map(|mib| mib << 20) {
        if length > kind.most() {
            continue;
        }
        let longest = match runs.first() {
            Some((first, run)) => {
                let share = length as f64 / *first as f64;
                PATIENCE * run.elapsed.mul_f64(share) + Duration::from_secs(10)
            }
            None => PATIENCE * Duration::from_secs_f64(length as f64 / 1e6 / SLOWEST),
        };
        let run = scan(auditor, kind, length, longest)
            .with_context(|| format!("{} MiB of {}", length >> 20, kind.name))?;
        let is_late = run.is_late;
        runs.push((length, run));
        if is_late {
            break;
        }
    }
    Ok(Row {
        name: kind.name,
        runs,
    })
}

/// Pipes `length` bytes of a kind into `auditor scan`.
fn scan(auditor: &Path, kind: &Kind, length: u64, longest: Duration) -> anyhow::Result<Run> {
    let mut child = Command::new(auditor)
        .args(["scan", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can not start {}", auditor.display()))?;
    let mut input = child.stdin.take().context("the child has no standard input")?;
    let (fed, run) = std::thread::scope(|scope| {
        let feeder = scope.spawn(move || kind.write(length, &mut input));
        let run = run::watch(&mut child, longest);
        (feeder.join(), run)
    });
    let run = run?;
    if run.is_late {
        return Ok(run);
    }
    // 1 says that something was found.
    if !matches!(run.status.code(), Some(0 | 1)) {
        bail!("auditor scan ended with {}", run.status);
    }
    match fed {
        Ok(fed) => fed.context("auditor scan did not read to the end")?,
        Err(_) => bail!("the content could not be made"),
    }
    Ok(run)
}

impl Row {
    fn rate((length, run): &(u64, Run)) -> f64 {
        *length as f64 / 1e6 / run.processor.as_secs_f64().max(0.001)
    }

    /// Time for a byte at the longest length, over that at the shortest.
    fn growth(&self) -> Option<f64> {
        let (first, last) = (self.runs.first()?, self.runs.last()?);
        Some(Self::rate(first) / Self::rate(last))
    }

    fn peak(&self) -> u64 {
        self.runs.iter().map(|(_, run)| run.peak_bytes).max().unwrap_or(0)
    }

    fn text(&self, mib: &[u64]) -> String {
        let mut out = format!("{:<30}", self.name);
        for length in mib {
            let run = self.runs.iter().find(|(bytes, _)| *bytes == length << 20);
            let rate = match run {
                Some((_, run)) if run.is_late => "stopped".to_owned(),
                Some(run) => format!("{:.1}", Self::rate(run)),
                None => "-".to_owned(),
            };
            let _ = write!(out, "{rate:>11}");
        }
        let growth = self.growth().unwrap_or_default();
        let peak = self.peak() as f64 / f64::from(1 << 20);
        let _ = write!(out, "{growth:>9.2}{peak:>12.1}");
        out
    }

    fn failures(&self) -> Vec<String> {
        let name = self.name;
        let mut failures = Vec::new();
        if let Some((length, _)) = self.runs.iter().find(|(_, run)| run.is_late) {
            failures.push(format!(
                "{name}: {} MiB took too long and were stopped",
                length >> 20
            ));
        }
        let is_fast = self.runs.iter().all(|run| Self::rate(run) > AS_FAST_AS_A_PIPE);
        if let Some(growth) = self.growth().filter(|growth| *growth > GROWTH && !is_fast) {
            failures.push(format!(
                "{name}: a byte takes {growth:.2} times as long in the longest, more than {GROWTH}"
            ));
        }
        if let Some(slow) = self.runs.iter().map(Self::rate).find(|rate| *rate < SLOWEST) {
            failures.push(format!("{name}: {slow:.2} MB/s, less than {SLOWEST}"));
        }
        if self.peak() >= PEAK {
            failures.push(format!(
                "{name}: {} MiB of memory, {} or more",
                self.peak() >> 20,
                PEAK >> 20
            ));
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn took(milliseconds: u64, peak_bytes: u64) -> Run {
        Run {
            status: ExitStatus::from_raw(0),
            peak_bytes,
            processor: Duration::from_millis(milliseconds),
            elapsed: Duration::from_millis(milliseconds),
            is_late: false,
        }
    }

    #[test]
    fn what_grows_faster_than_its_input_or_holds_too_much_fails() {
        let row = |long: Run| Row {
            name: "x",
            runs: vec![(1_000_000, took(10, 1 << 20)), (10_000_000, long)],
        };
        assert_eq!(row(took(100, 1 << 20)).failures(), Vec::<String>::new());
        assert_eq!(row(took(150, PEAK - 1)).failures(), Vec::<String>::new());
        for (long, expected) in [
            (took(1_000, 1 << 20), "times as long"),
            (took(100, PEAK), "MiB of memory"),
            (took(11_000, 1 << 20), "MB/s, less than"),
            (
                Run {
                    is_late: true,
                    ..took(100, 0)
                },
                "took too long",
            ),
        ] {
            let failures = row(long).failures().join("\n");
            assert!(failures.contains(expected), "{failures}");
        }
    }
}
