//! Repeats passes, engine after engine, so that what else the machine does hits all of them alike.
//!
//! Goes in: engines and a corpus. Comes out: a [`Row`] for each thing that was measured.

use std::time::Duration;

use serde::Serialize;

use crate::corpus::Corpus;
use crate::engine::Engine;
use crate::engine::auditor::SCANNER;

/// What one engine did with one corpus.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub corpus: &'static str,
    pub engine: &'static str,
    /// MB/s (10⁶ bytes) of the best repetition.
    pub best: f64,
    /// MB/s of the median repetition.
    pub median: f64,
    /// Median of how many times as fast the scanner was, within one repetition each.
    pub scanner_is_faster: f64,
    /// Bytes searched in a repetition.
    pub bytes: u64,
    pub hits_per_mb: f64,
}

/// Measures all engines `repetitions` times over a corpus. A pass ends after `limit`.
pub fn compare(
    engines: &mut [Box<dyn Engine + '_>],
    corpus: &Corpus,
    repetitions: usize,
    limit: Duration,
) -> Vec<Row> {
    let names: Vec<&'static str> = engines.iter().flat_map(|engine| engine.rows().to_vec()).collect();
    let reference = names.iter().position(|name| *name == SCANNER);
    // What lazy automata build on first use is no part of a rate.
    for engine in &mut *engines {
        engine.pass(corpus, limit / 8);
    }
    let rounds: Vec<Vec<_>> = (0..repetitions)
        .map(|_| {
            engines
                .iter_mut()
                .flat_map(|engine| engine.pass(corpus, limit))
                .collect()
        })
        .collect();
    let row = |at: usize, engine: &'static str| {
        let rates: Vec<f64> = rounds.iter().map(|round| round[at].rate()).collect();
        let ratios = rounds
            .iter()
            .filter_map(|round| Some(round[reference?].rate() / round[at].rate()))
            .collect();
        let last = rounds.last().map(|round| round[at]).unwrap_or_default();
        Row {
            corpus: corpus.name,
            engine,
            best: rates.iter().copied().fold(0.0, f64::max),
            median: median(rates),
            scanner_is_faster: median(ratios),
            bytes: last.bytes,
            hits_per_mb: last.hits as f64 / (last.bytes as f64 / 1e6).max(1e-9),
        }
    };
    names
        .iter()
        .enumerate()
        .map(|(at, engine)| row(at, engine))
        .collect()
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        length if length % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Pass;

    #[test]
    fn the_median_is_the_middle() {
        for (numbers, expected) in [
            (vec![], 0.0),
            (vec![3.0], 3.0),
            (vec![9.0, 1.0, 5.0], 5.0),
            (vec![4.0, 1.0], 2.5),
        ] {
            assert_eq!(median(numbers), expected);
        }
    }

    struct Fixed(&'static str, u64);

    impl Engine for Fixed {
        fn rows(&self) -> &[&'static str] {
            std::slice::from_ref(&self.0)
        }

        fn pass(&mut self, _: &Corpus, _: Duration) -> Vec<Pass> {
            vec![Pass {
                bytes: 1_000_000 * self.1,
                elapsed: Duration::from_secs(1),
                hits: self.1,
            }]
        }
    }

    #[test]
    fn ratios_are_those_to_the_scanner() {
        let mut engines: Vec<Box<dyn Engine>> =
            vec![Box::new(Fixed(SCANNER, 600)), Box::new(Fixed("other", 200))];
        let corpus = crate::corpus::clean(1, 100);
        let rows = compare(&mut engines, &corpus, 3, Duration::ZERO);
        assert_eq!(rows[0].scanner_is_faster, 1.0);
        assert_eq!((rows[1].median, rows[1].scanner_is_faster), (200.0, 3.0));
        assert_eq!(rows[1].hits_per_mb, 1.0);
    }
}
