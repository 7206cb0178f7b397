//! Any name of a field over any value: no panic, a finite score, and no sample that shows more
//! than it may.

use std::sync::LazyLock;

use auditor::detect::{Fingerprinter, Scanner, State, explain};

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Fingerprinter::new([0; 32])).telling_all());

pub fn run(input: &[u8]) {
    let mut halves = input.splitn(2, |b| *b == b'\n').map(String::from_utf8_lossy);
    let name = halves.next().unwrap_or_default();
    let value = halves.next().unwrap_or_default();
    for found in explain(&SCANNER, &value, Some(&name)) {
        assert!(found.range.start < found.range.end);
        assert!(found.score_bits.is_finite());
        assert!(found.evidence.iter().all(|line| line.bits.is_finite()));
        if found.state == State::Clear && value.len() >= 8 {
            assert!(found.sample != value, "{}", found.detector);
        }
    }
}
