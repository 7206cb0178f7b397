//! Sixty-four bytes at a time: which of them are digits, which equal a given byte.
//!
//! Goes in: a block of 64 bytes. Comes out: a bit mask, bit n for byte n. Never allocates. Eight
//! bytes at a time are compared in an ordinary register, which works everywhere; vector
//! instructions can replace [`digits`] and [`equal`] without a change elsewhere.

/// Bytes per block.
pub(super) const BLOCK: usize = 64;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Copies the block at `at`, padding the end of `bytes` with zeros.
pub(super) fn load(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = &bytes[at.min(bytes.len())..];
    match rest.first_chunk::<BLOCK>() {
        Some(block) => *block,
        None => {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block
        }
    }
}

/// Bits of the ASCII digits.
#[inline]
pub(super) fn digits(block: &[u8; BLOCK]) -> u64 {
    map(block, |word| {
        let low7 = word & !HIGH;
        let from_zero = low7 + LOW * u64::from(0x80 - b'0');
        let past_nine = low7 + LOW * u64::from(0x80 - b'9' - 1);
        from_zero & !past_nine & !word
    })
}

/// Bits of the bytes equal to `byte`.
#[inline]
pub(super) fn equal(block: &[u8; BLOCK], byte: u8) -> u64 {
    map(block, |word| same(word, byte))
}

/// Bits of the bytes equal to `one` or `other`.
#[inline]
pub(super) fn either(block: &[u8; BLOCK], one: u8, other: u8) -> u64 {
    map(block, |word| same(word, one) | same(word, other))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(block: &[u8; BLOCK], test: impl Fn(u8) -> bool) -> u64 {
        (0..BLOCK)
            .filter(|&n| test(block[n]))
            .fold(0, |mask, n| mask | (1 << n))
    }

    proptest! {
        #[test]
        fn a_block_agrees_with_a_byte_at_a_time(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200, byte: u8, other: u8,
        ) {
            let block = load(&bytes, at);
            let digit = one_by_one(&block, |b| b.is_ascii_digit());
            let same = one_by_one(&block, |b| b == byte);
            prop_assert_eq!(digits(&block), digit);
            prop_assert_eq!(equal(&block, byte), same);
            let both = one_by_one(&block, |b| b == byte || b == other);
            prop_assert_eq!(either(&block, byte, other), both);
        }
    }
}
