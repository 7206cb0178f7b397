//! A connection: its addresses, which side is the client, and who is at both ends.

mod ends;
#[cfg(test)]
mod tests;
mod translated;

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use auditor_common::record::{AF_INET, AF_UNIX, Endpoint, Kind, Source, role};

pub use ends::Ends;

use super::ledger_of;
use crate::{
    capture::{ring::Record, tls::Library},
    identity::{
        self,
        conntrack::Conntrack,
        container::Containers,
        dns,
        kubernetes::Kubernetes,
        mesh::Mesh,
        pairs::{AddressPair, Pairs},
        peer,
        process::{ProcessInfo, Processes},
    },
    ledger::Ledger,
    protocol::{Direction, sniff},
    report::finding::{Certainty, End, IdentifiedBy},
};

/// How long a look for a listening socket is good for.
const LISTENING_FOR: Duration = Duration::from_secs(2);

/// How long a closed socket is remembered: its streams in all rings have ended by then.
const CLOSED_FOR: Duration = Duration::from_secs(5);

/// Most closed sockets remembered.
const MAX_CLOSED: usize = 65_536;

/// Most searches through /proc in a second.
const MAX_SEARCHES: u32 = 20;

/// Most answers about listening sockets remembered.
const MAX_LISTENERS: usize = 4096;

/// What all connections share: processes, socket pairs, listening sockets.
#[derive(Default)]
pub struct Peers {
    pub processes: Processes,
    pub pairs: Pairs,
    listeners: Mutex<HashMap<(u32, u16), (bool, Instant)>>,
    /// Cookies of sockets that closed, and when.
    closed: Mutex<HashMap<u64, Instant>>,
    /// Start of this second, and searches through /proc in it.
    searches: Mutex<Option<(Instant, u32)>>,
    /// Names of pods, services and nodes, in a cluster.
    kubernetes: Option<Arc<Kubernetes>>,
    /// Who knows what translation makes of addresses.
    pub conntrack: Option<Conntrack>,
    /// Where proxies of a mesh are.
    pub mesh: Arc<Mesh>,
    /// What name servers said.
    pub names: dns::Names,
}

impl Peers {
    /// Peers whose containers are asked about as soon as they are seen; in a cluster, others are named by it, also
    /// behind translated addresses.
    pub fn asking(
        containers: Option<Arc<Containers>>,
        kubernetes: Option<Arc<Kubernetes>>,
        conntrack: Option<Conntrack>,
        mesh: Arc<Mesh>,
    ) -> Self {
        let translations = conntrack
            .as_ref()
            .map(|conntrack| Arc::clone(conntrack.translations()));
        Self {
            processes: Processes::asking(containers),
            pairs: Pairs::with(translations.unwrap_or_default()),
            kubernetes,
            conntrack,
            mesh,
            ..Self::default()
        }
    }

    /// A process is new, or became another program.
    pub fn learn(&self, pid: u32) {
        let process = self.processes.learn(pid);
        let netns = process.netns.and_then(|inode| u32::try_from(inode).ok());
        self.mesh.saw(&process, netns.unwrap_or(0));
    }

    pub(super) fn opened(&self, connection: &Connection) {
        self.mesh.saw(&connection.local, connection.netns);
        if let Some(pair) = connection.pair {
            self.pairs.insert(pair, connection.tgid, false);
        }
    }

    pub(super) fn captured(&self, connection: &Connection) {
        if let Some(pair) = connection.pair {
            self.pairs.insert(pair, connection.tgid, true);
            self.ask_for_translation(connection);
        }
    }

    pub(super) fn closed(&self, connection: &Connection) {
        if let (Some(pair), Source::Socket) = (connection.pair, connection.source) {
            self.pairs.closed(pair);
        }
    }

    pub(super) fn socket_closed(&self, cookie: u64) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Too many at once: their streams end when they are idle.
        if cookie != 0 && closed.len() < MAX_CLOSED {
            closed.insert(cookie, Instant::now());
        }
    }

    /// Sockets that closed at least `ago`; they are remembered until every ring has ended their
    /// streams.
    pub(super) fn closed_sockets(&self, ago: Duration) -> HashSet<u64> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, at| at.elapsed() < CLOSED_FOR);
        closed
            .iter()
            .filter(|(_, at)| at.elapsed() >= ago)
            .map(|(cookie, _)| *cookie)
            .collect()
    }

    /// Looks for the owner of the other end in /proc, unless that was done too often this second:
    /// it takes milliseconds on a busy host.
    fn search(&self, tgid: u32, pair: AddressPair, datagram: bool) -> Option<peer::Found> {
        self.may_search()
            .then(|| peer::find(tgid, pair, datagram))
            .flatten()
    }

    /// Looks for the process that has a socket, within the same limit.
    fn search_inode(&self, inode: u64) -> Option<u32> {
        self.may_search().then(|| peer::owner_of(inode)).flatten()
    }

    fn may_search(&self) -> bool {
        {
            let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
            let (since, count) = searches
                .filter(|(since, _)| since.elapsed() < Duration::from_secs(1))
                .unwrap_or((Instant::now(), 0));
            if count >= MAX_SEARCHES {
                return false;
            }
            *searches = Some((since, count + 1));
        }
        true
    }

    fn is_listening(&self, tgid: u32, netns: u32, port: u16) -> bool {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        match listeners.get(&(netns, port)) {
            Some((listening, at)) if at.elapsed() < LISTENING_FOR => *listening,
            _ => {
                if listeners.len() >= MAX_LISTENERS {
                    listeners.clear();
                }
                let listening = peer::is_listening(tgid, port);
                listeners.insert((netns, port), (listening, Instant::now()));
                listening
            }
        }
    }
}

/// One stream's connection.
pub struct Connection {
    pub source: Source,
    /// The stream id.
    pub stream: u64,
    /// Cookie of the socket; 0 while unknown.
    pub cookie: u64,
    pub tgid: u32,
    /// How it was captured: `socket`, or the TLS library.
    pub captured_by: &'static str,
    /// Addresses, once the socket is known.
    pub pair: Option<AddressPair>,
    /// True when it was seen from its first byte.
    pub from_start: bool,
    /// Its bytes come in messages that stand alone.
    pub is_datagram: bool,
    /// Inode number of the other end, and the process that connected or listened there, of a UNIX domain socket.
    unix: Option<(u64, u32)>,
    /// The watched process at the other end, when its socket feeds this stream as well.
    peer: Option<u32>,
    netns: u32,
    /// When it was asked who is behind the address of these datagrams; 0: not yet.
    asked_ns: u64,
    /// When its first and its last record was captured.
    opened_ns: u64,
    pub(super) seen_ns: u64,
    /// The watched process opened it; unknown until the first bytes.
    is_client: Option<bool>,
    local: Arc<ProcessInfo>,
    /// The owner of the other end, looked for in /proc at most once.
    looked_up: OnceLock<Option<peer::Found>>,
}

impl Connection {
    pub(super) fn new(record: &Record<'_>, peers: &Peers) -> Self {
        let header = &record.header;
        Self {
            source: record.source,
            stream: header.stream,
            cookie: header.cookie,
            tgid: header.tgid,
            captured_by: match record.source {
                Source::Tls => "tls",
                Source::Socket | Source::Process => "socket",
            },
            pair: None,
            from_start: false,
            is_datagram: record.kind == Kind::Datagram,
            unix: None,
            peer: None,
            netns: 0,
            asked_ns: 0,
            opened_ns: header.time_ns,
            seen_ns: header.time_ns,
            is_client: None,
            local: peers.processes.at(header.tgid, header.time_ns),
            looked_up: OnceLock::new(),
        }
    }

    /// Learns who is at the other end.
    pub(super) fn set_peer(&mut self, tgid: u32) {
        self.peer = Some(tgid);
    }

    /// Learns the TLS library from a record with data; what binds a stream does not name it.
    pub(super) fn set_library(&mut self, record: &Record<'_>) {
        if record.source == Source::Tls
            && let Some(library) = Library::from_id(record.header.seq_end as u8)
        {
            self.captured_by = library.name();
        }
    }

    /// Learns the addresses of a datagram; whoever has the port is who it is for.
    pub(super) fn set_datagram(&mut self, endpoint: &Endpoint, peers: &Peers) {
        // Which side is called client means nothing here, but it must stay the same.
        self.is_client = Some(true);
        if endpoint.family == AF_UNIX {
            if self.pair.is_none() {
                self.set_unix(endpoint);
            }
            return;
        }
        let (local, remote) = addresses(endpoint);
        let pair = AddressPair::datagram(local, remote, endpoint.netns);
        if self.pair != Some(pair) {
            self.pair = Some(pair);
            self.netns = endpoint.netns;
            self.looked_up = OnceLock::new();
            self.asked_ns = 0;
            peers.pairs.insert_bound(pair, self.tgid);
        }
        self.ask_again(peers);
    }

    fn set_unix(&mut self, endpoint: &Endpoint) {
        let numbers = |bytes: &[u8; 16]| {
            let both = u128::from_le_bytes(*bytes);
            (both as u64, (both >> 64) as u64)
        };
        let ((_, own), (inode, other)) = (numbers(&endpoint.local), numbers(&endpoint.remote));
        self.pair = Some(AddressPair::unix(own, other));
        self.unix = Some((inode, endpoint.peer_tgid));
        self.netns = endpoint.netns;
        self.looked_up = OnceLock::new();
    }

    pub(super) fn set_endpoint(&mut self, endpoint: &Endpoint, cookie: u64) {
        self.cookie = cookie;
        if endpoint.family == AF_UNIX {
            self.set_unix(endpoint);
            match endpoint.role {
                role::CLIENT => self.is_client = Some(true),
                role::SERVER => self.is_client = Some(false),
                _ => {}
            }
            return;
        }
        self.pair = Some(pair_of(endpoint));
        self.netns = endpoint.netns;
        self.looked_up = OnceLock::new();
        // What bytes have settled stays: a parser can not have its directions exchanged.
        if endpoint.role == role::CLIENT && self.is_client.is_none() {
            self.is_client = Some(true);
            self.from_start = true;
        }
    }

    /// True while a TLS stream has not been bound to its socket.
    pub fn awaits_socket(&self) -> bool {
        self.source == Source::Tls && self.pair.is_none()
    }

    pub(super) fn set_owner(&mut self, tgid: u32, time_ns: u64, peers: &Peers) {
        self.tgid = tgid;
        self.local = peers.processes.at(tgid, time_ns);
    }

    /// Decides which side is the client, when the first bytes come: the kernel saw it connect; or
    /// the port of either end has a listener; or it sends what only a client sends; or the ports tell.
    pub(super) fn settle_role(&mut self, peers: &Peers, ingress: bool, first: &[u8]) {
        if self.is_client.is_some() {
            return;
        }
        let inet = self.pair.filter(|_| self.unix.is_none());
        let listens = |port| peers.is_listening(self.tgid, self.netns, port);
        let by_listener = inet.and_then(|pair| {
            if listens(pair.local.port()) {
                Some(false)
            } else {
                (pair.is_within_host() && listens(pair.remote.port())).then_some(true)
            }
        });
        let by_bytes = || match sniff::speaker(first)? {
            sniff::Speaker::Client => Some(!ingress),
            sniff::Speaker::Server => Some(ingress),
            sniff::Speaker::Either => None,
        };
        let by_port = || inet.map(|pair| pair.local.port() > pair.remote.port());
        self.is_client = by_listener.or_else(by_bytes).or_else(by_port).or(Some(!ingress));
    }

    /// Which way bytes go that the watched process sent (or received).
    pub fn direction(&self, ingress: bool) -> Direction {
        if self.is_client.unwrap_or(true) == ingress {
            Direction::ToClient
        } else {
            Direction::ToServer
        }
    }

    /// True when bytes in this direction were received by the watched process.
    pub fn is_ingress(&self, direction: Direction) -> bool {
        self.is_client.unwrap_or(true) == (direction == Direction::ToClient)
    }

    /// True when the watched process opened the connection.
    pub fn is_client(&self) -> bool {
        self.is_client.unwrap_or(true)
    }

    /// The ledger its bytes belong to.
    pub const fn ledger(&self) -> Ledger {
        ledger_of(self.source)
    }

    /// The network namespace of its socket; 0 while unknown.
    pub const fn netns(&self) -> u32 {
        self.netns
    }

    /// The address of the side that opened it, which translation on the way does not change.
    pub fn client(&self) -> Option<SocketAddr> {
        let pair = self.pair.filter(|_| self.unix.is_none())?;
        let address = if self.is_client() { pair.local } else { pair.remote };
        (address.port() != 0).then_some(address)
    }

    /// The watched process's end.
    pub fn local_end(&self) -> End {
        let address = self.pair.filter(|_| self.unix.is_none()).map(|pair| pair.local);
        identity::local_end(&self.local, address, IdentifiedBy::Cgroup)
    }

    /// The other end. `host` is the name the client asked for, if it did.
    pub fn remote_end(&self, peers: &Peers, host: Option<&str>) -> End {
        let host = host.filter(|_| self.is_client());
        let Some(pair) = self.pair else {
            return identity::remote_end(None, host, None, 0, &[]);
        };
        if let Some(tgid) = self.peer {
            let process = peers.processes.of(tgid);
            return identity::local_end(&process, Some(pair.remote), IdentifiedBy::SocketPair);
        }
        if let Some((inode, tgid)) = self.unix {
            return self.unix_end(peers, inode, tgid);
        }
        if self.is_datagram
            && let Some(tgid) = peers.pairs.bound(pair)
        {
            let process = peers.processes.of(tgid);
            return identity::local_end(&process, Some(pair.remote), IdentifiedBy::SocketPair);
        }
        let seen = peers
            .pairs
            .peer(pair)
            .map(|owner| peer::Found::Socket(owner.tgid));
        let found = seen.or_else(|| {
            *self
                .looked_up
                .get_or_init(|| peers.search(self.tgid, pair, self.is_datagram))
        });
        let end = |tgid| {
            let process = peers.processes.of(tgid);
            let address = peers.pairs.other(pair).local;
            identity::local_end(&process, Some(address), IdentifiedBy::SocketPair)
        };
        match found {
            Some(peer::Found::Socket(tgid)) => end(tgid),
            Some(peer::Found::Listener(tgid)) => End {
                certainty: Certainty::Likely,
                ..end(tgid)
            },
            None => {
                // Port 0: a datagram of which nothing says who sent it.
                let address = Some(pair.remote).filter(|address| address.port() != 0);
                self.end_at(address, peers, host)
            }
        }
    }
}

impl Connection {
    fn end_at(&self, address: Option<SocketAddr>, peers: &Peers, host: Option<&str>) -> End {
        let names = address.map(|address| self.names_of(address, peers));
        let names = names.unwrap_or_default();
        identity::remote_end(address, host, peers.kubernetes.as_deref(), self.seen_ns, &names)
    }

    /// Whom a program addressed that a proxy of a mesh may have answered, as its rules redirect what is sent; `None` where
    /// there is none near.
    pub fn addressed_end(&self, peers: &Peers, host: Option<&str>) -> Option<End> {
        let pair = self.pair.filter(|_| self.unix.is_none())?;
        let may_be = self.is_client() && !pair.is_within_host() && peers.mesh.is_in(self.netns);
        may_be.then(|| self.end_at(Some(pair.remote), peers, host))
    }

    /// What name servers had called the other end when the connection was opened. Who was connected to has the name, not
    /// who connected.
    fn names_of(&self, address: SocketAddr, peers: &Peers) -> Vec<Arc<str>> {
        if !self.is_client() {
            return Vec::new();
        }
        let time = if self.is_datagram {
            self.seen_ns
        } else {
            self.opened_ns
        };
        peers.names.at(self.netns, address.ip(), time)
    }

    /// The other end of a UNIX domain socket: who has its descriptor; else who connected or listened, who may have handed
    /// it to somebody else since.
    fn unix_end(&self, peers: &Peers, inode: u64, tgid: u32) -> End {
        let found = *self.looked_up.get_or_init(|| {
            let owner = (inode != 0).then(|| peers.search_inode(inode)).flatten();
            owner
                .map(peer::Found::Socket)
                .or_else(|| (tgid != 0).then_some(peer::Found::Listener(tgid)))
        });
        let end = |tgid| identity::local_end(&peers.processes.of(tgid), None, IdentifiedBy::SocketPair);
        match found {
            Some(peer::Found::Socket(tgid)) => end(tgid),
            Some(peer::Found::Listener(tgid)) => End {
                certainty: Certainty::Likely,
                ..end(tgid)
            },
            None => identity::remote_end(None, None, None, 0, &[]),
        }
    }
}

/// The pair of a TCP socket.
pub(super) fn pair_of(endpoint: &Endpoint) -> AddressPair {
    let (local, remote) = addresses(endpoint);
    AddressPair::new(local, remote, endpoint.netns)
}

fn addresses(endpoint: &Endpoint) -> (SocketAddr, SocketAddr) {
    let ip = |bytes: &[u8; 16]| -> IpAddr {
        if endpoint.family == AF_INET {
            IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
        } else {
            IpAddr::V6(Ipv6Addr::from(*bytes))
        }
    };
    (
        SocketAddr::new(ip(&endpoint.local), endpoint.local_port),
        SocketAddr::new(ip(&endpoint.remote), endpoint.remote_port),
    )
}
