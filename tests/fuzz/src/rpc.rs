//! Requests whose body names their operation (GraphQL, JSON-RPC, SOAP): the same name however the body is cut, and
//! no name that holds a value.
//!
//! The input is a byte that chooses the type, one that says how to cut, and the body.

use auditor::ledger::Account;
use auditor::protocol::{Connection, Direction, Parser as _, Part, Place, Sink};

use super::cut::pieces;

#[derive(Default)]
struct Named {
    settled: u64,
    /// Protocol and operation of the body's last part.
    last: Option<(&'static str, Option<String>)>,
}

impl Sink for Named {
    fn part(&mut self, part: Part<'_>) {
        self.settled += part.wire_bytes;
        if part.place == Place::RequestBody {
            self.last = Some((part.exchange.protocol, part.exchange.operation.clone()));
        }
    }

    fn settle(&mut self, _: Direction, _: Account, bytes: u64) {
        self.settled += bytes;
    }
}

pub fn run(input: &[u8]) {
    let [choice, cuts, body @ ..] = input else {
        return;
    };
    let types = [
        "application/json",
        "application/graphql+json",
        "text/xml",
        "application/soap+xml",
    ];
    let media = types[usize::from(*choice) % types.len()];
    let head = format!(
        "POST /rpc HTTP/1.1\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = read(&head, [body]);
    let cut = read(&head, pieces(body, *cuts).map(|(_, piece)| piece));
    assert_eq!(whole.last, cut.last, "a cut changes no name");
    let operation = whole.last.and_then(|(_, operation)| operation);
    let digits = |name: &str| name.bytes().filter(u8::is_ascii_digit).count();
    assert!(operation.is_none_or(|name| digits(&name) < 6 && !name.contains('@')));
}

fn read<'a>(head: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Named {
    let mut connection = Connection::opened();
    let mut named = Named::default();
    let mut fed = head.len() as u64;
    connection.feed(Direction::ToServer, head.as_bytes(), &mut named);
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        fed += piece.len() as u64;
        connection.feed(Direction::ToServer, piece, &mut named);
    }
    connection.finish(Direction::ToServer, &mut named);
    assert_eq!(named.settled, fed);
    named
}
