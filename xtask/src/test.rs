//! `cargo xtask test`: what CI runs. Stages in order, each timed; ends with one line that sums them all.

mod built;
mod cargo_output;
mod stages;
mod tally;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::ValueEnum as _;

use crate::{process, setup};
pub(crate) use built::{Built, Targets};
pub(crate) use tally::Tally;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only tests whose name contains this (with --only vm: scenarios); `detect` is the stage of that name.
    pub(crate) filter: Option<String>,
    /// Run only these stages.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
    /// Leave these stages out.
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Stage>,
    /// Add the long runs: fuzzing, the dependency check, and the tests that say they are long.
    #[arg(long)]
    pub(crate) full: bool,
    /// What the values are drawn from that the detectors are measured with.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u32,
}

/// A part of the check that can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// Formatting and clippy.
    Lint,
    /// Unit, property and snapshot tests.
    Unit,
    /// The scanner's vector code for 64-bit ARM, under emulation.
    Neon,
    /// The real binary against real programs; needs root.
    Native,
    /// The names of ends in a cluster, against a real kube-apiserver; needs root.
    Kube,
    /// The detectors: recall, precision, false alarms, and their validators against python-stdnum.
    Detect,
    /// Alert rules, manifests and unit files.
    Deploy,
    /// The scenarios on Debian kernels.
    Vm,
    /// Licences, bans and sources of the dependencies; only with --full.
    Deny,
    /// A minute of every fuzz target; only with --full.
    Fuzz,
}

/// The filter that stands for a stage.
const DETECT: &str = "detect";

impl Stage {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self, arguments: &Arguments) -> anyhow::Result<Tally> {
        match self {
            Self::Lint => stages::lint(),
            Self::Unit => stages::unit(arguments),
            Self::Neon => stages::neon(arguments),
            Self::Native => stages::native(arguments),
            Self::Kube => stages::kube(arguments),
            Self::Detect => stages::detect(arguments),
            Self::Deploy => stages::deploy(),
            Self::Vm => stages::vm(arguments),
            Self::Deny => stages::deny(),
            Self::Fuzz => stages::fuzz(arguments),
        }
    }

    /// Why this stage is not run, if it is not.
    fn left_out(self, arguments: &Arguments) -> Option<&'static str> {
        if arguments.skip.contains(&self) {
            return Some("left out with --skip");
        }
        if arguments.only.is_empty() && arguments.filter.as_deref() == Some(DETECT) {
            return (self != Self::Detect).then_some("`detect` is a stage");
        }
        if !arguments.only.is_empty() {
            return (!arguments.only.contains(&self)).then_some("not among --only");
        }
        match self {
            Self::Deny | Self::Fuzz if !arguments.full => Some("runs with --full"),
            Self::Unit | Self::Native | Self::Kube => None,
            Self::Vm => arguments
                .filter
                .is_some()
                .then_some("runs with a filter only when named by --only vm"),
            _ => arguments.filter.is_some().then_some("has no names to filter by"),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut total = Tally::default();
    let mut times = Vec::new();
    let start = Instant::now();
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    times.push(("setup".to_owned(), start.elapsed()));
    for stage in Stage::value_variants() {
        let name = stage.name();
        if let Some(why) = stage.left_out(arguments) {
            total.skip(format!("{name}: {why}"));
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let tally = stage.run(arguments).unwrap_or_else(|error| {
            let mut broken = Tally::default();
            broken.fail(format!("{name}: {error:#}"));
            broken
        });
        println!("== {name}: {tally} in {}", shown(start.elapsed()));
        times.push((name, start.elapsed()));
        total += tally;
    }
    report(&total, &times);
    Ok(if total.failed == 0 && total.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The stage of the cluster by itself.
pub(crate) fn only_kube(filter: Option<String>) -> anyhow::Result<ExitCode> {
    run(&Arguments {
        filter,
        only: vec![Stage::Kube],
        skip: Vec::new(),
        full: false,
        seed: 1,
    })
}

/// The closing lines; the sums come last.
fn report(total: &Tally, times: &[(String, Duration)]) {
    println!();
    for (name, time) in times {
        println!("{name:<8} {}", shown(*time));
    }
    for failure in &total.failures {
        println!("failed: {failure}");
    }
    for skipped in &total.reasons {
        println!("skipped: {skipped}");
    }
    if total.passed == 0 && total.failed == 0 {
        println!("nothing ran, which is no success");
    }
    println!("{total}");
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// Whether the native tests can run: they load programs into the kernel.
fn can_load() -> bool {
    process::is_root()
}
