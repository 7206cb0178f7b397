//! Content in one piece and cut anywhere: the same documents with the same fields, and the same account. With a
//! stretch of it missing, what is there is still settled once.
//!
//! The input is a byte that chooses among the types a target has, one that says how to cut, and the content.

use std::sync::Arc;

use auditor::content::{Document, Format, Limits, Origin, Reader, Receiver};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};

/// Places that are asked for a field lie so far apart.
const STEP: usize = 5;

/// What was shown of a document.
#[derive(PartialEq, Eq)]
struct Shown {
    format: Format,
    bytes: Vec<u8>,
    /// Source, path and key, place after place.
    fields: Vec<(u64, Option<String>, Option<String>)>,
}

#[derive(Default)]
struct Watcher {
    shown: Vec<Shown>,
    settled: Vec<(Account, u64)>,
}

impl Receiver for Watcher {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        let length = document.bytes.len();
        let positions = (0..length).map(|at| origin.positions.of(at));
        assert!(positions.is_sorted(), "positions ascend");
        let fields = (0..length).step_by(STEP).map(|start| {
            let at = start..(start + 3).min(length);
            let field = document.field_at(at.clone());
            assert!(field.value.start <= field.value.end && field.value.end <= length);
            (origin.positions.of(start), field.path, field.key)
        });
        let fields = fields.collect();
        self.shown.push(Shown {
            format: document.format,
            bytes: document.bytes.to_vec(),
            fields,
        });
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        match self.settled.iter_mut().find(|(known, _)| *known == account) {
            Some((_, sum)) => *sum += bytes,
            None => self.settled.push((account, bytes)),
        }
    }
}

impl Watcher {
    fn account(&mut self) -> &[(Account, u64)] {
        self.settled.sort_by_key(|(account, _)| account.name());
        &self.settled
    }
}

/// Content type and content encoding.
pub(super) type Types = (Option<&'static str>, Option<&'static str>);

/// Reads content of one of `types`.
pub(super) fn run(types: &[Types], input: &[u8]) {
    let [choice, cuts, body @ ..] = input else {
        return;
    };
    compare(types[usize::from(*choice) % types.len()], *cuts, body);
}

/// The same for content that was made of an input.
pub(super) fn compare(types: Types, cuts: u8, body: &[u8]) {
    let mut whole = read(types, [(0, body)]);
    let mut cut = read(types, pieces(body, cuts));
    assert!(whole.shown == cut.shown, "a cut changes no document");
    // How much was decoded before what is broken or too long depends on how much came at once.
    let is_stopped = |(account, _): &(Account, u64)| matches!(account, Account::Undecodable | Account::Limit);
    if !whole.settled.iter().chain(&cut.settled).any(is_stopped) {
        assert_eq!(whole.account(), cut.account(), "a cut changes no account");
    }
    let from = body.len() * usize::from(cuts) / 256;
    let to = (from + 1 + usize::from(cuts % 7) * 5).min(body.len());
    let rest = pieces(&body[to..], cuts).map(|(at, piece)| (to + at, piece));
    read(types, pieces(&body[..from], cuts).chain(rest));
}

/// Pieces with their offsets: of one byte each, or of lengths that `cuts` chooses.
pub(super) fn pieces(body: &[u8], cuts: u8) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut at, mut random) = (0, u32::from(cuts));
    std::iter::from_fn(move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match cuts {
            0 => 1,
            _ => 1 + (random >> 16) as usize % (3 * usize::from(cuts)),
        };
        let from = at;
        at = (from + length).min(body.len());
        (from < at).then(|| (from, &body[from..at]))
    })
}

fn read<'a>(types: Types, pieces: impl IntoIterator<Item = (usize, &'a [u8])>) -> Watcher {
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(Limits::default());
    let mut watcher = Watcher::default();
    let mut fed = 0;
    let mut part = |(offset, data): (usize, &[u8]), last| {
        fed += data.len() as u64;
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type: types.0,
            content_encoding: types.1,
            offset: offset as u64,
            last,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut watcher);
    };
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        part(piece, pieces.peek().is_none());
    }
    reader.finish(&mut watcher);
    let settled: u64 = watcher.settled.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(settled, fed, "every byte is settled once");
    watcher
}
