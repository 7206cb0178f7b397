//! The thread of one data ring.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use aya::maps::{MapData, RingBuf};
use crossbeam_channel::{Receiver, Sender};

use super::{Observed, Shared, flow::MessageFlow};
use crate::{capture::ring, stream::Streams};

/// Records read before the thread looks at anything else.
const BATCH: usize = 1024;

/// How long the thread waits when its ring is empty. The rings do not wake their reader for every
/// record, so this is also how late a lone record may be seen.
const POLL: Duration = Duration::from_millis(4);

pub(super) struct Worker {
    pub(super) ring: RingBuf<MapData>,
    pub(super) exits: Receiver<u32>,
    pub(super) out: Sender<Observed>,
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
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let read = ring::drain(&mut self.ring, BATCH, |record| streams.record(&record));
            self.shared
                .totals
                .records
                .fetch_add(read as u64, Ordering::Relaxed);
            for tgid in self.exits.try_iter() {
                streams.exited(tgid);
            }
            streams.settle();
            if read < BATCH {
                streams.idle();
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
}
