//! What is known of messages at a time, and what is learnt of them on the way.
//!
//! Goes in: a [`Schema`] of the configuration, and what servers answer to questions of gRPC's reflection
//! (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>). Comes out: the [`Schema`] as it is now, which
//! does not change while it is used. All that is learnt is bounded, and so is what waits for the rest of an answer.
//!
//! An answer is read where it ends, so that the calls behind it have their names. Who reads other messages is not held
//! up: nobody waits for a [`Schema`] but while another one is put in its place.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::secret::Secret;

use super::descriptors::{self, Content, Refusal};
use super::schema::{Origin, Schema};

/// Longest answer that is learnt from, bytes.
pub const MAX_ANSWER: usize = 1 << 20;
/// Most bytes of answers that wait for their rest at once, of all connections.
pub const MAX_WAITING: usize = 8 << 20;
/// Files that are remembered, so that the same one is not read again and again.
const MAX_HEARD: usize = 16_384;

/// Methods in which servers tell of themselves.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Whether a server tells of its messages in answers to this operation.
pub(in crate::content) fn is_reflection(operation: &str) -> bool {
    REFLECTION.iter().any(|method| operation.ends_with(method))
}

/// The descriptors that all connections share.
pub struct Registry {
    schema: RwLock<Arc<Schema>>,
    /// Nothing is known, so that nobody has to ask.
    is_empty: AtomicBool,
    learns: bool,
    heard: Mutex<HashSet<u64>>,
    hasher: RandomState,
    waiting: AtomicUsize,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    files: AtomicU64,
    refused: AtomicU64,
    no_room: AtomicU64,
}

/// What a registry holds, and what it did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that are known.
    pub types: u64,
    /// Methods whose messages are said.
    pub methods: u64,
    /// Fields and methods about which descriptors differ, so that none is believed.
    pub ambiguous: u64,
    /// Files that peers told of, the same one once.
    pub files: u64,
    /// Answers and files that are none.
    pub refused: u64,
    /// Those for which there was no room, or not for all of it.
    pub no_room: u64,
}

impl Registry {
    /// With what the configuration says, and whether more is learnt from peers.
    pub fn new(schema: Schema, learns: bool) -> Self {
        let is_empty = schema.is_empty();
        Self {
            schema: RwLock::new(Arc::new(schema)),
            is_empty: AtomicBool::new(is_empty),
            learns,
            heard: Mutex::default(),
            hasher: RandomState::new(),
            waiting: AtomicUsize::new(0),
            totals: Totals::default(),
        }
    }

    /// What is known now; none when that is nothing.
    pub fn current(&self) -> Option<Arc<Schema>> {
        (!self.is_empty.load(Ordering::Acquire)).then(|| self.schema())
    }

    /// What it holds.
    pub fn tally(&self) -> Tally {
        let [types, methods, ambiguous] = self.schema().tally();
        let get = |total: &AtomicU64| total.load(Ordering::Relaxed);
        Tally {
            types,
            methods,
            ambiguous,
            files: get(&self.totals.files),
            refused: get(&self.totals.refused),
            no_room: get(&self.totals.no_room),
        }
    }

    /// Types that were learnt, and how many may be.
    pub fn learnt_types(&self) -> [u64; 2] {
        self.schema().learnt_types()
    }

    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Learns from a `ServerReflectionResponse`.
    fn learn(&self, answer: &[u8]) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut next, mut has_changed) = (None, false);
        let read = files(answer, |file| {
            let hash = self.hasher.hash_one(file);
            if heard.contains(&hash) {
                return;
            }
            if heard.len() < MAX_HEARD {
                heard.insert(hash);
            }
            match descriptors::file(file, &mut Schema::room_of_a_file()) {
                Ok(file) => {
                    let next = next.get_or_insert_with(|| Schema::clone(&self.schema()));
                    let change = next.add(&file, Origin::Learnt);
                    has_changed |= change.is_one;
                    count(&self.totals.files);
                    if change.is_cut {
                        count(&self.totals.no_room);
                    }
                }
                Err(refusal) => self.refuse(refusal),
            }
        });
        if let Err(refusal) = read {
            self.refuse(refusal);
        }
        if let Some(next) = next.filter(|_| has_changed) {
            *self.schema.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
            self.is_empty.store(false, Ordering::Release);
        }
    }

    fn refuse(&self, refusal: Refusal) {
        count(match refusal {
            Refusal::Malformed => &self.totals.refused,
            Refusal::NoRoom => &self.totals.no_room,
        });
    }
}

fn count(total: &AtomicU64) {
    total.fetch_add(1, Ordering::Relaxed);
}

/// Calls `each` with the files of a `ServerReflectionResponse`: `file_descriptor_response`, `file_descriptor_proto`.
fn files<'a>(answer: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Result<(), Refusal> {
    descriptors::fields(answer, |number, content| {
        let (4, Content::Bytes(response)) = (number, content) else {
            return Ok(());
        };
        descriptors::fields(response, |number, content| {
            if let (1, Content::Bytes(file)) = (number, content) {
                each(file);
            }
            Ok(())
        })
    })
}

/// An answer that is coming.
pub(in crate::content) struct Answer {
    registry: Arc<Registry>,
    bytes: Secret,
    /// There is no room for it.
    is_left: bool,
}

impl Answer {
    /// Of a server that tells of its messages; none where nobody listens.
    pub(in crate::content) fn of(registry: &Arc<Registry>) -> Option<Self> {
        registry.learns.then(|| Self {
            registry: Arc::clone(registry),
            bytes: Secret::default(),
            is_left: false,
        })
    }

    /// Takes the next bytes.
    pub(in crate::content) fn take(&mut self, bytes: &[u8]) {
        if self.is_left {
            return;
        }
        let waiting = self.registry.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if self.bytes.len() + bytes.len() > MAX_ANSWER || waiting > MAX_WAITING {
            self.registry.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            self.leave();
            self.is_left = true;
            count(&self.registry.totals.no_room);
            return;
        }
        self.bytes.extend(bytes);
    }

    /// It is all there.
    pub(in crate::content) fn end(self) {
        if !self.is_left && !self.bytes.is_empty() {
            self.registry.learn(self.bytes.expose());
        }
    }

    fn leave(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.registry.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
