//! What was answered about containers, and what was not.
//!
//! Goes in: questions and answers. Comes out: what is known now, and whether it is time to ask. It never asks itself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Facts, Unnamed};

/// Most containers remembered; the one that nobody asked for longest makes room.
const CAPACITY: usize = 8192;

/// How long a container is remembered that nobody asks for.
const UNUSED: Duration = Duration::from_secs(3600);

/// How long facts are taken as true: a container may be renamed.
const TRUE_FOR: Duration = Duration::from_secs(600);

/// How long nothing is asked after the first failure; twice that after the next, and so on.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long an answer may take before it is given up. The queue and every runtime have their time in this.
const LOST: Duration = Duration::from_secs(30);

/// What is known of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    Known(Arc<Facts>),
    /// It was asked for the first time, and the answer is not there.
    Pending,
    Unnamed(Unnamed),
}

#[derive(Default)]
pub(super) struct Memory {
    known: Mutex<HashMap<String, Entry>>,
    answers: AtomicU64,
}

struct Entry {
    facts: Option<Arc<Facts>>,
    unnamed: Option<Unnamed>,
    /// The question that is open.
    asked: Option<Instant>,
    answered: Option<Instant>,
    /// In a row.
    failures: u32,
    used: Instant,
}

impl Memory {
    /// What is known, and whether the caller has to ask now.
    pub(super) fn look(&self, id: &str, now: Instant) -> (Look, bool) {
        let mut known = self.lock();
        if !known.contains_key(id) {
            make_room(&mut known);
            known.insert(
                id.to_owned(),
                Entry {
                    facts: None,
                    unnamed: None,
                    asked: None,
                    answered: None,
                    failures: 0,
                    used: now,
                },
            );
        }
        let Some(entry) = known.get_mut(id) else {
            return (Look::Pending, false);
        };
        entry.used = now;
        if entry.asked.is_some_and(|at| now.duration_since(at) >= LOST) {
            entry.fail(Unnamed::NoAnswer, now);
        }
        let is_due = entry.is_due(now);
        if is_due {
            entry.asked = Some(now);
        }
        (entry.shown(), is_due)
    }

    /// There was no room for the question.
    pub(super) fn not_asked(&self, id: &str) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.asked = None;
        }
    }

    pub(super) fn answered(&self, id: &str, answer: Result<Facts, Unnamed>, now: Instant) {
        if let Some(entry) = self.lock().get_mut(id) {
            match answer {
                Ok(facts) => {
                    entry.asked = None;
                    entry.answered = Some(now);
                    entry.failures = 0;
                    entry.unnamed = None;
                    if entry.facts.as_deref() != Some(&facts) {
                        entry.facts = Some(Arc::new(facts));
                    }
                }
                Err(why) => entry.fail(why, now),
            }
        }
        self.answers.fetch_add(1, Ordering::Release);
    }

    pub(super) fn pending(&self) -> usize {
        let known = self.lock();
        known
            .values()
            .filter(|entry| entry.shown() == Look::Pending)
            .count()
    }

    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Forgets containers that nobody asks for any more; returns how many are left, and the most there can be.
    pub(super) fn entries(&self) -> (u64, u64) {
        let mut known = self.lock();
        known.retain(|_, entry| entry.used.elapsed() < UNUSED);
        (known.len() as u64, CAPACITY as u64)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_due(&self, now: Instant) -> bool {
        if self.asked.is_some() {
            return false;
        }
        let Some(answered) = self.answered else {
            return true;
        };
        let pause = match self.failures {
            0 => TRUE_FOR,
            n => PAUSE
                .saturating_mul(1 << n.saturating_sub(1).min(16))
                .min(LONGEST_PAUSE),
        };
        now.duration_since(answered) >= pause
    }

    /// A container that was known and has gone keeps its name.
    fn fail(&mut self, why: Unnamed, now: Instant) {
        self.asked = None;
        self.answered = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.unnamed = Some(why);
    }

    fn shown(&self) -> Look {
        match (&self.facts, self.unnamed) {
            (Some(facts), _) => Look::Known(Arc::clone(facts)),
            (None, Some(why)) => Look::Unnamed(why),
            (None, None) => Look::Pending,
        }
    }
}

fn make_room(known: &mut HashMap<String, Entry>) {
    if known.len() < CAPACITY {
        return;
    }
    let oldest = known.iter().min_by_key(|(_, entry)| entry.used);
    if let Some(id) = oldest.map(|(id, _)| id.clone()) {
        known.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str) -> Facts {
        Facts {
            name: Some(name.to_owned()),
            ..Facts::default()
        }
    }

    #[test]
    fn a_container_is_asked_about_once_and_known_from_then_on() {
        let memory = Memory::default();
        let now = Instant::now();
        assert_eq!(memory.look("a", now), (Look::Pending, true));
        assert_eq!(memory.look("a", now), (Look::Pending, false));
        memory.answered("a", Ok(facts("web")), now);
        assert_eq!(memory.answers(), 1);
        assert_eq!(
            memory.look("a", now),
            (Look::Known(Arc::new(facts("web"))), false)
        );
        let later = now + TRUE_FOR;
        assert_eq!(
            memory.look("a", later),
            (Look::Known(Arc::new(facts("web"))), true)
        );
        memory.answered("a", Err(Unnamed::Unknown), later);
        assert_eq!(memory.look("a", later).0, Look::Known(Arc::new(facts("web"))));
        memory.answered("a", Ok(facts("shop")), later);
        assert_eq!(memory.look("a", later).0, Look::Known(Arc::new(facts("shop"))));
    }

    #[test]
    fn what_has_no_name_is_asked_about_less_and_less() {
        let memory = Memory::default();
        let mut now = Instant::now();
        let start = now;
        let mut asked = 0;
        while now.duration_since(start) < Duration::from_secs(3600) {
            let (look, is_due) = memory.look("a", now);
            if is_due {
                asked += 1;
                memory.answered("a", Err(Unnamed::Unknown), now);
            } else {
                assert_eq!(look, Look::Unnamed(Unnamed::Unknown));
            }
            now += Duration::from_millis(100);
        }
        assert!((60..80).contains(&asked), "{asked}");
    }

    #[test]
    fn an_answer_that_never_comes_is_given_up() {
        let memory = Memory::default();
        let now = Instant::now();
        memory.look("a", now);
        assert_eq!(memory.look("a", now + LOST).0, Look::Unnamed(Unnamed::NoAnswer));
        memory.not_asked("a");
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let memory = Memory::default();
        let start = Instant::now();
        memory.look("kept", start);
        memory.answered("kept", Ok(facts("web")), start);
        for n in 0..CAPACITY * 2 {
            let now = start + Duration::from_micros(n as u64);
            memory.look(&n.to_string(), now);
            if n % 100 == 0 {
                memory.look("kept", now);
            }
        }
        assert_eq!(memory.entries().0, CAPACITY as u64);
        assert!(matches!(memory.look("kept", start).0, Look::Known(_)));
    }
}
