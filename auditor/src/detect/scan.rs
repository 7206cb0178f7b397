//! The scanner: one pass over a document's bytes that finds candidates, then their scores.
//!
//! Goes in: a [`Document`] (or a window of one). Comes out: [`Detection`]s in ascending order, low
//! ones included. Clean bytes are looked at once and cost no allocation; fields are only asked for
//! around values that passed their verifier. Time is linear in the input, whatever it holds.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::{Classifier, Heads};
use super::candidate::{Digits, Match, Place, Proof, Value};
use super::catalogue::{self, DetectorInfo, Needs, Trigger};
use super::find::{Finder, Interest};
use super::fingerprint::Fingerprinter;
use super::form::{Form, Forms};
use super::glance::Names;
use super::own::{self, Definition, Own, OwnError};
use super::prefix::Prefixes;
use super::rows::{MOST_ROWS, RowId, RowSet, numbered};
use super::score::{FLOOR, Rank, Scene};
use super::state::Protected;
use super::vocabulary::Vocabulary;
use super::{Detection, Scan};
use crate::content::Document;

/// Digits of the longest number any row asks for, and one.
pub(super) const LENGTHS: usize = 23;

/// Judges a place.
pub(super) type PlaceVerifier = fn(&Place<'_>) -> Option<Match>;
/// Judges digits.
type DigitsVerifier = fn(&Digits<'_>) -> Option<Match>;
/// [`Trigger::Digits`].
#[derive(Clone, Copy)]
pub(super) struct AsksDigits {
    pub(super) row: RowId,
    pub(super) bare: bool,
    pub(super) verify: DigitsVerifier,
}
/// Judges a named value.
#[derive(Clone, Copy)]
pub(super) enum ValueJudge {
    Check(fn(&Value<'_>) -> Option<Proof>),
    /// Place in [`Scanner::own`].
    Own(usize),
}

/// Judges a place where a prefix stands.
#[derive(Clone, Copy)]
pub(super) enum PrefixJudge {
    Verify(PlaceVerifier),
    /// Place in [`Scanner::own`], and bytes of the value that stand before the prefix.
    Own(usize, usize),
}

/// [`Trigger::Word`].
pub(super) struct WordTrigger {
    pub(super) lengths: RangeInclusive<usize>,
    pub(super) first: &'static [u8],
    pub(super) verify: PlaceVerifier,
}

/// Scanners made so far, and one.
static SCANNERS: AtomicU64 = AtomicU64::new(1);

/// Finds values in documents. One serves all threads.
pub struct Scanner {
    pub(super) fingerprinter: Fingerprinter,
    /// Tells scanners apart.
    pub(super) number: u64,
    pub(super) rows: Vec<&'static DetectorInfo>,
    pub(super) vocabulary: Vocabulary,
    pub(super) classifier: Classifier,
    pub(super) prefixes: Prefixes<(RowId, PrefixJudge)>,
    pub(super) heads: Heads,
    pub(super) by_length: [Vec<AsksDigits>; LENGTHS],
    pub(super) forms: Forms,
    pub(super) by_country: Vec<(RowId, PlaceVerifier)>,
    pub(super) by_at: Vec<(RowId, PlaceVerifier)>,
    pub(super) by_word: Vec<(RowId, WordTrigger)>,
    /// Lengths of words that `by_word` asks for, by their first byte.
    pub(super) word_lengths: Box<[u64; 256]>,
    /// Digits of the shortest number any row asks for.
    pub(super) shortest: usize,
    /// What words and numbers any row asks for.
    pub(super) interest: Interest,
    /// By row.
    pub(super) by_name: Vec<Option<ValueJudge>>,
    /// Rows that have an entry in `by_name`.
    pub(super) named_rows: RowSet,
    /// Rows whose values are numbers.
    pub(super) numbers: RowSet,
    /// The user's own detectors.
    pub(super) own: Vec<(RowId, Own)>,
    /// Bits below which a candidate is dropped.
    pub(super) floor: f32,
}

/// What the first pass leaves for the second.
pub(super) enum Found {
    Verified(RowId, Match),
    /// A protected value whose kind only its name can tell.
    Protected(Range<usize>, Protected),
}

impl Found {
    fn range(&self) -> &Range<usize> {
        match self {
            Self::Verified(_, found) => &found.range,
            Self::Protected(range, _) => range,
        }
    }
}

impl Scanner {
    /// A scanner for all rows of the catalogue.
    pub fn new(fingerprinter: Fingerprinter) -> Self {
        Self::of(fingerprinter, Vec::new())
    }

    /// A scanner for all rows of the catalogue and the user's own detectors. Call it once: the
    /// rows of own detectors live as long as the process.
    ///
    /// # Errors
    /// For the first definition that cannot be used, or whose examples say something else.
    pub fn with_own(fingerprinter: Fingerprinter, definitions: &[Definition]) -> Result<Self, OwnError> {
        let made = Self::of(fingerprinter, own::accept(definitions)?);
        for definition in definitions {
            made.check_examples(definition)?;
        }
        Ok(made)
    }

    fn of(fingerprinter: Fingerprinter, own: Vec<Own>) -> Self {
        let mut rows = catalogue::all().to_vec();
        rows.extend(own.iter().map(|own| own.info));
        rows.truncate(MOST_ROWS);
        let mut prefixes = Vec::new();
        let mut made = Self {
            fingerprinter,
            number: SCANNERS.fetch_add(1, Ordering::Relaxed),
            vocabulary: Vocabulary::new(&rows),
            classifier: Classifier::new(),
            prefixes: Prefixes::new([]),
            heads: Heads::default(),
            by_length: [const { Vec::new() }; LENGTHS],
            forms: Forms::default(),
            by_country: Vec::new(),
            by_at: Vec::new(),
            by_word: Vec::new(),
            word_lengths: Box::new([0; 256]),
            shortest: 0,
            interest: Interest::default(),
            by_name: vec![None; rows.len()],
            named_rows: RowSet::EMPTY,
            numbers: RowSet::EMPTY,
            own: Vec::new(),
            rows: Vec::new(),
            floor: FLOOR,
        };
        for (id, row) in numbered(&rows) {
            for trigger in row.triggers {
                made.add(id, row.needs, trigger, &mut prefixes);
            }
        }
        for (at, own) in own.into_iter().enumerate() {
            let Some(id) = RowId::new(catalogue::all().len() + at) else {
                break;
            };
            let judge = |behind| (id, PrefixJudge::Own(at, behind));
            prefixes.extend(
                own.literals
                    .iter()
                    .map(|(literal, behind)| (*literal, judge(*behind))),
            );
            if !own.info.keys.is_empty() {
                made.by_name[id.index()] = Some(ValueJudge::Own(at));
                made.named_rows.insert(id);
            }
            made.own.push((id, own));
        }
        made.prefixes = Prefixes::new(prefixes);
        made.heads = Heads::of(made.prefixes.heads());
        for (_, word) in &made.by_word {
            let lengths = word.lengths.clone().filter(|length| *length < 64);
            let lengths = lengths.fold(0, |lengths, length| lengths | 1 << length);
            for first in word.first {
                made.word_lengths[usize::from(*first)] |= lengths;
            }
        }
        made.shortest = (0..LENGTHS)
            .find(|length| !made.by_length[*length].is_empty() || made.forms.has_numbers(*length))
            .unwrap_or(LENGTHS);
        made.interest = Interest::of(&made.forms, &made.by_length);
        made.rows = rows;
        made
    }

    /// Drops no candidate for want of bits: for people who ask why a value is not reported.
    #[must_use]
    pub fn telling_all(mut self) -> Self {
        self.floor = f32::NEG_INFINITY;
        self
    }

    /// The rows of this scanner: the catalogue's, then the user's own.
    pub fn rows(&self) -> &[&'static DetectorInfo] {
        &self.rows
    }

    fn check_examples(&self, definition: &Definition) -> Result<(), OwnError> {
        let key = definition.keys.first().map(String::as_str);
        let lists = [
            ("match", &definition.examples.matching, true),
            ("no_match", &definition.examples.no_match, false),
        ];
        for (list, examples, wanted) in lists {
            for (at, example) in examples.iter().enumerate() {
                let is_found = [None, key].into_iter().any(|key| {
                    super::explain(self, example, key)
                        .iter()
                        .any(|found| found.detector == definition.id)
                });
                if is_found != wanted {
                    return Err(OwnError::Example {
                        id: definition.id.clone(),
                        list,
                        number: at + 1,
                        what: if wanted { "is not found" } else { "is found" },
                    });
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        id: RowId,
        needs: Needs,
        trigger: &Trigger,
        prefixes: &mut Vec<(&'static str, (RowId, PrefixJudge))>,
    ) {
        match *trigger {
            Trigger::Digits {
                lengths,
                bare,
                verify,
            } => {
                self.numbers.insert(id);
                for length in lengths {
                    if let Some(rows) = self.by_length.get_mut(usize::from(*length)) {
                        rows.push(AsksDigits {
                            row: id,
                            bare,
                            verify,
                        });
                    }
                }
            }
            Trigger::Country { verify } => self.by_country.push((id, verify)),
            Trigger::At { verify } => self.by_at.push((id, verify)),
            Trigger::Prefix {
                prefixes: of_row,
                verify,
            } => prefixes.extend(
                of_row
                    .iter()
                    .map(|prefix| (*prefix, (id, PrefixJudge::Verify(verify)))),
            ),
            Trigger::Form { forms, check } => {
                self.numbers.insert(id);
                let free = matches!(needs, Needs::Nothing | Needs::KeyOrSibling);
                forms
                    .iter()
                    .filter_map(|form| Form::read(id, form, check))
                    .for_each(|form| self.forms.add(form, free));
            }
            Trigger::Word {
                ref lengths,
                first,
                verify,
            } => self.by_word.push((
                id,
                WordTrigger {
                    lengths: lengths.clone(),
                    first,
                    verify,
                },
            )),
            Trigger::Named { check } => {
                self.by_name[id.index()] = Some(ValueJudge::Check(check));
                self.named_rows.insert(id);
            }
        }
    }

    /// The row of a detector.
    pub(super) fn row(&self, id: &str) -> Option<RowId> {
        self.rows.iter().position(|row| row.id == id).and_then(RowId::new)
    }

    fn judge(scene: &Scene<'_>, found: Found, is_beaten: impl FnOnce(Rank) -> bool) -> Option<Detection> {
        let (row, found) = match found {
            Found::Verified(row, found) => (row, found),
            Found::Protected(range, value) => scene.claim(range, value)?,
        };
        scene.judge(row, found, is_beaten)
    }
}

impl Scan for Scanner {
    fn scan(&self, document: &Document<'_>, out: &mut Vec<Detection>) {
        // Values of a neighbouring window still win over what overlaps them here.
        let mut best: Vec<(bool, Detection)> = Vec::new();
        Finder::new(self, document).run(|found, before| {
            if found.is_empty() {
                return;
            }
            found.sort_by_key(|found| (found.range().start, found.range().end));
            let ready = found.partition_point(|found| found.range().start < before);
            let mut names = Names::taken(self.number);
            let mut scene = None;
            for found in found.drain(..ready) {
                let range = &found.range().clone();
                let is_owner = document.reports(range);
                let here = scene.take().filter(|scene: &Scene<'_>| scene.is_at(range));
                let here = here.unwrap_or_else(|| Scene::of(self, &mut names, document, range.clone()));
                let is_beaten = |rank| {
                    let last = best.last().map(|(_, last)| last);
                    last.is_some_and(|last| last.range.end > range.start && Rank::of(last) >= rank)
                };
                if let Some(detection) = Self::judge(scene.insert(here), found, is_beaten) {
                    keep_better(&mut best, is_owner, detection);
                }
            }
            names.keep();
        });
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
        debug_assert!(last.range.start <= detection.range.start, "out of order");
        if last.range.end <= detection.range.start {
            break;
        }
        if Rank::of(last) >= Rank::of(&detection) {
            return;
        }
        best.pop();
    }
    best.push((is_owner, detection));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_serves_all_threads_and_knows_every_row() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        let scanner = Scanner::new(Fingerprinter::new([7; 32]));
        is_shared(&scanner);
        for row in catalogue::all() {
            assert!(scanner.row(row.id).is_some(), "{}", row.id);
        }
    }
}
