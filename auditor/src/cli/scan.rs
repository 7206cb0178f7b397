//! `auditor scan`: files and directories, for CI.
//!
//! Goes in: paths. Comes out: one line per value found, on standard output, and an exit code. It
//! prints no value, aggregates nothing and holds no file in memory.

mod engine;
mod file;
mod lines;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use jiff::Timestamp;
use uuid::Uuid;

use crate::detect::{Confidence, Scan, Severity, State};
use crate::report::finding::{Finding, Flow, Kind, Location, SCHEMA};

pub use engine::{Description, Engine};
use file::Occurrence;

/// Most files that wait for a free thread.
const QUEUE: usize = 64;

/// Arguments of `auditor scan`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files and directories; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Leave out findings that are less sure
    #[arg(long, value_enum, default_value_t = MinConfidence::Medium, value_name = "LEVEL")]
    pub min_confidence: MinConfidence,
    /// Clear values only, or masked, hashed and test values too
    #[arg(long, value_enum, default_value_t = States::Clear)]
    pub states: States,
    /// Files scanned at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Key for fingerprints [default: a new one, so that they differ from run to run]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line a person reads
    Text,
    /// One finding (JSON) a line
    Json,
}

/// `--min-confidence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MinConfidence {
    Low,
    Medium,
    High,
}

impl From<MinConfidence> for Confidence {
    fn from(min: MinConfidence) -> Self {
        match min {
            MinConfidence::Low => Self::Low,
            MinConfidence::Medium => Self::Medium,
            MinConfidence::High => Self::High,
        }
    }
}

/// `--states`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum States {
    Clear,
    All,
}

/// Runs the command with the detectors of the catalogue.
///
/// # Errors
/// When the key file is no good, or standard output cannot be written.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let scanner = engine::scanner(args.key_file.as_deref())?;
    let engine = Engine {
        scanner: &scanner,
        describe: &engine::describe,
    };
    run(args, &engine, &mut io::stdout(), &mut io::stderr())
}

/// Scans everything `args` names and prints to `out` and, for people, to `err`.
///
/// Exit code 0: no clear value; 1: a clear value was printed; 2: something could not be read.
///
/// # Errors
/// Only when `out` cannot be written; a closed pipe ends the command quietly.
pub fn run(
    args: &Args,
    engine: &Engine<'_>,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let threads = args.threads.map_or_else(cores, usize::from);
    let job = Job {
        args,
        engine,
        out: Mutex::new(Output {
            out,
            err,
            failed: None,
        }),
        stopped: AtomicBool::new(false),
        totals: Totals::default(),
    };
    let (queue, files) = crossbeam_channel::bounded::<PathBuf>(QUEUE);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (files, job) = (files.clone(), &job);
            scope.spawn(move || {
                for path in files {
                    job.path(&path, engine.scanner);
                }
            });
        }
        drop(files);
        for path in &args.paths {
            job.walk(path, &queue);
        }
        drop(queue);
    });
    job.finish()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[derive(Default)]
struct Totals {
    files: AtomicU64,
    findings: AtomicU64,
    clear: AtomicU64,
    errors: AtomicU64,
    not_scanned: AtomicU64,
}

struct Output<'a> {
    out: &'a mut (dyn Write + Send),
    err: &'a mut (dyn Write + Send),
    /// Why `out` took no more.
    failed: Option<io::Error>,
}

struct Job<'a> {
    args: &'a Args,
    engine: &'a Engine<'a>,
    out: Mutex<Output<'a>>,
    /// `out` takes no more.
    stopped: AtomicBool,
    totals: Totals,
}

impl Job<'_> {
    /// Hands every file under `path` to the queue. Ignore files count only inside directories.
    fn walk(&self, path: &Path, queue: &crossbeam_channel::Sender<PathBuf>) {
        if !path.is_dir() {
            // The queue lives as long as the threads that empty it.
            let _ = queue.send(path.to_owned());
            return;
        }
        let mut walk = ignore::WalkBuilder::new(path);
        walk.hidden(false).require_git(false).sort_by_file_name(Ord::cmp);
        walk.filter_entry(|entry| entry.file_name() != ".git");
        for entry in walk.build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    let _ = queue.send(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => self.error(&format!("cannot walk {}: {error}", printable(path))),
            }
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Scans one file.
    fn path(&self, path: &Path, scanner: &dyn Scan) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let name = printable(path);
        let result = if path == Path::new("-") {
            self.scan(io::stdin().lock(), "-", scanner)
        } else {
            File::open(path).and_then(|file| self.scan(file, &name, scanner))
        };
        if let Err(error) = result {
            self.error(&format!(
                "cannot read {name}: {error}; check that it exists and that you may read it"
            ));
        }
    }

    fn scan(&self, file: impl Read, name: &str, scanner: &dyn Scan) -> io::Result<()> {
        let extent = file::scan(file, scanner, &mut |occurrence| self.found(name, occurrence))?;
        self.totals.files.fetch_add(1, Ordering::Relaxed);
        self.totals
            .not_scanned
            .fetch_add(extent.not_scanned, Ordering::Relaxed);
        Ok(())
    }

    fn found(&self, path: &str, occurrence: Occurrence<'_>) {
        let clear = occurrence.detection.state == State::Clear;
        let wanted = clear || self.args.states == States::All;
        if !wanted || occurrence.detection.confidence < self.args.min_confidence.into() {
            return;
        }
        let Some(finding) = self.finding(path, occurrence) else {
            return;
        };
        let line = match self.args.format {
            Format::Json => serde_json::to_string(&finding).unwrap_or_default(),
            Format::Text => text_line(&finding),
        };
        self.totals.findings.fetch_add(1, Ordering::Relaxed);
        self.totals.clear.fetch_add(u64::from(clear), Ordering::Relaxed);
        let mut output = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(output.out, "{line}") {
            self.stopped.store(true, Ordering::Relaxed);
            output.failed.get_or_insert(error);
        }
    }

    fn finding(&self, path: &str, occurrence: Occurrence<'_>) -> Option<Finding> {
        let Occurrence {
            detection,
            place,
            content_type,
            exchange,
            start,
            end,
            line,
        } = occurrence;
        let description = (self.engine.describe)(detection.detector)?;
        let clear = detection.state == State::Clear;
        let severity = match description.severity {
            _ if !clear => Severity::Low,
            severity if detection.declared_masked || detection.under_masked => raised(severity),
            severity => severity,
        };
        let now = Timestamp::now().to_string();
        let flow = (!exchange.protocol.is_empty()).then(|| Flow {
            protocol: exchange.protocol,
            operation: exchange.operation.clone(),
            status: exchange.status,
            encrypted: false,
            captured_by: "file",
            connection: String::new(),
        });
        Some(Finding {
            schema: SCHEMA,
            id: Uuid::now_v7().to_string(),
            time: now.clone(),
            revision: 1,
            kind: if clear { Kind::Leak } else { Kind::Observation },
            detector: detection.detector,
            category: description.category,
            regulations: description.regulations.to_vec(),
            state: detection.state,
            confidence: detection.confidence,
            score_bits: detection.score_bits,
            severity,
            sample: detection.sample,
            length: detection.length,
            fingerprint: detection.fingerprint,
            count: 1,
            first_seen: now.clone(),
            last_seen: now,
            declared_masked: detection.declared_masked,
            under_masked: detection.under_masked,
            location: Location {
                part: place.name(),
                field: detection.field.path,
                start,
                end,
                line,
                content_type: content_type.map(str::to_owned),
            },
            flow,
            source: None,
            destination: None,
            policy: None,
            path: Some(path.to_owned()),
        })
    }

    fn error(&self, message: &str) {
        self.totals.errors.fetch_add(1, Ordering::Relaxed);
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(
            self.out.lock().unwrap_or_else(PoisonError::into_inner).err,
            "auditor scan: {message}"
        );
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        let Output { out, err, failed } = self.out.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed.map_or_else(|| out.flush(), Err) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                anyhow::bail!("cannot write findings to standard output: {error}; is the disk full?")
            }
        }
        let total = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let totals = &self.totals;
        if self.args.format == Format::Text {
            let (files, findings, skipped) = (
                total(&totals.files),
                total(&totals.findings),
                total(&totals.not_scanned),
            );
            // Nothing but errors: they have said it all.
            if files > 0 {
                let _ = writeln!(
                    err,
                    "{files} files scanned, {findings} findings, {skipped} bytes not scanned (no text)"
                );
            }
        }
        Ok(match (total(&totals.errors), total(&totals.clear)) {
            (1.., _) => ExitCode::from(2),
            (0, 1..) => ExitCode::from(1),
            (0, 0) => ExitCode::SUCCESS,
        })
    }
}

/// `path:line  severity detector sample field`.
fn text_line(finding: &Finding) -> String {
    let path = finding.path.as_deref().unwrap_or_default();
    let line = finding
        .location
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let severity = match finding.severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    };
    let state = match finding.state {
        State::Clear => "",
        State::Masked => " (masked)",
        State::Hashed => " (hashed)",
        State::Tokenised => " (tokenised)",
        State::Encrypted => " (encrypted)",
        State::Test => " (test)",
    };
    let place = match finding.location.part {
        "file" => String::new(),
        part => format!("{part} "),
    };
    let field = finding.location.field.as_deref().unwrap_or("");
    let (detector, sample) = (finding.detector, &finding.sample);
    format!("{path}{line}  {severity:<8} {detector:<20} {sample}{state}  {place}{field}")
        .trim_end()
        .to_owned()
}

fn raised(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}

/// A path that cannot steer a terminal.
fn printable(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
