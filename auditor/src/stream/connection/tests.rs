use std::net::{TcpListener, TcpStream};

use auditor_common::record::{HEADER_LEN, RecordHeader};

use super::*;

/// What a socket of this process, which nobody saw connect, is taken for.
fn is_client(socket: &TcpStream, first: &[u8]) -> bool {
    let peers = Peers::default();
    let mut header = RecordHeader::decode(&[0; HEADER_LEN]).unwrap();
    header.tgid = std::process::id();
    let record = Record {
        header,
        kind: Kind::Data,
        source: Source::Socket,
        payload: first,
    };
    let mut connection = Connection::new(&record, &peers);
    let [local, remote] = [socket.local_addr(), socket.peer_addr()].map(Result::unwrap);
    connection.pair = Some(AddressPair::new(local, remote, 1));
    connection.settle_role(&peers, false, first);
    connection.is_client()
}

#[test]
fn who_listens_is_the_server_whatever_the_ports_are() {
    let mut orders = HashSet::new();
    for _ in 0..64 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, address) = listener.accept().unwrap();
        assert!(is_client(&client, b"no protocol"));
        assert!(!is_client(&server, b"no protocol"));
        orders.insert(address.port() > listener.local_addr().unwrap().port());
    }
    assert_eq!(orders.len(), 2, "either end has had the higher port");
}
