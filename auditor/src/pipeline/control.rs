//! The control thread: processes come and go, what they map is looked for libraries, the kernel's
//! counters go into the ledger, and at the end everything is detached.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use auditor_common::{counter::Counter, record::Kind, scope::MAX_TGIDS};
use aya::maps::{MapData, RingBuf};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::{
    Scope, Shared,
    choosing::{Changes, Chooser},
    exclusion::Exclusion,
    hooking::Order,
    selection::Told,
};
use crate::{
    capture::{
        attach::{Hooked, host_libraries},
        clock::monotonic_ns,
        discover,
        file::FileId,
        load::Maps,
        policy::Reading,
        ring,
        scope::{self, ScopeError},
        search::{Search, Why},
    },
    identity::{peer, selector::choice::Verdict},
    ledger::{Account, Ledger},
    vital::{self, Round},
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

/// Times after a process was told to be mapping a file: its code comes microseconds later, and other
/// files of the next ten milliseconds are not told of.
const LOOKS_AT_MAPPING: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(15),
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

/// How long it waits for names, where selectors choose.
const PATIENCE_NAMES: Duration = Duration::from_secs(5);

/// Wait for the control ring between rounds.
const POLL: Duration = Duration::from_millis(5);
/// And where a look is due.
const SHORTEST: Duration = Duration::from_millis(1);
/// Records of processes that are taken at once.
const MOST_AT_ONCE: usize = 4096;

/// What others ask of the control thread.
pub(super) enum Command {
    /// Watch a process that is about to run.
    Watch(u32, Sender<Result<(), ScopeError>>),
    Hooked(Sender<Vec<Hooked>>),
    AnyAlive(Sender<bool>),
    /// Leave out other programs than before.
    Exclude(Exclusion),
    TryReturnProbes(Sender<()>),
    /// Detach, let the workers end, and say when done.
    Stop(Sender<()>),
}

/// The ways to the threads that search and attach, and from those that read.
pub(super) struct Hooks {
    pub(super) search: Search,
    pub(super) order: Sender<Order>,
    /// Files that are not attached to any more.
    pub(super) gone: Receiver<FileId>,
    /// What the stages decided of streams.
    pub(super) policies: Receiver<Told>,
}

pub(super) struct Control {
    maps: Maps,
    ring: RingBuf<MapData>,
    shared: Arc<Shared>,
    exits: Vec<Sender<u32>>,
    hooks: Hooks,
    exclusion: Exclusion,
    /// When to look at a process's mappings, and since when something new is there.
    looks: BTreeMap<(Instant, u32), Option<u64>>,
    watched: HashSet<u32>,
    cgroups: Vec<PathBuf>,
    node: bool,
    /// Where selectors choose what is watched.
    chooser: Option<Chooser>,
    /// Records that were lost when all processes were last looked at.
    lost_before: u64,
    settled: [u64; Counter::LEN as usize],
    looked_at_all: Instant,
    housekept: Instant,
    /// A program at the end of all system calls was asked for.
    messages_end: bool,
    /// The rules by which connections are left out now.
    selected_by: u64,
    /// Other programs are left out since all processes were last looked at.
    includes_again: bool,
}

impl Control {
    pub(super) fn new(
        maps: Maps,
        ring: RingBuf<MapData>,
        shared: Arc<Shared>,
        exits: Vec<Sender<u32>>,
        hooks: Hooks,
        exclusion: Exclusion,
        scope: Scope,
    ) -> Self {
        let now = Instant::now();
        let chooser = (!scope.choice.is_empty()).then(|| Chooser::new(scope.choice, scope.by, &shared));
        Self {
            chooser,
            lost_before: 0,
            maps,
            ring,
            shared,
            exits,
            hooks,
            exclusion,
            looks: BTreeMap::new(),
            watched: HashSet::new(),
            cgroups: scope.cgroups,
            node: scope.node,
            settled: [0; Counter::LEN as usize],
            looked_at_all: now,
            housekept: now,
            selected_by: 0,
            includes_again: false,
            messages_end: false,
        }
    }

    /// Hooks what these processes have mapped, servers first, and these programs and the host's own
    /// libraries before anything maps them: the first request of a program that is started later
    /// counts, too.
    pub(super) fn hook(&mut self, mut processes: Vec<u32>, programs: Vec<PathBuf>) {
        peer::listeners_first(&mut processes);
        for &pid in &processes {
            if self.leaves_out(pid) {
                continue;
            }
            self.watched.insert(pid);
            self.shared.peers.learn(pid);
            self.look_at(pid, None);
        }
        self.choose();
        let ahead = Why {
            ahead: true,
            ..Why::default()
        };
        let programs: Vec<PathBuf> = programs
            .into_iter()
            .filter(|path| !self.exclusion.covers_program(path))
            .collect();
        for path in programs.into_iter().chain(host_libraries()) {
            self.hooks.search.offer(&path, ahead);
        }
        // What is there now is hooked before anything else happens; a whole node takes longer than
        // that, and goes on with the rounds.
        let deadline = Instant::now() + if self.node { PATIENCE_NODE } else { PATIENCE };
        while self.hooks.search.pending() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.hooks.order.send(Order::TrimMemory);
    }

    /// True for a process that the configuration leaves out; the kernel side knows it from then on.
    fn leaves_out(&mut self, pid: u32) -> bool {
        if !self.exclusion.covers(pid) {
            return false;
        }
        if let Err(error) = self.maps.exclude(pid) {
            tracing::warn!(pid, %error, "a process can not be left out");
        }
        self.leave(pid);
        if let Some(chooser) = &mut self.chooser {
            chooser.gone(pid, &mut self.maps);
        }
        true
    }

    /// Leaves out these programs from now on, and watches again what was left out before and is not any more.
    fn exclude(&mut self, exclusion: Exclusion) {
        if exclusion == self.exclusion {
            return;
        }
        let before = std::mem::replace(&mut self.exclusion, exclusion);
        // The kernel side first: whoever runs a program meanwhile is not met by the look at all processes.
        if let Err(error) = self.exclusion.put_in_place_of(&before, &mut self.maps) {
            tracing::warn!(%error, "a program can not be left out");
        }
        for pid in scope::all_processes() {
            self.leaves_out(pid);
        }
        self.include();
        self.includes_again = true;
    }

    /// Watches what is not left out any more.
    fn include(&mut self) {
        let now = Instant::now();
        for pid in self.maps.excluded() {
            if self.exclusion.covers(pid) {
                continue;
            }
            self.maps.include(pid);
            let is_told = self.node || self.chooser.is_some() || self.maps.is_named(pid);
            let is_in_scope = is_told || self.in_cgroups(pid);
            if is_in_scope && self.judge(pid, 0) == Verdict::Watched {
                self.watched.insert(pid);
                self.look_at(pid, None);
                self.look_later(pid, now);
            }
        }
    }

    fn in_cgroups(&self, pid: u32) -> bool {
        self.cgroups
            .iter()
            .any(|cgroup| scope::cgroup_processes(cgroup).contains(&pid))
    }

    /// Chooses among the processes that run. Names come by and by: what is not decided in a moment is later.
    fn choose(&mut self) {
        if self.chooser.is_none() {
            return;
        }
        let deadline = Instant::now() + PATIENCE_NAMES;
        self.search_processes(true);
        loop {
            self.round();
            let waits = self
                .chooser
                .as_ref()
                .is_some_and(|chooser| chooser.undecided().1 > 0);
            if !waits || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What selectors say of a process that is new, or became something else.
    fn judge(&mut self, pid: u32, time_ns: u64) -> Verdict {
        let chooser = match &mut self.chooser {
            Some(chooser) if !self.maps.is_named(pid) => chooser,
            _ => {
                self.shared.peers.learn(pid);
                return Verdict::Watched;
            }
        };
        let verdict = chooser.look_at(pid, time_ns, &mut self.maps, &self.shared.peers.processes);
        if verdict == Verdict::Watched {
            self.shared.peers.learn(pid);
        } else {
            self.leave(pid);
        }
        verdict
    }

    /// A process is not watched any more: what it sends from now on is not what follows.
    fn leave(&mut self, pid: u32) {
        if self.watched.remove(&pid) {
            for exits in &self.exits {
                let _ = exits.try_send(pid);
            }
        }
    }

    fn apply(&mut self, changes: Changes) {
        for pid in changes.left {
            self.leave(pid);
        }
        let now = Instant::now();
        for pid in changes.watched {
            self.watched.insert(pid);
            self.look_at(pid, None);
            self.look_later(pid, now);
        }
    }

    fn look_later(&mut self, pid: u32, now: Instant) {
        if self.looks.len() < MAX_LOOKS {
            self.looks.extend(LOOKS.map(|after| ((now + after, pid), None)));
        }
    }

    /// Looks for processes that nothing was told of.
    fn search_processes(&mut self, first: bool) {
        let lost = self.maps.counter(Counter::ControlLost);
        let told_all = !first && lost == std::mem::replace(&mut self.lost_before, lost);
        let Some(chooser) = &mut self.chooser else {
            return;
        };
        let mut changes = chooser.search(told_all, &mut self.maps, &self.shared.peers.processes);
        changes.watched.retain(|pid| !self.leaves_out(*pid));
        self.apply(changes);
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>, round: &Round) {
        loop {
            vital::may_fail();
            round.went();
            match commands.try_recv() {
                Ok(Command::Watch(pid, reply)) => {
                    self.watched.insert(pid);
                    let _ = reply.send(self.maps.watch_process(pid));
                }
                Ok(Command::Hooked(reply)) => drop(self.hooks.order.send(Order::Hooked(reply))),
                Ok(Command::TryReturnProbes(done)) => {
                    drop(self.hooks.order.send(Order::TryReturnProbes(done)))
                }
                Ok(Command::AnyAlive(reply)) => {
                    let _ = reply.send(self.node || self.chooser.is_some() || !self.watched.is_empty());
                }
                Ok(Command::Exclude(exclusion)) => self.exclude(exclusion),
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
                    let until_look = self
                        .looks
                        .first_key_value()
                        .map_or(POLL, |((at, _), _)| at.saturating_duration_since(Instant::now()));
                    ring::wait(&self.ring, POLL.min(until_look.max(SHORTEST)));
                }
            }
        }
    }

    /// Takes to the kernel side what the stages decided of streams.
    fn tell(&mut self) {
        self.decide_by(self.shared.selection.generation());
        while let Ok(told) = self.hooks.policies.try_recv() {
            self.decide_by(told.generation);
            if told.generation < self.selected_by {
                // The stage decides again with the next bytes, as it sees the other rules then.
                continue;
            }
            match self.maps.policies.set(told.stream, told.reading) {
                Ok(()) if told.reading == Reading::Ahead => {
                    self.shared.totals.ahead.fetch_add(1, Ordering::Relaxed);
                }
                Ok(()) => (),
                // The stage settles as muted what comes all the same.
                Err(error) => {
                    tracing::debug!(%error, "the kernel side can not be told how much of a connection is read");
                }
            }
        }
    }

    /// With other rules in force the kernel side forgets what those of before left out: nobody would look at it again.
    fn decide_by(&mut self, generation: u64) {
        if generation > self.selected_by {
            self.selected_by = generation;
            if let Err(error) = self.maps.policies.forget() {
                tracing::warn!(%error, "connections that were left out may stay so");
            }
        }
    }

    fn round(&mut self) {
        let mut events = Vec::new();
        let before = monotonic_ns();
        let drained = ring::drain(&mut self.ring, MOST_AT_ONCE, |record| {
            let header = &record.header;
            events.push((
                record.kind,
                header.tgid,
                header.total,
                header.time_ns,
                record.program(),
            ));
        });
        self.tell();
        let now = Instant::now();
        let mut moved = HashMap::new();
        for (kind, tgid, parent, time, program) in events {
            match kind {
                Kind::Fork if self.chooser.is_some() && self.leaves_out(tgid) => {}
                Kind::Fork => {
                    let processes = &self.shared.peers.processes;
                    let verdict = match &mut self.chooser {
                        Some(chooser) if !self.maps.is_named(tgid) => {
                            chooser.forked(parent, tgid, time, &mut self.maps, processes)
                        }
                        _ => Verdict::Watched,
                    };
                    if verdict == Verdict::Watched {
                        processes.forked(parent, tgid, time);
                        self.watched.insert(tgid);
                    }
                }
                Kind::Exec if self.leaves_out(tgid) => {}
                Kind::Exec => {
                    if let Some(program) = program {
                        self.shared.peers.processes.executed(tgid, time, &program);
                    }
                    let verdict = self.judge(tgid, time);
                    if verdict == Verdict::Watched {
                        self.watched.insert(tgid);
                    }
                    if verdict != Verdict::Left {
                        self.look_later(tgid, now);
                    }
                }
                Kind::Moved => drop(moved.insert(tgid, time)),
                Kind::Mapped => {
                    if self.looks.len() < MAX_LOOKS {
                        let looks = LOOKS_AT_MAPPING.map(|after| ((now + after, tgid), Some(time)));
                        self.looks.extend(looks);
                    }
                }
                Kind::Exit => {
                    self.shared.peers.processes.ended(tgid);
                    if let Some(chooser) = &mut self.chooser {
                        chooser.gone(tgid, &mut self.maps);
                    }
                    if !self.watched.remove(&tgid) && self.chooser.is_some() {
                        continue;
                    }
                    for exits in &self.exits {
                        // Full only when the reader is far behind: then its streams end by
                        // their sockets or by being idle.
                        let _ = exits.try_send(tgid);
                    }
                }
                Kind::Data | Kind::Datagram | Kind::Opened | Kind::Bound | Kind::Closed => {}
            }
        }
        if drained < MOST_AT_ONCE {
            self.shared.peers.processes.told_until(before);
        }
        for (pid, time) in moved {
            if self.leaves_out(pid) {
                continue;
            }
            if self.judge(pid, time) == Verdict::Watched && self.watched.insert(pid) {
                self.look_at(pid, None);
                self.look_later(pid, now);
            }
        }
        if let Some(chooser) = &mut self.chooser {
            let changes = chooser.again(&mut self.maps);
            self.apply(changes);
        }
        while let Some(entry) = self.looks.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, pid), mapped) = entry.remove_entry();
            self.look_at(pid, mapped);
        }
        while let Ok(file) = self.hooks.gone.try_recv() {
            self.hooks.search.forget(file);
        }
        if now.duration_since(self.looked_at_all) > LOOK_AGAIN {
            self.looked_at_all = now;
            if std::mem::take(&mut self.includes_again) {
                // A child that was forked meanwhile.
                self.include();
            }
            self.search_processes(false);
            // An exit record may have been lost.
            self.watched
                .retain(|pid| Path::new(&format!("/proc/{pid}")).exists());
            self.shared
                .metrics
                .set_map("scope_tgids", self.maps.watched_processes(), u64::from(MAX_TGIDS));
            let processes: Vec<u32> = if self.node {
                scope::all_processes()
            } else {
                // A record of a fork may have been lost, and a cgroup takes in processes that run already.
                let mut processes = self.watched.clone();
                processes.extend(self.maps.watched());
                processes.extend(self.chooser.iter().flat_map(Chooser::watched));
                for cgroup in &self.cgroups {
                    processes.extend(scope::cgroup_processes(cgroup));
                }
                processes.into_iter().collect()
            };
            let mut used = HashSet::new();
            for pid in processes {
                used.extend(self.look_at(pid, None));
            }
            let _ = self.hooks.order.try_send(Order::InUse(used));
        }
        if now.duration_since(self.housekept) > HOUSEKEEPING {
            self.housekept = now;
            self.settle();
            self.see_messages();
            self.shared.peers.processes.sweep();
            self.shared.peers.pairs.sweep();
        }
    }

    /// Has the files looked at that a process has mapped, and returns them.
    fn look_at(&mut self, pid: u32, mapped_ns: Option<u64>) -> Vec<FileId> {
        let why = Why {
            mapped_ns,
            ahead: false,
        };
        if self.exclusion.covers(pid) {
            return Vec::new();
        }
        let search = &mut self.hooks.search;
        let files = discover::mapped_files(pid).into_iter();
        files.filter_map(|path| search.offer(&path, why)).collect()
    }

    /// Messages that a watched program moved several in one call, and that nothing tells apart so far.
    fn see_messages(&mut self) {
        if self.messages_end || self.maps.counter(Counter::MessagesUntold) == 0 {
            return;
        }
        self.messages_end = self.hooks.order.try_send(Order::SeeMessagesEnd).is_ok();
    }

    /// Detaches first, so that the counters are final and an empty ring stays empty.
    fn stop(&mut self) {
        self.round();
        // There is no round while the programs are detached, and nobody is to wait for one.
        self.shared.peers.processes.told_until(u64::MAX);
        let (sender, done) = bounded(1);
        if self.hooks.order.send(Order::Detach(sender)).is_ok() {
            // An error is a thread that has ended, and with it its programs.
            let _ = done.recv();
        }
        // Detaching takes seconds, and what was found meanwhile still has to be named: nothing is
        // forgotten now.
        self.housekept = Instant::now();
        self.round();
        self.settle();
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// Moves what the kernel counted since the last time into the ledger.
    fn settle(&mut self) {
        const ACCOUNTS: [(Counter, Ledger, Account); 12] = [
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
            (Counter::SocketMuted, Ledger::Socket, Account::Muted),
            (Counter::TlsMuted, Ledger::Tls, Account::Muted),
        ];
        for (counter, ledger, account) in ACCOUNTS {
            let total = self.maps.counter(counter);
            let before = std::mem::replace(&mut self.settled[counter as usize], total);
            self.shared
                .ledger
                .settle(ledger, account, total.saturating_sub(before));
        }
        self.shared
            .ledger
            .set_moved(Ledger::Socket, self.maps.counter(Counter::SocketMoved));
        self.shared
            .ledger
            .set_moved(Ledger::Tls, self.maps.counter(Counter::TlsMoved));
        let totals = &self.shared.totals;
        for (counter, total) in [
            (Counter::ControlLost, &totals.control_lost),
            (Counter::TlsCallLost, &totals.tls_calls_lost),
            (Counter::MapFull, &totals.map_full),
            (Counter::BoundNested, &totals.bound_nested),
            (Counter::BoundAdjacent, &totals.bound_adjacent),
            (Counter::BoundDescriptor, &totals.bound_descriptor),
            (Counter::BindAmbiguous, &totals.bind_ambiguous),
            (Counter::BindConflict, &totals.bind_conflict),
            (Counter::Undecided, &totals.undecided_bytes),
        ] {
            total.store(self.maps.counter(counter), Ordering::Relaxed);
        }
        if let Some(chooser) = &self.chooser {
            chooser.draw();
            let undecided = chooser.undecided().0 as u64;
            totals
                .chosen
                .store(chooser.watched().count() as u64, Ordering::Relaxed);
            totals.undecided.store(undecided, Ordering::Relaxed);
        }
    }
}
