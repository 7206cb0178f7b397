//! Encoded content that does not say so: gzip and Zstandard begin with a magic number, Brotli and
//! deflate do not.
//!
//! Goes in: the first bytes. Comes out: the coding. At most three bytes wait for the fourth.

use crate::secret::Secret;

use super::{Coding, DecodeLimits, Decoder, Stop};

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    Coded(Coding),
    Plain,
    /// They begin a magic number.
    More,
}

/// RFC 1952 §2.3.1, with the one method there is, and RFC 8878 §3.1.1.
const NUMBERS: [(&[u8], Coding); 2] = [
    (&[0x1f, 0x8b, 0x08], Coding::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Coding::Zstd),
];

/// Looks at the first bytes of content.
pub fn by_magic(bytes: &[u8]) -> Magic {
    for (number, coding) in NUMBERS {
        if bytes.starts_with(number) {
            return Magic::Coded(coding);
        }
        if number.starts_with(bytes) {
            return Magic::More;
        }
    }
    Magic::Plain
}

/// What is done with content once all codings that were named are undone.
pub(super) struct Tail {
    /// Codings that may still be found.
    depth: usize,
    limits: DecodeLimits,
    state: State,
}

enum State {
    Undecided(Secret),
    Plain,
    Coded(Box<Decoder>),
}

impl Tail {
    pub(super) fn new(depth: usize, limits: DecodeLimits) -> Self {
        Self {
            depth,
            limits,
            state: if depth > 0 {
                State::Undecided(Secret::default())
            } else {
                State::Plain
            },
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> Option<Stop> {
        match &mut self.state {
            State::Plain => {
                show(bytes);
                None
            }
            State::Coded(decoder) => decoder.run(bytes, show).1,
            State::Undecided(held) => {
                held.extend(&bytes[..bytes.len().min(4)]);
                let magic = by_magic(held.expose());
                if magic == Magic::More {
                    return None;
                }
                let held = std::mem::take(held);
                // Of these bytes, what is not held.
                let rest = &bytes[bytes.len().min(4)..];
                self.decide(magic);
                let stop = self.take(held.expose(), show);
                if stop.is_some() || rest.is_empty() {
                    return stop;
                }
                self.take(rest, show)
            }
        }
    }

    fn decide(&mut self, magic: Magic) {
        self.state = match magic {
            Magic::Coded(coding) => {
                let mut decoder = Decoder::new(&[coding], false, self.limits);
                decoder.tail = Self::new(self.depth - 1, self.limits);
                State::Coded(Box::new(decoder))
            }
            Magic::Plain | Magic::More => State::Plain,
        };
    }

    pub(super) fn finish(&mut self, show: &mut dyn FnMut(&[u8])) -> Option<Stop> {
        match &mut self.state {
            State::Plain => None,
            State::Coded(decoder) => decoder.end(show),
            State::Undecided(held) => {
                let held = std::mem::take(held);
                self.state = State::Plain;
                if !held.is_empty() {
                    show(held.expose());
                }
                None
            }
        }
    }
}
