//! A way back into a connection: where does a frame begin?
//!
//! Goes in: bytes from anywhere. Comes out: a place at which one frame header follows another, as their
//! lengths say. A header alone has some 17 bits that are mostly zero, so two that fit, or one that ends
//! exactly where a write does, are no chance. Each place is looked at a fixed number of times.

use super::frame::{self, Header};

/// Bytes that may be held to see whether another header follows.
pub(super) const MAX_HELD: usize = 48 * 1024;

/// Whether frames begin at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Sure,
    /// One header, behind which the bytes end too early.
    More,
    No,
}

/// Looks at the front of `bytes` only.
pub(super) fn chain(bytes: &[u8]) -> Chain {
    let Some(first) = Header::parse(bytes).filter(Header::is_usual) else {
        return Chain::No;
    };
    let next = frame::LENGTH + first.length as usize;
    if next == bytes.len() {
        return Chain::Sure;
    }
    match bytes.get(next..).filter(|rest| rest.len() >= frame::LENGTH) {
        Some(rest) if Header::parse(rest).is_some_and(|second| second.is_usual()) => Chain::Sure,
        Some(_) => Chain::No,
        None if next < MAX_HELD => Chain::More,
        None => Chain::No,
    }
}

/// The first place where frames begin, or could.
pub(super) fn find(bytes: &[u8]) -> Option<(usize, Chain)> {
    (0..bytes.len().saturating_sub(frame::LENGTH - 1)).find_map(|at| {
        // The type: nothing in text is that small.
        if bytes[at + 3] > 9 {
            return None;
        }
        match chain(&bytes[at..]) {
            Chain::No => None,
            found => Some((at, found)),
        }
    })
}
