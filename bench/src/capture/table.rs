//! What was measured, for people and as JSON.

use serde::Serialize;

use super::load::Measured;
use super::observer::Took;
use super::pace::Paced;

/// All measurements of a run.
#[derive(Default, Serialize)]
pub struct Table {
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
}

/// One server, one size of body, one observer.
#[derive(Serialize)]
pub struct Row {
    server: &'static str,
    body: &'static str,
    observer: &'static str,
    /// By round.
    requests_a_second: Vec<f64>,
    /// Requests a second, as a share of those without an observer in the same round.
    share: Vec<f64>,
    p99_ms: Vec<f64>,
    /// The observer's own time for each megabyte that moved, milliseconds.
    processor_ms_a_mb: Vec<f64>,
    peak_mib: f64,
    /// Share of what moved that was scanned, of the last round.
    scanned: Option<f64>,
    /// Requests a second of the paced load, and what came of it, by round.
    rate: u64,
    paced: Vec<Paced>,
    note: Option<String>,
}

impl Row {
    pub fn new(server: &'static str, body: &'static str, observer: &'static str) -> Self {
        Self {
            server,
            body,
            observer,
            requests_a_second: Vec::new(),
            share: Vec::new(),
            p99_ms: Vec::new(),
            processor_ms_a_mb: Vec::new(),
            peak_mib: 0.0,
            scanned: None,
            rate: 0,
            paced: Vec::new(),
            note: None,
        }
    }

    /// Says why there is nothing.
    pub fn note(&mut self, why: String) {
        self.note = Some(why);
    }

    /// Adds a paced load.
    pub fn pace(&mut self, rate: u64, paced: Option<Paced>) {
        self.rate = rate;
        self.paced.extend(paced);
    }

    /// Adds a round; `alone` are requests a second without an observer.
    pub fn add(&mut self, measured: &Measured, alone: f64, took: Option<Took>) {
        self.requests_a_second.push(measured.requests_a_second);
        self.share.push(measured.requests_a_second / alone);
        self.p99_ms.push(measured.p99_ms);
        let Some(took) = took else { return };
        self.peak_mib = self.peak_mib.max(took.peak_bytes as f64 / 1_048_576.0);
        if took.moved_bytes > 0 {
            let megabytes = took.moved_bytes as f64 / 1e6;
            self.processor_ms_a_mb.push(took.processor_s * 1000.0 / megabytes);
            self.scanned = Some(took.scanned_bytes as f64 / took.moved_bytes as f64);
        }
    }
}

impl Table {
    /// Medians of the rounds, a line for each row.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<13} {:<4} {:<18} {:>10} {:>7} {:>9} {:>10} {:>9} {:>8}\n",
            "server", "body", "observer", "requests/s", "share", "p99 ms", "own ms/MB", "peak MiB", "scanned"
        );
        for row in &self.rows {
            if let (true, Some(note)) = (row.share.is_empty(), &row.note) {
                text.push_str(&format!(
                    "{:<13} {:<4} {:<18} {note}\n",
                    row.server, row.body, row.observer
                ));
                continue;
            }
            let or_dash = |value: Option<f64>, digits: usize| match value {
                Some(value) => format!("{value:.digits$}"),
                None => "-".to_owned(),
            };
            text.push_str(&format!(
                "{:<13} {:<4} {:<18} {:>10} {:>7} {:>9} {:>10} {:>9} {:>8}\n",
                row.server,
                row.body,
                row.observer,
                or_dash(median(&row.requests_a_second), 0),
                or_dash(median(&row.share), 2),
                or_dash(median(&row.p99_ms), 2),
                or_dash(median(&row.processor_ms_a_mb), 2),
                or_dash((row.peak_mib > 0.0).then_some(row.peak_mib), 1),
                or_dash(row.scanned, 2),
            ));
        }
        self.add_paced(&mut text);
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }
}

impl Table {
    /// Latencies under the paced load, and by how much more the server works for a request than without
    /// an observer.
    fn add_paced(&self, text: &mut String) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| !row.paced.is_empty()).collect();
        if rows.is_empty() {
            return;
        }
        text.push_str(&format!(
            "\n{:<13} {:<4} {:<18} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7}\n",
            "server",
            "body",
            "observer",
            "paced to/s",
            "p50 us",
            "p90 us",
            "p99 us",
            "p99.9 us",
            "server us",
            "share"
        ));
        let mut alone = 0.0;
        for row in rows {
            let of = |value: fn(&Paced) -> f64| {
                median(&row.paced.iter().map(value).collect::<Vec<_>>()).unwrap_or_default()
            };
            let server_us = of(|paced| paced.server_us);
            if row.observer == NOBODY {
                alone = server_us;
            }
            text.push_str(&format!(
                "{:<13} {:<4} {:<18} {:>10} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>9.1} {:>7.2}\n",
                row.server,
                row.body,
                row.observer,
                row.rate,
                of(|paced| paced.p50_us),
                of(|paced| paced.p90_us),
                of(|paced| paced.p99_us),
                of(|paced| paced.p999_us),
                server_us,
                server_us / alone,
            ));
        }
    }
}

/// The observer of the rows that others are compared with.
pub const NOBODY: &str = "nothing";

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_median_of_its_rounds_and_why_there_is_none() {
        let mut row = Row::new("nginx, TLS", "1k", "auditor");
        for (requests_a_second, alone) in [(50.0, 100.0), (80.0, 100.0), (75.0, 150.0)] {
            let measured = Measured {
                requests_a_second,
                p99_ms: 1.5,
            };
            let took = Took {
                processor_s: 2.0,
                peak_bytes: 50 << 20,
                moved_bytes: 100_000_000,
                scanned_bytes: 90_000_000,
            };
            row.add(&measured, alone, Some(took));
        }
        let mut none = Row::new("Go, TLS", "1k", "bpftrace");
        none.note("no exported functions".to_owned());
        let table = Table {
            rows: vec![row, none],
            notes: vec!["a note".to_owned()],
        };
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(
            words,
            [
                "nginx,", "TLS", "1k", "auditor", "75", "0.50", "1.50", "20.00", "50.0", "0.90"
            ]
        );
        assert!(lines[2].ends_with("no exported functions"), "{text}");
        assert_eq!(lines[3], "note: a note");
    }

    #[test]
    fn a_paced_load_is_compared_with_that_of_nobody() {
        let paced = |server_us| Paced {
            requests: 100,
            p50_us: 100.0,
            p90_us: 200.0,
            p99_us: 300.0,
            p999_us: 400.0,
            server_us,
        };
        let mut alone = Row::new("nginx, TLS", "1k", NOBODY);
        alone.pace(1000, Some(paced(20.0)));
        let mut watched = Row::new("nginx, TLS", "1k", "auditor");
        watched.pace(1000, Some(paced(25.0)));
        let table = Table {
            rows: vec![alone, watched],
            notes: Vec::new(),
        };
        let text = table.text();
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(
            last,
            [
                "nginx,", "TLS", "1k", "auditor", "1000", "100", "200", "300", "400", "25.0", "1.25"
            ]
        );
    }
}
