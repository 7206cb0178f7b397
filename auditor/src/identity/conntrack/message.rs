//! One question to the kernel's connection tracking and its answer, as netlink messages (ctnetlink,
//! net/netfilter/nf_conntrack_netlink.c).
//!
//! Goes in: the two addresses of a flow, or the bytes of an answer. Comes out: the bytes of a question, or the [`Entry`]
//! of the flow: its addresses in both directions, whose difference is what was translated.

use std::net::SocketAddr;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    conntrack::{
        ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Protocol, Tuple,
    },
};
use thiserror::Error;

/// `NFNL_SUBSYS_CTNETLINK` in the upper half of a message's type (linux/netfilter/nfnetlink.h).
const CONNTRACK: u16 = 1 << 8;

/// `NLMSG_ERROR` (linux/netlink.h).
const ERROR: u16 = 2;

/// `TCP_CONNTRACK_SYN_SENT` (linux/netfilter/nf_conntrack_tcp.h): nobody has answered yet.
const SYN_SENT: u8 = 1;

/// `TCP_CONNTRACK_SYN_SENT2`: both ends have asked and none has answered.
const SYN_SENT_BOTH: u8 = 9;

/// What carries a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Tcp,
    Udp,
}

/// The addresses of the packets of one direction. Both are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Direction {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// What the kernel knows of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the end sends that opened it.
    pub original: Direction,
    /// As the other end answers.
    pub reply: Direction,
    /// State of a TCP connection.
    state: Option<u8>,
}

impl Entry {
    /// The other end of a flow of which one end has these addresses: what that one sends has the addresses that come out.
    /// `None` when the entry is not of this flow, or of a connection that is not made yet: the one that was asked about
    /// has moved bytes, so this would be another that has its addresses now.
    pub fn other_end(&self, own: Direction) -> Option<Direction> {
        if matches!(self.state, Some(0 | SYN_SENT | SYN_SENT_BOTH)) {
            return None;
        }
        if self.original == own {
            Some(self.reply)
        } else if self.reply == own {
            Some(self.original)
        } else {
            None
        }
    }
}

/// What the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Entry(Entry),
    /// An `errno`; `ENOENT` for a flow that is not tracked.
    Refused(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    #[error("it is no netlink message of connection tracking")]
    Message,
    #[error("it answers another question")]
    Sequence,
    #[error("it lacks an address or a port, or names one twice")]
    Incomplete,
}

/// The question about one flow. The kernel looks in its table for both directions at once, so that either end's
/// addresses find it (`ctnetlink_get_conntrack`).
pub fn question(transport: Transport, own: Direction, sequence: u32) -> Vec<u8> {
    let protocol = match transport {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    };
    let family = if own.source.is_ipv4() {
        NetfilterProtoFamily::IPv4
    } else {
        NetfilterProtoFamily::IPv6
    };
    let tuple = vec![
        Tuple::Ip(vec![
            IPTuple::SourceAddress(own.source.ip()),
            IPTuple::DestinationAddress(own.destination.ip()),
        ]),
        Tuple::Proto(vec![
            ProtoTuple::Protocol(protocol),
            ProtoTuple::SourcePort(own.source.port()),
            ProtoTuple::DestinationPort(own.destination.port()),
        ]),
    ];
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(
        header,
        NetlinkPayload::from(NetfilterMessage::new(
            NetfilterHeader::new(family, 0, 0),
            ConntrackMessage::Get(vec![ConntrackAttribute::CtaTupleOrig(tuple)]),
        )),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads the answer to the question with this number.
///
/// # Errors
/// For anything but one whole answer; any bytes will do.
pub fn answer(bytes: &[u8], sequence: u32) -> Result<Answer, Unreadable> {
    // Only what is asked for is given to the parser: length, type, flags, sequence number, port (struct nlmsghdr).
    let kind = bytes.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let kind = kind.map(u16::from_ne_bytes).ok_or(Unreadable::Message)?;
    if kind != ERROR && kind & 0xff00 != CONNTRACK {
        return Err(Unreadable::Message);
    }
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).map_err(|_| Unreadable::Message)?;
    if message.header.sequence_number != sequence {
        return Err(Unreadable::Sequence);
    }
    let attributes = match message.payload {
        NetlinkPayload::Error(error) => return Ok(Answer::Refused(error.raw_code().saturating_neg())),
        NetlinkPayload::InnerMessage(NetfilterMessage {
            inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
            ..
        }) => attributes,
        _ => return Err(Unreadable::Message),
    };
    let (mut original, mut reply, mut state) = (None, None, None);
    for attribute in &attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(tuple) => once(&mut original, direction(tuple)?)?,
            ConntrackAttribute::CtaTupleReply(tuple) => once(&mut reply, direction(tuple)?)?,
            ConntrackAttribute::CtaProtoInfo(infos) => state = tcp_state(infos),
            _ => {}
        }
    }
    let (Some(original), Some(reply)) = (original, reply) else {
        return Err(Unreadable::Incomplete);
    };
    Ok(Answer::Entry(Entry {
        original,
        reply,
        state,
    }))
}

fn tcp_state(infos: &[ProtoInfo]) -> Option<u8> {
    let tcp = infos.iter().filter_map(|info| match info {
        ProtoInfo::TCP(parts) => Some(parts),
        _ => None,
    });
    tcp.flatten().find_map(|part| match part {
        ProtoInfoTCP::State(state) => Some(*state),
        _ => None,
    })
}

fn direction(tuple: &[Tuple]) -> Result<Direction, Unreadable> {
    let (mut source, mut destination) = (None, None);
    let (mut source_port, mut destination_port) = (None, None);
    for part in tuple {
        match part {
            Tuple::Ip(ips) => {
                for ip in ips {
                    match ip {
                        IPTuple::SourceAddress(ip) => once(&mut source, *ip)?,
                        IPTuple::DestinationAddress(ip) => once(&mut destination, *ip)?,
                        _ => {}
                    }
                }
            }
            Tuple::Proto(parts) => {
                for part in parts {
                    match part {
                        ProtoTuple::SourcePort(port) => once(&mut source_port, *port)?,
                        ProtoTuple::DestinationPort(port) => once(&mut destination_port, *port)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let whole = source.zip(source_port).zip(destination.zip(destination_port));
    let (source, destination) = whole.ok_or(Unreadable::Incomplete)?;
    Ok(Direction {
        source: source.into(),
        destination: destination.into(),
    })
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Unreadable> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Unreadable::Incomplete),
    }
}

#[cfg(test)]
mod tests;
