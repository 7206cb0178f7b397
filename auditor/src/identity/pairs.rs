//! Both ends on this host: the socket pair.
//!
//! Every socket seen registers its address pair; the other end of a connection is the socket
//! whose pair is the same, reversed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Most sockets remembered.
const CAPACITY: usize = 65_536;

/// How long a closed socket is remembered: its peer's last bytes may still be on the way.
const AFTERLIFE: Duration = Duration::from_secs(5);

/// The two addresses of a socket, its own first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressPair {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Network namespace, for loopback addresses; 0 otherwise: those are the same in all.
    netns: u32,
}

impl AddressPair {
    /// The pair of a socket in network namespace `netns`. IPv4-mapped addresses become IPv4.
    pub fn new(local: SocketAddr, remote: SocketAddr, netns: u32) -> Self {
        let (local, remote) = (canonical(local), canonical(remote));
        let netns = if local.ip().is_loopback() { netns } else { 0 };
        Self { local, remote, netns }
    }

    /// The pair as the other end has it.
    pub fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            ..self
        }
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
    sockets: Mutex<HashMap<AddressPair, Entry>>,
}

struct Entry {
    owner: Owner,
    closed: Option<Instant>,
}

impl Pairs {
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
        self.lock().get(&pair.reversed()).map(|entry| entry.owner)
    }

    /// The socket closed.
    pub fn closed(&self, pair: AddressPair) {
        if let Some(entry) = self.lock().get_mut(&pair) {
            entry.closed = Some(Instant::now());
        }
    }

    /// Forgets sockets that closed a while ago.
    pub fn sweep(&self) {
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
