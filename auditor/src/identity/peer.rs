//! The process at the other end of a connection on this host, when it is not itself watched:
//! looked up once through /proc, as `ss -p` does.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::pairs::AddressPair;

/// Longest `/proc/net/tcp` that is read, lines.
const MAX_LINES: usize = 100_000;

/// Most file descriptors looked at in one search.
const MAX_DESCRIPTORS: usize = 200_000;

/// Most file descriptors of one process looked at for a listening socket; those are opened early.
const MAX_OF_A_PROCESS: usize = 4096;

/// Most sockets at one address whose owners are looked for.
const MAX_HOLDERS: usize = 16;

/// `TCP_LISTEN` (net/tcp_states.h), as /proc shows it.
const LISTEN: &str = "0A";

/// True when `local_port` has a listening socket in the network namespace of `pid`.
pub fn is_listening(pid: u32, local_port: u16) -> bool {
    entries(pid, TCP).any(|entry| entry.state == LISTEN && entry.local.port() == local_port)
}

/// Brings processes that have a listening socket to the front; the order is kept otherwise.
pub fn listeners_first(processes: &mut [u32]) {
    // By network namespace, as it is the same table for all of its processes.
    let mut listening: HashMap<PathBuf, HashSet<u64>> = HashMap::new();
    processes.sort_by_cached_key(|&pid| {
        let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/net")) else {
            return true;
        };
        let sockets = listening.entry(namespace).or_insert_with(|| {
            let listeners = entries(pid, TCP).filter(|entry| entry.state == LISTEN);
            listeners.map(|entry| entry.inode).collect()
        });
        !sockets_of(pid).any(|inode| sockets.contains(&inode))
    });
}

/// Inodes of the sockets a process has open.
fn sockets_of(pid: u32) -> impl Iterator<Item = u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    descriptors
        .flatten()
        .take(MAX_OF_A_PROCESS)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?;
            target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
}

/// Who was found at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The owner of the connection's other socket.
    Socket(u32),
    /// That socket is gone already; this process listens on its port.
    Listener(u32),
}

/// The process that owns the other end of `pair`, a socket of `pid`. `None` when it is on another
/// host, in another network namespace, or gone.
pub fn find(pid: u32, pair: AddressPair, datagram: bool) -> Option<Found> {
    if !pair.is_within_host() {
        return None;
    }
    let wanted = pair.reversed();
    if datagram {
        return bound_to(pid, wanted.local).map(Found::Socket);
    }
    let same = |entry: &Entry| {
        AddressPair::new(entry.local, entry.remote, 0) == AddressPair::new(wanted.local, wanted.remote, 0)
    };
    let sockets: Vec<Entry> = entries(pid, TCP).collect();
    let owner = |which: &dyn Fn(&Entry) -> bool| {
        sockets
            .iter()
            .find(|entry| entry.inode != 0 && which(entry))
            .and_then(|entry| owner_of(entry.inode))
    };
    owner(&same)
        .map(Found::Socket)
        .or_else(|| owner(&|entry| entry.listens_for(wanted.local)).map(Found::Listener))
}

/// The only process that takes datagrams for `address`; `None` when several sockets do.
fn bound_to(pid: u32, address: SocketAddr) -> Option<u32> {
    let mut takers = entries(pid, UDP).filter(|entry| {
        let ip = entry.local.ip().to_canonical();
        entry.inode != 0
            && entry.local.port() == address.port()
            && (ip.is_unspecified() || ip == address.ip().to_canonical())
    });
    let only = takers.next()?;
    takers.next().is_none().then(|| owner_of(only.inode)).flatten()
}

/// A process that has a socket at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub listens: bool,
    /// The table that shows the socket.
    pub table: &'static str,
}

/// Processes with a socket at an address, in the network namespace of `pid`: those that take what is sent to it, and
/// those that are connected from it.
pub fn holders(pid: u32, address: SocketAddr) -> Vec<Holder> {
    let mut holders: Vec<Holder> = Vec::new();
    for (tables, table) in [(TCP, "tcp"), (UDP, "udp")] {
        let at = entries(pid, tables).filter(|entry| {
            let ip = entry.local.ip().to_canonical();
            let is_same = ip == address.ip().to_canonical() || ip.is_unspecified();
            entry.inode != 0 && entry.local.port() == address.port() && is_same
        });
        for entry in at.take(MAX_HOLDERS) {
            let owner = owner_of(entry.inode).map(|pid| Holder {
                pid,
                listens: entry.state == LISTEN,
                table,
            });
            holders.extend(owner.filter(|owner| holders.iter().all(|known| known.pid != owner.pid)));
        }
    }
    holders
}

/// The tables of /proc/PID/net.
const TCP: [&str; 2] = ["tcp", "tcp6"];
const UDP: [&str; 2] = ["udp", "udp6"];

struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    state: String,
    inode: u64,
}

impl Entry {
    fn listens_for(&self, address: SocketAddr) -> bool {
        self.state == LISTEN
            && self.local.port() == address.port()
            && (self.local.ip().is_unspecified() || self.local.ip().to_canonical() == address.ip())
    }
}

/// All sockets of these tables in the network namespace of `pid` (Documentation/networking/proc_net_tcp.rst),
/// or in our own when that process is gone.
fn entries(pid: u32, tables: [&'static str; 2]) -> impl Iterator<Item = Entry> {
    tables.into_iter().flat_map(move |file| {
        // A process that is ending has an empty table, or none.
        let text = fs::read_to_string(format!("/proc/{pid}/net/{file}"))
            .ok()
            .filter(|text| !text.is_empty())
            .or_else(|| fs::read_to_string(format!("/proc/self/net/{file}")).ok())
            .unwrap_or_default();
        text.lines()
            .skip(1)
            .take(MAX_LINES)
            .filter_map(entry)
            .collect::<Vec<_>>()
    })
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split_whitespace();
    let local = socket_address(fields.nth(1)?)?;
    let remote = socket_address(fields.next()?)?;
    let state = fields.next()?.to_owned();
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Entry {
        local,
        remote,
        state,
        inode,
    })
}

/// `0100007F:1F90`: 32-bit words in host order, port in hex.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match ip.len() {
        8 => Some(SocketAddr::from((word(0)?, port))),
        32 => {
            let mut bytes = [0u8; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            Some(SocketAddr::from((bytes, port)))
        }
        _ => None,
    }
}

/// The process that has a descriptor of the socket with this inode number.
pub fn owner_of(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let mut looked = 0;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            looked += 1;
            if looked > MAX_DESCRIPTORS {
                return None;
            }
            if fs::read_link(descriptor.path()).is_ok_and(|target| target == Path::new(&wanted)) {
                return Some(pid);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_owner_of_the_other_end_is_found_in_proc() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        let _accepted = listener.accept().unwrap();
        let pair = AddressPair::new(client.local_addr().unwrap(), server, 0);
        assert_eq!(
            find(std::process::id(), pair, false),
            Some(Found::Socket(std::process::id()))
        );
        assert!(is_listening(std::process::id(), server.port()));
        assert!(!is_listening(
            std::process::id(),
            client.local_addr().unwrap().port()
        ));
    }

    #[test]
    fn whoever_has_a_socket_at_an_address_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = std::process::id();
        let holders = holders(own, listener.local_addr().unwrap());
        assert_eq!(
            holders,
            [Holder {
                pid: own,
                listens: true,
                table: "tcp"
            }]
        );
    }

    #[test]
    fn a_process_that_listens_comes_first() {
        let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = std::process::id();
        let mut processes = [u32::MAX, own, u32::MAX - 1];
        listeners_first(&mut processes);
        assert_eq!(processes, [own, u32::MAX, u32::MAX - 1]);
    }

    #[test]
    fn both_address_families_are_read() {
        assert_eq!(
            socket_address("0100007F:1F90"),
            Some("127.0.0.1:8080".parse().unwrap())
        );
        assert_eq!(
            socket_address("00000000000000000000000001000000:0050"),
            Some("[::1]:80".parse().unwrap())
        );
        for bad in ["", "01:02", "zzzzzzzz:0050", "0100007F", "0100007F:zz"] {
            assert_eq!(socket_address(bad), None, "{bad}");
        }
    }
}
