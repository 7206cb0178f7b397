//! Windows of one long file on several threads.
//!
//! Goes in: documents in the order of a file. Comes out: what was found in them, in the same order.
//! A window is copied, with the state that tells its fields; at most [`MOST`] are under way, and no
//! more once [`RESULTS`] wait for the first, so memory grows neither with the file nor with what is in
//! it. Short files are never handed out.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, Sender};

use crate::content::window::Positions;
use crate::content::{Document, FieldLookup, Format, Origin};
use crate::detect::Detection;
use crate::detect::sketch::{Miss, ScanSuspects};
use crate::secret::Secret;

use super::fields::Watch;
use super::file::Facts;

/// Windows of a file under way.
const MOST: usize = 16;
/// Values found, and failures, that wait for the first window.
const RESULTS: usize = 8192;
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

/// A copy of a document, with what tells its fields.
pub(super) struct Window {
    bytes: Secret,
    format: Format,
    fields: Box<dyn FieldLookup + Send>,
    overlap: usize,
    flushed: usize,
    next: Option<usize>,
    offset: u64,
    pub(super) positions: Positions,
    pub(super) facts: Facts,
}

impl Window {
    /// None when only the original can tell its fields.
    fn copy(origin: &Origin<'_>, document: &Document<'_>, facts: &Facts) -> Option<Self> {
        Some(Self {
            fields: document.fields.snapshot()?,
            bytes: Secret::copy_of(document.bytes),
            format: document.format,
            overlap: document.overlap,
            flushed: document.flushed,
            next: document.next,
            offset: document.offset,
            positions: origin.positions.clone(),
            facts: facts.clone(),
        })
    }

    pub(super) fn document(&self) -> Document<'_> {
        Document {
            bytes: self.bytes.expose(),
            format: self.format,
            fields: &*self.fields,
            overlap: self.overlap,
            flushed: self.flushed,
            next: self.next,
            offset: self.offset,
        }
    }
}

/// What is in a document, as far as the document alone can say.
pub(super) struct Scanned {
    pub(super) found: Vec<Detection>,
    /// Failures of the fields that were watched.
    pub(super) misses: Vec<Miss>,
    pub(super) watch: Watch,
}

impl Scanned {
    pub(super) fn of(scanner: &dyn ScanSuspects, document: &Document<'_>, watch: Watch) -> Self {
        let (mut found, mut misses) = (Vec::new(), Vec::new());
        scanner.scan_with(document, &watch.suspects, &mut found, &mut misses);
        Self { found, misses, watch }
    }

    fn results(&self) -> usize {
        self.found.len() + self.misses.len()
    }
}

type Answered = (u64, Option<(Window, Scanned)>);

/// A window to be scanned elsewhere.
pub(super) struct Job {
    /// Taken when the job runs.
    work: Option<(Window, Watch)>,
    answer: Answer,
}

impl Job {
    pub(super) fn run(mut self, scanner: &dyn ScanSuspects) {
        self.answer.done = self.work.take().map(|work| scanned(scanner, work));
    }
}

fn scanned(scanner: &dyn ScanSuspects, (window, watch): (Window, Watch)) -> (Window, Scanned) {
    let scanned = Scanned::of(scanner, &window.document(), watch);
    (window, scanned)
}

/// Goes back when it is dropped, also by a thread that fails: nobody waits for ever.
struct Answer {
    number: u64,
    done: Option<(Window, Scanned)>,
    back: Sender<Answered>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The file may have been given up.
        let _ = self.back.send((self.number, self.done.take()));
    }
}

/// A window in the order of the file.
enum Slot {
    UnderWay,
    /// None when its thread failed.
    Done(Option<Box<(Window, Scanned)>>),
}

/// The windows of one file that are under way.
pub(super) struct Ahead<'a> {
    helpers: Option<&'a Helpers>,
    back: Sender<Answered>,
    answers: Receiver<Answered>,
    waiting: VecDeque<Slot>,
    /// Results of all that wait.
    results: usize,
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
            results: 0,
            first: 0,
        }
    }

    /// Takes a copy of a document and gives it to a helper, or scans it here when none is free.
    /// False for a document that must be scanned where it is, after all that wait.
    pub(super) fn take(
        &mut self,
        origin: &Origin<'_>,
        document: &Document<'_>,
        facts: &Facts,
        watch: &Watch,
        scanner: &dyn ScanSuspects,
    ) -> bool {
        let number = self.first + self.waiting.len() as u64;
        let Some(helpers) = self.helpers.filter(|_| number >= ALONE) else {
            return false;
        };
        let Some(window) = Window::copy(origin, document, facts) else {
            return false;
        };
        let job = Job {
            work: Some((window, watch.clone())),
            answer: Answer {
                number,
                done: None,
                back: self.back.clone(),
            },
        };
        let slot = match helpers.queue.try_send(job) {
            Ok(()) => Slot::UnderWay,
            Err(error) => {
                let mut job = error.into_inner();
                // It never was under way, so its answer must not count.
                job.answer.number = u64::MAX;
                Slot::Done(job.work.take().map(|work| Box::new(scanned(scanner, work))))
            }
        };
        if let Slot::Done(Some(done)) = &slot {
            self.results += done.1.results();
        }
        self.waiting.push_back(slot);
        true
    }

    /// Counts a document that was scanned where it is.
    pub(super) fn passed(&mut self) {
        self.first += 1;
    }

    /// So many are under way that the first must be waited for.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST || self.results >= RESULTS
    }

    /// What was found in the first window under way, when that is known or `wait` is set.
    pub(super) fn next(&mut self, wait: bool) -> Option<Box<(Window, Scanned)>> {
        loop {
            while let Ok(answer) = self.answers.try_recv() {
                self.put(answer);
            }
            while wait && matches!(self.waiting.front(), Some(Slot::UnderWay)) {
                // `back` keeps the channel open, and every job answers.
                let answer = self.answers.recv().ok()?;
                self.put(answer);
            }
            let Some(Slot::Done(done)) = self.waiting.front_mut() else {
                return None;
            };
            let done = done.take();
            self.waiting.pop_front();
            self.first += 1;
            if let Some(done) = done {
                self.results -= done.1.results();
                return Some(done);
            }
        }
    }

    fn put(&mut self, (number, done): Answered) {
        let index = number
            .checked_sub(self.first)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = index.and_then(|index| self.waiting.get_mut(index)) {
            self.results += done.as_ref().map_or(0, |done| done.1.results());
            *slot = Slot::Done(done.map(Box::new));
        }
    }
}
