//! What was judged already.
//!
//! Goes in: a flow. Comes out: what policy says, remembered where the same was asked before. It is
//! known by 128 bits of a hash with secret factors, so that nobody can make two flows look the same.
//! A full table is forgotten as a whole.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use jiff::Timestamp;

use super::client::is_asked;
use super::compile::{Policies, is_claimed};
use super::fields::{Found, Places};
use super::{Flow, Judged, verdict};
use crate::identity::selector::{Key, attribute, is_external};
use crate::report::finding::End;

/// Flows remembered.
const FLOWS: usize = 65_536;
/// Pairs of ends, by detector, whose rules are remembered; and as many of those with a state and an operation.
const PAIRS: usize = 8192;
/// Rules of all that are remembered.
const RULES: usize = 1 << 20;

type Hash128 = (u64, u64);

/// The answers of one set of policies.
#[derive(Default)]
pub(super) struct Cache {
    seeds: [RandomState; 2],
    answers: HashMap<Hash128, Option<Arc<Judged>>, foldhash::fast::RandomState>,
    candidates: Remembered<Arc<[u32]>>,
    places: Remembered<Arc<Places>>,
    found: Found,
    /// When a rule ends, and with it what is remembered.
    until: Option<Option<Timestamp>>,
    /// When it was asked last.
    asked: Timestamp,
    text: Vec<u8>,
}

/// What takes room by the number of its rules.
#[derive(Default)]
struct Remembered<T> {
    known: HashMap<Hash128, T, foldhash::fast::RandomState>,
    rules: usize,
}

impl<T: Clone> Remembered<T> {
    fn keep(&mut self, key: Hash128, what: &T, rules: usize) {
        self.rules += rules;
        if self.known.len() >= PAIRS || self.rules > RULES {
            self.known.clear();
            self.rules = rules;
        }
        self.known.insert(key, what.clone());
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} answers)", self.answers.len())
    }
}

impl Cache {
    /// What `policies`, the same at each call, say about `flow`.
    pub(super) fn judge(
        &mut self,
        policies: &Policies,
        flow: &Flow<'_>,
        now: Timestamp,
    ) -> Option<Arc<Judged>> {
        self.expire(policies, now);
        self.text.clear();
        write_end(&mut self.text, policies, flow.source);
        write_end(&mut self.text, policies, flow.destination);
        write(&mut self.text, Some(flow.detector));
        flow.extra_regulations
            .iter()
            .for_each(|law| write(&mut self.text, Some(law)));
        let pair = self.text.len();
        let bits = u8::from(flow.encrypted) | u8::from(flow.same_host) << 1 | (flow.state as u8) << 2;
        self.text.push(bits);
        write(&mut self.text, flow.operation);
        let place = self.text.len();
        write(&mut self.text, flow.field);
        if policies.asks_client {
            write(&mut self.text, flow.client);
            self.text.push(u8::from(is_asked(flow)));
        }
        let key = self.hash(self.text.len());
        if let Some(answer) = self.answers.get(&key) {
            return answer.clone();
        }
        let place = self.place(policies, flow, pair, place);
        let decides = place.decide(policies, flow, &mut self.found, now);
        let answer = verdict(policies, decides, flow);
        if self.answers.len() >= FLOWS {
            self.answers.clear();
        }
        self.answers.insert(key, answer.clone());
        answer
    }

    /// `pair` and `whole` are lengths of the text.
    fn place(&mut self, policies: &Policies, flow: &Flow<'_>, pair: usize, whole: usize) -> Arc<Places> {
        let key = self.hash(whole);
        if let Some(place) = self.places.known.get(&key) {
            return Arc::clone(place);
        }
        let candidates = self.candidates(policies, flow, pair);
        let place = Arc::new(policies.fields.places(&policies.rules, &candidates, flow));
        self.places.keep(key, &place, place.len());
        place
    }

    fn candidates(&mut self, policies: &Policies, flow: &Flow<'_>, pair: usize) -> Arc<[u32]> {
        let key = self.hash(pair);
        if let Some(candidates) = self.candidates.known.get(&key) {
            return Arc::clone(candidates);
        }
        let candidates: Arc<[u32]> = policies.candidates(flow).into();
        self.candidates.keep(key, &candidates, candidates.len());
        candidates
    }

    fn expire(&mut self, policies: &Policies, now: Timestamp) {
        let is_set_back = now < std::mem::replace(&mut self.asked, now);
        let until = *self.until.get_or_insert_with(|| policies.next_end(now));
        if is_set_back || until.is_some_and(|until| now >= until) {
            let next = policies.next_end(now);
            if next != until {
                self.answers.clear();
            }
            self.until = Some(next);
        }
    }

    fn hash(&self, length: usize) -> Hash128 {
        let [a, b] = [&self.seeds[0], &self.seeds[1]].map(|seed| seed.hash_one(&self.text[..length]));
        (a, b)
    }
}

/// What makes two ends one workload, and what selectors ask for.
fn write_end(text: &mut Vec<u8>, policies: &Policies, end: &End) {
    let workload = end.workload.as_ref();
    write(text, workload.and_then(|workload| workload.namespace.as_deref()));
    write(text, workload.map(|workload| workload.kind.as_str()));
    write(text, workload.map(|workload| workload.name.as_str()));
    let written = |key: &Key| matches!(key, Key::Namespace | Key::Workload);
    for (key, label) in policies.asked.iter().filter(|(key, _)| !written(key)) {
        write(text, attribute(end, *key, label).as_deref());
    }
    if policies.asks_external {
        text.push(u8::from(is_external(end)));
    }
    if policies.has_namespaces {
        text.push(u8::from(is_claimed(end)));
    }
}

/// A text with its length before it, so that two can not run together.
fn write(text: &mut Vec<u8>, part: Option<&str>) {
    let length = part.map_or(u32::MAX, |part| u32::try_from(part.len()).unwrap_or(u32::MAX));
    text.extend(length.to_le_bytes());
    text.extend(part.unwrap_or_default().as_bytes());
}
