//! The string code of HPACK (RFC 7541 §5.2, appendix B).
//!
//! Goes in: coded bytes. Comes out: the string. The code is canonical, so the lengths say it all:
//! symbols in the order of length and value have consecutive codes. Codes of up to eight bits, which
//! are those of nearly all text, are looked up; the others are found by their length.

use crate::secret::Secret;

use super::Broken;

/// Bits of each symbol; the last one is the end of a string, which is never sent.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];
const LONGEST: usize = 30;
const END: u16 = 256;
/// Bits that are looked up at once.
const SHORT: usize = 8;

static CODE: Code = Code::new();

struct Code {
    /// Symbols by length, then by value.
    symbols: [u16; 257],
    /// For each length: its first code, where its symbols begin, and how many there are.
    first: [u32; LONGEST + 1],
    start: [u16; LONGEST + 1],
    count: [u16; LONGEST + 1],
    /// Symbol and length for the next eight bits; length 0 when the code is longer.
    short: [(u8, u8); 1 << SHORT],
}

impl Code {
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 257],
            first: [0; LONGEST + 1],
            start: [0; LONGEST + 1],
            count: [0; LONGEST + 1],
            short: [(0, 0); 1 << SHORT],
        };
        let mut placed = 0;
        let mut next = 0_u32;
        let mut length = 1;
        while length <= LONGEST {
            next <<= 1;
            code.first[length] = next;
            code.start[length] = placed as u16;
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[placed] = symbol as u16;
                    if length <= SHORT {
                        let shift = SHORT - length;
                        let mut at = 0;
                        while at < 1 << shift {
                            code.short[((next as usize) << shift) + at] = (symbol as u8, length as u8);
                            at += 1;
                        }
                    }
                    placed += 1;
                    next += 1;
                }
                symbol += 1;
            }
            code.count[length] = placed as u16 - code.start[length];
            length += 1;
        }
        code
    }

    /// The symbol at the front of `bits`, of which `count` are valid, and its length.
    fn long(&self, bits: u64, count: usize) -> Option<(u16, usize)> {
        (SHORT + 1..=LONGEST.min(count)).find_map(|length| {
            let code = (bits >> (64 - length)) as u32;
            let at = code.checked_sub(self.first[length])?;
            (at < u32::from(self.count[length])).then(|| {
                (
                    self.symbols[usize::from(self.start[length]) + at as usize],
                    length,
                )
            })
        })
    }
}

/// Appends the string that `bytes` stand for.
pub(super) fn decode(bytes: &[u8], text: &mut Secret) -> Result<(), Broken> {
    // A symbol has five bits at least.
    let mut decoded = zeroize::Zeroizing::new(Vec::with_capacity(bytes.len() * 8 / 5 + 1));
    let mut input = bytes.iter();
    // Left-aligned.
    let (mut bits, mut count) = (0_u64, 0_usize);
    loop {
        while count <= 56
            && let Some(byte) = input.next()
        {
            bits |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let (symbol, length) = CODE.short[(bits >> (64 - SHORT)) as usize];
        let (symbol, length) = match usize::from(length) {
            0 => match CODE.long(bits, count) {
                Some((END, _)) => return Err(Broken),
                Some((symbol, length)) => (symbol as u8, length),
                None => break,
            },
            length if length > count => break,
            length => (symbol, length),
        };
        decoded.push(symbol);
        bits <<= length;
        count -= length;
    }
    // What is left is the start of the end symbol, all ones, and shorter than a byte.
    let padding = count < 8 && (count == 0 || bits >> (64 - count) == (1 << count) - 1);
    if !padding {
        return Err(Broken);
    }
    text.extend(&decoded);
    Ok(())
}
