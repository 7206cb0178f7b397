//! The socket through which connection tracking is asked.
//!
//! Goes in: which network namespace's table is meant, then flows. Comes out: what the kernel knows of each. It asks for
//! one flow at a time and never for the table, and changes nothing.

use std::{fs, fs::File, io, os::fd::AsFd as _, os::unix::fs::MetadataExt as _};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

use super::message::{self, Answer, Direction, Entry, Transport, Unreadable};

/// The network namespace in which a host's services and node ports are translated: that of its first process.
const HOST: &str = "/proc/1/ns/net";

/// The network namespace of this thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Room for an answer, bytes; the longest attribute is a helper's private data, some hundred bytes.
const ROOM: usize = 8192;

/// Whose table is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The host's.
    Host,
    /// That of the network namespace auditor runs in.
    Own,
}

/// Why the table can not be asked.
#[derive(Debug, Error)]
pub enum Unavailable {
    #[error("the kernel has no netlink for netfilter: {0}")]
    Socket(io::Error),
    #[error(
        "the host's network namespace can not be entered ({0}): run auditor in it (hostNetwork) or give it CAP_SYS_ADMIN and hostPID"
    )]
    Namespace(io::Error),
    #[error("it is not permitted: give auditor CAP_NET_ADMIN")]
    NotPermitted,
    #[error("the kernel module nf_conntrack_netlink is not there")]
    NoModule,
    #[error("it does not answer: {0}")]
    Broken(AskError),
    #[error("cannot start its thread: {0}")]
    Thread(io::Error),
}

#[derive(Debug, Error)]
pub enum AskError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Refused(i32),
}

/// An open socket. It stays in the network namespace it was opened in.
pub struct Tracker {
    socket: Socket,
    sequence: u32,
    /// Number of the network namespace.
    pub netns: u32,
}

impl Tracker {
    /// Opens the socket and asks once. It may move the thread into the host's network namespace, for good.
    ///
    /// # Errors
    /// Without the privileges, or on a kernel without connection tracking.
    pub fn open(place: Place) -> Result<Self, Unavailable> {
        if place == Place::Host && !is_in_host().map_err(Unavailable::Namespace)? {
            let host = File::open(HOST).map_err(Unavailable::Namespace)?;
            move_into_link_name_space(host.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| Unavailable::Namespace(error.into()))?;
        }
        let netns = fs::metadata(OWN).map_err(Unavailable::Namespace)?.ino();
        let socket = Socket::new(NETLINK_NETFILTER).map_err(Unavailable::Socket)?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(Unavailable::Socket)?;
        let mut tracker = Self {
            socket,
            sequence: 0,
            netns: u32::try_from(netns).unwrap_or(0),
        };
        let nobody = "127.0.0.1:1"
            .parse()
            .map(|end| Direction {
                source: end,
                destination: end,
            })
            .map_err(|_| Unavailable::NoModule)?;
        match tracker.ask(Transport::Tcp, nobody) {
            Ok(_) => Ok(tracker),
            Err(AskError::Refused(libc::EPERM)) => Err(Unavailable::NotPermitted),
            Err(AskError::Refused(libc::EINVAL | libc::EOPNOTSUPP)) => Err(Unavailable::NoModule),
            Err(error) => Err(Unavailable::Broken(error)),
        }
    }

    /// What is known of the flow of which one end has these addresses; `None` when it is not tracked.
    ///
    /// # Errors
    /// When the kernel refuses, or its answer can not be read.
    pub fn ask(&mut self, transport: Transport, own: Direction) -> Result<Option<Entry>, AskError> {
        self.sequence = self.sequence.wrapping_add(1);
        let question = message::question(transport, own, self.sequence);
        self.socket.send(&question, 0)?;
        // The kernel answers within the call that asks (`netlink_unicast_kernel`): what is not there now never comes.
        // An answer to an earlier question may be, if reading it failed.
        for _ in 0..4 {
            let mut answer = Vec::with_capacity(ROOM);
            self.socket.recv(&mut answer, libc::MSG_DONTWAIT)?;
            match message::answer(&answer, self.sequence) {
                Ok(Answer::Entry(entry)) => return Ok(Some(entry)),
                Ok(Answer::Refused(libc::ENOENT)) => return Ok(None),
                Ok(Answer::Refused(error)) => return Err(AskError::Refused(error)),
                Err(Unreadable::Sequence) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unreadable::Sequence.into())
    }
}

/// True when this thread is in the host's network namespace.
fn is_in_host() -> io::Result<bool> {
    let id = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    Ok(id(OWN)? == id(HOST)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_that_is_not_tracked_is_nobodys() {
        let mut tracker = match Tracker::open(Place::Own) {
            Ok(tracker) => tracker,
            // What everybody else is told.
            Err(Unavailable::NotPermitted) if !rustix::process::geteuid().is_root() => return,
            Err(error) => panic!("{error}"),
        };
        for (transport, own) in [
            (Transport::Tcp, ["192.0.2.1:1", "192.0.2.2:2"]),
            (Transport::Udp, ["192.0.2.1:1", "192.0.2.2:2"]),
            (Transport::Tcp, ["[2001:db8::1]:1", "[2001:db8::2]:2"]),
        ] {
            let [source, destination] = own.map(|end| end.parse().unwrap());
            let own = Direction { source, destination };
            assert_eq!(tracker.ask(transport, own).unwrap(), None);
        }
    }
}
