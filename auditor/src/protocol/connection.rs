//! The parser of a connection whose protocol is not known yet.
//!
//! Goes in: bytes of both directions. Comes out: what the parser chosen by the first bytes makes
//! of them. At most [`SNIFF_LEN`] bytes per direction wait for the choice. A connection taken for
//! text is looked at again at the start of every piece, so that one joined in the middle of a
//! message becomes HTTP with the next.

use crate::secret::Secret;

use super::http1::Http1;
use super::sniff::{self, Kind, SNIFF_LEN, Start};
use super::text::Text;
use super::{Direction, Parser, Part, Sink};

/// Parser for any connection.
pub struct Connection {
    state: State,
    /// Seen from its first byte.
    opened: bool,
    /// The ends were taken for each other: requests come from the side that accepted.
    reversed: bool,
}

enum State {
    Undecided([Secret; 2]),
    Http1(Box<Http1>),
    Text(Text),
    /// Datagrams: each a message, whatever it begins with.
    Messages(Text),
}

impl Connection {
    /// A connection seen from its first byte.
    pub fn opened() -> Self {
        Self {
            state: State::Undecided(Default::default()),
            opened: true,
            reversed: false,
        }
    }

    /// A socket of messages that stand alone: each ends with [`Parser::finish`].
    pub fn datagrams() -> Self {
        Self {
            state: State::Messages(Text::datagrams()),
            ..Self::opened()
        }
    }

    /// A connection that was open before it was watched.
    pub fn joined() -> Self {
        Self {
            opened: false,
            ..Self::opened()
        }
    }

    /// Takes the first bytes of a connection and chooses once one direction shows what it is.
    fn sniff(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let State::Undecided(held) = &mut self.state else {
            return;
        };
        let own = &mut held[direction.index()];
        let start = if own.is_empty() {
            sniff::opening(bytes)
        } else {
            let room = (SNIFF_LEN + 1).saturating_sub(own.len()).min(bytes.len());
            let seen = Secret::new([own.expose(), &bytes[..room]].concat());
            sniff::opening(seen.expose())
        };
        if start == Start::More && own.len() + bytes.len() <= SNIFF_LEN {
            own.extend(bytes);
            return;
        }
        let held = std::mem::take(held);
        self.state = match start {
            Start::Yes(kind) => {
                self.reversed = (kind == Kind::Response) == (direction == Direction::ToServer);
                State::Http1(Box::new(if self.opened {
                    Http1::opened()
                } else {
                    Http1::joined([true, true])
                }))
            }
            Start::More | Start::No => State::Text(Text::new()),
        };
        self.pass_held(held, direction, bytes, sink);
    }

    /// Requests first; `bytes` follow what was held of their direction.
    fn pass_held(&mut self, held: [Secret; 2], last: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let held = held[direction.index()].expose();
            if !held.is_empty() {
                self.pass(direction, held, sink);
            }
            if direction == last && !bytes.is_empty() {
                self.pass(direction, bytes, sink);
            }
        }
    }

    fn pass(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        self.with_parser(direction, sink, |state, direction, sink| match state {
            State::Http1(http1) => http1.feed(direction, bytes, sink),
            State::Text(text) | State::Messages(text) => text.feed(direction, bytes, sink),
            State::Undecided(_) => {}
        });
    }

    /// Calls the parser in its own terms of direction.
    fn with_parser(
        &mut self,
        direction: Direction,
        sink: &mut dyn Sink,
        call: impl FnOnce(&mut State, Direction, &mut dyn Sink),
    ) {
        if self.reversed {
            call(&mut self.state, direction.reversed(), &mut Reversed(sink));
        } else {
            call(&mut self.state, direction, sink);
        }
    }

    /// A stretch of text that starts like an HTTP message is one.
    fn reconsider(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let State::Text(text) = &mut self.state else {
            return;
        };
        let Start::Yes(kind) = sniff::message_start(bytes) else {
            return;
        };
        for direction in [Direction::ToServer, Direction::ToClient] {
            text.finish(direction, sink);
        }
        self.reversed = (kind == Kind::Response) == (direction == Direction::ToServer);
        let mut messages = text.next_messages();
        if self.reversed {
            messages.reverse();
        }
        let at_start = [kind == Kind::Request, kind == Kind::Response];
        self.state = State::Http1(Box::new(Http1::joined(at_start).count_from(messages)));
    }

    /// Nothing more will tell what the connection speaks.
    fn settle_for_text(&mut self, sink: &mut dyn Sink) {
        if let State::Undecided(held) = &mut self.state {
            let held = std::mem::take(held);
            self.state = State::Text(Text::new());
            self.pass_held(held, Direction::ToClient, &[], sink);
        }
    }
}

impl Parser for Connection {
    fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        match &self.state {
            State::Undecided(_) => self.sniff(direction, bytes, sink),
            State::Text(_) => {
                self.reconsider(direction, bytes, sink);
                self.pass(direction, bytes, sink);
            }
            State::Http1(_) | State::Messages(_) => self.pass(direction, bytes, sink),
        }
    }

    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink) {
        self.opened = false;
        self.settle_for_text(sink);
        self.with_parser(direction, sink, |state, direction, sink| match state {
            State::Http1(http1) => http1.gap(direction, len, sink),
            State::Text(text) | State::Messages(text) => text.gap(direction, sink),
            State::Undecided(_) => {}
        });
    }

    fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if let State::Undecided(held) = &self.state
            && held[direction.index()].is_empty()
        {
            return;
        }
        self.settle_for_text(sink);
        self.with_parser(direction, sink, |state, direction, sink| match state {
            State::Http1(http1) => http1.finish(direction, sink),
            State::Text(text) | State::Messages(text) => text.finish(direction, sink),
            State::Undecided(_) => {}
        });
    }
}

/// Gives parts back in the terms of the connection.
struct Reversed<'a>(&'a mut dyn Sink);

impl Sink for Reversed<'_> {
    fn part(&mut self, part: Part<'_>) {
        self.0.part(Part {
            direction: part.direction.reversed(),
            ..part
        });
    }

    fn settle(&mut self, direction: Direction, account: crate::ledger::Account, bytes: u64) {
        self.0.settle(direction.reversed(), account, bytes);
    }
}
