//! Connections whose addresses are translated between their ends.
//!
//! Goes in: a connection whose socket is known. Comes out: a question about it to connection tracking where the answer
//! may say more than the addresses do; later, the end that is named by the answer.

use std::{net::SocketAddr, time::Duration};

use super::{Connection, Peers};
use crate::{
    identity::{
        self,
        conntrack::{Question, Transport},
        names::Named,
        pairs::AddressPair,
        translations::{DATAGRAMS, Translation},
    },
    report::finding::{Certainty, End, IdentifiedBy},
};

impl Connection {
    /// Asks who the datagrams are for or from, once for a peer and again when the answer is old.
    pub(super) fn ask_again(&mut self, peers: &Peers) {
        let asked = Duration::from_nanos(self.seen_ns.saturating_sub(self.asked_ns));
        if self.asked_ns == 0 || asked >= DATAGRAMS {
            self.asked_ns = self.seen_ns.max(1);
            peers.ask_for_translation(self);
        }
    }
}

impl Peers {
    /// Asks who is really at the other end.
    pub(super) fn ask_for_translation(&self, connection: &Connection) {
        let (Some(conntrack), Some(pair)) = (&self.conntrack, connection.pair) else {
            return;
        };
        let remote = pair.remote;
        let has_way = connection.unix.is_none() && remote.port() != 0 && !pair.is_within_host();
        if !has_way || self.is_direct(pair, connection.seen_ns) {
            return;
        }
        conntrack.ask(Question {
            pair,
            socket: if connection.cookie == 0 {
                connection.stream
            } else {
                connection.cookie
            },
            transport: if connection.is_datagram {
                Transport::Udp
            } else {
                Transport::Tcp
            },
            tgid: connection.tgid,
            netns: connection.netns,
        });
    }

    /// The address is the other end's own: its socket is known by it, or it is a pod's.
    fn is_direct(&self, pair: AddressPair, time_ns: u64) -> bool {
        let is_pod = |address: SocketAddr| {
            let end = self.kubernetes.as_ref()?.end(address, time_ns)?;
            Some(end.identified_by == IdentifiedBy::PodIp)
        };
        self.pairs.peer(pair).is_some() || is_pod(pair.remote) == Some(true)
    }

    /// Names the other end of a connection by what its addresses are translated to, as far as that says more.
    pub fn name_translated(&self, pair: AddressPair, time_ns: u64, end: &mut End) -> Named {
        let beyond = match self.pairs.translations.of(pair) {
            Translation::Asked => return Named::Pending,
            Translation::None => return Named::Done,
            Translation::To(beyond) => beyond,
        };
        let is_known = matches!(
            end.identified_by,
            IdentifiedBy::SocketPair | IdentifiedBy::Conntrack
        );
        if is_known && end.certainty == Certainty::Exact {
            return Named::Done;
        }
        let address = beyond.pair.local;
        if let Some(owner) = self.pairs.peer(pair) {
            let process = self.processes.of(owner.tgid);
            *end = identity::local_end(&process, Some(address), IdentifiedBy::SocketPair);
            return Named::Done;
        }
        let in_cluster = self
            .kubernetes
            .as_ref()
            .and_then(|kubernetes| kubernetes.end(address, time_ns));
        match in_cluster {
            Some(found) if found.identified_by == IdentifiedBy::PodIp => {
                *end = End {
                    identified_by: IdentifiedBy::Conntrack,
                    ..found
                };
            }
            // The service is known, if not the pod.
            Some(found) if found.identified_by == IdentifiedBy::Ambiguous && beyond.is_server => {}
            Some(found) => *end = found,
            // What a client asked for says more than an address, and so does whom it addressed before it was redirected to
            // a proxy of its own pod.
            None if beyond.is_server && (end.host.is_some() || address.ip().is_loopback()) => {}
            None => *end = identity::remote_end(Some(address), None, None, time_ns, &[]),
        }
        Named::Done
    }
}
