use netlink_packet_core::ErrorMessage;
use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn way(source: &str, destination: &str) -> Direction {
    Direction {
        source: address(source),
        destination: address(destination),
    }
}

fn tuple(direction: Direction) -> Vec<Tuple> {
    vec![
        Tuple::Ip(vec![
            IPTuple::SourceAddress(direction.source.ip()),
            IPTuple::DestinationAddress(direction.destination.ip()),
        ]),
        Tuple::Proto(vec![
            ProtoTuple::Protocol(Protocol::Tcp),
            ProtoTuple::SourcePort(direction.source.port()),
            ProtoTuple::DestinationPort(direction.destination.port()),
        ]),
    ]
}

/// An answer as the kernel writes it.
fn answered(attributes: Vec<ConntrackAttribute>, sequence: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(
        header,
        NetlinkPayload::from(NetfilterMessage::new(
            NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0),
            ConntrackMessage::New(attributes),
        )),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn both(original: Direction, reply: Direction, state: u8) -> Vec<ConntrackAttribute> {
    vec![
        ConntrackAttribute::CtaTupleOrig(tuple(original)),
        ConntrackAttribute::CtaTupleReply(tuple(reply)),
        ConntrackAttribute::CtaProtoInfo(vec![ProtoInfo::TCP(vec![ProtoInfoTCP::State(state)])]),
    ]
}

/// What a client in a pod knows of a connection to a ClusterIP, and what the pod behind that knows.
fn service() -> (Direction, Direction) {
    (
        way("10.1.0.1:40000", "10.96.0.1:443"),
        way("10.1.0.2:8443", "10.1.0.1:40000"),
    )
}

fn entry(bytes: &[u8]) -> Entry {
    match answer(bytes, 7).unwrap() {
        Answer::Entry(entry) => entry,
        Answer::Refused(error) => panic!("refused: {error}"),
    }
}

#[test]
fn either_end_leads_to_the_other() {
    let (original, reply) = service();
    let entry = entry(&answered(both(original, reply, 3), 7));
    assert_eq!(entry.other_end(original), Some(reply));
    assert_eq!(entry.other_end(reply), Some(original));
    assert_eq!(entry.other_end(way("10.1.0.1:40001", "10.96.0.1:443")), None);
}

#[test]
fn a_connection_that_is_not_made_yet_is_another_one() {
    let (original, reply) = service();
    for state in [0, SYN_SENT, SYN_SENT_BOTH] {
        let entry = entry(&answered(both(original, reply, state), 7));
        assert_eq!(entry.other_end(original), None, "{state}");
    }
}

#[test]
fn an_answer_that_is_not_whole_or_not_ours_is_not_taken() {
    let (original, reply) = service();
    let whole = both(original, reply, 3);
    assert_eq!(answer(&answered(whole.clone(), 8), 7), Err(Unreadable::Sequence));
    assert_eq!(
        answer(&answered(whole[..1].to_vec(), 7), 7),
        Err(Unreadable::Incomplete)
    );
    let twice = [whole.clone(), whole.clone()].concat();
    assert_eq!(answer(&answered(twice, 7), 7), Err(Unreadable::Incomplete));
    let bytes = answered(whole, 7);
    for end in 0..bytes.len() {
        assert!(answer(&bytes[..end], 7).is_err(), "{end}");
    }
    assert_eq!(
        answer(&question(Transport::Tcp, original, 7), 7),
        Err(Unreadable::Message)
    );
}

#[test]
fn a_refusal_is_told_by_its_number() {
    let mut error = ErrorMessage::default();
    error.code = std::num::NonZeroI32::new(-libc::ENOENT);
    error.header = vec![0; 16];
    let mut header = NetlinkHeader::default();
    header.sequence_number = 7;
    let mut message = NetlinkMessage::<NetfilterMessage>::new(header, NetlinkPayload::Error(error));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    assert_eq!(answer(&bytes, 7), Ok(Answer::Refused(libc::ENOENT)));
}

fn direction_of(v6: bool) -> impl Strategy<Value = Direction> {
    let end = (any::<u128>(), any::<u16>()).prop_map(move |(ip, port)| {
        let ip: std::net::IpAddr = if v6 {
            std::net::Ipv6Addr::from(ip).into()
        } else {
            std::net::Ipv4Addr::from(ip as u32).into()
        };
        SocketAddr::new(ip, port)
    });
    (end.clone(), end).prop_map(|(source, destination)| Direction { source, destination })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (original, reply) in any::<bool>().prop_flat_map(|v6| (direction_of(v6), direction_of(v6))),
        sequence: u32,
    ) {
        let bytes = answered(both(original, reply, 3), sequence);
        let Ok(Answer::Entry(entry)) = answer(&bytes, sequence) else { panic!("not read") };
        prop_assert_eq!((entry.original, entry.reply), (original, reply));
        let asked = question(Transport::Udp, original, sequence);
        prop_assert_eq!(asked.len() % 4, 0);
    }

    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, sequence: u32) {
        let _ = answer(&bytes, sequence);
    }

    #[test]
    fn a_changed_byte_is_refused_or_read(at in 0..200_usize, byte: u8) {
        let (original, reply) = service();
        let mut bytes = answered(both(original, reply, 3), 7);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = answer(&bytes, 7);
    }
}
