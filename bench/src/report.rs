//! What a run found, as a table or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::allocation::Allocations;
use crate::goal::Goal;
use crate::machine::Machine;
use crate::measure::Row;
use crate::memory::Memory;

/// Everything of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub seed: u64,
    pub repetitions: usize,
    pub corpus_bytes: usize,
    pub detectors: usize,
    pub patterns: usize,
    /// `None` when it could not be loaded.
    pub hyperscan: Option<String>,
    pub rows: Vec<Row>,
    pub allocations: Option<Allocations>,
    pub memory: Option<Memory>,
    /// What could not be measured as meant, and why.
    pub notes: Vec<String>,
    pub goals: Vec<Goal>,
}

impl Report {
    /// The row of this engine and corpus.
    pub fn row(&self, corpus: &str, engine: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.corpus == corpus && row.engine == engine)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = self.head();
        for (at, row) in self.rows.iter().enumerate() {
            if at == 0 || self.rows[at - 1].corpus != row.corpus {
                let _ = writeln!(
                    out,
                    "\n{:<42} {:>10} {:>10} {:>12} {:>10}",
                    row.corpus, "best MB/s", "median", "scanner is", "hits/MB"
                );
            }
            let _ = writeln!(
                out,
                "  {:<40} {:>10.1} {:>10.1} {:>11.1}x {:>10.1}",
                row.engine, row.best, row.median, row.scanner_is_faster, row.hits_per_mb
            );
        }
        out.push('\n');
        if let Some(count) = &self.allocations {
            let _ = writeln!(
                out,
                "allocations on {} MB of clean JSON: scanner {}, reader and scanner {}",
                count.corpus_bytes / 1_000_000,
                count.scanner,
                count.reader_and_scanner
            );
        }
        if let Some(memory) = &self.memory {
            let _ = writeln!(
                out,
                "auditor scan of {} MB: peak {:.1} MiB, {:.1} s",
                memory.file_bytes / 1_000_000,
                memory.peak_bytes as f64 / f64::from(1 << 20),
                memory.seconds
            );
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        out.push('\n');
        for goal in &self.goals {
            let verdict = match goal.met {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "not measured",
            };
            let measured = goal
                .measured
                .map_or_else(String::new, |number| format!(" ({number:.1})"));
            let _ = writeln!(out, "{verdict:<13} {}{measured}", goal.goal);
        }
        out
    }

    fn head(&self) -> String {
        let machine = &self.machine;
        format!(
            "{}, {} cores, {} MiB, Linux {}, load {}\n{} detectors; {} patterns for the others; hyperscan {}; \
             {} bytes each, seed {}, {} repetitions, one thread, its own time on a core\n",
            machine.processor,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.load,
            self.detectors,
            self.patterns,
            self.hyperscan.as_deref().unwrap_or("missing"),
            self.corpus_bytes,
            self.seed,
            self.repetitions
        )
    }
}
