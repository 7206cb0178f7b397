//! A load of HTTP requests: wrk, from Debian's package of that name.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// What is asked for, and how hard.
pub struct Load {
    pub url: String,
    pub seconds: u64,
    pub connections: u16,
}

/// What a server did under load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub requests_a_second: f64,
    /// Of 99 requests in 100, milliseconds.
    pub p99_ms: f64,
}

impl Load {
    /// Runs it for so many seconds.
    ///
    /// # Errors
    /// When wrk is not there, fails, or a request was not answered well.
    pub fn run_for(&self, seconds: u64) -> anyhow::Result<Measured> {
        let output = Command::new("wrk")
            .args(["--threads", "1", "--latency"])
            .args(["--connections", &self.connections.to_string()])
            .arg(format!("--duration={}s", seconds.min(self.seconds)))
            .arg(&self.url)
            .output()
            .context("can not start wrk; `cargo xtask setup bench` installs it")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "wrk ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        read(&text).with_context(|| format!("wrk printed what can not be read: {text}"))
    }
}

/// Reads wrk's report; `None` when a figure is missing, or requests failed.
fn read(text: &str) -> Option<Measured> {
    let behind = |name: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(name))?;
        line[name.len()..].split_whitespace().next()
    };
    let failed = text.contains("Non-2xx") || text.contains("Socket errors");
    (!failed)
        .then_some(Measured {
            requests_a_second: behind("Requests/sec:")?.parse().ok()?,
            p99_ms: milliseconds(behind("99%")?)?,
        })
        .filter(|measured| measured.requests_a_second > 0.0)
}

/// `950.00us`, `1.23ms`, `2.00s`.
fn milliseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_wrk_is_read_and_one_with_errors_is_not() {
        let good = "Running 1s test\n  Latency Distribution\n     50%  180.00us\n     99%    1.25ms\n\
            Requests/sec:  81234.50\nTransfer/sec:     95.00MB\n";
        let measured = read(good).unwrap();
        assert_eq!((measured.requests_a_second, measured.p99_ms), (81_234.5, 1.25));
        for bad in [
            "",
            "Requests/sec: 10.0\n",
            &format!("{good}  Non-2xx or 3xx responses: 3\n"),
            &format!("{good}  Socket errors: connect 0, read 1, write 0, timeout 0\n"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
        assert!(milliseconds("950.00us").is_some_and(|ms| (ms - 0.95).abs() < 1e-9));
    }
}
