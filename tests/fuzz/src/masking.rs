//! Any bytes are a requirement, a ledger's lines or a journal, or refused; a requirement that is written reads as the same one,
//! and judging and showing whatever was read ends.
//!
//! A NUL parts the requirement from the lines.

use auditor::masking::coverage::{Coverage, Filter};
use auditor::masking::require::Requirement;
use auditor::masking::snapshot::{Merger, Snapshot};

pub fn run(input: &[u8]) {
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (sentence, lines) = input.split_at(cut);
    let sentence = String::from_utf8_lossy(sentence);
    let requirement = sentence.parse::<Requirement>();
    if let Ok(requirement) = &requirement {
        assert_eq!(
            requirement.to_string().parse().as_ref(),
            Ok(requirement),
            "{sentence}"
        );
    }
    let Ok(snapshot) = Snapshot::read(lines.strip_prefix(b"\0").unwrap_or(lines)) else {
        return;
    };
    let mut written = Vec::new();
    snapshot.write(&mut written).unwrap();
    let merge = |all: &[&Snapshot]| {
        let mut merger = Merger::default();
        for one in all {
            merger.add((*one).clone()).unwrap();
        }
        merger.finish()
    };
    let (merged, alone) = (merge(&[&snapshot, &snapshot]), merge(&[&snapshot]));
    assert!(merged.rows.len() == alone.rows.len());
    if let Ok(requirement) = requirement {
        let answer = requirement.judge(&alone.rows, &alone.header.traffic);
        assert!(answer.good <= answer.all && (answer.all > 0 || !answer.is_met));
    }
    let table = Coverage::of(&merged, &Filter::default()).table(&[], 10);
    assert!(!table.contains('\u{1b}'));
    assert!(alone.since(&merged).rows.is_empty());
}
