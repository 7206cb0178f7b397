//! The table of a soak.

use std::fmt::{self, Display};

use rustix::process::Signal;

use super::Outcome;
use crate::meter::Sample;

const HEAD: &str = "| daemon | time | resident, MiB | of its own, MiB | CPU, % of a core | file descriptors | threads |\n|---|--:|--:|--:|--:|--:|--:|";

impl Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{HEAD}")?;
        for (number, lived) in self.lived.iter().enumerate() {
            let Some([start, middle, end]) = lived.course.three() else {
                continue;
            };
            let by = if lived.by == Signal::KILL {
                "killed"
            } else {
                "ended"
            };
            row(out, &format!("{}, start", number + 1), None, &start)?;
            row(out, &format!("{}, middle", number + 1), Some(&start), &middle)?;
            row(out, &format!("{}, {by}", number + 1), Some(&middle), &end)?;
        }
        writeln!(out, "\n{}", self.bytes.table())?;
        writeln!(
            out,
            "{} events; {} requests, {} connections broken; {} values in {} findings: all in the journal and at both \
             receivers, none twice",
            self.events, self.requests, self.broken, self.values, self.findings
        )
    }
}

/// CPU is since the sample before, or since the start of the daemon.
fn row(out: &mut fmt::Formatter<'_>, name: &str, before: Option<&Sample>, now: &Sample) -> fmt::Result {
    let cpu = before.map_or("–".to_owned(), |before| {
        let (time, cpu) = (now.at - before.at, now.cpu - before.cpu);
        format!("{:.1}", 100.0 * cpu.as_secs_f64() / time.as_secs_f64().max(0.001))
    });
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        out,
        "| {name} | {:.0} s | {:.1} | {:.1} | {cpu} | {} | {} |",
        now.at.as_secs_f64(),
        mebibytes(now.memory),
        mebibytes(now.own),
        now.files,
        now.threads
    )
}
