//! gzip (RFC 1952), zlib and raw deflate (RFC 1950, 1951).
//!
//! Goes in: encoded bytes as they come. Comes out: decoded bytes, a piece at a time. It never holds
//! more than one piece; checksums are not verified, since damaged content is still worth a look.

use flate2::{Decompress, FlushDecompress, Status};
use zeroize::Zeroize as _;

use super::{PIECE, Show, Stop};

/// Decodes gzip, or zlib and raw deflate.
pub(super) struct Inflate {
    inflate: Box<Decompress>,
    state: State,
    gzip: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing seen yet.
    First,
    Header(Header),
    Deflate,
    /// Bytes of the gzip trailer (CRC and size) still to come.
    Trailer(u8),
    /// After the end of a zlib stream.
    End,
}

/// Position in a gzip header.
#[derive(Clone, Copy, Debug)]
enum Header {
    Fixed {
        at: u8,
        flags: u8,
    },
    ExtraLength {
        flags: u8,
        low: Option<u8>,
    },
    Extra {
        flags: u8,
        left: u16,
    },
    /// A name or comment that ends in zero.
    Text {
        flags: u8,
    },
    Checksum {
        left: u8,
    },
}

const FLAG_CHECKSUM: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_TEXTS: u8 = 8 | 16;

impl Inflate {
    /// For gzip or, with `gzip` false, what `deflate` stands for.
    pub(super) fn new(gzip: bool) -> Self {
        Self {
            inflate: Box::new(Decompress::new(false)),
            state: State::First,
            gzip,
        }
    }

    /// Decodes `bytes` from `at` on, and moves it.
    pub(super) fn decode(&mut self, bytes: &[u8], at: &mut usize, show: &mut Show<'_>) -> Option<Stop> {
        let mut piece = Vec::new();
        let mut stop = None;
        while *at < bytes.len() && stop.is_none() {
            stop = match self.state {
                State::Deflate => self.inflate(bytes, at, &mut piece, show),
                _ => self.frame(bytes, at),
            };
        }
        piece.zeroize();
        stop
    }

    fn inflate(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        piece: &mut Vec<u8>,
        show: &mut Show<'_>,
    ) -> Option<Stop> {
        piece.resize(PIECE, 0);
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&bytes[*at..], piece, FlushDecompress::None);
            let n = usize::try_from(self.inflate.total_out() - written)
                .unwrap_or(0)
                .min(piece.len());
            let taken = usize::try_from(self.inflate.total_in() - read).unwrap_or(0);
            *at += taken;
            let stop = show(&piece[..n], *at);
            let Ok(status) = status else {
                return Some(Stop::Broken);
            };
            if status == Status::StreamEnd {
                self.state = if self.gzip { State::Trailer(8) } else { State::End };
                return stop;
            }
            if stop.is_some() {
                return stop;
            }
            if n == 0 && taken == 0 {
                // No progress although there is input: the data cannot be what it should be.
                return (*at < bytes.len()).then_some(Stop::Broken);
            }
            if *at == bytes.len() && n < piece.len() {
                return None;
            }
        }
    }

    /// One step outside the deflate data.
    fn frame(&mut self, bytes: &[u8], at: &mut usize) -> Option<Stop> {
        let byte = bytes[*at];
        let next = match self.state {
            State::First if self.gzip => State::Header(Header::Fixed { at: 0, flags: 0 }),
            State::First => {
                // Some servers send raw deflate under the name of zlib; the first byte tells.
                let zlib = byte & 0x0f == 8 && byte >> 4 <= 7;
                *self.inflate = Decompress::new(zlib);
                State::Deflate
            }
            State::Header(header) => {
                let Ok(next) = header.next(byte) else {
                    return Some(Stop::Broken);
                };
                *at += 1;
                next.map_or(State::Deflate, State::Header)
            }
            State::Trailer(left) => {
                *at += 1;
                if left > 1 {
                    State::Trailer(left - 1)
                } else {
                    // Another member may follow (RFC 1952 §2.2).
                    self.inflate.reset(false);
                    State::Header(Header::Fixed { at: 0, flags: 0 })
                }
            }
            State::End | State::Deflate => return Some(Stop::Broken),
        };
        self.state = next;
        None
    }
}

impl Header {
    /// Moves past one byte; `None` when the header is complete.
    fn next(self, byte: u8) -> Result<Option<Self>, Stop> {
        Ok(match self {
            Self::Fixed { at, .. } if [0x1f, 0x8b, 8].get(usize::from(at)).is_some_and(|b| *b != byte) => {
                return Err(Stop::Broken);
            }
            Self::Fixed { at: 3, .. } => Some(Self::Fixed { at: 4, flags: byte }),
            Self::Fixed { at: 9, flags } if flags & FLAG_EXTRA != 0 => {
                Some(Self::ExtraLength { flags, low: None })
            }
            Self::Fixed { at: 9, flags } => Self::after_extra(flags),
            Self::Fixed { at, flags } => Some(Self::Fixed { at: at + 1, flags }),
            Self::ExtraLength { flags, low: None } => Some(Self::ExtraLength {
                flags,
                low: Some(byte),
            }),
            Self::ExtraLength {
                flags,
                low: Some(low),
            } => match u16::from_le_bytes([low, byte]) {
                0 => Self::after_extra(flags),
                left => Some(Self::Extra { flags, left }),
            },
            Self::Extra { flags, left: 1 } => Self::after_extra(flags),
            Self::Extra { flags, left } => Some(Self::Extra {
                flags,
                left: left - 1,
            }),
            Self::Text { .. } if byte != 0 => Some(self),
            Self::Text { flags } => Self::after_extra(flags),
            Self::Checksum { left: 1 } => None,
            Self::Checksum { left } => Some(Self::Checksum { left: left - 1 }),
        })
    }

    /// The next optional field; each flag is cleared as its field begins.
    fn after_extra(flags: u8) -> Option<Self> {
        if flags & FLAG_TEXTS != 0 {
            let texts = flags & FLAG_TEXTS;
            return Some(Self::Text {
                flags: flags & !(texts & texts.wrapping_neg()),
            });
        }
        (flags & FLAG_CHECKSUM != 0).then_some(Self::Checksum { left: 2 })
    }
}
