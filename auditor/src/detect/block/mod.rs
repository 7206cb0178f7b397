//! Sixty-four bytes at a time: which of them are digits, letters, signs.
//!
//! Goes in: bytes. Comes out: [`Masks`], bit n for byte n, and what they tell of a [`Chunk`]. Never
//! allocates. AVX-512, AVX2 and NEON are used where the processor has them (asked once);
//! [`portable`] works everywhere, and tests hold the others to its answers.

mod chunk;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use chunk::Chunk;

/// Bytes per block.
pub(super) const BLOCK: usize = 64;
/// Blocks that are classified at once: the answers stay in the first-level cache.
pub(super) const BLOCKS: usize = 33;

/// What the bytes of a block are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// ASCII digits.
    pub(super) digits: u64,
    /// ASCII letters.
    pub(super) letters: u64,
    /// Equal to one of [`Signs::starts`].
    pub(super) starts: u64,
    /// Equal to one of [`Signs::rare`].
    pub(super) rare: u64,
    /// Equal to [`Signs::escape`].
    pub(super) escapes: u64,
    /// Double quotes.
    pub(super) quotes: u64,
}

/// Which bytes mean something in a format; repeats do no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    /// Before what a value begins.
    pub(super) starts: [u8; 6],
    /// Rare in clean text.
    pub(super) rare: [u8; 3],
    /// Begins an escape.
    pub(super) escape: u8,
}

/// Classifies whole blocks: `into[n]` says what block n is. At most as many as `into` has.
type Classify = fn(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks]);
/// [`Chunk::survey`], by the best instructions there are for it.
type Survey = fn(chunk: &mut Chunk, seen: usize, is_json: bool);

/// Looks at blocks by the best means this processor has.
#[derive(Clone, Copy)]
pub(super) struct Classifier {
    classify: Classify,
    survey: Survey,
}

impl Classifier {
    pub(super) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let (Some(classify), Some(survey)) = (x86::best(), x86::best_survey()) {
            return Self { classify, survey };
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(classify) = neon::best() {
            return Self {
                classify,
                survey: portable::survey,
            };
        }
        Self {
            classify: portable::classify,
            survey: portable::survey,
        }
    }

    /// Goes on to the next chunk of `bytes`; false when there is none.
    #[inline]
    pub(super) fn advance(self, chunk: &mut Chunk, bytes: &[u8], signs: &Signs, is_json: bool) -> bool {
        let at = chunk.advance();
        let seen = self.blocks(bytes, at, signs, &mut chunk.masks);
        (self.survey)(chunk, seen, is_json);
        seen > 0
    }

    /// Classifies the blocks of `bytes` from `at` on, and returns how many: at most [`BLOCKS`],
    /// none behind the end. The last one of the text is padded with zeros.
    #[inline]
    fn blocks(self, bytes: &[u8], at: usize, signs: &Signs, into: &mut [Masks; BLOCKS]) -> usize {
        let rest = &bytes[at.min(bytes.len())..];
        let (whole, tail) = rest.as_chunks::<BLOCK>();
        let count = whole.len().min(BLOCKS);
        (self.classify)(&whole[..count], signs, into);
        if count == BLOCKS || tail.is_empty() {
            return count;
        }
        let mut block = [0; BLOCK];
        block[..tail.len()].copy_from_slice(tail);
        (self.classify)(&[block], signs, &mut into[count..]);
        count + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(block: &[u8; BLOCK], signs: &Signs) -> Masks {
        let bits = |test: &dyn Fn(u8) -> bool| {
            (0..BLOCK)
                .filter(|&n| test(block[n]))
                .fold(0, |mask, n| mask | (1 << n))
        };
        Masks {
            digits: bits(&|b| b.is_ascii_digit()),
            letters: bits(&|b| b.is_ascii_alphabetic()),
            starts: bits(&|b| signs.starts.contains(&b)),
            rare: bits(&|b| signs.rare.contains(&b)),
            escapes: bits(&|b| b == signs.escape),
            quotes: bits(&|b| b == b'"'),
        }
    }

    fn every_means() -> Vec<(&'static str, Classify)> {
        let mut means: Vec<(&str, Classify)> = vec![("portable", portable::classify)];
        #[cfg(target_arch = "x86_64")]
        means.extend(x86::all());
        #[cfg(target_arch = "aarch64")]
        means.extend(neon::best().map(|best| ("neon", best)));
        means
    }

    /// Any bytes, and bytes near the edges of the classes.
    fn some_blocks() -> impl Strategy<Value = Vec<[u8; BLOCK]>> {
        let edges = prop::sample::select(b"/09:@AZ[`az{\x00\x7f\x80\xff\"=*%\\,".to_vec());
        let byte = prop_oneof![any::<u8>(), edges];
        let block = prop::collection::vec(byte, BLOCK).prop_map(|bytes| bytes.try_into().unwrap());
        prop::collection::vec(block, 1..BLOCKS)
    }

    proptest! {
        #[test]
        fn every_means_agrees_with_a_byte_at_a_time(
            blocks in some_blocks(), starts: [u8; 6], rare: [u8; 3], escape: u8,
        ) {
            let signs = Signs { starts, rare, escape };
            for (name, classify) in every_means() {
                let mut masks = [Masks::default(); BLOCKS];
                classify(&blocks, &signs, &mut masks);
                for (block, masks) in blocks.iter().zip(masks) {
                    prop_assert_eq!(masks, one_by_one(block, &signs), "{}", name);
                }
            }
        }

        #[test]
        fn blocks_cover_the_bytes_and_the_padding_is_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..5000),
        ) {
            let signs = Signs { starts: *b":=,\n\n\n", rare: *b"@*%", escape: b'\\' };
            let (mut at, mut digits) = (0, 0);
            loop {
                let mut masks = [Masks::default(); BLOCKS];
                let count = Classifier::new().blocks(&bytes, at, &signs, &mut masks);
                if count == 0 {
                    break;
                }
                digits += masks[..count].iter().map(|masks| masks.digits.count_ones() as usize).sum::<usize>();
                at += count * BLOCK;
            }
            prop_assert!(at >= bytes.len() && at < bytes.len() + BLOCK);
            prop_assert_eq!(digits, bytes.iter().filter(|b| b.is_ascii_digit()).count());
        }
    }
}
