//! Names of addresses, by the answers of name servers that processes of this node were given.
//!
//! Goes in: datagrams from and to port 53. Comes out: the names that a network namespace was given for an address, at a
//! time. Only an answer to a question counts that was asked on the same socket, and only in the namespace in which it was
//! asked: nobody names addresses for others. What a name server says is hostile: a name is of the characters of host names,
//! all tables are bounded, and a namespace that asks for much pushes out what it asked for itself.

mod message;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

pub use message::{Said, read};

/// The port of name servers.
pub const PORT: u16 = 53;

/// Most questions of one socket that wait for an answer.
const MAX_QUESTIONS: usize = 16;

/// Most network namespaces, most addresses in one, and most names of an address.
const MAX_VIEWS: usize = 1024;
const MAX_ADDRESSES: usize = 2048;
const MAX_NAMES: usize = 8;

/// Shortest and longest time a name is believed, whatever its time to live is: programs connect a little later, and
/// addresses change hands.
const SHORTEST: u64 = 30;
const LONGEST: u64 = 24 * 3600;

const NANOSECONDS: u64 = 1_000_000_000;

/// What one socket has asked.
#[derive(Debug, Default)]
pub struct Questions(VecDeque<(u16, Arc<str>)>);

/// Addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As it was asked for, whatever it is an alias of.
    pub name: Arc<str>,
    /// With how long each may be kept, seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

impl Questions {
    /// The socket sent this to a name server.
    pub fn asked(&mut self, datagram: &[u8]) {
        if let Some(Said::Question { id, name }) = read(datagram) {
            if self.0.len() >= MAX_QUESTIONS {
                self.0.pop_front();
            }
            self.0.push_back((id, name));
        }
    }

    /// The socket received this: an answer to what it asked, or nothing.
    pub fn answered(&mut self, datagram: &[u8]) -> Option<Answer> {
        if self.0.is_empty() {
            return None;
        }
        let Some(Said::Answer { id, answer }) = read(datagram) else {
            return None;
        };
        let is_it = |(asked, name): &(u16, Arc<str>)| *asked == id && *name == answer.name;
        let at = self.0.iter().position(is_it)?;
        self.0.remove(at);
        Some(answer)
    }
}

/// What name servers said. Shared by all threads.
#[derive(Debug, Default)]
pub struct Names(Mutex<Views>);

#[derive(Debug, Default)]
struct Views {
    views: HashMap<u32, View>,
    order: VecDeque<u32>,
}

/// What one network namespace was told.
#[derive(Debug, Default)]
struct View {
    addresses: HashMap<IpAddr, Vec<Given>>,
    order: VecDeque<IpAddr>,
}

/// A name of an address, from when and until when it may be believed, nanoseconds on the clock of records.
#[derive(Debug)]
struct Given {
    name: Arc<str>,
    from: u64,
    until: u64,
}

impl Names {
    /// A network namespace was given this answer.
    pub fn learn(&self, netns: u32, answer: &Answer, time_ns: u64) {
        if netns == 0 {
            return;
        }
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for &(ip, seconds) in &answer.addresses {
            let ip = ip.to_canonical();
            if !may_be_named(ip) {
                continue;
            }
            let until = u64::from(seconds).clamp(SHORTEST, LONGEST) * NANOSECONDS;
            views
                .of(netns)
                .learn(ip, &answer.name, time_ns, time_ns.saturating_add(until));
        }
    }

    /// The names an address had in a network namespace when a connection to it was opened.
    pub fn at(&self, netns: u32, ip: IpAddr, time_ns: u64) -> Vec<Arc<str>> {
        let views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let view = views.views.get(&netns);
        let given = view.and_then(|view| view.addresses.get(&ip.to_canonical()));
        let was_true = |given: &&Given| (given.from..=given.until).contains(&time_ns);
        let given = given.into_iter().flatten().filter(was_true);
        given.map(|given| Arc::clone(&given.name)).collect()
    }
}

impl Views {
    fn of(&mut self, netns: u32) -> &mut View {
        if !self.views.contains_key(&netns) {
            if self.views.len() >= MAX_VIEWS
                && let Some(oldest) = self.order.pop_front()
            {
                self.views.remove(&oldest);
            }
            self.order.push_back(netns);
        }
        self.views.entry(netns).or_default()
    }
}

impl View {
    fn learn(&mut self, ip: IpAddr, name: &Arc<str>, from: u64, until: u64) {
        if !self.addresses.contains_key(&ip) {
            if self.addresses.len() >= MAX_ADDRESSES
                && let Some(oldest) = self.order.pop_front()
            {
                self.addresses.remove(&oldest);
            }
            self.order.push_back(ip);
        }
        let names = self.addresses.entry(ip).or_default();
        if let Some(known) = names.iter_mut().find(|given| given.name == *name) {
            known.until = known.until.max(until);
            known.from = known.from.min(from);
            return;
        }
        if names.len() >= MAX_NAMES {
            names.remove(0);
        }
        names.push(Given {
            name: Arc::clone(name),
            from,
            until,
        });
    }
}

/// Addresses that are somewhere else for everybody, or are many, have no name.
fn may_be_named(ip: IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_local)
}

/// The name of an address that has these names, when a client asked for `host` there; and whether a name server gave it.
/// What a name server answered counts more than what the client wrote into its message, as it led there: of several names
/// the one is taken that the client wrote, and without it none.
pub fn choose<'a>(names: &'a [Arc<str>], host: Option<&'a str>) -> Option<(&'a str, bool)> {
    match (names, host) {
        ([], host) => host.map(|host| (host, false)),
        (names, Some(host)) if names.iter().any(|name| **name == *host) => Some((host, true)),
        ([only], _) => Some((only, true)),
        _ => None,
    }
}
