//! `auditor scan`: files and directories, for CI.
//!
//! Goes in: paths. Comes out: one line per value found, on standard output, and an exit code. It
//! prints no value, aggregates nothing and holds no file in memory.

mod ahead;
mod fields;
mod file;
mod finding;
mod lines;
mod progress;
#[cfg(test)]
mod tests;
mod totals;
mod walk;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;

use super::engine;
use crate::config;
use crate::content::protobuf::Registry;
use crate::detect::sketch::ScanSuspects;
use crate::detect::{Confidence, State};
use crate::policy::compile::Policies;
use crate::report::finding::Verdict;

use ahead::Helpers;
use file::{Extent, Occurrence, Workers};
use finding::{finding, judged, text_line};
use progress::Progress;
use totals::Totals;
use walk::Entry;

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
    /// Configuration whose own detectors are used too; nothing else of it is read
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Names of protobuf fields in HTTP messages: a file that `protoc --include_imports --descriptor_set_out=FILE` wrote;
    /// may be given several times
    #[arg(long, value_name = "FILE")]
    pub descriptors: Vec<PathBuf>,
    /// A policy, or a folder of them. Files have neither sender nor receiver: rules that ask for
    /// one do not match, and the transport is not judged
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// A policy that comes with auditor: ccpa, gdpr, hipaa, pci-dss or secrets-only
    #[arg(long, value_name = "NAME")]
    pub preset: Vec<String>,
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

/// What all threads scan with.
type SharedScanner<'a> = &'a (dyn ScanSuspects + Sync);

/// What is known before the first file.
#[derive(Clone, Copy)]
struct Known<'a> {
    scanner: SharedScanner<'a>,
    descriptors: &'a Arc<Registry>,
}

/// Runs the command with the detectors of the catalogue and of the configuration.
///
/// # Errors
/// When the key file or the configuration is no good, or standard output cannot be written.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    engine::forbid_core_dumps()?;
    let own = config::own_detectors(args.config.as_deref())?;
    let scanner = engine::scanner(args.key_file.as_deref(), false, &own)?;
    // What one file says of the messages in another would depend on which is read first.
    let descriptors = engine::descriptors(&args.descriptors, false)?;
    let policies = engine::policies(&args.policy, &args.preset, &own)?;
    let progress = Progress::of(&args.paths);
    let with = With {
        known: Known {
            scanner: &scanner,
            descriptors: &descriptors,
        },
        policies: (!policies.rules.is_empty()).then_some(&policies),
        progress: &progress,
    };
    run(args, with, &mut io::stdout(), &mut io::stderr())
}

/// Scans everything `args` names and prints to `out` and, for people, to `err`.
///
/// Exit code 0: no leak; 1: a clear value was printed that no policy allows; 2: something could not be read.
///
/// # Errors
/// Only when `out` cannot be written; a closed pipe ends the command quietly.
fn run(
    args: &Args,
    with: With<'_>,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let With {
        known,
        policies,
        progress,
    } = with;
    let threads = args.threads.map_or_else(cores, usize::from);
    let scanner = known.scanner;
    let job = Job {
        args,
        known,
        policies,
        progress,
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
        let job = &job;
        // With one thread there is nobody to help.
        let helpers = (threads > 1).then(|| {
            let (helpers, windows) = Helpers::new(threads);
            for _ in 0..threads {
                let windows = windows.clone();
                scope.spawn(move || windows.iter().for_each(|window| window.run(scanner)));
            }
            Arc::new(helpers)
        });
        for _ in 0..threads {
            // The helpers end with the last thread that may need one.
            let (files, helpers) = (files.clone(), helpers.clone());
            scope.spawn(move || {
                for path in files {
                    job.path(&path, helpers.as_deref());
                }
            });
        }
        drop((files, helpers));
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

struct Output<'a> {
    out: &'a mut (dyn Write + Send),
    err: &'a mut (dyn Write + Send),
    /// Why `out` took no more.
    failed: Option<io::Error>,
}

/// What a scan is done with.
#[derive(Clone, Copy)]
struct With<'a> {
    known: Known<'a>,
    /// `None`: every clear value is a leak.
    policies: Option<&'a Policies>,
    progress: &'a Progress,
}

struct Job<'a> {
    args: &'a Args,
    known: Known<'a>,
    policies: Option<&'a Policies>,
    progress: &'a Progress,
    out: Mutex<Output<'a>>,
    /// `out` takes no more.
    stopped: AtomicBool,
    totals: Totals,
}

impl Job<'_> {
    /// Hands every file under `path` to the queue.
    fn walk(&self, path: &Path, queue: &crossbeam_channel::Sender<PathBuf>) {
        walk::walk(path, |entry| {
            match entry {
                // The queue lives as long as the threads that empty it.
                Entry::File(file) => drop(queue.send(file)),
                Entry::Skipped(link, walk::LINK) => {
                    tracing::debug!("left out: {} is a {}", printable(&link), walk::LINK);
                    self.totals.skipped(walk::LINK);
                }
                Entry::Skipped(special, kind) => {
                    self.totals.skipped(kind);
                    self.tell(&format!("skipped {}: it is a {kind}", printable(&special)));
                }
                Entry::Error(error) => self.error(&format!(
                    "cannot walk {}: {error}; check that it exists and that you may read it",
                    printable(path)
                )),
            }
            !self.stopped.load(Ordering::Relaxed)
        });
    }

    /// Scans one file.
    fn path(&self, path: &Path, helpers: Option<&Helpers>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let name = printable(path);
        let result = if path == Path::new("-") {
            self.scan(io::stdin().lock(), "-", helpers)
        } else {
            walk::open(path).and_then(|file| self.scan(file, &name, helpers))
        };
        match result {
            Ok(extent) => self.totals.file(&extent),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.error(&format!("skipped {name}: {error}"));
            }
            Err(error) => self.error(&format!(
                "cannot read {name}: {error}; check that it exists and that you may read it"
            )),
        }
    }

    fn scan(&self, file: impl Read, name: &str, helpers: Option<&Helpers>) -> io::Result<Extent> {
        let workers = Workers {
            scanner: self.known.scanner,
            descriptors: self.known.descriptors,
            helpers,
            read: &|bytes| self.progress.read(bytes),
        };
        file::scan(file, &workers, &mut |occurrence| {
            self.found(name, occurrence);
        })
    }

    fn found(&self, path: &str, occurrence: Occurrence) {
        let clear = occurrence.detection.state == State::Clear;
        if occurrence.detection.confidence < self.args.min_confidence.into() {
            return;
        }
        let judged = self.policies.and_then(|policies| judged(policies, &occurrence));
        let silent = judged.as_ref().is_some_and(|judged| judged.silent);
        let is_violation = match &judged {
            Some(judged) => judged.policy.verdict == Verdict::Violation,
            None => clear,
        };
        let wanted = clear || is_violation || self.args.states == States::All;
        if !wanted || silent {
            return;
        }
        let mut finding = finding(path, occurrence);
        if let Some(judged) = judged {
            finding.severity = judged.severity.unwrap_or(finding.severity);
            finding.policy = Some(judged.policy.clone());
        }
        let line = match self.args.format {
            Format::Json => crate::report::json::line(&finding).unwrap_or_default(),
            Format::Text => text_line(&finding),
        };
        self.totals.finding(is_violation);
        let mut output = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.progress.beside(false, || writeln!(output.out, "{line}"));
        if let Err(error) = written {
            self.stopped.store(true, Ordering::Relaxed);
            output.failed.get_or_insert(error);
        }
    }

    fn error(&self, message: &str) {
        self.totals.error();
        self.tell(message);
    }

    fn tell(&self, message: &str) {
        let mut output = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Standard error may be closed; the exit code still tells.
        let _ = self
            .progress
            .beside(true, || writeln!(output.err, "auditor scan: {message}"));
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        self.progress.end();
        let Output { out, err, failed } = self.out.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed.map_or_else(|| out.flush(), Err) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                anyhow::bail!("cannot write findings to standard output: {error}; is the disk full?")
            }
        }
        if self.args.format == Format::Text
            && let Some(summary) = self.totals.summary()
        {
            let _ = writeln!(err, "{summary}");
        }
        Ok(self.totals.exit_code())
    }
}

/// A path that cannot steer a terminal.
fn printable(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
