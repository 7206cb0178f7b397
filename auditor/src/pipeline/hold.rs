//! What a stream brings before its socket is known waits a moment, so that it can name the peer.
//!
//! Goes in: observations of a TLS stream that is not bound. They come out in order, with the ends
//! named anew, as soon as the stream is bound, or after [`crate::stream::BINDING`] with no peer. It
//! holds a bounded number of them, never a value, and loses none: without room they go at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::Observed;
use crate::stream::{Connection, Peers};

/// Most observations of one stream that wait.
const MOST_OF_A_STREAM: usize = 64;

/// Most that wait in all streams.
const MOST: usize = 8192;

/// Observations that wait in all streams.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Room {
    fn take(&self) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            (used < MOST).then_some(used + 1)
        });
        taken.is_ok()
    }

    fn give_back(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
}

/// The observations of one stream.
pub(super) struct Hold {
    /// False once the stream was bound, or was given up: nothing waits any more.
    open: bool,
    waiting: Vec<Waiting>,
    room: Room,
}

struct Waiting {
    observed: Observed,
    /// The host the client asked for.
    authority: Option<String>,
}

impl Hold {
    pub(super) const fn new(room: Room) -> Self {
        Self {
            open: true,
            waiting: Vec::new(),
            room,
        }
    }

    /// Takes an observation of a stream that is not bound; gives it back where it need not or can not
    /// wait. Then what waits has to go first: [`Self::release`].
    pub(super) fn keep(&mut self, observed: Observed, authority: Option<&str>) -> Option<Observed> {
        if !self.open || self.waiting.len() >= MOST_OF_A_STREAM || !self.room.take() {
            return Some(observed);
        }
        self.waiting.push(Waiting {
            observed,
            authority: authority.map(str::to_owned),
        });
        None
    }

    /// Everything that waits, with the ends as the connection has them now.
    pub(super) fn release(&mut self, connection: &Connection, peers: &Peers) -> Vec<Observed> {
        self.open = false;
        self.room.give_back(self.waiting.len());
        let named = std::mem::take(&mut self.waiting).into_iter().map(|waiting| {
            let Waiting {
                mut observed,
                authority,
            } = waiting;
            let (local, remote) = (
                connection.local_end(),
                connection.remote_end(peers, authority.as_deref()),
            );
            let addressed = connection.addressed_end(peers, authority.as_deref());
            observed.set_ends(connection, local, remote, addressed);
            observed
        });
        named.collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.room.give_back(self.waiting.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let room = Room::default();
        assert!((0..MOST).all(|_| room.take()));
        assert!(!room.take());
        room.give_back(1);
        assert!(room.take());
    }
}
