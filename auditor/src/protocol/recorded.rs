//! What parsers make of conversations, for their tests.
//!
//! Goes in: a parser, and a conversation in pieces. Comes out: its parts, joined, once it is sure that every
//! byte was settled once and every part was closed.

use crate::ledger::Account;

use super::{Direction, Parser, Part, Place, Sink};

/// One part after joining its pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) direction: Direction,
    pub(super) place: Place,
    pub(super) message: u64,
    pub(super) protocol: &'static str,
    pub(super) operation: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) closed: bool,
    /// Nothing is missing inside.
    pub(super) whole: bool,
    pub(super) data: Vec<u8>,
}

impl Seen {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

#[derive(Default)]
pub(super) struct Recorder {
    pub(super) seen: Vec<Seen>,
    pub(super) settled: [u64; 2],
    pub(super) accounts: Vec<(Account, u64)>,
    pub(super) longest: usize,
    pub(super) lost: usize,
}

impl Sink for Recorder {
    fn part(&mut self, part: Part<'_>) {
        self.settled[part.direction.index()] += part.wire_bytes;
        self.longest = self.longest.max(part.data.len());
        let same = self.seen.iter_mut().rev().find(|seen| {
            !seen.closed
                && (seen.direction, seen.place, seen.message) == (part.direction, part.place, part.message)
        });
        match same {
            Some(seen) => {
                seen.whole &= seen.data.len() as u64 == part.offset;
                seen.data.extend_from_slice(part.data);
                seen.closed = part.last;
                // A name may come late.
                seen.protocol = part.exchange.protocol;
                seen.operation.clone_from(&part.exchange.operation);
            }
            None => self.seen.push(Seen {
                direction: part.direction,
                place: part.place,
                message: part.message,
                protocol: part.exchange.protocol,
                operation: part.exchange.operation.clone(),
                status: part.exchange.status,
                content_type: part.content_type.map(str::to_owned),
                content_encoding: part.content_encoding.map(str::to_owned),
                closed: part.last,
                whole: part.offset == 0,
                data: part.data.to_vec(),
            }),
        }
    }

    fn settle(&mut self, direction: Direction, account: Account, bytes: u64) {
        assert!(bytes > 0);
        self.settled[direction.index()] += bytes;
        self.accounts.push((account, bytes));
    }

    fn lost(&mut self, _: Direction, _: &'static str) {
        self.lost += 1;
    }
}

impl Recorder {
    /// Operation and content of the parts of a place.
    pub(super) fn texts(&self, place: Place) -> Vec<(Option<&str>, String)> {
        let of_place = self.seen.iter().filter(|seen| seen.place == place);
        of_place
            .map(|seen| (seen.operation.as_deref(), seen.text()))
            .collect()
    }

    pub(super) fn settled_as(&self, account: Account) -> u64 {
        let of_account = self.accounts.iter().filter(|(known, _)| *known == account);
        of_account.map(|(_, bytes)| bytes).sum()
    }
}

/// A piece of a conversation: bytes, or how many are missing (0: nobody knows).
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
}

/// Feeds a conversation, ends it, and checks that every byte was settled once.
pub(super) fn run(parser: impl Parser, conversation: &[(Direction, &[u8])]) -> Recorder {
    let pieces = conversation
        .iter()
        .map(|(direction, bytes)| (*direction, Piece::Bytes(bytes)));
    run_pieces(parser, pieces)
}

/// The same for one with gaps.
pub(super) fn run_pieces<'a>(
    mut parser: impl Parser,
    pieces: impl IntoIterator<Item = (Direction, Piece<'a>)>,
) -> Recorder {
    let mut recorder = Recorder::default();
    let mut fed = [0; 2];
    for (direction, piece) in pieces {
        match piece {
            Piece::Bytes([]) => {}
            Piece::Bytes(bytes) => {
                parser.feed(direction, bytes, &mut recorder);
                fed[direction.index()] += bytes.len() as u64;
            }
            Piece::Gap(length) => parser.gap(direction, length, &mut recorder),
        }
    }
    parser.finish(Direction::ToServer, &mut recorder);
    parser.finish(Direction::ToClient, &mut recorder);
    assert_eq!(recorder.settled, fed);
    assert!(recorder.seen.iter().all(|seen| seen.closed));
    recorder
}
