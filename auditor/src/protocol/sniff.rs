//! Which protocol a connection speaks, from the first bytes of either direction.
//!
//! Goes in: the bytes at a place where a message may start. Comes out: a [`Start`], and the parser of the
//! protocol. Ports are never looked at, and nothing is remembered. A new protocol is a line of the table.

use super::http1::{self, Http1};
use super::http2::{self, Http2};
use super::websocket::{self, WebSocket};
use super::{Direction, Parser};

/// Most bytes held back per direction while the protocol is undecided: a program may write a header in
/// pieces.
pub const SNIFF_LEN: usize = 4096;

/// Who sends bytes like these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Client,
    Server,
    /// Both sides do.
    Either,
}

impl Speaker {
    /// Whether bytes that go in `direction` show that the ends were taken for each other.
    pub(super) fn contradicts(self, direction: Direction) -> bool {
        matches!(
            (self, direction),
            (Self::Client, Direction::ToClient) | (Self::Server, Direction::ToServer)
        )
    }
}

/// Whether a message starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Yes(Speaker),
    /// All bytes so far would fit; more are needed.
    More,
    No,
}

/// What a parser is told of the moment it takes over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The connection is seen from its first byte.
    pub(super) opened: bool,
    /// Whether a message starts with the next byte of each direction.
    pub(super) at_start: [bool; 2],
    /// The number of the next message of each direction.
    pub(super) messages: [u64; 2],
}

impl Beginning {
    /// A connection that opens now.
    pub(super) const fn opened() -> Self {
        Self {
            opened: true,
            at_start: [true, true],
            messages: [0, 0],
        }
    }
}

/// A protocol that bytes can be told to be.
struct Protocol {
    /// From the first bytes of a direction of a connection.
    opening: fn(&[u8]) -> Start,
    /// From the first bytes of a write, somewhere in a connection.
    within: fn(&[u8]) -> Start,
    parser: fn(&Beginning) -> Box<dyn Parser>,
}

/// In the order in which they are asked.
static PROTOCOLS: [Protocol; 3] = [
    Protocol {
        opening: http1::sniff::opening,
        within: http1::sniff::message_start,
        parser: |beginning| Box::new(Http1::new(beginning)),
    },
    Protocol {
        opening: http2::opening,
        within: http2::within,
        parser: |beginning| Box::new(Http2::new(beginning)),
    },
    Protocol {
        // Its handshake is HTTP.
        opening: |_| Start::No,
        within: websocket::within,
        parser: |beginning| Box::new(WebSocket::joined(beginning.messages)),
    },
];

/// A protocol that was recognised.
#[derive(Clone, Copy)]
pub(super) struct Known(&'static Protocol);

impl Known {
    pub(super) fn parser(self, beginning: &Beginning) -> Box<dyn Parser> {
        (self.0.parser)(beginning)
    }
}

/// What the first bytes of a connection show.
pub(super) fn opening(bytes: &[u8]) -> (Start, Option<Known>) {
    ask(|protocol| (protocol.opening)(bytes))
}

/// What the first bytes of a write show.
pub(super) fn within(bytes: &[u8]) -> (Start, Option<Known>) {
    ask(|protocol| (protocol.within)(bytes))
}

/// Who sends what begins with `bytes`, if that can be told.
pub fn speaker(bytes: &[u8]) -> Option<Speaker> {
    match within(bytes).0 {
        Start::Yes(speaker) => Some(speaker),
        Start::More | Start::No => None,
    }
}

fn ask(question: impl Fn(&Protocol) -> Start) -> (Start, Option<Known>) {
    let mut answer = Start::No;
    for protocol in &PROTOCOLS {
        match question(protocol) {
            Start::Yes(speaker) => return (Start::Yes(speaker), Some(Known(protocol))),
            Start::More => answer = Start::More,
            Start::No => {}
        }
    }
    (answer, None)
}
