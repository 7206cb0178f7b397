//! Any conversation, in any pieces and with any gaps, is settled byte by byte exactly once.
//!
//! The input is a list of commands: a byte that says what to do and in which direction, a length,
//! and that many bytes.

use auditor::ledger::Account;
use auditor::protocol::{Connection, Direction, Parser, Part, Sink, WINDOW};

#[derive(Default)]
struct Balance {
    settled: [u64; 2],
}

impl Sink for Balance {
    fn part(&mut self, part: Part<'_>) {
        assert!(part.data.len() <= WINDOW);
        self.settled[part.direction.index()] += part.wire_bytes;
    }

    fn settle(&mut self, direction: Direction, _: Account, bytes: u64) {
        self.settled[direction.index()] += bytes;
    }
}

/// A conversation that begins with `opening`, unless it is joined later.
pub fn run(opening: &[(Direction, &[u8])], input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else {
        return;
    };
    let mut parser = if first & 1 == 0 {
        Connection::opened()
    } else {
        Connection::joined()
    };
    let mut sink = Balance::default();
    let mut fed = [0; 2];
    for (direction, bytes) in opening {
        parser.feed(*direction, bytes, &mut sink);
        fed[direction.index()] += bytes.len() as u64;
    }
    while let Some(Command {
        what,
        direction,
        length,
        bytes,
    }) = next(&mut rest)
    {
        match what {
            0 => parser.gap(direction, u64::from(length), &mut sink),
            1 => parser.finish(direction, &mut sink),
            _ if bytes.is_empty() => {}
            _ => {
                parser.feed(direction, bytes, &mut sink);
                fed[direction.index()] += bytes.len() as u64;
            }
        }
    }
    parser.finish(Direction::ToServer, &mut sink);
    parser.finish(Direction::ToClient, &mut sink);
    assert_eq!(sink.settled, fed);
}

/// What an input says to do next.
pub(super) struct Command<'a> {
    /// 0 to 15.
    pub(super) what: u8,
    pub(super) direction: Direction,
    pub(super) length: u8,
    /// As many as `length`, if there are.
    pub(super) bytes: &'a [u8],
}

/// The next command of an input.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Command<'a>> {
    let [command, length, bytes @ ..] = *rest else {
        return None;
    };
    let (bytes, after) = bytes.split_at(usize::from(*length).min(bytes.len()));
    *rest = after;
    Some(Command {
        what: command >> 1 & 15,
        direction: if command & 1 == 0 {
            Direction::ToServer
        } else {
            Direction::ToClient
        },
        length: *length,
        bytes,
    })
}
