//! The thread that attaches to what `search` found, and takes out what nobody uses any more.
//!
//! Placing probes takes milliseconds and taking them out a tenth of a second (on kernels before 6.6, each): process
//! events, and the rings, do not wait for that. It owns the loaded programs, and detaches them at the end.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use auditor_common::mapping::KEY_WORDS;
use aya::maps::{HashMap, MapData};
use crossbeam_channel::{Receiver, Sender, select};

use super::Shared;
use crate::{
    capture::{
        attach::{Attachments, Hooked, Outcome},
        clock,
        file::FileId,
        load::Kernel,
        search::Found,
    },
    vital,
};

/// What others ask of the thread.
pub(super) enum Order {
    Hooked(Sender<Vec<Hooked>>),
    /// The files that are mapped by somebody in scope now.
    InUse(HashSet<FileId>),
    /// A watched program moves several messages in one call: see where such calls end.
    SeeMessagesEnd,
    /// See whether return probes are safe here, which takes a child: later there may be none.
    TryReturnProbes(Sender<()>),
    /// Gives back what loading and hooking needed for a moment.
    TrimMemory,
    /// Detach everything, say when done, and end.
    Detach(Sender<()>),
}

pub(super) struct Hooking {
    pub(super) kernel: Kernel,
    /// Files the kernel side needs not tell of.
    pub(super) known: HashMap<MapData, [u64; KEY_WORDS], u8>,
    pub(super) found: Receiver<Found>,
    pub(super) orders: Receiver<Order>,
    /// Files that are not attached to any more.
    pub(super) gone: Sender<FileId>,
    /// How long a file stays hooked that nobody uses.
    pub(super) detach_after: Duration,
    pub(super) shared: Arc<Shared>,
}

impl Hooking {
    pub(super) fn run(mut self) {
        let mut attachments = Attachments::default();
        let (found, orders) = (self.found.clone(), self.orders.clone());
        loop {
            vital::may_fail();
            select! {
                recv(found) -> found => match found {
                    Ok(found) => self.attach(&mut attachments, &found),
                    Err(_) => break,
                },
                recv(orders) -> order => match order {
                    Ok(Order::Hooked(reply)) => drop(reply.send(attachments.functions())),
                    Ok(Order::InUse(used)) => {
                        self.count_left_out();
                        self.detach(&mut attachments, &used);
                    }
                    Ok(Order::SeeMessagesEnd) => self.see_messages_end(),
                    Ok(Order::TryReturnProbes(done)) => {
                        attachments.try_return_probes(&mut self.kernel);
                        let _ = done.send(());
                    }
                    Ok(Order::TrimMemory) => self.kernel.trim_memory(),
                    Ok(Order::Detach(done)) => {
                        self.count_left_out();
                        // The TLS programs go first: a socket operation inside a call is not to be missed.
                        attachments.detach();
                        self.kernel.detach();
                        let _ = done.send(());
                        return;
                    }
                    Err(_) => break,
                },
            }
        }
        attachments.detach();
        self.kernel.detach();
    }

    fn count_left_out(&self) {
        let total = self.kernel.left_out();
        self.shared.totals.left_out.store(total, Ordering::Relaxed);
    }

    fn see_messages_end(&mut self) {
        match self.kernel.see_messages_end() {
            Ok(()) => tracing::info!(
                "a watched program receives several messages in one call: watching the end of system calls"
            ),
            Err(error) => tracing::warn!(%error, "messages received by recvmmsg stay unseen"),
        }
    }

    fn attach(&mut self, attachments: &mut Attachments, found: &Found) {
        let path = &found.path;
        match attachments.attach(&mut self.kernel, found) {
            Some(Outcome::Attached(functions)) => {
                if let Some(mapped) = found.why.mapped_ns {
                    let took = clock::monotonic_ns().saturating_sub(mapped);
                    self.shared.metrics.hooked_after(Duration::from_nanos(took));
                }
                let libraries: BTreeSet<&str> = functions.iter().map(|hooked| hooked.library).collect();
                for library in libraries {
                    self.shared.metrics.attach(library, "ok");
                    tracing::info!(library, path = %path.display(), functions = functions.len(), "hooked");
                }
            }
            Some(Outcome::Failed(why)) => {
                let targets = found.targets.iter().flatten();
                let mut libraries: BTreeSet<&str> = targets.map(|target| target.library.name()).collect();
                if libraries.is_empty() {
                    libraries.insert("unknown");
                }
                for library in libraries {
                    self.shared.metrics.attach(library, "error");
                }
                tracing::warn!(path = %path.display(), %why, "not hooked");
            }
            Some(Outcome::NothingToHook) | None => {}
        }
        // What can not be noted is told of again and looked up here.
        let _ = self.known.insert(found.id.key().words(), 1, 0);
    }

    fn detach(&mut self, attachments: &mut Attachments, used: &HashSet<FileId>) {
        for file in attachments.detach_unused(used, self.detach_after) {
            tracing::info!(inode = file.inode, "nobody uses a hooked file any more");
            let _ = self.known.remove(&file.key().words());
            let _ = self.gone.send(file);
        }
    }
}
