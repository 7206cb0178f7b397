//! The bytes by which JSON is followed, sixty-four at a time.
//!
//! Goes in: bytes. Comes out: a bit for each byte of a block that is a quote, a bracket and so on. No branch
//! depends on a byte.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// Bit n is of byte n; there are none behind the end of what was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) quotes: u64,
    /// Brackets and braces.
    pub(super) brackets: u64,
    pub(super) commas: u64,
    pub(super) backslashes: u64,
    pub(super) line_ends: u64,
}

impl Marks {
    /// Of the first [`BLOCK`] of `bytes`, or of all there are.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if let Some(block) = bytes.first_chunk() {
            return of_block(block);
        }
        let mut block = [0; BLOCK];
        block[..bytes.len()].copy_from_slice(bytes);
        let marks = of_block(&block);
        // What was copied may be a value.
        zeroize::Zeroize::zeroize(&mut block);
        marks
    }

    /// Which bytes are in strings, from behind the opening quote up to the closing one or to a quote that
    /// opens; before the block the text was in a string if `inside`. Only for blocks without a backslash.
    pub(super) fn strings(&self, inside: bool) -> u64 {
        let mut strings = self.quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << shift;
        }
        if inside { !strings } else { strings }
    }
}

#[cfg(target_arch = "x86_64")]
fn of_block(block: &[u8; BLOCK]) -> Marks {
    // SAFETY: every such processor has these instructions.
    unsafe { sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn sse2(block: &[u8; BLOCK]) -> Marks {
    use std::arch::x86_64::*;

    let (words, _) = block.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let mut marks = Marks::default();
    let [quote, comma, backslash, line_end] =
        [b'"', b',', b'\\', b'\n'].map(|byte| _mm_set1_epi8(byte.cast_signed()));
    let [open, close, two] = [b'{', b'}', 0x20].map(|byte: u8| _mm_set1_epi8(byte.cast_signed()));
    for (at, [low, high]) in pairs.iter().enumerate() {
        let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
        // Brackets and braces are the same but for one bit.
        let joined = _mm_or_si128(bytes, two);
        let brackets = _mm_or_si128(_mm_cmpeq_epi8(joined, open), _mm_cmpeq_epi8(joined, close));
        let bits = |found| u64::from(_mm_movemask_epi8(found).cast_unsigned()) << (16 * at);
        marks.quotes |= bits(_mm_cmpeq_epi8(bytes, quote));
        marks.brackets |= bits(brackets);
        marks.commas |= bits(_mm_cmpeq_epi8(bytes, comma));
        marks.backslashes |= bits(_mm_cmpeq_epi8(bytes, backslash));
        marks.line_ends |= bits(_mm_cmpeq_epi8(bytes, line_end));
    }
    marks
}

#[cfg(not(target_arch = "x86_64"))]
fn of_block(block: &[u8; BLOCK]) -> Marks {
    plain(block)
}

/// By one byte after the other, whatever the processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain(block: &[u8; BLOCK]) -> Marks {
    let mut marks = Marks::default();
    for (at, byte) in block.iter().enumerate() {
        let bit = |is_mark| u64::from(is_mark) << at;
        marks.quotes |= bit(*byte == b'"');
        marks.brackets |= bit(matches!(byte, b'{' | b'}' | b'[' | b']'));
        marks.commas |= bit(*byte == b',');
        marks.backslashes |= bit(*byte == b'\\');
        marks.line_ends |= bit(*byte == b'\n');
    }
    marks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_in_every_place_is_marked_as_it_should_be() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                assert_eq!(Marks::of(&block), plain(&block), "{byte} at {at}");
                assert_eq!(Marks::of(&block[..at]), Marks::default());
                assert_eq!(Marks::of(&block[..=at]), plain(&block));
            }
        }
    }

    proptest! {
        #[test]
        fn strings_are_between_quotes(block in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'a')], BLOCK),
            before: bool) {
            let strings = Marks::of(&block).strings(before);
            let mut inside = before;
            for (at, byte) in block.iter().enumerate() {
                inside ^= *byte == b'"';
                prop_assert_eq!(strings >> at & 1 == 1, inside);
            }
        }
    }
}
