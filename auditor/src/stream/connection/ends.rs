//! A connection as the processes at its ends have it, for who decides whether it is read.

use std::net::SocketAddr;

use super::{Connection, Peers};

/// What one end of a connection knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Its own address and the other end's; `None` where there are none, or they are not known yet.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// Path of the executable.
    pub executable: Option<String>,
}

impl Connection {
    /// The connection as each watched process has it whose socket feeds this stream: one, or both on one host.
    pub fn ends(&self, peers: &Peers) -> Vec<Ends> {
        let addresses = self.addresses();
        let mut ends = vec![Ends {
            addresses,
            executable: self.local.exe.clone(),
        }];
        ends.extend(self.peer.map(|tgid| Ends {
            addresses: addresses.map(|(own, other)| (other, own)),
            executable: peers.processes.of(tgid).exe.clone(),
        }));
        ends
    }

    /// When its last record was captured, on the clock of records.
    pub const fn seen_ns(&self) -> u64 {
        self.seen_ns
    }

    /// How many of what [`Connection::ends`] depends on is known: it changes when there is more.
    pub fn known_ends(&self) -> u8 {
        u8::from(self.pair.is_some()) + u8::from(self.peer.is_some())
    }

    fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.pair
            .filter(|_| self.unix.is_none())
            .map(|pair| (pair.local, pair.remote))
    }
}
