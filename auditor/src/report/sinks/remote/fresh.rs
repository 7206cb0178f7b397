//! What a sink has accepted and its queue does not have yet, in plain files: a kill costs none of it.
//!
//! The queue is written a few times a second, as that waits for the disk. Until then a finding is a line in one of two
//! files beside it, which is written at once and waits for nothing. They take turns: one is emptied when the queue has
//! what is in it. Lines that the queue had already do no harm, as it keeps the newest revision.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::sinks::spool::revision;

/// Most bytes of one file: while the queue can not be written, what is beyond is in memory only.
const MOST_BYTES: u64 = 8 << 20;
/// Most records that wait to be taken.
const MOST: usize = 4096;

/// A finding's id and its JSON.
pub(super) type Record = (String, Vec<u8>);

/// The files, and what is to be taken over into the queue.
pub(super) struct Fresh {
    files: [Option<Lines>; 2],
    /// Where the next line goes.
    now: usize,
    waiting: Vec<Record>,
    dropped: Arc<AtomicU64>,
}

struct Lines {
    file: File,
    bytes: u64,
}

impl Fresh {
    /// Opens the files beside a queue; what they hold waits to be taken. Without them a kill costs what is not in the
    /// queue, so that is said and no error.
    pub(super) fn open(queue: &Path, dropped: Arc<AtomicU64>) -> Self {
        let mut newest: HashMap<String, Vec<u8>> = HashMap::new();
        let mut order = Vec::new();
        let files = [0, 1].map(|number| {
            let path = beside(queue, number);
            let lines = open(&path).and_then(|mut lines| {
                for (id, json) in lines.read()? {
                    match newest.get(&id) {
                        Some(known) if revision(known) > revision(&json) => continue,
                        Some(_) => (),
                        None => order.push(id.clone()),
                    }
                    newest.insert(id, json);
                }
                Ok(lines)
            });
            lines
                .inspect_err(|error| {
                    tracing::warn!(path = %path.display(), %error, "a kill may cost findings of the last moment");
                })
                .ok()
        });
        let waiting = order
            .into_iter()
            .filter_map(|id| newest.remove(&id).map(|json| (id, json)))
            .collect();
        Self {
            files,
            now: 0,
            waiting,
            dropped,
        }
    }

    /// Writes one down; true if it is the first that waits, or many do.
    pub(super) fn push(&mut self, id: String, json: Vec<u8>) -> bool {
        if self.waiting.len() >= MOST {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if let Some(lines) = &mut self.files[self.now] {
            lines.add(&json);
        }
        self.waiting.push((id, json));
        self.waiting.len() == 1 || self.waiting.len() == super::waiting::MANY
    }

    /// Records that wait, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let bytes: usize = self.waiting.iter().map(|(_, json)| json.len()).sum();
        (self.waiting.len() as u64, bytes as u64)
    }

    /// What came since it was asked before. The next lines go to the other file, if that is empty.
    pub(super) fn take(&mut self) -> Vec<Record> {
        let other = self.now ^ 1;
        if self.files[other].as_ref().is_some_and(|lines| lines.bytes == 0) {
            self.now = other;
        }
        std::mem::take(&mut self.waiting)
    }

    /// The queue has all that was taken.
    pub(super) fn are_stored(&mut self) {
        let is_all = self.waiting.is_empty();
        for (number, lines) in self.files.iter_mut().enumerate() {
            if let Some(lines) = lines
                && (is_all || number != self.now)
            {
                lines.clear();
            }
        }
    }
}

impl Lines {
    fn add(&mut self, json: &[u8]) {
        if self.bytes > MOST_BYTES {
            return;
        }
        let line = [json, b"\n"].concat();
        // A disk that is full says so where the queue is written.
        if self.file.write_all(&line).is_ok() {
            self.bytes += line.len() as u64;
        }
    }

    fn clear(&mut self) {
        if self.bytes > 0 && self.file.set_len(0).is_ok() {
            self.bytes = 0;
        }
    }

    /// Whole lines; a kill may have left half of one.
    fn read(&mut self) -> io::Result<Vec<Record>> {
        let mut text = Vec::new();
        (&self.file).take(2 * MOST_BYTES).read_to_end(&mut text)?;
        self.bytes = text.len() as u64;
        if text.last().is_some_and(|last| *last != b'\n') {
            self.file.write_all(b"\n")?;
        }
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| {
                let record: super::super::spool::Identified = serde_json::from_slice(line).ok()?;
                Some((record.id, line.to_vec()))
            })
            .collect())
    }
}

fn open(path: &Path) -> io::Result<Lines> {
    let file = crate::files::own(path, OpenOptions::new().append(true))?;
    Ok(Lines { file, bytes: 0 })
}

fn beside(queue: &Path, number: usize) -> PathBuf {
    queue.with_extension(format!("fresh.{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(id: &str, revision: u32) -> Vec<u8> {
        format!(r#"{{"id":"{id}","revision":{revision}}}"#).into_bytes()
    }

    fn open(queue: &Path) -> Fresh {
        Fresh::open(queue, Arc::default())
    }

    #[test]
    fn what_was_not_stored_is_there_again_and_what_was_is_gone_after_a_round() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("any.redb");
        let mut fresh = open(&queue);
        fresh.push("a".into(), json("a", 1));
        assert_eq!(fresh.take().len(), 1);
        fresh.push("b".into(), json("b", 1));
        fresh.are_stored();
        fresh.push("b".into(), json("b", 2));
        drop(fresh);
        let mut fresh = open(&queue);
        assert_eq!(fresh.take(), [("b".to_owned(), json("b", 2))]);
        fresh.are_stored();
        drop(fresh);
        assert!(open(&queue).take().is_empty());
    }

    #[test]
    fn the_newest_revision_of_both_files_counts_and_half_a_line_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("any.redb");
        let line = |id, revision| [json(id, revision), b"\n".to_vec()].concat();
        std::fs::write(
            beside(&queue, 0),
            [line("a", 2), json("c", 1)[..9].to_vec()].concat(),
        )
        .unwrap();
        std::fs::write(beside(&queue, 1), [line("a", 1), line("b", 1)].concat()).unwrap();
        let mut fresh = open(&queue);
        fresh.push("d".into(), json("d", 1));
        let wanted = [("a", 2), ("b", 1), ("d", 1)].map(|(id, revision)| (id.to_owned(), json(id, revision)));
        assert_eq!(fresh.take(), wanted);
        // Nothing was stored: all of it is there again.
        drop(fresh);
        let mut again = open(&queue).take();
        again.sort();
        assert_eq!(again, wanted);
    }
}
