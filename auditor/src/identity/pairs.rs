//! Both ends on this host: the socket pair.
//!
//! Every socket seen registers its address pair; the other end of a connection is the socket
//! whose pair is the same, reversed.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::translations::Translations;

/// Most sockets remembered.
const CAPACITY: usize = 65_536;

/// How long a closed socket is remembered: its peer's last bytes may still be on the way.
const AFTERLIFE: Duration = Duration::from_secs(5);

/// The two addresses of a socket, its own first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressPair {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Network namespace, where an address is a loopback one; 0 otherwise: those are the same in all.
    netns: u32,
}

impl AddressPair {
    /// The pair of a socket in network namespace `netns`. IPv4-mapped addresses become IPv4.
    pub fn new(local: SocketAddr, remote: SocketAddr, netns: u32) -> Self {
        let (local, remote) = (canonical(local), canonical(remote));
        // Istio's sidecar connects to its application's own address from 127.0.0.6.
        let is_loopback = local.ip().is_loopback() || remote.ip().is_loopback();
        let netns = if is_loopback { netns } else { 0 };
        Self { local, remote, netns }
    }

    /// The pair of a datagram. A socket that is not connected has no address of its own; what it sends to a loopback
    /// address comes from that address.
    pub fn datagram(local: SocketAddr, remote: SocketAddr, netns: u32) -> Self {
        let (mut local, remote) = (canonical(local), canonical(remote));
        if local.ip().is_unspecified() {
            local.set_ip(if remote.ip().is_loopback() {
                remote.ip()
            } else {
                any(remote)
            });
        }
        Self::new(local, remote, netns)
    }

    /// The pair of a UNIX domain socket, which has numbers and no addresses: those of the discard-only prefix
    /// (RFC 6666), which no packet on a wire has, hold numbers that only the open sockets of this host have. `other` is
    /// 0 for a socket that is not connected.
    pub fn unix(own: u64, other: u64) -> Self {
        let end = |number: u64| {
            let ip = Ipv6Addr::from(0x100_u128 << 112 | u128::from(number));
            SocketAddr::new(IpAddr::V6(ip), u16::from(number != 0))
        };
        Self {
            local: end(own),
            remote: end(other),
            netns: 0,
        }
    }

    /// Both ends are in one network namespace: their sockets are in the same tables of /proc.
    pub fn is_within_host(self) -> bool {
        self.remote.ip().is_loopback() || self.local.ip().is_loopback() || self.remote.ip() == self.local.ip()
    }

    fn is_unix(self) -> bool {
        matches!(self.local.ip(), IpAddr::V6(ip) if ip.segments()[..4] == [0x100, 0, 0, 0])
    }

    /// A sender's pair with no more of it than a receiver knows that is not told who sends: its own port.
    pub fn without_sender(self) -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let remote = if self.is_unix() {
            self.remote
        } else {
            SocketAddr::new(nowhere.ip(), self.remote.port())
        };
        Self {
            local: nowhere,
            remote,
            netns: 0,
        }
    }

    /// The pair of a socket that takes what comes to any of its addresses, and does not know to which.
    pub fn without_own(self) -> Self {
        if self.is_unix() {
            return self;
        }
        Self {
            local: SocketAddr::new(any(self.remote), self.local.port()),
            netns: 0,
            ..self
        }
    }

    /// The pair as the other end has it, when nothing translates addresses on the way.
    pub fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            ..self
        }
    }
}

/// All addresses of the family.
fn any(of: SocketAddr) -> IpAddr {
    match of.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What is known of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tgid: u32,
    /// Its plaintext is captured: from the socket, or from a bound TLS stream.
    pub captured: bool,
}

/// All sockets seen. Shared by all threads.
#[derive(Default)]
pub struct Pairs {
    /// Sockets whose other end has other addresses.
    pub translations: Arc<Translations>,
    sockets: Mutex<HashMap<AddressPair, Entry>>,
    /// Who sends and receives datagrams at an address, in a network namespace.
    bound: Mutex<HashMap<(SocketAddr, u32), (u32, Instant)>>,
}

struct Entry {
    owner: Owner,
    closed: Option<Instant>,
}

impl Pairs {
    /// Pairs of which some are translated.
    pub fn with(translations: Arc<Translations>) -> Self {
        Self {
            translations,
            ..Self::default()
        }
    }

    /// Registers a socket, or that it is captured.
    pub fn insert(&self, pair: AddressPair, tgid: u32, captured: bool) {
        let mut sockets = self.lock();
        if sockets.len() >= CAPACITY && !sockets.contains_key(&pair) {
            sockets.retain(|_, entry| entry.closed.is_none());
            if sockets.len() >= CAPACITY {
                return;
            }
        }
        let before = sockets
            .get(&pair)
            .filter(|entry| entry.closed.is_none())
            .map(|entry| entry.owner);
        let captured = captured || before.is_some_and(|owner| owner.tgid == tgid && owner.captured);
        sockets.insert(
            pair,
            Entry {
                owner: Owner { tgid, captured },
                closed: None,
            },
        );
    }

    /// The process at the other end, when it is on this host and was seen.
    pub fn peer(&self, pair: AddressPair) -> Option<Owner> {
        let other = self.other(pair);
        self.lock().get(&other).map(|entry| entry.owner)
    }

    /// The pair of the socket at the other end, as far as it is known.
    pub fn other(&self, pair: AddressPair) -> AddressPair {
        self.translations.other(pair)
    }

    /// Registers who has the local address of a datagram.
    pub fn insert_bound(&self, pair: AddressPair, tgid: u32) {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.len() >= CAPACITY {
            bound.retain(|_, (_, at)| at.elapsed() < AFTERLIFE);
        }
        if bound.len() < CAPACITY && pair.local.port() != 0 {
            bound.insert((pair.local, pair.netns), (tgid, Instant::now()));
        }
    }

    /// The process that was seen at the other end's address.
    pub fn bound(&self, pair: AddressPair) -> Option<u32> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let port = pair.remote.port();
        let any = [
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            // It takes those of IPv4, too.
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        ];
        // A socket that takes datagrams for any address is told by its port, of this host's addresses only.
        let here = pair.remote.ip().is_loopback() || pair.remote.ip() == pair.local.ip();
        [pair.remote, any[0], any[1]]
            .into_iter()
            .take(if here { 3 } else { 1 })
            .flat_map(|address| [(address, pair.netns), (address, 0)])
            .find_map(|key| bound.get(&key))
            .map(|(tgid, _)| *tgid)
    }

    /// The socket closed.
    pub fn closed(&self, pair: AddressPair) {
        self.translations.closed(pair);
        if let Some(entry) = self.lock().get_mut(&pair) {
            entry.closed = Some(Instant::now());
        }
    }

    /// Forgets sockets that closed a while ago.
    pub fn sweep(&self) {
        self.translations.sweep();
        self.lock()
            .retain(|_, entry| entry.closed.is_none_or(|closed| closed.elapsed() < AFTERLIFE));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AddressPair, Entry>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_the_other_end_of_the_one_it_is_connected_to() {
        let (here, there) = (AddressPair::unix(7, 9), AddressPair::unix(9, 7));
        assert_eq!(here.reversed(), there);
        assert_ne!(here, there);
        assert_eq!(AddressPair::unix(7, 0).remote.port(), 0, "not connected");
        assert_eq!(
            here.without_sender(),
            AddressPair::unix(9, 0).reversed().without_sender()
        );
    }

    #[test]
    fn who_takes_datagrams_is_told_by_the_port_on_this_host_only() {
        let pairs = Pairs::default();
        let pair = |local, remote| AddressPair::datagram(address(local), address(remote), 1);
        pairs.insert_bound(pair("0.0.0.0:53", "0.0.0.0:0"), 7);
        assert_eq!(pairs.bound(pair("0.0.0.0:40000", "127.0.0.1:53")), Some(7));
        assert_eq!(pairs.bound(pair("10.0.0.1:40000", "10.0.0.2:53")), None);
        assert_eq!(pairs.bound(pair("0.0.0.0:40000", "127.0.0.1:54")), None);
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_other_end_is_found_by_the_reversed_pair() {
        let pairs = Pairs::default();
        let client = AddressPair::new(address("127.0.0.1:40000"), address("127.0.0.1:443"), 1);
        pairs.insert(client, 7, false);
        let server = AddressPair::new(
            address("[::ffff:127.0.0.1]:443"),
            address("[::ffff:127.0.0.1]:40000"),
            1,
        );
        assert_eq!(
            pairs.peer(server),
            Some(Owner {
                tgid: 7,
                captured: false
            })
        );
        pairs.insert(client, 7, true);
        pairs.insert(client, 7, false);
        assert_eq!(
            pairs.peer(server),
            Some(Owner {
                tgid: 7,
                captured: true
            }),
            "once captured, always"
        );
    }

    #[test]
    fn an_address_of_a_pod_and_a_loopback_one_are_ends_of_one_namespace() {
        let pairs = Pairs::default();
        let pair = |local, remote, netns| AddressPair::new(address(local), address(remote), netns);
        pairs.insert(pair("127.0.0.6:40000", "10.0.0.1:8080", 1), 7, true);
        let at_application = |netns| pairs.peer(pair("10.0.0.1:8080", "127.0.0.6:40000", netns));
        assert_eq!(at_application(1).map(|owner| owner.tgid), Some(7));
        assert_eq!(at_application(2), None);
        assert!(pair("127.0.0.6:40000", "10.0.0.1:8080", 1).is_within_host());
    }

    #[test]
    fn loopback_addresses_of_another_namespace_are_another_host() {
        let pairs = Pairs::default();
        pairs.insert(
            AddressPair::new(address("127.0.0.1:40000"), address("127.0.0.1:443"), 1),
            7,
            false,
        );
        let elsewhere = AddressPair::new(address("127.0.0.1:443"), address("127.0.0.1:40000"), 2);
        assert_eq!(pairs.peer(elsewhere), None);
    }
}
