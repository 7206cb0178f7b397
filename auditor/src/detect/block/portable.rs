//! Eight bytes at a time in an ordinary register.

use super::chunk::{self, Chunk};
use super::{BLOCK, Heads, Masks, Signs};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

pub(super) fn classify(text: &[u8], signs: &Signs, _: &Heads, into: &mut [Masks]) {
    for (block, masks) in text.as_chunks().0.iter().zip(into) {
        *masks = Masks {
            digits: map(block, |word| within(word, b'0', b'9')),
            letters: map(block, |word| within(word | (LOW * 0x20), b'a', b'z')),
            starts: map(block, |word| any(word, &signs.starts)),
            rare: map(block, |word| any(word, &signs.rare)),
            escapes: map(block, |word| same(word, signs.escape)),
            quotes: map(block, |word| same(word, b'"')),
            heads: u64::MAX,
        };
    }
}

/// [`Chunk::survey`].
pub(super) fn survey(chunk: &mut Chunk, seen: usize, is_json: bool) {
    chunk.survey(seen, is_json, chunk::append);
}

/// High bits of the bytes from `first` to `last`, both below 0x80; the other bits mean nothing.
#[inline]
fn within(word: u64, first: u8, last: u8) -> u64 {
    let low7 = word & !HIGH;
    let from_first = low7 + LOW * u64::from(0x80 - first);
    let past_last = low7 + LOW * u64::from(0x80 - last - 1);
    from_first & !past_last & !word
}

/// High bits of the bytes equal to one of `bytes`.
#[inline]
fn any(word: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |found, byte| found | same(word, *byte))
}

/// High bits of the bytes equal to `byte`; the other bits mean nothing.
#[inline]
fn same(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW * u64::from(byte));
    !(((difference & !HIGH) + !HIGH) | difference)
}

/// `test` sets the high bit of each byte that matches.
#[inline]
fn map(block: &[u8; BLOCK], test: impl Fn(u64) -> u64) -> u64 {
    let (eighths, _) = block.as_chunks::<8>();
    eighths.iter().enumerate().fold(0, |mask, (n, eighth)| {
        let bits = (test(u64::from_le_bytes(*eighth)) & HIGH) >> 7;
        // Gathers the lowest bit of each byte in the top byte of the product.
        mask | ((bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * n))
    })
}
