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
        fn chunks_list_every_place_once_whatever_surveys_them(text in some_text(), is_json: bool) {
            let signs = Signs { starts: *b":=,\n\n\n", rare: *b"@*%", escape: b'\\' };
            let expected = places_one_by_one(&text, &signs, is_json);
            for (name, survey) in every_survey() {
                let classifier = Classifier { survey, ..Classifier::new() };
                prop_assert_eq!(&places(classifier, &text, &signs, is_json), &expected, "{}", name);
            }
        }

        #[test]
        fn masks_reach_over_the_edges_of_blocks_and_chunks(text in some_text(), is_json: bool) {
            let signs = Signs { starts: *b":=,\n\n\n", rare: *b"@*%", escape: b'\\' };
            let is_word = words_one_by_one(&text);
            let run = |from: &mut dyn Iterator<Item = usize>| from.take_while(|at| is_word[*at]).count();
            let mut chunk = Chunk::new();
            chunk.restart();
            while Classifier::new().advance(&mut chunk, &text, &signs, is_json) {
                for n in 0..chunk.word_starts.len() {
                    let at = chunk.start() + chunk.word_starts.get(n);
                    let ahead = run(&mut (at..text.len()));
                    prop_assert_eq!(chunk.word_ahead(at), (ahead < BLOCK).then_some(ahead));
                    let end = at + ahead.min(BLOCK - 1);
                    let before = run(&mut (0..end).rev());
                    let told = chunk.word_before(end);
                    prop_assert!(told.is_none_or(|told| told == before), "{:?} {}", told, before);
                    prop_assert!(told.is_some() || before + 2 >= BLOCK || end >= chunk.start() + BLOCK);
                    let digits = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                    prop_assert_eq!(chunk.digits_ahead(at), (digits < BLOCK).then_some(digits));
                    let quote = text[at..].iter().take(BLOCK).position(|b| *b == b'"');
                    prop_assert_eq!(chunk.quote_ahead(at), quote);
                    let near = at.saturating_sub(BLOCK);
                    let quote = text[near..at].iter().rposition(|b| *b == b'"').map(|place| near + place);
                    prop_assert_eq!(chunk.quote_before(at), quote);
                }
            }
        }
    }

    fn every_survey() -> Vec<(&'static str, Survey)> {
        let mut means: Vec<(&str, Survey)> = vec![("portable", portable::survey)];
        #[cfg(target_arch = "x86_64")]
        means.extend(x86::all_surveys());
        means
    }

    /// Text of several chunks with words, numbers, quotes and escapes, some of them long.
    fn some_text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            "[a-zA-Z0-9\":=*@ \\\\-]{0,40}",
            "[a-z]{50,150}",
            "[0-9]{50,150}",
            "[ ,.]{0,90}",
        ];
        prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn words_one_by_one(text: &[u8]) -> Vec<bool> {
        let is_escaped = |at: usize| at > 0 && text[at - 1] == b'\\';
        (0..text.len())
            .map(|at| text[at].is_ascii_alphanumeric() && !is_escaped(at))
            .collect()
    }

    /// First bytes of words, colons behind quotes, other signs, first digits of words, rare bytes.
    type Lists = [Vec<usize>; 5];

    fn places_one_by_one(text: &[u8], signs: &Signs, is_json: bool) -> Lists {
        let is_word = words_one_by_one(text);
        let starts = |at: usize| is_word[at] && (at == 0 || !is_word[at - 1]);
        let all = |test: &dyn Fn(usize) -> bool| (0..text.len()).filter(|at| test(*at)).collect::<Vec<_>>();
        let is_colon =
            |at: usize| is_json && signs.starts.contains(&text[at]) && at > 0 && text[at - 1] == b'"';
        let first_digit = |at: usize| {
            let start = (0..=at).rev().find(|start| starts(*start));
            is_word[at]
                && text[at].is_ascii_digit()
                && start.is_some_and(|start| !text[start..at].iter().any(u8::is_ascii_digit))
        };
        [
            all(&starts),
            all(&is_colon),
            all(&|at| signs.starts.contains(&text[at]) && !is_colon(at)),
            all(&first_digit),
            all(&|at| signs.rare.contains(&text[at])),
        ]
    }

    fn places(classifier: Classifier, text: &[u8], signs: &Signs, is_json: bool) -> Lists {
        let mut lists = Lists::default();
        let mut chunk = Chunk::new();
        chunk.restart();
        while classifier.advance(&mut chunk, text, signs, is_json) {
            let of_chunk = [
                &chunk.word_starts,
                &chunk.colons,
                &chunk.starts,
                &chunk.digit_words,
                &chunk.rare,
            ];
            for (list, places) in lists.iter_mut().zip(of_chunk) {
                list.extend((0..places.len()).map(|n| chunk.start() + places.get(n)));
            }
        }
        lists
    }
}
