//! Compressed messages (RFC 7692).
//!
//! Goes in: the payloads of one direction's compressed messages. Comes out: pieces of what they were. A
//! message may refer to those before it; when one of them was not seen, nothing is guessed.

use flate2::{Decompress, FlushDecompress, Status};
use zeroize::Zeroizing;

/// Bytes handed on at once.
const PIECE: usize = 16 * 1024;
/// Most bytes that one message may become.
const MAX_MESSAGE: u64 = 64 << 20;
/// Most bytes that one byte may become, once a message has had [`FREE`].
const MAX_RATIO: u64 = 200;
const FREE: u64 = 1 << 20;
/// What a sender leaves off the end of each message (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Why a message is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It may refer to what was not seen.
    Blind,
    Broken,
    Limit,
}

/// The decompressor of one direction.
pub(super) struct Inflate {
    inner: Box<Decompress>,
    blind: bool,
    /// Of this message.
    read: u64,
    written: u64,
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self {
            inner: Box::new(Decompress::new(false)),
            blind: false,
            read: 0,
            written: 0,
        }
    }

    /// One that has missed messages, which later ones refer to.
    pub(super) fn blind() -> Self {
        Self {
            blind: true,
            ..Self::new()
        }
    }

    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// A message begins; without `keeps` it refers to nothing before it.
    pub(super) fn begin(&mut self, keeps: bool) {
        (self.read, self.written) = (0, 0);
        if !keeps {
            self.inner.reset(false);
            self.blind = false;
        }
    }

    /// Takes bytes of the message.
    pub(super) fn read(&mut self, bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> Option<Stop> {
        if self.blind {
            return Some(Stop::Blind);
        }
        self.read += bytes.len() as u64;
        let stop = self.inflate(bytes, show);
        self.blind |= stop.is_some();
        stop
    }

    /// The message ends.
    pub(super) fn end(&mut self, show: &mut dyn FnMut(&[u8])) {
        self.read(&TAIL, show);
    }

    fn inflate(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> Option<Stop> {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        loop {
            let (read, written) = (self.inner.total_in(), self.inner.total_out());
            let status = self.inner.decompress(bytes, &mut piece, FlushDecompress::None);
            let n = usize::try_from(self.inner.total_out() - written)
                .unwrap_or(0)
                .min(piece.len());
            let taken = usize::try_from(self.inner.total_in() - read)
                .unwrap_or(0)
                .min(bytes.len());
            bytes = &bytes[taken..];
            self.written += n as u64;
            if n > 0 {
                show(&piece[..n]);
            }
            match status {
                Err(_) => return Some(Stop::Broken),
                // A block may say that it is the last one (§7.2.3.4); what follows it refers to nothing.
                Ok(Status::StreamEnd) => {
                    self.inner.reset(false);
                    if bytes.is_empty() || bytes == TAIL {
                        return None;
                    }
                    continue;
                }
                Ok(Status::Ok | Status::BufError) => {}
            }
            if self.written > MAX_MESSAGE
                || self.written > FREE && self.written / self.read.max(1) > MAX_RATIO
            {
                return Some(Stop::Limit);
            }
            if bytes.is_empty() && n < piece.len() {
                return None;
            }
            if n == 0 && taken == 0 {
                return Some(Stop::Broken);
            }
        }
    }
}
