//! Measures auditor: its scanner next to regex engines, on traffic made up from a seed, and `scan` on
//! content that is made to hold it up (see [`hostile`]), and what a capture costs servers under load (see
//! [`capture`]), all stages behind the rings on recorded traffic (see [`pipeline`]), policy (see [`judge`]), and the masking ledger (see [`masking`]).
//!
//! `cargo xtask bench detect`, `bench hostile`, `bench capture`, `bench pipeline`, `bench judge` and `bench masking` build and run it. The first prints rates, ratios and
//! whether the goals are met; the same patterns go to all peers (see [`patterns`]).

mod allocation;
mod capture;
mod corpus;
mod engine;
mod goal;
mod hostile;
mod judge;
mod machine;
mod masking;
mod measure;
mod memory;
mod own;
mod patterns;
mod pipeline;
mod random;
mod report;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use corpus::Corpus;
use engine::auditor::{Auditor, SCANNER, WHOLE, scanner};
use engine::hyperscan::{self, Hyperscan, Library};
use engine::regexes::{OnePerRule, Set};
use engine::{Engine, WINDOW};
use report::Report;

/// Measures auditor.
#[derive(Parser)]
#[command(name = "auditor-bench")]
enum Subject {
    /// Compare the scanner with regex engines on generated traffic.
    Detect(Arguments),
    /// Scan content that is made to hold the scanner up: time in proportion, memory bounded.
    Hostile(hostile::Arguments),
    /// Load servers with and without an observer.
    Capture(capture::Arguments),
    /// Replay recorded traffic from the record of a ring to the finding.
    Pipeline(pipeline::Arguments),
    /// Judge detections by policies of up to 10,000 rules, and read those.
    Judge(judge::Arguments),
    /// Values counted a second in the masking ledger, next to a plain hash map.
    Masking(masking::Arguments),
}

/// `auditor-bench detect`.
#[derive(clap::Args)]
struct Arguments {
    /// What the traffic is made from; the same seed gives the same bytes
    #[arg(long, default_value_t = 20_260_203)]
    seed: u64,
    /// Length of each corpus, MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    mib: u16,
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Milliseconds after which a pass of a slow engine ends; its rate is that of what it did
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Which detectors' patterns the others search for
    #[arg(long, value_enum, default_value_t = Patterns::Build)]
    patterns: Patterns,
    /// Only these corpora
    #[arg(long, value_delimiter = ',')]
    corpus: Vec<String>,
    /// Own detectors to add, instead of 100 made-up ones
    #[arg(long, value_name = "FILE")]
    own: Option<PathBuf>,
    /// Leave the other engines out, as for a profiler
    #[arg(long)]
    alone: bool,
    /// Binary whose memory is measured
    #[arg(long, value_name = "PATH")]
    auditor: Option<PathBuf>,
    /// Leave the run on a 2 GB file out
    #[arg(long)]
    no_memory: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End with 1 when a goal is missed
    #[arg(long)]
    check: bool,
}

/// `--patterns`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Patterns {
    /// Of the detectors that this build has
    Build,
    /// Of every detector there is a pattern for
    All,
}

/// `--format`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Length of the file that memory is measured with, bytes.
const LARGE: u64 = 2_000_000_000;

fn main() -> ExitCode {
    let result = match Subject::parse() {
        Subject::Detect(arguments) => run(&arguments),
        Subject::Hostile(arguments) => hostile::run(&arguments),
        Subject::Capture(arguments) => capture::run(&arguments),
        Subject::Pipeline(arguments) => pipeline::run(&arguments),
        Subject::Judge(arguments) => judge::run(&arguments),
        Subject::Masking(arguments) => masking::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("auditor-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let patterns = match arguments.patterns {
        Patterns::Build => patterns::of_this_build(),
        Patterns::All => patterns::regexes(|_| true),
    };
    let mut corpora = corpus::all(arguments.seed, usize::from(arguments.mib) << 20);
    corpora.retain(|corpus| {
        arguments.corpus.is_empty() || arguments.corpus.iter().any(|name| name == corpus.name)
    });
    let mut report = Report {
        machine: machine::Machine::this(),
        seed: arguments.seed,
        repetitions: usize::from(arguments.repeat),
        corpus_bytes: usize::from(arguments.mib) << 20,
        detectors: auditor::detect::catalogue::all().len(),
        patterns: patterns.len(),
        hyperscan: None,
        rows: Vec::new(),
        allocations: None,
        memory: None,
        notes: Vec::new(),
        goals: Vec::new(),
    };
    compare(arguments, &patterns, &corpora, &mut report)?;
    measure_memory(arguments, &corpora, &mut report);
    report.goals = goal::judge(&report);
    match arguments.format {
        Format::Text => print!("{}", report.text()),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let missed = report.goals.iter().any(goal::Goal::is_missed);
    Ok(ExitCode::from(u8::from(arguments.check && missed)))
}

/// Fills in everything but memory.
fn compare(
    arguments: &Arguments,
    patterns: &[&str],
    corpora: &[Corpus],
    report: &mut Report,
) -> anyhow::Result<()> {
    let catalogue = scanner();
    let with_own = own::scanner(arguments.own.as_deref());
    let mut engines: Vec<Box<dyn Engine + '_>> = vec![Box::new(Auditor {
        scanner: &catalogue,
        rows: [SCANNER, WHOLE],
    })];
    match &with_own {
        Ok(scanner) => engines.push(Box::new(Auditor {
            scanner,
            rows: [own::SCANNER, own::WHOLE],
        })),
        Err(error) => report
            .notes
            .push(format!("own detectors are not measured: {error:#}")),
    }
    if !arguments.alone {
        add_hyperscan(patterns, &mut engines, report);
        engines.push(Box::new(Set::new(patterns)?));
        engines.push(Box::new(OnePerRule::new(patterns)?));
    }
    for corpus in corpora {
        eprintln!("{}: {}", corpus.name, corpus.about);
        let limit = Duration::from_millis(arguments.limit);
        report
            .rows
            .extend(measure::compare(&mut engines, corpus, report.repetitions, limit));
        let mut search = engine::auditor::Search::new(&catalogue);
        engine::auditor::read(corpus, &mut search, || true);
        if search.not_scanned > 0 {
            report.notes.push(format!(
                "{}: the reader left {} bytes out, which makes its rows too fast",
                corpus.name, search.not_scanned
            ));
        }
    }
    let clean = corpus::clean(arguments.seed, 64 * WINDOW);
    report.allocations = Some(allocation::count(&catalogue, &clean));
    Ok(())
}

/// Adds the two rows of Hyperscan, or a note why they are missing.
fn add_hyperscan(patterns: &[&str], engines: &mut Vec<Box<dyn Engine + '_>>, report: &mut Report) {
    let library = match Library::load() {
        Ok(library) => library,
        Err(error) => {
            report
                .notes
                .push(format!("the comparison with hyperscan is missing: {error:#}"));
            return;
        }
    };
    report.hyperscan = Some(library.version());
    for row in [hyperscan::PLAIN, hyperscan::START_OF_MATCH] {
        match Hyperscan::new(library, patterns, row) {
            Ok(engine) => {
                let refused = engine.refused.iter();
                report
                    .notes
                    .extend(refused.map(|refused| format!("{row} refuses {refused}")));
                engines.push(Box::new(engine));
            }
            Err(error) => report.notes.push(format!("{row} is missing: {error:#}")),
        }
    }
}

fn measure_memory(arguments: &Arguments, corpora: &[Corpus], report: &mut Report) {
    if arguments.no_memory {
        return;
    }
    let Some(auditor) = &arguments.auditor else {
        report
            .notes
            .push("peak memory is not measured: no --auditor to run".to_owned());
        return;
    };
    let generated;
    let corpus = match corpora.iter().find(|corpus| corpus.name == "json") {
        Some(corpus) => corpus,
        None => {
            generated = corpus::clean(arguments.seed, usize::from(arguments.mib) << 20);
            &generated
        }
    };
    eprintln!("memory: auditor scan of {LARGE} bytes");
    match memory::measure(auditor, corpus, LARGE) {
        Ok(memory) => report.memory = Some(memory),
        Err(error) => report
            .notes
            .push(format!("peak memory is not measured: {error:#}")),
    }
}
