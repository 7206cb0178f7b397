//! The stages put together: threads, channels, start and stop.
//!
//! One thread reads each data ring and takes its bytes through stream, protocol, content and
//! detect; one thread serves the control ring, finds libraries and keeps the ledger; what they
//! find comes out of [`Session::observations`] for the caller to aggregate and report.

mod ceiling;
mod choosing;
mod control;
mod critical;
mod exclusion;
mod flow;
mod hold;
mod hooking;
mod hops;
mod late;
pub mod protocols;
pub mod replay;
pub mod reporter;
mod selection;
mod shed;
#[cfg(test)]
mod tests;
mod watchlist;
mod worker;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use thiserror::Error;

pub use ceiling::Ceiling;
pub use choosing::By;
pub use exclusion::Exclusion;
pub use late::Naming;
pub use selection::{Rule, RuleError, Selected, Selection};

use crate::{
    capture::{
        attach::Hooked,
        clock::Clock,
        load::{Kernel, LoadError, Settings},
        scope::{self, ScopeError},
        search::Search,
        support::{self, SocketTier},
        tls::Placement,
    },
    content::protobuf::Registry,
    detect::{Scanner, sketch::Spot},
    identity::{conntrack::Conntrack, kubernetes::Kubernetes, pairs::AddressPair, selector::choice::Choice},
    ledger::ByteLedger,
    policy::Live,
    report::{finding::End, observation::Observation},
    serve::metrics::Metrics,
    stream::{Connection, Peers},
    vital::{self, Rounds},
};

/// Observations that wait for the reporter. When it is full the readers wait, and what the kernel
/// can not deliver meanwhile is counted there.
const OBSERVATIONS: usize = 8192;

/// Decisions about connections that wait for the kernel side to be told.
const POLICIES: usize = 1024;

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Every process of the host.
    pub node: bool,
    /// Processes with all their descendants.
    pub pids: Vec<u32>,
    /// cgroup v2 directories with everything below.
    pub cgroups: Vec<PathBuf>,
    /// Processes that selectors choose, beside those.
    pub choice: Choice,
    /// By what the kernel side knows them.
    pub by: By,
}

impl Scope {
    /// True when it would watch nothing.
    pub fn is_empty(&self) -> bool {
        !self.node && self.pids.is_empty() && self.cgroups.is_empty() && self.choice.is_empty()
    }
}

/// How to run.
pub struct Options {
    pub scope: Scope,
    /// Executables that are about to be run: hooked before, so that their first request counts.
    pub programs: Vec<PathBuf>,
    /// Bytes of one ring: a power of two.
    pub ring_bytes: u32,
    /// Most bytes captured of one call.
    pub max_call_bytes: u32,
    /// Most bytes captured of one message in one direction; 0: no limit.
    pub max_message_bytes: u32,
    pub tier: Option<SocketTier>,
    /// Where in TLS libraries probes are put.
    pub placement: Placement,
    /// Programs that are never hooked or watched.
    pub exclusion: Exclusion,
    /// It may become another one while the capture runs.
    pub excludes_others: bool,
    /// Connections that are not read, or not whole.
    pub selection: Selection,
    /// The policies in force.
    pub live: Arc<Live>,
    /// How long a library stays hooked that no watched process uses.
    pub detach_after: Duration,
    /// Who knows containers and pods.
    pub naming: Naming,
    /// Names in a cluster, when this host is part of one.
    pub kubernetes: Option<Arc<Kubernetes>>,
    /// What translation makes of addresses, where that can be asked.
    pub conntrack: Option<Conntrack>,
    pub scanner: Scanner,
    /// Names of the fields of protobuf messages.
    pub descriptors: Arc<Registry>,
    pub ledger: Arc<ByteLedger>,
    pub metrics: Arc<Metrics>,
    /// Most processor time that the process uses, in percent of a processor; 0: as much as it takes.
    pub cpu_percent: u32,
}

#[derive(Debug, Error)]
pub enum SessionError {
    #[error("{0}")]
    Privileges(String),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Counters the stages raise and the reporter shows.
#[derive(Default)]
pub struct Totals {
    pub records: AtomicU64,
    pub documents: AtomicU64,
    pub control_lost: AtomicU64,
    pub tls_calls_lost: AtomicU64,
    pub map_full: AtomicU64,
    /// Bytes moved on sockets by processes of which it was not decided whether they are chosen.
    pub undecided_bytes: AtomicU64,
    /// Processes that selectors chose, and of which that is not decided, now.
    pub chosen: AtomicU64,
    pub undecided: AtomicU64,
    /// Runs of kernel programs that the kernel left out.
    pub left_out: AtomicU64,
    pub bound_nested: AtomicU64,
    pub bound_adjacent: AtomicU64,
    pub bound_descriptor: AtomicU64,
    pub bind_ambiguous: AtomicU64,
    pub bind_conflict: AtomicU64,
    /// Streams that ended without a socket.
    pub unbound: AtomicU64,
    /// Connections that go ahead of others, as a rule of policy is critical.
    pub ahead: AtomicU64,
    /// Sightings of values at the other end of a connection, beside the one that is reported.
    pub other_end: AtomicU64,
    /// Sightings of values that proxies passed on, beside the one that is reported.
    pub passed_on: AtomicU64,
}

impl Totals {
    /// Reads a total.
    pub fn get(total: &AtomicU64) -> u64 {
        total.load(Ordering::Relaxed)
    }
}

/// What all threads share.
pub struct Shared {
    pub scanner: Scanner,
    pub descriptors: Arc<Registry>,
    pub ledger: Arc<ByteLedger>,
    pub metrics: Arc<Metrics>,
    pub peers: Arc<Peers>,
    pub clock: Clock,
    pub totals: Totals,
    pub protocols: protocols::Protocols,
    pub naming: Naming,
    pub ceiling: Ceiling,
    pub shed: shed::Shed,
    watchlist: watchlist::Watchlist,
    pub selection: Selected,
    critical: critical::Critical,
    /// The way back to the kernel side: how much of a stream is read.
    policies: Sender<selection::Told>,
    /// Room for what waits for a stream to be bound.
    held: hold::Room,
    /// Set when the readers should empty their rings and end.
    stopping: AtomicBool,
    /// Of the threads that read what the kernel side recorded.
    pub rounds: Arc<Rounds>,
}

/// An observation, with what is needed to tell it from the same bytes seen at the other end.
#[derive(Clone)]
pub struct Seen {
    pub observation: Observation,
    /// The socket's addresses, where they are known.
    pub pair: Option<AddressPair>,
    /// The network namespace of the socket; 0 while unknown.
    pub netns: u32,
    /// The address of who opened the connection.
    pub client: Option<SocketAddr>,
    /// Whom the program addressed, where a proxy may have taken its place.
    pub addressed: Option<Box<End>>,
    /// Who the client is, as the request says (`x-forwarded-client-cert`): anybody may write that.
    pub xfcc: Option<Arc<str>>,
    /// The watched process received the bytes: the sender's record of them, if there is one, wins.
    pub ingress: bool,
    /// When the bytes moved, on the clock of records.
    moved_ns: u64,
    /// The field of its operation; `None` where the text has no fields.
    spot: Option<Spot>,
    /// Keyed hash of its leading digits, where the field is a number and nothing else.
    lead: Option<u64>,
    /// Numbers of this field that fail were reported, too.
    watched: bool,
}

/// A number of a suspect field that failed the check of a detector.
pub struct Missed {
    source: End,
    destination: End,
    pair: Option<AddressPair>,
    netns: u32,
    client: Option<SocketAddr>,
    ingress: bool,
    /// When the bytes moved, on the clock of records.
    moved_ns: u64,
    spot: Spot,
    detector: &'static str,
    lead: u64,
    /// Unix time, seconds.
    at: i64,
}

/// What the readers hand to the reporter.
pub enum Observed {
    Value(Box<Seen>),
    Missed(Box<Missed>),
}

impl Observed {
    /// The watched process received it.
    fn is_ingress(&self) -> bool {
        match self {
            Self::Value(seen) => seen.ingress,
            Self::Missed(missed) => missed.ingress,
        }
    }

    /// The network namespace of the socket; 0 while unknown.
    fn netns(&self) -> u32 {
        match self {
            Self::Value(seen) => seen.netns,
            Self::Missed(missed) => missed.netns,
        }
    }

    fn client(&self) -> Option<SocketAddr> {
        match self {
            Self::Value(seen) => seen.client,
            Self::Missed(missed) => missed.client,
        }
    }

    fn is_within_host(&self) -> bool {
        let pair = match self {
            Self::Value(seen) => seen.pair,
            Self::Missed(missed) => missed.pair,
        };
        pair.is_some_and(AddressPair::is_within_host)
    }

    /// When, microseconds of the wall clock.
    fn time_us(&self) -> i64 {
        match self {
            Self::Value(seen) => seen.observation.time.as_microsecond(),
            Self::Missed(missed) => missed.at.saturating_mul(1_000_000),
        }
    }

    /// Names the ends, once the connection is known.
    fn set_ends(&mut self, connection: &Connection, local: End, remote: End, addressed: Option<End>) {
        match self {
            Self::Value(seen) => {
                (seen.netns, seen.client) = (connection.netns(), connection.client());
                seen.addressed = addressed.map(Box::new);
            }
            Self::Missed(missed) => {
                (missed.netns, missed.client) = (connection.netns(), connection.client());
            }
        }
        let (source, destination, pair, ingress) = match self {
            Self::Value(seen) => (
                &mut seen.observation.source,
                &mut seen.observation.destination,
                &mut seen.pair,
                seen.ingress,
            ),
            Self::Missed(missed) => (
                &mut missed.source,
                &mut missed.destination,
                &mut missed.pair,
                missed.ingress,
            ),
        };
        *pair = connection.pair;
        (*source, *destination) = if ingress { (remote, local) } else { (local, remote) };
    }
}

/// A running capture.
pub struct Session {
    /// What was found, in order per connection.
    pub observations: Receiver<Observed>,
    pub shared: Arc<Shared>,
    /// The socket hooks in use.
    pub tier: SocketTier,
    commands: Sender<control::Command>,
    control: JoinHandle<()>,
    attach: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Session {
    /// Loads, attaches and starts the threads. When it returns, everything in scope is captured.
    ///
    /// # Errors
    /// Missing privileges, a kernel that does not take the programs, or a scope that is not there.
    pub fn start(options: Options) -> Result<Self, SessionError> {
        support::require_privileges().map_err(SessionError::Privileges)?;
        let settings = Settings {
            node: options.scope.node,
            max_call_bytes: options.max_call_bytes,
            max_message_bytes: options.max_message_bytes,
            ring_bytes: options.ring_bytes,
            rings: rings(),
            tier: options.tier,
            cgroups: !options.scope.cgroups.is_empty() || !options.scope.choice.is_empty(),
            excludes: options.excludes_others || !options.exclusion.is_empty(),
            selects: !options.scope.choice.is_empty(),
        };
        let (mut kernel, mut maps, rings) = Kernel::load(&settings)?;
        let tier = kernel.tier;
        if let Some(limits) = kernel.object.limits() {
            tracing::warn!(%limits, "the kernel programs are the reduced ones for older kernels");
        }
        if let Err(why) = &kernel.mappings {
            tracing::warn!(%why, "this kernel does not tell of mappings: libraries are looked for by polling");
        }
        options
            .exclusion
            .put_in_place_of(&Exclusion::default(), &mut maps)?;
        let mut watched = Vec::new();
        for &pid in &options.scope.pids {
            watched.extend(maps.watch_tree(pid)?);
        }
        for cgroup in &options.scope.cgroups {
            maps.watch_cgroup(cgroup)?;
            watched.extend(scope::cgroup_processes(cgroup));
        }
        if options.scope.node {
            watched.extend(scope::all_processes());
        }

        let (policies, decided) = bounded(POLICIES);
        let shared = Arc::new(Shared {
            scanner: options.scanner,
            descriptors: options.descriptors,
            ledger: options.ledger,
            metrics: options.metrics,
            peers: Arc::new(Peers::asking(
                options.naming.names.containers().cloned(),
                options.kubernetes,
                options.conntrack,
                Arc::clone(options.naming.names.mesh()),
            )),
            clock: Clock::now(),
            totals: Totals::default(),
            protocols: protocols::Protocols::default(),
            naming: options.naming,
            ceiling: Ceiling::of(options.cpu_percent),
            shed: shed::Shed::default(),
            watchlist: watchlist::Watchlist::default(),
            selection: Selected::new(options.selection),
            critical: critical::Critical::new(options.live),
            policies,
            held: hold::Room::default(),
            stopping: AtomicBool::new(false),
            rounds: Arc::default(),
        });
        let (sender, observations) = bounded(OBSERVATIONS);
        let mut workers = Vec::new();
        let mut exits = Vec::new();
        for (index, ring) in rings.data.into_iter().enumerate() {
            let (exit_sender, exit_receiver) = bounded(4096);
            exits.push(exit_sender);
            let name = format!("ring-{index}");
            let worker = worker::Worker {
                ring,
                round: shared.rounds.thread(&name),
                exits: exit_receiver,
                out: sender.clone(),
                readers: u64::from(settings.rings),
                shared: Arc::clone(&shared),
            };
            let worker = vital::spawn(&name, move || worker.run());
            workers.push(worker.map_err(SessionError::Thread)?);
        }
        // Such channels drop what waits in them with their reader: whoever waits for its answer hears of its end. No more
        // waits than the main thread and the control thread ask for in a second or two.
        let (commands, received) = unbounded();
        let (search, found) = Search::start(options.placement).map_err(SessionError::Thread)?;
        let (order, orders) = unbounded();
        let (gone_sender, gone) = unbounded();
        let hooking = hooking::Hooking {
            known: kernel.known_files()?,
            kernel,
            found,
            orders,
            gone: gone_sender,
            detach_after: options.detach_after,
            shared: Arc::clone(&shared),
        };
        let attach = vital::spawn("attach", move || hooking.run()).map_err(SessionError::Thread)?;
        let mut control = control::Control::new(
            maps,
            rings.control,
            Arc::clone(&shared),
            exits,
            control::Hooks {
                search,
                order,
                gone,
                policies: decided,
            },
            options.exclusion,
            options.scope,
        );
        // Before returning: what is running now is hooked now.
        control.hook(watched, options.programs);
        let round = shared.rounds.thread("control");
        let control =
            vital::spawn("control", move || control.run(&received, &round)).map_err(SessionError::Thread)?;
        Ok(Self {
            observations,
            shared,
            tier,
            commands,
            control,
            attach,
            workers,
        })
    }

    /// Adds a process that is about to run (and is held meanwhile).
    pub fn watch_process(&self, pid: u32) -> Result<(), SessionError> {
        self.ask(|reply| control::Command::Watch(pid, reply))
            .unwrap_or(Ok(()))
            .map_err(SessionError::Scope)
    }

    /// Every function hooked so far.
    pub fn hooked(&self) -> Vec<Hooked> {
        self.ask(control::Command::Hooked).unwrap_or_default()
    }

    /// Sees now what takes a child process to see; from here on none is started.
    pub fn start_no_more_children(&self) {
        let _: Option<()> = self.ask(control::Command::TryReturnProbes);
    }

    /// Never hooks or watches these programs from now on, and those of before again.
    pub fn exclude(&self, exclusion: Exclusion) {
        let _ = self.commands.send(control::Command::Exclude(exclusion));
    }

    /// True while any watched process (other than by node or cgroup scope) is alive.
    pub fn any_alive(&self) -> bool {
        self.ask(control::Command::AnyAlive).unwrap_or(false)
    }

    /// Detaches everything, reads the rings empty and ends the threads. Observations must be
    /// received until the channel closes; this is for another thread, or for when it is drained
    /// by `each`.
    pub fn stop(self, mut each: impl FnMut(Observed)) -> (Vec<Hooked>, Arc<Shared>) {
        let hooked = self.hooked();
        let (sender, done) = bounded(1);
        let _ = self.commands.send(control::Command::Stop(sender));
        // The control thread detaches, then lets the workers end; meanwhile they may be waiting
        // for room in the channel.
        loop {
            match self.observations.recv_timeout(Duration::from_millis(20)) {
                Ok(seen) => each(seen),
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                    let is_over = self.control.is_finished() && self.attach.is_finished();
                    if is_over {
                        // A control thread that panicked has not said so.
                        self.shared.stopping.store(true, Ordering::Release);
                    }
                    if self.workers.iter().all(JoinHandle::is_finished)
                        && (is_over || done.try_recv().is_ok())
                    {
                        break;
                    }
                }
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in self.workers.into_iter().chain([self.attach, self.control]) {
            // Of a panic it was told when it happened.
            let _ = thread.join();
        }
        while let Ok(seen) = self.observations.try_recv() {
            each(seen);
        }
        (hooked, Arc::clone(&self.shared))
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> control::Command) -> Option<T> {
        let (sender, reply) = bounded(1);
        self.commands.send(command(sender)).ok()?;
        reply.recv_timeout(Duration::from_secs(30)).ok()
    }
}

/// One data ring per core, a power of two, at most 8.
fn rings() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores.min(8)).unwrap_or(1);
    1 << cores.ilog2()
}
