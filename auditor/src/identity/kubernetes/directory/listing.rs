//! How far each kind of object is known: since when nothing was heard of it, and what the list named that is coming in.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Kind;
use crate::identity::kubernetes::services::Key;

#[derive(Debug, Default)]
pub(super) struct Listing {
    kinds: HashMap<Kind, Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    is_complete: bool,
    lost: Option<i64>,
    named: Option<HashSet<Key>>,
}

impl Listing {
    /// An object of the list that is coming in, if one is.
    pub(super) fn saw(&mut self, kind: Kind, namespace: &Arc<str>, name: &Arc<str>) {
        if let Some(named) = self.kinds.get_mut(&kind).and_then(|kind| kind.named.as_mut()) {
            named.insert((Arc::clone(namespace), Arc::clone(name)));
        }
    }

    pub(super) fn begins(&mut self, kind: Kind, now: i64) {
        let progress = self.kinds.entry(kind).or_default();
        progress.lost.get_or_insert(now);
        progress.named = Some(HashSet::new());
    }

    pub(super) fn ends(&mut self, kind: Kind) -> HashSet<Key> {
        let progress = self.kinds.entry(kind).or_default();
        progress.is_complete = true;
        progress.lost = None;
        progress.named.take().unwrap_or_default()
    }

    pub(super) fn lost(&mut self, kind: Kind, now: i64) {
        self.kinds.entry(kind).or_default().lost.get_or_insert(now);
    }

    /// True when the watch goes on from a list that is complete.
    pub(super) fn resumed(&mut self, kind: Kind) -> bool {
        let progress = self.kinds.entry(kind).or_default();
        let goes_on = progress.is_complete && progress.named.is_none();
        if goes_on {
            progress.lost = None;
        }
        goes_on
    }

    /// Whether what is known of a kind may not have been so at a time.
    pub(super) fn is_lost(&self, kind: Kind, time: i64) -> bool {
        let progress = self.kinds.get(&kind);
        progress.is_none_or(|kind| !kind.is_complete || kind.lost.is_some_and(|lost| time >= lost))
    }
}
