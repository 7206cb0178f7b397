//! Chunked transfer coding (RFC 9112 §7.1), one byte of framing at a time.
//!
//! Goes in: bytes of a chunked body. Comes out: how many of the next bytes are framing or data.
//! It holds nothing back, so that a body split anywhere gives the same data.

/// Longest chunk-size line, extensions included.
const MAX_LINE: u32 = 8 * 1024;

#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    /// In the size line.
    Size {
        value: u64,
        digits: u32,
        length: u32,
        extension: bool,
    },
    Data {
        left: u64,
    },
    /// Before the line end that closes a chunk.
    DataEnd,
}

/// What lies in front.
pub(super) enum Step {
    /// So many bytes of chunk framing.
    Framing(usize),
    /// So many bytes of the body.
    Data(usize),
    /// So many bytes of framing, and then the trailer section.
    Trailers(usize),
    /// Not chunked coding.
    Broken,
}

impl Chunked {
    pub(super) const START: Self = Self::Size {
        value: 0,
        digits: 0,
        length: 0,
        extension: false,
    };

    /// Looks at the front of `bytes`, which is not empty, and moves past what it returns.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Size { .. } => self.size(bytes),
            Self::Data { left } => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= n as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                Step::Data(n)
            }
            Self::DataEnd => match bytes[0] {
                b'\r' => Step::Framing(1),
                b'\n' => {
                    *self = Self::START;
                    Step::Framing(1)
                }
                _ => Step::Broken,
            },
        }
    }

    /// Moves past `len` lost bytes; false when they reach beyond the data of this chunk.
    pub(super) fn skip(&mut self, len: u64) -> bool {
        match self {
            Self::Data { left } if len > 0 && len <= *left => {
                *left -= len;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                true
            }
            _ => false,
        }
    }

    fn size(&mut self, bytes: &[u8]) -> Step {
        let Self::Size {
            value,
            digits,
            length,
            extension,
        } = self
        else {
            return Step::Broken;
        };
        for (at, byte) in bytes.iter().enumerate() {
            *length += 1;
            match byte {
                b'\n' if *digits == 0 => return Step::Broken,
                b'\n' => {
                    let size = *value;
                    *self = if size == 0 {
                        Self::START
                    } else {
                        Self::Data { left: size }
                    };
                    return if size == 0 {
                        Step::Trailers(at + 1)
                    } else {
                        Step::Framing(at + 1)
                    };
                }
                _ if *length > MAX_LINE => return Step::Broken,
                _ if *extension => {}
                b';' | b' ' | b'\t' | b'\r' if *digits > 0 => *extension = true,
                _ => {
                    let Some(digit) = char::from(*byte).to_digit(16).filter(|_| *digits < 16) else {
                        return Step::Broken;
                    };
                    *value = *value << 4 | u64::from(digit);
                    *digits += 1;
                }
            }
        }
        Step::Framing(bytes.len())
    }
}
