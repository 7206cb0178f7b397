//! Connections whose addresses are translated on the way: which socket is really at the other end.
//!
//! Goes in: that a connection is asked about, and what came of it. Comes out: for the addresses of a socket those of the
//! other end's socket. Addresses are used again, so an entry belongs to one socket, and ends with it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::pairs::AddressPair;

/// Most sockets remembered.
const CAPACITY: usize = 65_536;

/// How long a closed socket is remembered: its last bytes may still be on the way.
const AFTERLIFE: Duration = Duration::from_secs(5);

/// How long an answer about datagrams is good for: the kernel forgets a flow of which nothing is heard for 30 s.
pub const DATAGRAMS: Duration = Duration::from_secs(30);

/// What is known of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// The answer is under way.
    Asked,
    /// The other end's socket has these addresses.
    To(Beyond),
    /// Its addresses are the other end's, too, as far as is known.
    None,
}

/// The other end of a connection whose addresses are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// As the other end has it, its own address first.
    pub pair: AddressPair,
    /// True where the other end was connected to, and false where it connected.
    pub is_server: bool,
}

/// The sockets that were asked about. Shared by all threads.
#[derive(Debug, Default)]
pub struct Translations {
    sockets: Mutex<HashMap<AddressPair, Entry>>,
    answers: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    /// The socket; 0 for one that is known from its other end alone.
    socket: u64,
    state: Translation,
    /// Its own question is under way, and nothing was learnt from the other end since.
    is_open: bool,
    /// Datagrams do not say when they end.
    is_datagram: bool,
    since: Instant,
    closed: Option<Instant>,
}

impl Translations {
    /// True when this socket is to be asked about: it was not, or not lately. Until [`Translations::answered`] it is
    /// [`Translation::Asked`].
    pub fn begin(&self, pair: AddressPair, socket: u64, is_datagram: bool) -> bool {
        let mut sockets = self.lock();
        if let Some(entry) = sockets.get_mut(&pair)
            && entry.closed.is_none()
            && (entry.socket == socket || entry.socket == 0)
        {
            entry.socket = socket;
            let is_due = entry.is_datagram && entry.since.elapsed() >= DATAGRAMS;
            if is_due {
                entry.since = Instant::now();
                entry.is_open = true;
            }
            return is_due;
        }
        if sockets.len() >= CAPACITY && !sockets.contains_key(&pair) {
            sockets.retain(|_, entry| entry.closed.is_none());
            if sockets.len() >= CAPACITY {
                return false;
            }
        }
        let entry = Entry {
            socket,
            state: Translation::Asked,
            is_open: true,
            is_datagram,
            since: Instant::now(),
            closed: None,
        };
        if let Some(Entry {
            state: Translation::To(before),
            ..
        }) = sockets.insert(pair, entry)
        {
            sockets.remove(&before.pair);
        }
        true
    }

    /// What came of asking; `None` when the addresses are not translated, or it can not be known.
    pub fn answered(&self, pair: AddressPair, socket: u64, beyond: Option<Beyond>) {
        let mut sockets = self.lock();
        // Another has its addresses since, or it is not remembered any more.
        if let Some(entry) = sockets.get_mut(&pair).filter(|entry| entry.socket == socket) {
            let is_open = std::mem::take(&mut entry.is_open);
            let (is_datagram, closed) = (entry.is_datagram, entry.closed);
            match beyond {
                Some(beyond) => {
                    entry.state = Translation::To(beyond);
                    tell_other(&mut sockets, pair, beyond, is_datagram, closed);
                }
                None if is_open => entry.state = Translation::None,
                // The other end's answer came first, and said more.
                None => {}
            }
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// What is known of a socket.
    pub fn of(&self, pair: AddressPair) -> Translation {
        self.lock()
            .get(&pair)
            .map_or(Translation::None, |entry| entry.state)
    }

    /// The addresses of the other end's socket.
    pub fn other(&self, pair: AddressPair) -> AddressPair {
        match self.of(pair) {
            Translation::To(beyond) => beyond.pair,
            Translation::Asked | Translation::None => pair.reversed(),
        }
    }

    /// Grows with every answer.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The socket closed.
    pub fn closed(&self, pair: AddressPair) {
        let mut sockets = self.lock();
        let Some(entry) = sockets.get_mut(&pair) else {
            return;
        };
        entry.closed = Some(Instant::now());
        let Translation::To(Beyond { pair: other, .. }) = entry.state else {
            return;
        };
        if let Some(other) = sockets.get_mut(&other).filter(|other| other.socket == 0) {
            other.closed = Some(Instant::now());
        }
    }

    /// Forgets what ended a while ago.
    pub fn sweep(&self) {
        self.lock().retain(|_, entry| match entry.closed {
            Some(closed) => closed.elapsed() < AFTERLIFE,
            None => !entry.is_datagram || entry.since.elapsed() < DATAGRAMS + AFTERLIFE,
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AddressPair, Entry>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answer about one end says of the other.
fn tell_other(
    sockets: &mut HashMap<AddressPair, Entry>,
    pair: AddressPair,
    beyond: Beyond,
    is_datagram: bool,
    closed: Option<Instant>,
) {
    // A socket that is bound to all addresses can not say which of them the other end speaks to. That one asks itself.
    if pair.local.ip().is_unspecified() {
        return;
    }
    let back = Beyond {
        pair,
        is_server: !beyond.is_server,
    };
    // Whoever takes datagrams seldom knows to which of its addresses they came.
    let any = is_datagram.then(|| beyond.pair.without_own());
    for known in [Some(beyond.pair), any].into_iter().flatten() {
        if sockets.len() >= CAPACITY && !sockets.contains_key(&known) {
            continue;
        }
        let socket = sockets.get(&known).map_or(0, |entry| entry.socket);
        let entry = Entry {
            socket,
            state: Translation::To(back),
            is_open: false,
            is_datagram,
            since: Instant::now(),
            closed,
        };
        sockets.insert(known, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(local: &str, remote: &str) -> AddressPair {
        AddressPair::new(local.parse().unwrap(), remote.parse().unwrap(), 1)
    }

    /// A client's socket and that of the server behind a service.
    fn ends() -> (AddressPair, AddressPair) {
        (
            pair("10.1.0.1:40000", "10.96.0.1:443"),
            pair("10.1.0.2:8443", "10.1.0.1:40000"),
        )
    }

    fn to_server(pair: AddressPair) -> Option<Beyond> {
        Some(Beyond {
            pair,
            is_server: true,
        })
    }

    #[test]
    fn what_is_known_of_one_end_is_known_of_both() {
        let (client, server) = ends();
        let all = Translations::default();
        assert_eq!(all.other(client), client.reversed());
        assert!(all.begin(client, 7, false));
        assert_eq!(all.of(client), Translation::Asked);
        assert!(!all.begin(client, 7, false), "asked once");
        all.answered(client, 7, to_server(server));
        assert_eq!(all.other(client), server);
        assert_eq!(all.other(server), client);
        assert!(!all.begin(server, 8, false), "it is known");
    }

    #[test]
    fn another_socket_with_the_addresses_is_asked_about_anew() {
        let (client, server) = ends();
        let all = Translations::default();
        all.begin(client, 7, false);
        all.answered(client, 7, to_server(server));
        all.closed(client);
        assert_eq!(all.other(client), server, "its last bytes are on the way");
        assert!(all.begin(client, 9, false));
        assert_eq!(all.of(client), Translation::Asked);
        assert_eq!(all.other(server), server.reversed(), "the end of the one before");
        all.answered(client, 7, to_server(server));
        assert_eq!(
            all.of(client),
            Translation::Asked,
            "an answer about the one before"
        );
        all.answered(client, 9, None);
        assert_eq!(all.of(client), Translation::None);
    }

    #[test]
    fn an_end_that_closed_does_not_speak_for_the_next() {
        let (client, server) = ends();
        let all = Translations::default();
        all.begin(client, 7, false);
        all.answered(client, 7, to_server(server));
        all.closed(client);
        assert!(all.begin(server, 8, false), "known from the closed one alone");
    }

    #[test]
    fn who_takes_datagrams_for_any_address_is_found_too() {
        let (client, server) = ends();
        let all = Translations::default();
        all.begin(client, 7, true);
        all.answered(client, 7, to_server(server));
        let any = pair("0.0.0.0:8443", "10.1.0.1:40000");
        assert_eq!(all.other(any), client);
    }

    #[test]
    fn an_end_without_an_address_of_its_own_does_not_hide_the_others() {
        let (client, server) = ends();
        let any = pair("0.0.0.0:8443", "10.1.0.1:40000");
        let to_client = Some(Beyond {
            pair: client,
            is_server: false,
        });
        let all = Translations::default();
        all.begin(client, 7, true);
        all.begin(any, 8, true);
        all.answered(client, 7, to_server(server));
        all.answered(any, 8, to_client);
        assert_eq!(all.other(client), server);
        assert_eq!(all.other(any), client);
    }

    #[test]
    fn what_the_other_end_told_outlasts_an_own_question_without_an_answer() {
        let (client, server) = ends();
        let all = Translations::default();
        all.begin(client, 7, false);
        all.begin(server, 8, false);
        all.answered(client, 7, to_server(server));
        all.answered(server, 8, None);
        assert_eq!(all.other(server), client);
    }

    #[test]
    fn without_room_nothing_is_asked() {
        let all = Translations::default();
        let at = |number: usize| {
            let bytes = u32::try_from(number).unwrap().to_be_bytes();
            AddressPair::new((bytes, 1).into(), ([10, 0, 0, 1], 443).into(), 1)
        };
        assert!((0..CAPACITY).all(|number| all.begin(at(number), 1, false)));
        assert!(!all.begin(at(CAPACITY), 1, false));
        assert_eq!(all.of(at(CAPACITY)), Translation::None);
        all.closed(at(0));
        assert!(all.begin(at(CAPACITY), 1, false), "one made room");
        assert!(!all.begin(at(CAPACITY + 1), 1, false));
    }
}
