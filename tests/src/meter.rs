//! What a process uses, as time goes by, and what a daemon says of the bytes it saw.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::process;

/// Ticks of a second in /proc (`USER_HZ`).
const TICKS: u64 = 100;

/// What a process uses at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the first one.
    pub at: Duration,
    /// Resident, bytes.
    pub memory: u64,
    /// Of that, what is no page of a file: `RssAnon` and `RssShmem` of proc_pid_status(5). Pages of the program come as
    /// more of its code is run.
    pub own: u64,
    /// Of a processor, since it began.
    pub cpu: Duration,
    pub files: u64,
    pub threads: u64,
}

/// What one process used, in the order of time.
pub struct Course {
    pid: u32,
    began: Instant,
    samples: Vec<Sample>,
}

/// A quantity that must not grow.
#[derive(Clone, Copy)]
pub struct Quantity {
    pub name: &'static str,
    of: fn(&Sample) -> u64,
}

pub const OWN_MEMORY: Quantity = Quantity {
    name: "memory of its own",
    of: |sample| sample.own,
};
pub const FILES: Quantity = Quantity {
    name: "file descriptors",
    of: |sample| sample.files,
};
pub const THREADS: Quantity = Quantity {
    name: "threads",
    of: |sample| sample.threads,
};

impl Course {
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            began: Instant::now(),
            samples: Vec::new(),
        }
    }

    /// Looks at the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn look(&mut self) -> anyhow::Result<()> {
        let pid = self.pid;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        self.samples.push(Sample {
            at: self.began.elapsed(),
            memory: process::memory(pid, "VmRSS:")?,
            own: process::memory(pid, "RssAnon:")? + process::memory(pid, "RssShmem:")?,
            cpu: cpu(pid)?,
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
            threads: threads.context("no Threads")?.trim().parse()?,
        });
        Ok(())
    }

    /// How long it was looked at.
    pub fn length(&self) -> Duration {
        self.samples.last().map_or(Duration::ZERO, |last| last.at)
    }

    /// What was used at the start, in the middle and at the end.
    pub fn three(&self) -> Option<[Sample; 3]> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        Some([*first, *self.samples.get(self.samples.len() / 2)?, *last])
    }

    /// By how much a quantity grew from the end of `warm_up` to the end, by the straight line that is nearest to its
    /// samples (least squares); nothing where there are too few.
    pub fn growth(&self, quantity: Quantity, warm_up: Duration) -> Option<f64> {
        let points: Vec<(f64, f64)> = self
            .samples
            .iter()
            .filter(|sample| sample.at >= warm_up)
            .map(|sample| (sample.at.as_secs_f64(), (quantity.of)(sample) as f64))
            .collect();
        let (first, last) = (points.first()?.0, points.last()?.0);
        Some(slope(&points)? * (last - first))
    }
}

/// Fewest points that say something of a slope.
const FEWEST: usize = 10;

/// Of the straight line through these points with the least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < FEWEST {
        return None;
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut products, mut squares) = (0.0, 0.0);
    for (x, y) in points {
        products += (x - mean_x) * (y - mean_y);
        squares += (x - mean_x) * (x - mean_x);
    }
    (squares > 0.0).then(|| products / squares)
}

/// Time of a processor that a process has used, its threads together.
///
/// # Errors
/// When it has ended.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = |index: usize| -> anyhow::Result<u64> {
        let field = fields
            .split_whitespace()
            .nth(index)
            .context("a field is missing")?;
        Ok(field.parse()?)
    };
    let ticks = ticks(11)? + ticks(12)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Bytes by ledger and account, `moved` among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bytes(BTreeMap<(String, String), u64>);

impl Bytes {
    /// What a page of metrics says.
    ///
    /// # Errors
    /// When a number is none.
    pub fn read(page: &str) -> anyhow::Result<Self> {
        let mut bytes = Self::default();
        for line in page.lines() {
            let account = if line.starts_with("auditor_bytes_moved_total{") {
                Some("moved")
            } else if line.starts_with("auditor_bytes_total{") {
                label(line, "account")
            } else {
                None
            };
            let (Some(account), Some(ledger)) = (account, label(line, "ledger")) else {
                continue;
            };
            let number = line.rsplit(' ').next().context("no number")?;
            let number: f64 = number.parse()?;
            bytes
                .0
                .insert((ledger.to_owned(), account.to_owned()), number as u64);
        }
        ensure!(!bytes.0.is_empty(), "no bytes in {} lines", page.lines().count());
        Ok(bytes)
    }

    pub fn get(&self, ledger: &str, account: &str) -> u64 {
        let key = (ledger.to_owned(), account.to_owned());
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// The accounts of a ledger, `moved` among them.
    pub fn accounts<'a>(&'a self, ledger: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let of_it = self.0.iter().filter(move |((other, _), _)| other == ledger);
        of_it.map(|((_, account), bytes)| (account.as_str(), *bytes))
    }

    /// Those of another daemon as well.
    pub fn add(&mut self, other: &Self) {
        for (key, bytes) in &other.0 {
            *self.0.entry(key.clone()).or_default() += bytes;
        }
    }

    /// A line for each account that is not empty.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for ((ledger, account), bytes) in &self.0 {
            if *bytes > 0 {
                let share = 100.0 * *bytes as f64 / self.get(ledger, "moved").max(1) as f64;
                let _ = writeln!(text, "{ledger:<7} {account:<20} {bytes:>15} {share:>6.1} %");
            }
        }
        text
    }
}

fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line_and_not_moved_by_what_goes_up_and_down() {
        let at = |slope: f64, noise: f64| -> Vec<(f64, f64)> {
            (0..100)
                .map(|number| {
                    let x = f64::from(number);
                    (x, 50.0 + slope * x + if number % 2 == 0 { noise } else { -noise })
                })
                .collect()
        };
        assert!((slope(&at(3.0, 0.0)).unwrap() - 3.0).abs() < 1e-9);
        assert!(slope(&at(0.0, 10.0)).unwrap().abs() < 0.1);
        assert_eq!(slope(&at(1.0, 0.0)[..FEWEST - 1]), None);
    }

    #[test]
    fn bytes_are_read_by_ledger_and_account() {
        let page = "auditor_bytes_moved_total{ledger=\"tls\"} 12\nauditor_bytes_total{account=\"scanned\",ledger=\"tls\"} 10\n\
                    auditor_bytes_total{account=\"gap\",ledger=\"socket\"} 0\n";
        let bytes = Bytes::read(page).unwrap();
        assert_eq!((bytes.get("tls", "moved"), bytes.get("tls", "scanned")), (12, 10));
        assert_eq!(bytes.table().lines().count(), 2);
    }
}
