//! The hidden rest of a secret whose public beginning stayed: `glpat-****q17a`, `sk_live_…4242`.
//!
//! Goes in: a place and how long the public beginning is. Comes out: a masked match, a clear one
//! when the mask leaves too much, or nothing when there is no mask. Looks at a hundred bytes.

use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::{mask, state};

/// Characters of the body that may stay clear on either side of the mask.
const CLEAR: usize = 4;
/// Characters of the body that are looked at before the mask and behind it.
const FAR: usize = 64;

/// What hides the body at `start`: where it ends, characters hidden, clear ones before, between
/// and behind.
pub(super) struct Mask {
    pub(super) end: usize,
    hidden: usize,
    head: usize,
    middle: usize,
    tail: usize,
}

impl Mask {
    /// Reads the body that begins at `start`.
    pub(super) fn at(bytes: &[u8], start: usize) -> Option<Self> {
        placeholder(bytes, start).or_else(|| run(bytes, start))
    }

    /// Whether it leaves no more than a few characters.
    pub(super) fn keeps(&self) -> bool {
        self.head <= CLEAR && self.middle == 0 && self.tail <= CLEAR
    }

    /// The state of what it hides, and whether it hides too little.
    pub(super) fn state(&self) -> State {
        if self.keeps() { State::Masked } else { State::Clear }
    }
}

/// The match of a secret whose body begins `prefix` bytes behind the place and is hidden.
pub(super) fn find(place: &Place<'_>, prefix: usize, bits: f32) -> Option<Match> {
    let mask = Mask::at(place.bytes, place.at + prefix)?;
    let mut found = Match::new(place.at..mask.end, mask.state()).because(
        bits,
        format!(
            "has the beginning of such a secret and {} hidden characters",
            mask.hidden
        ),
    );
    found.under_masked = !mask.keeps();
    Some(found)
}

/// `[REDACTED]`, `<TOKEN>`, `${TOKEN}`, `{{token}}`, `REDACTED`.
fn placeholder(bytes: &[u8], start: usize) -> Option<Mask> {
    let text = &bytes[start..bytes.len().min(start + FAR)];
    let length = match text.first()? {
        b'[' => text.iter().position(|b| *b == b']')? + 1,
        b'<' => text.iter().position(|b| *b == b'>')? + 1,
        b'{' | b'$' => {
            let close = text.iter().position(|b| *b == b'}')?;
            close + text[close..].iter().take_while(|b| **b == b'}').count()
        }
        _ => text
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count()
            .min(16),
    };
    let found = state::of(&text[..length]).filter(|found| found.state == State::Masked)?;
    // A run of x is counted below.
    found.mask.is_none().then_some(Mask {
        end: start + length,
        hidden: length,
        head: 0,
        middle: 0,
        tail: 0,
    })
}

fn run(bytes: &[u8], start: usize) -> Option<Mask> {
    let mut found = Mask {
        end: start,
        hidden: 0,
        head: 0,
        middle: 0,
        tail: 0,
    };
    let mut at = start;
    while at < bytes.len() && at - start < 4 * FAR && found.head <= FAR && found.tail <= FAR {
        if let Some((length, count)) = hides(bytes, at) {
            found.middle += std::mem::take(&mut found.tail);
            found.hidden += count;
            at += length;
            found.end = at;
            continue;
        }
        match bytes[at] {
            byte if byte.is_ascii_alphanumeric() => {
                if found.hidden == 0 {
                    found.head += 1;
                } else {
                    found.tail += 1;
                    found.end = at + 1;
                }
            }
            b'-' | b'_' | b'.' | b'/' | b'+' => {}
            _ => break,
        }
        at += 1;
    }
    (found.hidden > 0).then_some(found)
}

/// The mask run at `at`, in bytes and characters. Bodies hold x, X and _ by chance, so those have
/// to stand in fours.
fn hides(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (length, count) = mask::run_at(bytes, at)?;
    let least = match bytes[at] {
        b'x' | b'X' | b'_' => 4,
        b'#' | b'.' => 3,
        b'*' => 2,
        _ => 1,
    };
    (count >= least).then_some((length, count))
}
