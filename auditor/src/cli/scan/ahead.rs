//! Windows of one long file on several threads.
//!
//! Goes in: documents in the order of a file. Comes out: what was found in them, in the same order.
//! A window is copied, with the state that tells its fields; at most [`MOST`] are under way, so
//! memory does not grow with the file. Short files are never handed out.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::content::window::Positions;
use crate::content::{Document, FieldLookup, Format, Origin};
use crate::detect::{Detection, Scan};
use crate::protocol::{Exchange, Place};
use crate::secret::Secret;

use super::file::Occurrence;

/// Windows of a file under way.
const MOST: usize = 16;
/// Windows of a file that its own thread scans before others help: most files have no more.
const ALONE: u64 = 32;

/// Threads that take windows.
pub(super) struct Helpers {
    queue: Sender<Job>,
}

impl Helpers {
    /// The helpers, and the jobs their threads take.
    pub(super) fn new(threads: usize) -> (Self, Receiver<Job>) {
        let (queue, jobs) = crossbeam_channel::bounded(threads);
        (Self { queue }, jobs)
    }
}

/// What all detections of a document have in common.
#[derive(Clone)]
pub(super) struct Facts {
    place: Place,
    content_type: Option<Arc<str>>,
    exchange: Arc<Exchange>,
    /// Lines of the file are lines of the content.
    has_lines: bool,
}

impl Facts {
    pub(super) fn of(origin: &Origin<'_>, document: &Document<'_>) -> Self {
        Self {
            place: origin.place,
            content_type: origin.content_type.map(Arc::from),
            exchange: Arc::clone(origin.exchange),
            has_lines: !origin.decoded && document.format != Format::Protobuf,
        }
    }

    /// What is in a document; lines are left at 0 where there are any.
    pub(super) fn scan(
        &self,
        scanner: &dyn Scan,
        document: &Document<'_>,
        positions: &Positions,
    ) -> Vec<Occurrence> {
        let mut found = Vec::new();
        scanner.scan(document, &mut found);
        let occurrence = |detection: Detection| {
            let source = positions.of_range(&detection.range);
            Occurrence {
                detection,
                place: self.place,
                content_type: self.content_type.clone(),
                exchange: Arc::clone(&self.exchange),
                start: source.start,
                end: source.end,
                line: self.has_lines.then_some(0),
            }
        };
        found.into_iter().map(occurrence).collect()
    }
}

/// A window to be scanned elsewhere.
pub(super) struct Job {
    bytes: Secret,
    format: Format,
    fields: Box<dyn FieldLookup + Send>,
    overlap: usize,
    flushed: usize,
    next: Option<usize>,
    offset: u64,
    positions: Positions,
    facts: Facts,
    answer: Answer,
}

impl Job {
    pub(super) fn run(mut self, scanner: &dyn Scan) {
        let document = Document {
            bytes: self.bytes.expose(),
            format: self.format,
            fields: &*self.fields,
            overlap: self.overlap,
            flushed: self.flushed,
            next: self.next,
            offset: self.offset,
        };
        self.answer.found = self.facts.scan(scanner, &document, &self.positions);
    }
}

/// Goes back when it is dropped, also by a thread that fails: nobody waits for ever.
struct Answer {
    number: u64,
    found: Vec<Occurrence>,
    back: Sender<(u64, Vec<Occurrence>)>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The file may have been given up.
        let _ = self.back.send((self.number, std::mem::take(&mut self.found)));
    }
}

/// The windows of one file that are under way.
pub(super) struct Ahead<'a> {
    helpers: Option<&'a Helpers>,
    back: Sender<(u64, Vec<Occurrence>)>,
    answers: Receiver<(u64, Vec<Occurrence>)>,
    /// In the order of the file; none where the answer is still to come.
    waiting: VecDeque<Option<Vec<Occurrence>>>,
    /// Number of the first that waits.
    first: u64,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(helpers: Option<&'a Helpers>) -> Self {
        let (back, answers) = crossbeam_channel::unbounded();
        Self {
            helpers,
            back,
            answers,
            waiting: VecDeque::new(),
            first: 0,
        }
    }

    /// Gives a window to a helper; false when none is free.
    pub(super) fn hand_out(&mut self, origin: &Origin<'_>, document: &Document<'_>, facts: &Facts) -> bool {
        let number = self.first + self.waiting.len() as u64;
        let Some(helpers) = self
            .helpers
            .filter(|helpers| number >= ALONE && !helpers.queue.is_full())
        else {
            return false;
        };
        let Some(fields) = document.fields.snapshot() else {
            return false;
        };
        let job = Job {
            bytes: Secret::copy_of(document.bytes),
            format: document.format,
            fields,
            overlap: document.overlap,
            flushed: document.flushed,
            next: document.next,
            offset: document.offset,
            positions: origin.positions.clone(),
            facts: facts.clone(),
            answer: Answer {
                number,
                found: Vec::new(),
                back: self.back.clone(),
            },
        };
        match helpers.queue.try_send(job) {
            Ok(()) => {
                self.waiting.push_back(None);
                true
            }
            Err(error) => {
                // It never was under way, so its answer must not count.
                let mut job = error.into_inner();
                job.answer.number = u64::MAX;
                false
            }
        }
    }

    /// Takes what was found in the next window here.
    pub(super) fn keep(&mut self, found: Vec<Occurrence>) {
        self.waiting.push_back(Some(found));
    }

    /// So many are under way that the first must be waited for.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// What was found in the first window under way, when that is known or `wait` is set.
    pub(super) fn next(&mut self, wait: bool) -> Option<Vec<Occurrence>> {
        self.answers
            .try_iter()
            .for_each(|answer| take(&mut self.waiting, self.first, answer));
        while wait && matches!(self.waiting.front(), Some(None)) {
            // `back` keeps the channel open, and every job answers.
            let answer = self.answers.recv().ok()?;
            take(&mut self.waiting, self.first, answer);
        }
        match self.waiting.front() {
            Some(Some(_)) => {
                self.first += 1;
                self.waiting.pop_front().flatten()
            }
            _ => None,
        }
    }
}

fn take(waiting: &mut VecDeque<Option<Vec<Occurrence>>>, first: u64, answer: (u64, Vec<Occurrence>)) {
    let (number, found) = answer;
    let index = number
        .checked_sub(first)
        .and_then(|index| usize::try_from(index).ok());
    if let Some(slot) = index.and_then(|index| waiting.get_mut(index)) {
        *slot = Some(found);
    }
}
