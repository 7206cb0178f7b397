//! Policies of the Kubernetes API, as its watches tell of them.
//!
//! Goes in: objects, on the thread of the watches. Comes out: [`Seen`], all that are there now, for who decides which
//! of them are in force ([`super::admission`]). Nothing is looked into here. Bounded: what is beyond has no text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::kubernetes::directory::Kind;
use crate::identity::kubernetes::policies::{Place, PolicyObjects, Written};

/// Most objects that are remembered; more are counted and not known by name.
const MOST_OBJECTS: usize = 16_384;
/// Most bytes of their texts.
const MOST_BYTES: usize = 64 << 20;

/// The objects there are. Shared.
#[derive(Debug, Default)]
pub struct Objects {
    known: Mutex<Known>,
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    present: BTreeMap<Place, Arc<Written>>,
    bytes: usize,
    /// What the list that is coming in has named.
    named: HashMap<Kind, BTreeSet<Place>>,
    complete: BTreeSet<&'static str>,
    overflow: usize,
}

/// All objects at one time.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub objects: Vec<Arc<Written>>,
    /// Whether those of the cluster, and those of namespaces, were ever listed whole.
    pub cluster_is_known: bool,
    pub namespaces_are_known: bool,
    /// Objects that found no room.
    pub overflow: usize,
}

impl Seen {
    /// Whether objects of such a place were ever listed whole.
    pub fn is_known(&self, place: &Place) -> bool {
        match place.namespace {
            Some(_) => self.namespaces_are_known,
            None => self.cluster_is_known,
        }
    }
}

impl Objects {
    /// Grows with every change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// What is there now. Objects of a kind that was never listed whole are left out: those of before count.
    pub fn all(&self) -> Seen {
        let known = self.lock();
        let is_known = |kind: Kind| known.complete.contains(kind.name());
        let seen = Seen {
            objects: Vec::new(),
            cluster_is_known: is_known(Kind::ClusterDataFlowPolicies),
            namespaces_are_known: is_known(Kind::DataFlowPolicies),
            overflow: known.overflow,
        };
        let objects = known
            .present
            .values()
            .filter(|object| seen.is_known(&object.place));
        Seen {
            objects: objects.cloned().collect(),
            ..seen
        }
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        let known = self.lock();
        known
            .present
            .keys()
            .filter(|place| kind_of(place) == kind)
            .count()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.lock());
        self.changes.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, mut object: Written) {
        let place = object.place.clone();
        self.remove(&place);
        if self.present.len() >= MOST_OBJECTS {
            self.overflow += 1;
            return;
        }
        if self.bytes + object.spec.len() > MOST_BYTES {
            object.spec = String::new();
        }
        self.bytes += object.spec.len();
        self.present.insert(place, Arc::new(object));
    }

    fn remove(&mut self, place: &Place) {
        if let Some(before) = self.present.remove(place) {
            self.bytes -= before.spec.len();
        }
    }
}

fn kind_of(place: &Place) -> Kind {
    match place.namespace {
        Some(_) => Kind::DataFlowPolicies,
        None => Kind::ClusterDataFlowPolicies,
    }
}

impl PolicyObjects for Objects {
    fn list_begins(&self, kind: Kind) {
        self.lock().named.insert(kind, BTreeSet::new());
    }

    fn list_ends(&self, kind: Kind) -> usize {
        let mut count = 0;
        self.change(|known| {
            let named = known.named.remove(&kind).unwrap_or_default();
            let gone: Vec<Place> = known
                .present
                .keys()
                .filter(|place| kind_of(place) == kind && !named.contains(*place))
                .cloned()
                .collect();
            gone.iter().for_each(|place| known.remove(place));
            known.complete.insert(kind.name());
            known.overflow = 0;
            count = named.len();
        });
        count
    }

    fn seen(&self, object: Written) {
        self.change(|known| {
            if let Some(named) = known.named.get_mut(&kind_of(&object.place))
                && named.len() <= MOST_OBJECTS
            {
                named.insert(object.place.clone());
            }
            let is_same = |before: &Arc<Written>| **before == object;
            if !known.present.get(&object.place).is_some_and(is_same) {
                known.put(object);
            }
        });
    }

    fn deleted(&self, place: &Place) {
        self.change(|known| known.remove(place));
    }
}
