//! Connection tracking: what kube-proxy, and whoever else translates addresses on this host, made of a connection.
//!
//! Goes in: the addresses of a socket, when its first bytes were seen. Comes out, in [`Translations`]: those of the socket
//! at the other end. A client of a service sees the service's address, and its server may see the node's; the kernel's
//! table has both ends. It is asked on a thread of its own, for one flow at a time; nobody waits for it who captures.

pub mod message;
pub mod socket;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use message::Transport;
pub use socket::{Place, Unavailable};

use self::{message::Direction, socket::Tracker};
use super::{
    addresses,
    pairs::AddressPair,
    translations::{Beyond, Translations},
};
use crate::vital;

/// Most questions that wait.
const QUESTIONS: usize = 1024;

/// Most questions in a second. One takes some microseconds.
const MOST_IN_A_SECOND: u32 = 2000;

/// How old a question may be: after that another connection may have the addresses.
const OLDEST: Duration = Duration::from_secs(1);

/// How long the addresses of a network namespace are remembered.
const ADDRESSES_FOR: Duration = Duration::from_secs(10);

/// Most network namespaces whose addresses are remembered.
const MOST_NAMESPACES: usize = 1024;

/// A socket whose other end is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub pair: AddressPair,
    /// Tells this socket from an earlier one with these addresses.
    pub socket: u64,
    pub transport: Transport,
    /// A process that has it, and its network namespace.
    pub tgid: u32,
    pub netns: u32,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// The other end has other addresses.
    Translated,
    /// It has these.
    Same,
    /// The kernel does not track the flow.
    Untracked,
    /// The answer is about another connection, or the socket has no address of its own.
    Unfit,
    /// Too many questions, or it came too late.
    Skipped,
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 6] = [
        Self::Translated,
        Self::Same,
        Self::Untracked,
        Self::Unfit,
        Self::Skipped,
        Self::Failed,
    ];

    /// As in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Translated => "translated",
            Self::Same => "same",
            Self::Untracked => "untracked",
            Self::Unfit => "unfit",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// The way to the thread that asks. The thread ends when this is dropped.
#[derive(Debug)]
pub struct Conntrack {
    questions: Sender<(Instant, Question)>,
    translations: Arc<Translations>,
    counts: Arc<[AtomicU64; Outcome::ALL.len()]>,
    /// Number of the network namespace whose table it is.
    pub netns: u32,
}

impl Conntrack {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the table can not be asked.
    pub fn start(place: Place) -> Result<Self, Unavailable> {
        let (questions, asked) = bounded(QUESTIONS);
        let (opened, outcome) = bounded(1);
        let translations = Arc::<Translations>::default();
        let counts = Arc::<[AtomicU64; Outcome::ALL.len()]>::default();
        let (known, counted) = (Arc::clone(&translations), Arc::clone(&counts));
        let run = move || match Tracker::open(place) {
            Ok(tracker) => {
                let _ = opened.send(Ok(tracker.netns));
                Asking::new(tracker).run(&asked, &known, &counted);
            }
            Err(error) => _ = opened.send(Err(error)),
        };
        vital::spawn("conntrack", run).map_err(Unavailable::Thread)?;
        // A thread that ended without a word ended by a panic.
        let netns = outcome.recv().unwrap_or(Err(Unavailable::NoModule))?;
        Ok(Self {
            questions,
            translations,
            counts,
            netns,
        })
    }

    /// Where the answers are.
    pub const fn translations(&self) -> &Arc<Translations> {
        &self.translations
    }

    /// Asks, unless it is known. Never waits: without room nothing becomes known of this socket.
    pub fn ask(&self, question: Question) {
        let Question { pair, socket, .. } = question;
        let is_datagram = question.transport == Transport::Udp;
        if self.translations.begin(pair, socket, is_datagram)
            && self.questions.try_send((Instant::now(), question)).is_err()
        {
            self.translations.answered(pair, socket, None);
            count(&self.counts, Outcome::Skipped);
        }
    }

    /// How many questions had each outcome.
    pub fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome, self.counts[outcome as usize].load(Ordering::Relaxed)))
    }
}

fn count(counts: &[AtomicU64; Outcome::ALL.len()], outcome: Outcome) {
    counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
}

/// The thread that asks.
struct Asking {
    tracker: Tracker,
    /// The start of this second, and questions in it.
    pace: (Instant, u32),
    /// The only address of each family that a network namespace has, and when it was looked.
    namespaces: HashMap<u32, (Instant, [Option<IpAddr>; 2])>,
}

impl Asking {
    fn new(tracker: Tracker) -> Self {
        Self {
            tracker,
            pace: (Instant::now(), 0),
            namespaces: HashMap::new(),
        }
    }

    fn run(
        mut self,
        asked: &Receiver<(Instant, Question)>,
        translations: &Translations,
        counts: &[AtomicU64; Outcome::ALL.len()],
    ) {
        for (since, question) in asked {
            let (outcome, beyond) = if since.elapsed() < OLDEST && self.is_in_pace() {
                self.ask(&question)
            } else {
                (Outcome::Skipped, None)
            };
            count(counts, outcome);
            translations.answered(question.pair, question.socket, beyond);
        }
    }

    fn is_in_pace(&mut self) -> bool {
        let (since, count) = &mut self.pace;
        if since.elapsed() >= Duration::from_secs(1) {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        *count <= MOST_IN_A_SECOND
    }

    fn ask(&mut self, question: &Question) -> (Outcome, Option<Beyond>) {
        let Some(own) = self.addresses(question) else {
            return (Outcome::Unfit, None);
        };
        let entry = match self.tracker.ask(question.transport, own) {
            Ok(Some(entry)) => entry,
            Ok(None) => return (Outcome::Untracked, None),
            Err(error) => {
                tracing::debug!(%error, "connection tracking does not answer");
                return (Outcome::Failed, None);
            }
        };
        let Some(other) = entry.other_end(own) else {
            return (Outcome::Unfit, None);
        };
        let is_reversed = other.source == own.destination && other.destination == own.source;
        if is_reversed {
            return (Outcome::Same, None);
        }
        let beyond = Beyond {
            pair: AddressPair::new(other.source, other.destination, self.tracker.netns),
            is_server: entry.original == own,
        };
        (Outcome::Translated, Some(beyond))
    }

    /// The addresses of what the socket sends. One that is bound to all addresses sends from the only one there is.
    fn addresses(&mut self, question: &Question) -> Option<Direction> {
        let (mut source, destination) = (question.pair.local, question.pair.remote);
        if source.ip().is_unspecified() {
            let [v4, v6] = self.only_addresses(question.tgid, question.netns);
            source.set_ip(if destination.is_ipv4() { v4 } else { v6 }?);
        }
        let is_whole =
            source.is_ipv4() == destination.is_ipv4() && source.port() != 0 && destination.port() != 0;
        is_whole.then_some(Direction {
            source,
            // Without the scope of a link, which the table does not have.
            destination: SocketAddr::new(destination.ip(), destination.port()),
        })
    }

    fn only_addresses(&mut self, tgid: u32, netns: u32) -> [Option<IpAddr>; 2] {
        if let Some((at, only)) = self.namespaces.get(&netns)
            && at.elapsed() < ADDRESSES_FOR
        {
            return *only;
        }
        if self.namespaces.len() >= MOST_NAMESPACES {
            self.namespaces.clear();
        }
        let all = addresses::of(tgid);
        let only = |is_v4: bool| {
            let mut of_family = all
                .iter()
                .filter(|ip| ip.is_ipv4() == is_v4 && !ip.is_loopback() && !is_of_link(**ip));
            let first = of_family.next().copied();
            first.filter(|_| of_family.next().is_none())
        };
        let only = [only(true), only(false)];
        self.namespaces.insert(netns, (Instant::now(), only));
        only
    }
}

/// An address that other networks do not route.
fn is_of_link(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if Ipv6Addr::is_unicast_link_local(&ip))
}
