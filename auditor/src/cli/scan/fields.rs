//! What the fields of one file have carried says what their next values are.
//!
//! Goes in: what was found in the documents of a file, in their order. Comes out: detections with
//! what their field says of them; one that is not sure by itself waits here until its field is, or
//! the file ends. It holds no value, and a bounded number of fields and of detections that wait.
//!
//! The first low candidate of a field makes its failures count, from that position on. They are
//! looked for again in its own document and in those that were scanned ahead of it, so the outcome
//! depends neither on where windows are cut nor on the number of threads.

use std::ops::Range;
use std::sync::Arc;

use crate::content::{Document, Field};
use crate::detect::sketch::{
    Candidate, FieldRef, Miss, ScanSuspects, Sketches, Spot, Suspects, Verdict, is_counted,
};
use crate::detect::{Confidence, Detection, State};

use super::ahead::Scanned;
use super::file::{Occurrence, Whereabouts};

/// Documents after which fields that are decided are no longer watched.
const REVIEW: u32 = 16;

/// The fields whose failures are of interest, at some position of the file.
#[derive(Clone, Default)]
pub(super) struct Watch {
    pub(super) suspects: Arc<Suspects>,
    /// Fields that became suspect so far.
    grown: u64,
}

/// The fields of one file.
pub(super) struct Fields<'a> {
    scanner: &'a dyn ScanSuspects,
    sketches: Sketches<Box<Whereabouts>>,
    watch: Watch,
    documents: u32,
}

impl<'a> Fields<'a> {
    pub(super) fn new(scanner: &'a dyn ScanSuspects) -> Self {
        Self {
            scanner,
            sketches: Sketches::of_file(),
            watch: Watch::default(),
            documents: 0,
        }
    }

    /// What a scan of the next document is to watch.
    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Hears what was found in the next document and adds to `out` what may be told now.
    pub(super) fn hear(
        &mut self,
        document: &Document<'_>,
        scanned: Scanned,
        spot_of: &dyn Fn(&Field) -> Option<Spot>,
        whereabouts: &dyn Fn(&Range<usize>) -> Whereabouts,
        out: &mut Vec<Occurrence>,
    ) {
        let Scanned { found, misses, watch } = scanned;
        let candidates: Vec<_> = found
            .into_iter()
            .map(|detection| self.candidate(document, detection, spot_of))
            .collect();
        let misses = self.fair(document, misses, &watch);
        let mut misses = misses.into_iter().peekable();
        for (detection, place, lead) in candidates {
            while let Some(miss) = misses.next_if(|miss| miss.range.start < detection.range.start) {
                self.miss(&miss, spot_of, out);
            }
            let at = whereabouts(&detection.range);
            match place {
                Some(place) => self.observe(detection, &place, lead, at, out),
                None => out.push(Occurrence { detection, spot: at }),
            }
        }
        misses.for_each(|miss| self.miss(&miss, spot_of, out));
        self.review();
    }

    /// The file has ended: adds to `out` what waited in vain.
    pub(super) fn finish(&mut self, out: &mut Vec<Occurrence>) {
        out.extend(self.sketches.finish().into_iter().map(told));
    }

    /// A detection, with its field when that has a say, and the lead that is counted. A field that
    /// becomes suspect by it is watched from now on.
    fn candidate(
        &mut self,
        document: &Document<'_>,
        mut detection: Detection,
        spot_of: &dyn Fn(&Field) -> Option<Spot>,
    ) -> (Detection, Option<FieldRef>, Option<u64>) {
        // They have been judged, and would take room while it waits.
        detection.field.siblings = Vec::new();
        let is_sure = detection.state == State::Clear && detection.confidence == Confidence::High;
        if is_sure && self.watch.suspects.is_empty() {
            return (detection, None, None);
        }
        let Some(spot) = spot_of(&detection.field) else {
            return (detection, None, None);
        };
        let lead = self.scanner.lead(document, &detection);
        let is_open = detection.state == State::Clear && !is_sure;
        let draws = is_open && lead.is_some() && is_counted(detection.detector);
        let place = self.scanner.field_between(&[], spot);
        let is_news = draws && !self.watch.suspects.has(&spot);
        if is_news && !self.sketches.is_decided(&place, detection.detector) {
            Arc::make_mut(&mut self.watch.suspects).insert(spot);
            self.watch.grown += 1;
        }
        (detection, Some(place), lead)
    }

    /// The failures of all fields that are watched by now, whatever was known at the scan.
    fn fair(&self, document: &Document<'_>, mut misses: Vec<Miss>, then: &Watch) -> Vec<Miss> {
        if then.grown != self.watch.grown {
            misses.clear();
            self.scanner.misses(document, &self.watch.suspects, &mut misses);
        }
        misses
    }

    fn observe(
        &mut self,
        detection: Detection,
        place: &FieldRef,
        lead: Option<u64>,
        at: Whereabouts,
        out: &mut Vec<Occurrence>,
    ) {
        let candidate = Candidate {
            detection,
            lead,
            watched: true,
            at: 0,
            held: Box::new(at),
        };
        let verdict = self.sketches.observe(place, candidate);
        out.extend(self.sketches.take_spilled().into_iter().map(told));
        match verdict {
            Verdict::Keep(detection, at) => out.push(told((detection, at))),
            Verdict::Hold => {}
            Verdict::Release(all) => out.extend(all.into_iter().map(told)),
        }
    }

    fn miss(&mut self, miss: &Miss, spot_of: &dyn Fn(&Field) -> Option<Spot>, out: &mut Vec<Occurrence>) {
        let Some(spot) = spot_of(&miss.field).filter(|spot| self.watch.suspects.has(spot)) else {
            return;
        };
        let place = self.scanner.field_between(&[], spot);
        for detector in &miss.detectors {
            self.sketches.miss(&place, detector, miss.lead, 0);
        }
        out.extend(self.sketches.take_spilled().into_iter().map(told));
    }

    /// Looks, now and then, which fields are still open.
    fn review(&mut self) {
        self.documents += 1;
        if self.documents.is_multiple_of(REVIEW)
            && let Some(suspects) = self.sketches.changed_suspects()
        {
            self.watch.suspects = Arc::new(suspects);
        }
    }
}

fn told((detection, spot): (Detection, Box<Whereabouts>)) -> Occurrence {
    Occurrence {
        detection,
        spot: *spot,
    }
}
