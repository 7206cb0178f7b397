//! How often memory is asked for while clean bytes are searched.

use auditor::content::Document;
use auditor::detect::{Scan as _, Scanner};
use serde::Serialize;

use crate::corpus::Corpus;
use crate::engine::WINDOW;
use crate::engine::auditor::{NoField, Search, read};

/// Allocations in one pass over a corpus.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Allocations {
    pub corpus_bytes: u64,
    pub scanner: u64,
    pub reader_and_scanner: u64,
}

/// Counts those of a pass over `corpus`.
pub fn count(scanner: &Scanner, corpus: &Corpus) -> Allocations {
    let mut found = Vec::new();
    let alone = allocation_counter::measure(|| {
        for window in corpus.bytes.chunks(WINDOW) {
            found.clear();
            scanner.scan(&Document::whole(window, corpus.format, &NoField), &mut found);
        }
    });
    let both = allocation_counter::measure(|| {
        read(corpus, &mut Search::new(scanner), || true);
    });
    Allocations {
        corpus_bytes: corpus.bytes.len() as u64,
        scanner: alone.count_total,
        reader_and_scanner: both.count_total,
    }
}
