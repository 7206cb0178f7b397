//! The control thread: processes come and go, libraries are found and hooked, the kernel's
//! counters go into the ledger, and at the end everything is detached.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use auditor_common::{counter::Counter, record::Kind, scope::MAX_TGIDS};
use aya::maps::{MapData, RingBuf};
use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::Shared;
use crate::{
    capture::{
        attach::{Attachments, Hooked, Outcome, host_libraries},
        discover,
        load::Kernel,
        ring,
        scope::{self, ScopeError},
        search::{Found, Search},
    },
    ledger::{Account, Ledger},
};

/// Times after exec at which a process is looked at again: a library is mapped by the dynamic
/// linker at once, or by `dlopen` later.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// How often all watched processes are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Most looks that wait.
const MAX_LOOKS: usize = 65_536;

/// How often counters are read and old entries forgotten.
const HOUSEKEEPING: Duration = Duration::from_millis(250);

/// How long the start waits for the files that are mapped then, with processes named one by one and
/// with all of a node's.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_NODE: Duration = Duration::from_secs(5);

/// Wait for the control ring between rounds.
const POLL: Duration = Duration::from_millis(5);

/// What others ask of the control thread.
pub(super) enum Command {
    /// Watch a process that is about to run.
    Watch(u32, Sender<Result<(), ScopeError>>),
    Hooked(Sender<Vec<Hooked>>),
    AnyAlive(Sender<bool>),
    /// Detach, let the workers end, and say when done.
    Stop(Sender<()>),
}

pub(super) struct Control {
    kernel: Kernel,
    ring: RingBuf<MapData>,
    shared: Arc<Shared>,
    exits: Vec<Sender<u32>>,
    attachments: Attachments,
    search: Search,
    /// When to look at a process's mappings.
    looks: BTreeMap<(Instant, u32), ()>,
    watched: HashSet<u32>,
    node: bool,
    settled: [u64; Counter::LEN as usize],
    looked_at_all: Instant,
    housekept: Instant,
    /// A program at the end of all system calls was asked for.
    messages_end: bool,
}

impl Control {
    pub(super) fn new(
        kernel: Kernel,
        ring: RingBuf<MapData>,
        shared: Arc<Shared>,
        exits: Vec<Sender<u32>>,
        search: Search,
        node: bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            kernel,
            ring,
            shared,
            exits,
            attachments: Attachments::default(),
            search,
            looks: BTreeMap::new(),
            watched: HashSet::new(),
            node,
            settled: [0; Counter::LEN as usize],
            looked_at_all: now,
            housekept: now,
            messages_end: false,
        }
    }

    /// Hooks what these processes have mapped, and the host's own libraries before anything maps
    /// them: the first request of a program that is started later counts, too.
    pub(super) fn hook(&mut self, processes: &[u32]) {
        for &pid in processes {
            self.watched.insert(pid);
            self.shared.peers.processes.learn(pid);
            self.look_at(pid);
        }
        for path in host_libraries() {
            self.search.offer(&path);
        }
        // What is there now is hooked before anything else happens; a whole node takes longer than
        // that, and goes on with the rounds.
        let deadline = Instant::now() + if self.node { PATIENCE_NODE } else { PATIENCE };
        while let Some(found) = self
            .search
            .wait(deadline.saturating_duration_since(Instant::now()))
        {
            self.attach(&found);
        }
    }

    /// Gives back what loading and hooking needed for a moment.
    pub(super) fn trim_memory(&self) {
        self.kernel.trim_memory();
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.try_recv() {
                Ok(Command::Watch(pid, reply)) => {
                    self.watched.insert(pid);
                    let _ = reply.send(self.kernel.watch_process(pid));
                }
                Ok(Command::Hooked(reply)) => drop(reply.send(self.attachments.functions())),
                Ok(Command::AnyAlive(reply)) => drop(reply.send(self.node || !self.watched.is_empty())),
                Ok(Command::Stop(done)) => {
                    self.stop();
                    let _ = done.send(());
                    return;
                }
                Err(TryRecvError::Disconnected) => {
                    self.stop();
                    return;
                }
                Err(TryRecvError::Empty) => {
                    self.round();
                    ring::wait(&self.ring, POLL);
                }
            }
        }
    }

    fn round(&mut self) {
        let mut events = Vec::new();
        ring::drain(&mut self.ring, 4096, |record| {
            events.push((record.kind, record.header.tgid, record.header.total));
        });
        let now = Instant::now();
        for (kind, tgid, parent) in events {
            match kind {
                Kind::Fork => {
                    self.shared.peers.processes.forked(parent, tgid);
                    self.watched.insert(tgid);
                }
                Kind::Exec => {
                    self.shared.peers.processes.learn(tgid);
                    self.watched.insert(tgid);
                    if self.looks.len() < MAX_LOOKS {
                        self.looks.extend(LOOKS.map(|after| ((now + after, tgid), ())));
                    }
                }
                Kind::Exit => {
                    self.shared.peers.processes.ended(tgid);
                    self.watched.remove(&tgid);
                    for exits in &self.exits {
                        // Full only when the reader is far behind: then its streams end by
                        // their sockets or by being idle.
                        let _ = exits.try_send(tgid);
                    }
                }
                Kind::Data | Kind::Datagram | Kind::Opened | Kind::Bound | Kind::Closed => {}
            }
        }
        while let Some(entry) = self.looks.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, pid), ()) = entry.remove_entry();
            self.look_at(pid);
        }
        while let Some(found) = self.search.take() {
            self.attach(&found);
        }
        if now.duration_since(self.looked_at_all) > LOOK_AGAIN {
            self.looked_at_all = now;
            // An exit record may have been lost.
            self.watched
                .retain(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
            self.shared.metrics.set_map(
                "scope_tgids",
                self.kernel.watched_processes(),
                u64::from(MAX_TGIDS),
            );
            let processes: Vec<u32> = if self.node {
                scope::all_processes()
            } else {
                self.watched.iter().copied().collect()
            };
            for pid in processes {
                self.look_at(pid);
            }
        }
        if now.duration_since(self.housekept) > HOUSEKEEPING {
            self.housekept = now;
            self.settle();
            self.see_messages();
            self.shared.peers.processes.sweep();
            self.shared.peers.pairs.sweep();
        }
    }

    fn look_at(&mut self, pid: u32) {
        for path in discover::mapped_files(pid) {
            self.search.offer(&path);
        }
    }

    fn attach(&mut self, found: &Found) {
        let path = &found.path;
        match self.attachments.attach(&mut self.kernel, found) {
            Some(Outcome::Attached(functions)) => {
                let libraries: BTreeSet<&str> = functions.iter().map(|hooked| hooked.library).collect();
                for library in libraries {
                    self.shared.metrics.attach(library, "ok");
                    tracing::info!(library, path = %path.display(), functions = functions.len(), "hooked");
                }
            }
            Some(Outcome::Failed(why)) => {
                self.shared.metrics.attach("unknown", "error");
                tracing::warn!(path = %path.display(), %why, "not hooked");
            }
            Some(Outcome::NothingToHook) | None => {}
        }
    }

    /// Messages that a watched program moved several in one call, and that nothing tells apart so far.
    fn see_messages(&mut self) {
        if self.messages_end || self.kernel.counter(Counter::MessagesUntold) == 0 {
            return;
        }
        self.messages_end = true;
        match self.kernel.see_messages_end() {
            Ok(()) => tracing::info!(
                "a watched program receives several messages in one call: watching the end of system calls"
            ),
            Err(error) => tracing::warn!(%error, "messages received by recvmmsg stay unseen"),
        }
    }

    /// Detaches first, so that the counters are final and an empty ring stays empty.
    fn stop(&mut self) {
        self.kernel.detach();
        self.round();
        self.settle();
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// Moves what the kernel counted since the last time into the ledger.
    fn settle(&mut self) {
        const ACCOUNTS: [(Counter, Ledger, Account); 10] = [
            (Counter::SocketRingFull, Ledger::Socket, Account::RingFull),
            (Counter::TlsRingFull, Ledger::Tls, Account::RingFull),
            (Counter::SocketOverBudget, Ledger::Socket, Account::OverBudget),
            (Counter::TlsOverBudget, Ledger::Tls, Account::OverBudget),
            (Counter::SocketPageFault, Ledger::Socket, Account::PageFault),
            (Counter::TlsPageFault, Ledger::Tls, Account::PageFault),
            (Counter::SocketUnseen, Ledger::Socket, Account::Unseen),
            (Counter::TlsUnseen, Ledger::Tls, Account::Unseen),
            (Counter::SocketCiphertext, Ledger::Socket, Account::Ciphertext),
            (Counter::SocketHandshake, Ledger::Socket, Account::Handshake),
        ];
        for (counter, ledger, account) in ACCOUNTS {
            let total = self.kernel.counter(counter);
            let before = std::mem::replace(&mut self.settled[counter as usize], total);
            self.shared
                .ledger
                .settle(ledger, account, total.saturating_sub(before));
        }
        self.shared
            .ledger
            .set_moved(Ledger::Socket, self.kernel.counter(Counter::SocketMoved));
        self.shared
            .ledger
            .set_moved(Ledger::Tls, self.kernel.counter(Counter::TlsMoved));
        let totals = &self.shared.totals;
        for (counter, total) in [
            (Counter::ControlLost, &totals.control_lost),
            (Counter::TlsCallLost, &totals.tls_calls_lost),
            (Counter::MapFull, &totals.map_full),
            (Counter::BoundNested, &totals.bound_nested),
            (Counter::BoundDescriptor, &totals.bound_descriptor),
        ] {
            total.store(self.kernel.counter(counter), Ordering::Relaxed);
        }
    }
}
