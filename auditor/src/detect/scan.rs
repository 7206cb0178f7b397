//! The scanner: one pass over a document's bytes that finds candidates, then their scores.
//!
//! Goes in: a [`Document`] (or a window of one). Comes out: [`Detection`]s in ascending order, low
//! ones included. Clean bytes are looked at once and cost no allocation; fields are only asked for
//! around values that passed their verifier. Time is linear in the input, whatever it holds.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::candidate::{Match, Place};
use super::catalogue::{self, DetectorInfo, Trigger};
use super::find::Finder;
use super::fingerprint::Fingerprinter;
use super::score::Scene;
use super::state::Protected;
use super::{Detection, Scan, State};
use crate::content::Document;

/// Digits of the longest number any row asks for, and one.
pub(super) const LENGTHS: usize = 20;

/// Calls a row's verifier with a place.
type PlaceVerifier = fn(&Place<'_>) -> Option<Match>;
/// A row and its verifier of digits.
type DigitsRow = (
    &'static DetectorInfo,
    fn(&super::candidate::Digits<'_>) -> Option<Match>,
);
/// A row and its verifier of places.
pub(super) type PlaceRow = (&'static DetectorInfo, PlaceVerifier);

/// Finds values in documents. One serves all threads.
pub struct Scanner {
    pub(super) fingerprinter: Fingerprinter,
    pub(super) prefixes: Option<AhoCorasick>,
    /// Row of each pattern of `prefixes`.
    pub(super) by_prefix: Vec<PlaceRow>,
    pub(super) by_length: [Vec<DigitsRow>; LENGTHS],
    pub(super) by_country: Vec<PlaceRow>,
    pub(super) by_at: Vec<PlaceRow>,
}

/// What the first pass leaves for the second.
pub(super) enum Found {
    Verified(&'static DetectorInfo, Match),
    /// A protected value whose kind only its name can tell.
    Protected(std::ops::Range<usize>, Protected),
}

impl Found {
    fn range(&self) -> &std::ops::Range<usize> {
        match self {
            Self::Verified(_, found) => &found.range,
            Self::Protected(range, _) => range,
        }
    }
}

impl Scanner {
    /// A scanner for all rows of the catalogue.
    pub fn new(fingerprinter: Fingerprinter) -> Self {
        let mut patterns = Vec::new();
        let mut by_prefix = Vec::new();
        let mut by_length = [const { Vec::new() }; LENGTHS];
        let (mut by_country, mut by_at) = (Vec::new(), Vec::new());
        for row in catalogue::all().iter().copied() {
            for trigger in row.triggers {
                match *trigger {
                    Trigger::Digits { lengths, verify } => {
                        lengths
                            .iter()
                            .for_each(|length| by_length[usize::from(*length)].push((row, verify)));
                    }
                    Trigger::Country { verify } => by_country.push((row, verify)),
                    Trigger::At { verify } => by_at.push((row, verify)),
                    Trigger::Prefix { prefixes, verify } => {
                        patterns.extend_from_slice(prefixes);
                        by_prefix.extend(prefixes.iter().map(|_| (row, verify as PlaceVerifier)));
                    }
                    Trigger::Form { .. } | Trigger::Named { .. } => {}
                }
            }
        }
        // Fails only past billions of patterns; a test asserts that it is there.
        let prefixes = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::DFA))
            .build(patterns)
            .ok();
        Self {
            fingerprinter,
            prefixes,
            by_prefix,
            by_length,
            by_country,
            by_at,
        }
    }

    fn judge(&self, document: &Document<'_>, found: Found) -> Option<Detection> {
        let scene = Scene::of(document, found.range().clone());
        let (row, found) = match found {
            Found::Verified(row, found) => (row, found),
            Found::Protected(range, value) => scene.claim(range, value)?,
        };
        scene.judge(row, found, &self.fingerprinter)
    }
}

impl Scan for Scanner {
    fn scan(&self, document: &Document<'_>, out: &mut Vec<Detection>) {
        let mut found = Finder::new(self, document).run();
        if found.is_empty() {
            return;
        }
        found.sort_by_key(|found| (found.range().start, found.range().end));
        // Values of a neighbouring window still win over what overlaps them here.
        let mut best: Vec<(bool, Detection)> = Vec::new();
        for found in found {
            let is_owner = document.reports(found.range());
            if let Some(detection) = self.judge(document, found) {
                keep_better(&mut best, is_owner, detection);
            }
        }
        out.extend(
            best.into_iter()
                .filter_map(|(is_owner, detection)| is_owner.then_some(detection)),
        );
    }
}

/// Appends `detection` unless one that overlaps it is better; a worse one goes. Detections come
/// in ascending order, so only the last ones can overlap.
fn keep_better(best: &mut Vec<(bool, Detection)>, is_owner: bool, detection: Detection) {
    while let Some((_, last)) = best.last() {
        if last.range.end <= detection.range.start {
            break;
        }
        if rank(last) >= rank(&detection) {
            return;
        }
        best.pop();
    }
    best.push((is_owner, detection));
}

/// More bits, then more bytes, then a protected or test reading over a clear one.
fn rank(detection: &Detection) -> (i32, usize, bool) {
    let bits = (detection.score_bits * 16.0) as i32;
    (bits, detection.range.len(), detection.state != State::Clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_serves_all_threads_and_knows_every_row() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        let scanner = Scanner::new(Fingerprinter::new([7; 32]));
        is_shared(&scanner);
        assert_eq!(
            scanner.prefixes.as_ref().map(AhoCorasick::patterns_len),
            Some(scanner.by_prefix.len())
        );
    }
}
