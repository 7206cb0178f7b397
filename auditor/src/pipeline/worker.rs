//! The thread of one data ring.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use aya::maps::{MapData, RingBuf};
use crossbeam_channel::{Receiver, Sender};

use super::{Observed, Shared, ceiling::used_by_thread, flow::MessageFlow};
use crate::{
    capture::ring,
    stream::Streams,
    vital::{self, Round},
};

/// Records read before the thread looks at anything else.
const BATCH: usize = 1024;

/// The same while there is a ceiling, which is looked at in between.
const SMALL_BATCH: usize = 16;

/// How long the thread rests at once: then it looks whether it is to end.
const REST: Duration = Duration::from_millis(50);

/// How long the thread waits when its ring is empty. The rings do not wake their reader for every
/// record, so this is also how late a lone record may be seen.
const POLL: Duration = Duration::from_millis(4);

pub(super) struct Worker {
    pub(super) ring: RingBuf<MapData>,
    pub(super) round: Round,
    pub(super) exits: Receiver<u32>,
    pub(super) out: Sender<Observed>,
    /// How many there are.
    pub(super) readers: u64,
    pub(super) shared: Arc<Shared>,
}

impl Worker {
    pub(super) fn run(mut self) {
        let (shared, out) = (Arc::clone(&self.shared), self.out.clone());
        let mut streams = Streams::new(
            Arc::clone(&self.shared.peers),
            Arc::clone(&self.shared.ledger),
            move |connection| MessageFlow::new(connection, Arc::clone(&shared), out.clone()),
        );
        let mut used = used_by_thread();
        loop {
            vital::may_fail();
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let batch = if self.shared.ceiling.is_set() {
                SMALL_BATCH
            } else {
                BATCH
            };
            self.round.went();
            let read = ring::drain(&mut self.ring, batch, |record| {
                streams.record(&record);
                self.round.went();
            });
            self.shared
                .totals
                .records
                .fetch_add(read as u64, Ordering::Relaxed);
            for tgid in self.exits.try_iter() {
                streams.exited(tgid);
            }
            streams.settle();
            if read < batch {
                streams.idle();
            }
            if self.shared.ceiling.is_set() {
                let now = used_by_thread();
                self.rest(now.saturating_sub(used));
                used = now;
            }
            if read == 0 {
                // Everything was detached before `stopping` was set, so an empty ring stays empty.
                if stopping {
                    break;
                }
                ring::wait(&self.ring, POLL);
            }
        }
        streams.finish();
    }

    /// Rests as long as the ceiling asks after it used so much, unless the capture ends: what is in the rings is read then.
    fn rest(&self, used: Duration) {
        let Some(mut rest) = self.shared.ceiling.rest(used, self.readers) else {
            return;
        };
        while !rest.is_zero() && !self.shared.stopping.load(Ordering::Acquire) {
            let time = rest.min(REST);
            std::thread::sleep(time);
            self.shared.ceiling.has_rested(time);
            self.round.went();
            rest -= time;
        }
    }
}
