//! The goals, and whether a run met them.

use serde::Serialize;

use crate::engine::auditor::SCANNER;
use crate::engine::{hyperscan, regexes};
use crate::own;
use crate::report::Report;

/// MB/s on clean JSON.
const RATE: f64 = 600.0;
/// Times as fast as Hyperscan.
const HYPERSCAN: f64 = 2.0;
/// Times as fast as one regular expression per rule.
const ONE_PER_RULE: f64 = 50.0;
/// Per cent that 100 own detectors may cost.
const OWN: f64 = 5.0;
/// MiB of a scan of a large file.
const PEAK: f64 = 128.0;

/// One goal and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goal {
    pub goal: String,
    pub measured: Option<f64>,
    /// `None` when it was not measured.
    pub met: Option<bool>,
}

impl Goal {
    fn at_least(goal: String, least: f64, measured: Option<f64>) -> Self {
        Self {
            goal,
            measured,
            met: measured.map(|measured| measured >= least),
        }
    }

    fn below(goal: String, most: f64, measured: Option<f64>) -> Self {
        Self {
            goal,
            measured,
            met: measured.map(|measured| measured < most),
        }
    }

    /// Measured and missed.
    pub fn is_missed(&self) -> bool {
        self.met == Some(false)
    }
}

/// All goals, judged by medians and, between engines, by ratios within a repetition.
pub fn judge(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for corpus in ["clean", "json"] {
        let rate = report.row(corpus, SCANNER).map(|row| row.median);
        goals.push(Goal::at_least(
            format!("{corpus}: at least {RATE} MB/s"),
            RATE,
            rate,
        ));
    }
    for (engine, least) in [
        (hyperscan::PLAIN, HYPERSCAN),
        (regexes::ONE_PER_RULE, ONE_PER_RULE),
    ] {
        for corpus in ["json", "logs", "protobuf"] {
            let ratio = report.row(corpus, engine).map(|row| row.scanner_is_faster);
            let goal = format!("{corpus}: at least {least} times as fast as {engine}");
            goals.push(Goal::at_least(goal, least, ratio));
        }
    }
    let growth = report
        .row("clean", own::SCANNER)
        .map(|row| (row.scanner_is_faster - 1.0) * 100.0);
    goals.push(Goal::below(
        format!("{} own detectors cost less than {OWN} %", own::COUNT),
        OWN,
        growth,
    ));
    let peak = report
        .memory
        .as_ref()
        .map(|memory| memory.peak_bytes as f64 / f64::from(1 << 20));
    goals.push(Goal::below(
        format!("peak memory of a scan below {PEAK} MiB"),
        PEAK,
        peak,
    ));
    goals
}
