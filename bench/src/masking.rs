//! The masking ledger: values counted a second, next to a plain hash map of the same key.
//!
//! Goes in: made-up values. Comes out: values a second on one thread where fields come again and where each
//! field is new, what a plain `HashMap` with a clone of the names for a key does with them in the same run, and how
//! long one transaction takes that writes every row.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use auditor::masking::store::{Store, Traffic};
use auditor::masking::{Book, Counts, Field, Limits, Party, Side, Sighting, drift};
use auditor::report::finding::Verdict;
use auditor::report::observation::Observation;

use crate::judge::observation;

/// `auditor-bench masking`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each measurement is repeated; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Values of each measurement
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1000..))]
    values: u32,
    /// End with 1 when a goal is missed
    #[arg(long)]
    check: bool,
    /// Not used: nothing is started
    #[arg(long, value_name = "PATH", hide = true)]
    auditor: Option<PathBuf>,
}

/// Different fields that come again and again.
const FIELDS: usize = 16_384;
/// Values a second.
const GOAL: f64 = 200_000.0;

/// Measures and prints.
///
/// # Errors
/// When nothing can be written to the folder for temporary files.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let _ = &arguments.auditor;
    let mut values: Vec<Observation> = (0..FIELDS)
        .map(|n| observation(n, 1000))
        .collect::<Result<_, _>>()?;
    for (n, value) in values.iter_mut().enumerate() {
        value.detection.field.path = Some(format!("$.field{n}.card"));
    }
    let mut met = true;
    println!("| fields | ledger, values a second | plain map, values a second |");
    println!("|---|---|---|");
    for (name, is_new) in [("come again", false), ("each is new", true)] {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..arguments.repeat {
            let mut book = Book::new(Limits::default(), drift::Settings::default(), Instant::now());
            ours.push(rate(arguments.values, &mut values, is_new, |value| {
                let sighting = Sighting {
                    observation: value,
                    verdict: Some(Verdict::Violation),
                    is_silent: false,
                    side: Side::Sender,
                };
                black_box(book.observe(&sighting, Instant::now(), jiff::Timestamp::now()));
            }));
            let mut map: HashMap<Field, Counts> = HashMap::new();
            plain.push(rate(arguments.values, &mut values, is_new, |value| {
                let counts = map.entry(field(value)).or_default();
                *counts.of_mut(value.detection.state) += 1;
            }));
            black_box(map.len());
        }
        let (ours, plain) = (median(&mut ours), median(&mut plain));
        println!("| {name} | {ours:.0} | {plain:.0} |");
        met &= ours >= GOAL;
    }
    println!(
        "one transaction with {FIELDS} rows: {:.0} ms",
        transaction(&values)?
    );
    println!(
        "goal, {GOAL:.0} values a second: {}",
        if met { "met" } else { "MISSED" }
    );
    Ok(ExitCode::from(u8::from(arguments.check && !met)))
}

/// Values a second; what is new is made before the clock starts.
fn rate(wanted: u32, values: &mut [Observation], is_new: bool, mut each: impl FnMut(&Observation)) -> f64 {
    let (mut spent, mut counted) = (0.0, 0);
    while counted < wanted as usize {
        if is_new {
            for (n, value) in values.iter_mut().enumerate() {
                value.detection.field.path = Some(format!("$.new{}.card", counted + n));
            }
        }
        let start = Instant::now();
        values.iter().for_each(&mut each);
        spent += start.elapsed().as_secs_f64();
        counted += values.len();
    }
    counted as f64 / spent
}

fn field(value: &Observation) -> Field {
    Field {
        source: Party::of(&value.source),
        destination: Party::of(&value.destination),
        operation: value.flow.operation.as_deref().map(Into::into),
        part: value.place.name().into(),
        field: value.detection.field.path.as_deref().map(Into::into),
        detector: value.detection.detector.into(),
    }
}

/// Milliseconds.
fn transaction(values: &[Observation]) -> anyhow::Result<f64> {
    let mut book = Book::new(Limits::default(), drift::Settings::default(), Instant::now());
    for value in values {
        let sighting = Sighting {
            observation: value,
            verdict: None,
            is_silent: false,
            side: Side::Sender,
        };
        book.observe(&sighting, Instant::now(), jiff::Timestamp::now());
    }
    let path = std::env::temp_dir().join(format!("auditor-bench-{}.redb", std::process::id()));
    let (mut store, _) = Store::open(&path).context("cannot make a ledger")?;
    let batch = book.take_batch(Instant::now());
    let start = Instant::now();
    store.write(&batch, &Traffic::default())?;
    let spent = start.elapsed().as_secs_f64() * 1000.0;
    drop(store);
    std::fs::remove_file(path)?;
    Ok(spent)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
