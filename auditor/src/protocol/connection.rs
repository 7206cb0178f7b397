//! The parser of a connection whose protocol is not known yet.
//!
//! Goes in: bytes of both directions. Comes out: what the parser chosen by the first bytes makes
//! of them. At most [`SNIFF_LEN`] bytes per direction wait for the choice. A connection taken for
//! text is looked at again at the start of every piece, so that one joined in the middle of a
//! message gets its parser with the next.

use crate::ledger::Account;
use crate::secret::Secret;

use super::sniff::{self, Beginning, Known, SNIFF_LEN, Speaker, Start};
use super::text::Text;
use super::{Direction, Exchange, Parser, Part, Sink};

/// Parser for any connection.
pub struct Connection {
    state: State,
    /// Seen from its first byte.
    opened: bool,
    /// The ends were taken for each other: requests come from the side that accepted.
    reversed: bool,
    /// What opened the tunnel that this is.
    opened_by: Exchange,
    /// The number of the first message of each direction.
    messages: [u64; 2],
}

enum State {
    Undecided([Secret; 2]),
    Known(Box<dyn Parser>),
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
            opened_by: Exchange::default(),
            messages: [0, 0],
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

    /// What follows an upgrade or `CONNECT` in a connection: of no known protocol it keeps the name of the
    /// operation that opened it. Message numbers go on from `messages`.
    pub(super) fn tunnel(opened_by: &Exchange, messages: [u64; 2]) -> Self {
        Self {
            opened_by: opened_by.clone(),
            messages,
            ..Self::opened()
        }
    }

    /// Takes the first bytes of a connection and chooses once one direction shows what it is.
    fn sniff(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let State::Undecided(held) = &mut self.state else {
            return;
        };
        let own = &mut held[direction.index()];
        let joined;
        let seen = if own.is_empty() {
            bytes
        } else {
            let room = (SNIFF_LEN + 1).saturating_sub(own.len()).min(bytes.len());
            joined = Secret::new([own.expose(), &bytes[..room]].concat());
            joined.expose()
        };
        let opening = sniff::opening(seen);
        // One that was open before may begin with anything, and both sides with the same.
        let within = if self.opened {
            (Start::No, None)
        } else {
            sniff::within(seen)
        };
        let (found, has_opening) = match (opening.0, within.0) {
            (_, Start::Yes(Speaker::Either))
            | (Start::No, Start::Yes(_) | Start::More)
            // Settings are what a server begins with, and what both may send later.
            | (Start::Yes(Speaker::Server), Start::More) => (within, false),
            _ => (opening, true),
        };
        if found.0 == Start::More && own.len() + bytes.len() <= SNIFF_LEN {
            own.extend(bytes);
            return;
        }
        let held = std::mem::take(held);
        match found {
            (Start::Yes(speaker), Some(known)) => {
                self.choose(speaker, known, direction, has_opening, self.messages);
            }
            _ => self.state = State::Text(Text::after(&self.opened_by, self.messages)),
        }
        self.pass_held(held, direction, bytes, sink);
    }

    /// The parser from here on. `both`: a message starts in the other direction, too.
    fn choose(
        &mut self,
        speaker: Speaker,
        known: Known,
        direction: Direction,
        both: bool,
        mut messages: [u64; 2],
    ) {
        self.reversed = speaker.contradicts(direction);
        let direction = if self.reversed {
            direction.reversed()
        } else {
            direction
        };
        if self.reversed {
            messages.reverse();
        }
        let mut at_start = [both; 2];
        at_start[direction.index()] = true;
        self.state = State::Known(known.parser(&Beginning {
            opened: self.opened,
            at_start,
            messages,
        }));
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
            State::Known(parser) => parser.feed(direction, bytes, sink),
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

    /// A stretch of text that starts like a message of a known protocol is one.
    fn reconsider(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let State::Text(text) = &mut self.state else {
            return;
        };
        let (Start::Yes(speaker), Some(known)) = sniff::within(bytes) else {
            return;
        };
        for direction in [Direction::ToServer, Direction::ToClient] {
            text.finish(direction, sink);
        }
        let messages = text.next_messages();
        self.opened = false;
        self.choose(speaker, known, direction, false, messages);
    }

    /// Whether more waits than the start of a line that is typed.
    fn has_waiting(&self) -> bool {
        const FEW: usize = 64;
        matches!(&self.state, State::Undecided(held) if held.iter().any(|held| held.len() > FEW))
    }

    /// Nothing more will tell what the connection speaks.
    fn settle_for_text(&mut self, sink: &mut dyn Sink) {
        if let State::Undecided(held) = &mut self.state {
            let held = std::mem::take(held);
            self.state = State::Text(Text::after(&self.opened_by, self.messages));
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
            State::Known(_) | State::Messages(_) => self.pass(direction, bytes, sink),
        }
    }

    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink) {
        self.opened = false;
        self.settle_for_text(sink);
        self.with_parser(direction, sink, |state, direction, sink| match state {
            State::Known(parser) => parser.gap(direction, len, sink),
            State::Text(text) | State::Messages(text) => text.gap(direction, sink),
            State::Undecided(_) => {}
        });
    }

    fn quiet(&mut self, sink: &mut dyn Sink) {
        if self.has_waiting() {
            self.settle_for_text(sink);
        }
        // The direction is of no matter here.
        self.with_parser(Direction::ToServer, sink, |state, _, sink| {
            if let State::Known(parser) = state {
                parser.quiet(sink);
            }
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
            State::Known(parser) => parser.finish(direction, sink),
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

    fn settle(&mut self, direction: Direction, account: Account, bytes: u64) {
        self.0.settle(direction.reversed(), account, bytes);
    }

    fn lost(&mut self, direction: Direction, protocol: &'static str) {
        self.0.lost(direction.reversed(), protocol);
    }
}
