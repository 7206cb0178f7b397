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
    /// Bytes with which a literal of [`Heads`] may begin: all of those, and some others. Plain code
    /// and NEON say so of every byte.
    pub(super) heads: u64,
}

/// The first three bytes of some literals, in eight groups: for each of the three and each half of
/// it, which groups have a literal with that half byte. A place where all six have a group in
/// common may begin a literal. (The idea is Teddy's, of Hyperscan.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) low: [[u8; 16]; 3],
    pub(super) high: [[u8; 16]; 3],
}

impl Heads {
    /// Bytes that are looked at behind the first.
    const MORE: usize = 2;

    /// Puts literals that look alike in one group, so that few other texts fit the group.
    pub(super) fn of(heads: impl IntoIterator<Item = [u8; 3]>) -> Self {
        let mut heads: Vec<[u8; 3]> = heads.into_iter().collect();
        heads.sort_unstable_by_key(|head| (head.map(|byte| byte >> 4), *head));
        heads.dedup();
        let mut groups = [Group::default(); 8];
        for head in heads {
            let growth = |group: &Group| group.with(head).size() - group.size();
            if let Some(group) = groups.iter_mut().min_by_key(|group| growth(group)) {
                *group = group.with(head);
            }
        }
        let has = |halves: u16, half: usize| u8::from(halves >> half & 1 != 0);
        let table = |halves: fn(&Group) -> [u16; 3]| {
            [0, 1, 2].map(|place| {
                std::array::from_fn(|half| {
                    let groups = groups.iter().enumerate();
                    groups.fold(0, |bits, (n, group)| bits | has(halves(group)[place], half) << n)
                })
            })
        };
        Self {
            low: table(|group| group.low),
            high: table(|group| group.high),
        }
    }
}

/// Half bytes that the literals of a group have in each place.
#[derive(Clone, Copy, Default)]
struct Group {
    low: [u16; 3],
    high: [u16; 3],
}

impl Group {
    fn with(mut self, head: [u8; 3]) -> Self {
        for (place, byte) in head.into_iter().enumerate() {
            self.low[place] |= 1 << (byte & 15);
            self.high[place] |= 1 << (byte >> 4);
        }
        self
    }

    /// How many heads fit it.
    fn size(&self) -> u32 {
        let halves = self.low.iter().chain(&self.high);
        halves.map(|halves| halves.count_ones()).product()
    }
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

/// Classifies the blocks of a text that more bytes follow, [`Heads::MORE`] or more: `into[n]` says
/// what block n is. As many as `into` has.
type Classify = fn(text: &[u8], signs: &Signs, heads: &Heads, into: &mut [Masks]);
/// [`Chunk::survey`], by the best instructions there are for it.
type Survey = fn(chunk: &mut Chunk, seen: usize, is_json: bool);

/// Looks at blocks by the best means this processor has.
#[derive(Clone, Copy)]
pub(super) struct Classifier {
    classify: Classify,
    survey: Survey,
    #[cfg(target_arch = "x86_64")]
    bits: Option<x86::BitInstructions>,
}

impl Classifier {
    pub(super) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        let means = (x86::best(), x86::best_survey());
        #[cfg(target_arch = "aarch64")]
        let means = (neon::best(), None);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let means = (None, None);
        Self {
            classify: means.0.unwrap_or(portable::classify),
            survey: means.1.unwrap_or(portable::survey),
            #[cfg(target_arch = "x86_64")]
            bits: x86::BitInstructions::of_this_processor(),
        }
    }

    /// Does work that counts and finds bits, compiled for the processor's instructions for that as far
    /// as it is inlined.
    #[inline]
    pub(super) fn with_bits<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        if let Some(bits) = self.bits {
            return bits.with(work);
        }
        work()
    }

    /// Goes on to the next chunk of `bytes`; false when there is none.
    #[inline]
    pub(super) fn advance(
        self,
        chunk: &mut Chunk,
        bytes: &[u8],
        signs: &Signs,
        heads: &Heads,
        is_json: bool,
    ) -> bool {
        let at = chunk.advance();
        let seen = self.blocks(bytes, at, signs, heads, &mut chunk.masks);
        (self.survey)(chunk, seen, is_json);
        seen > 0
    }

    /// Classifies the blocks of `bytes` from `at` on, and returns how many: at most [`BLOCKS`],
    /// none behind the end. The last one of the text is padded with zeros.
    #[inline]
    fn blocks(
        self,
        bytes: &[u8],
        at: usize,
        signs: &Signs,
        heads: &Heads,
        into: &mut [Masks; BLOCKS],
    ) -> usize {
        let rest = &bytes[at.min(bytes.len())..];
        let seen = rest.len().div_ceil(BLOCK).min(BLOCKS);
        let whole = (rest.len().saturating_sub(Heads::MORE) / BLOCK).min(seen);
        (self.classify)(rest, signs, heads, &mut into[..whole]);
        for n in whole..seen {
            let mut text = [0; BLOCK + Heads::MORE];
            let rest = &rest[n * BLOCK..];
            let length = rest.len().min(text.len());
            text[..length].copy_from_slice(&rest[..length]);
            (self.classify)(&text, signs, heads, &mut into[n..=n]);
        }
        seen
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
            heads: 0,
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
            literals in prop::collection::vec(prop::array::uniform3(0x20u8..0x7b), 0..300),
        ) {
            let signs = Signs { starts, rare, escape };
            let heads = Heads::of(literals.iter().copied());
            let mut text = blocks.concat();
            text.extend([0; Heads::MORE]);
            for (at, literal) in literals.iter().enumerate() {
                let at = 7 * at % (text.len() - 3);
                text[at..at + 3].copy_from_slice(literal);
            }
            for (name, classify) in every_means() {
                let mut masks = vec![Masks::default(); blocks.len()];
                classify(&text, &signs, &heads, &mut masks);
                for (block, masks) in text.as_chunks().0.iter().zip(&masks) {
                    prop_assert_eq!(Masks { heads: 0, ..*masks }, one_by_one(block, &signs), "{}", name);
                }
                for at in 0..blocks.len() * BLOCK {
                    let is_told = masks[at / BLOCK].heads >> (at % BLOCK) & 1 != 0;
                    let begins = literals.iter().any(|literal| text[at..].starts_with(literal));
                    prop_assert!(is_told || !begins, "{name} at {at}");
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
            while Classifier::new().advance(&mut chunk, &text, &signs, &every_head(), is_json) {
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

    /// Heads of which there is one at every place.
    fn every_head() -> Heads {
        Heads {
            low: [[1; 16]; 3],
            high: [[1; 16]; 3],
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
        while classifier.advance(&mut chunk, text, signs, &every_head(), is_json) {
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
