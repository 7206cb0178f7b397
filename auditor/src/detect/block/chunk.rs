//! Some blocks at once: masks that reach over the edges of blocks, and lists of places to look at.
//!
//! Goes in: the bytes of a document, two kibibytes at a time. Comes out: where words, names and
//! numbers begin, in ascending order, as lists: a loop over a list ends once a chunk, where a loop
//! over the bits of a mask ends once a block, and each end is a branch that is hard to predict.
//! Never allocates.

use std::ops::Range;

use super::{BLOCK, BLOCKS, Masks};

/// Blocks of a chunk; one more is looked at to know where its last words end.
const OWN: usize = BLOCKS - 1;
/// Bytes of a chunk.
const LENGTH: usize = OWN * BLOCK;
/// Places that are written at once, whether there are so many or not.
const SPARE: usize = BLOCK;

/// A chunk of a document, with the block before it and the one behind it.
pub(in crate::detect) struct Chunk {
    /// Where it begins.
    start: usize,
    /// Its own blocks.
    count: usize,
    /// Letters and digits that belong to words, and digits and quotes. The first block is the one
    /// before the chunk, the last the one behind it.
    words: [u64; BLOCKS + 1],
    digits: [u64; BLOCKS + 1],
    quotes: [u64; BLOCKS + 1],
    /// Of its own blocks and the one behind it, as many as there are.
    pub(super) masks: [Masks; BLOCKS],
    carry: Carry,
    /// First bytes of words that may begin a literal of the heads.
    pub(in crate::detect) word_starts: Places,
    /// Colons right behind a quote, in JSON.
    pub(in crate::detect) colons: Places,
    /// Other signs that a value may stand behind.
    pub(in crate::detect) starts: Places,
    /// The first digit of each word that has one.
    pub(in crate::detect) digit_words: Places,
    pub(in crate::detect) rare: Places,
}

/// Places in a chunk, in ascending order.
pub(in crate::detect) struct Places {
    at: Box<[u16; LENGTH + SPARE]>,
    count: usize,
}

/// What the block before ended with.
#[derive(Clone, Copy, Default)]
struct Carry {
    escape: u64,
    word: u64,
    quote: u64,
    /// 1: in a word that had no digit yet.
    letters: u64,
}

impl Places {
    fn new() -> Self {
        Self {
            at: Box::new([0; LENGTH + SPARE]),
            count: 0,
        }
    }

    pub(in crate::detect) fn len(&self) -> usize {
        self.count
    }

    /// Distance of a place from the start of the chunk.
    #[inline]
    pub(in crate::detect) fn get(&self, n: usize) -> usize {
        usize::from(self.at[n])
    }

    /// Keeps the places of which `keep` says so, without a branch for each.
    #[inline]
    pub(in crate::detect) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut kept = 0;
        for n in 0..self.count.min(LENGTH) {
            let at = self.at[n];
            self.at[kept] = at;
            kept += usize::from(keep(usize::from(at)));
        }
        self.count = kept;
    }

    /// Where the next places go, and how many there are now.
    #[inline(always)]
    pub(super) fn room(&mut self) -> Option<&mut [u16; SPARE]> {
        self.at.get_mut(self.count..)?.first_chunk_mut()
    }

    /// Appends as many of the places that were written to the room.
    #[inline(always)]
    pub(super) fn add(&mut self, count: usize) {
        self.count += count;
    }
}

/// Appends the bits of a mask, `base` being the place of the first.
#[inline(always)]
pub(super) fn append(places: &mut Places, mut mask: u64, base: u16) {
    /// Places that are written without looking how many there are.
    const AT_ONCE: usize = 4;
    let count = mask.count_ones() as usize;
    let Some(room) = places.room() else { return };
    for group in room.as_chunks_mut::<AT_ONCE>().0 {
        for place in group {
            *place = base.wrapping_add(mask.trailing_zeros() as u16);
            mask &= mask.wrapping_sub(1);
        }
        if mask == 0 {
            break;
        }
    }
    places.add(count);
}

impl Chunk {
    /// Before the first byte of a document.
    pub(in crate::detect) fn new() -> Box<Self> {
        Box::new(Self {
            start: 0,
            count: 0,
            words: [0; BLOCKS + 1],
            digits: [0; BLOCKS + 1],
            quotes: [0; BLOCKS + 1],
            masks: [Masks::default(); BLOCKS],
            carry: Carry::default(),
            word_starts: Places::new(),
            colons: Places::new(),
            starts: Places::new(),
            digit_words: Places::new(),
            rare: Places::new(),
        })
    }

    /// Goes back before the first byte of a document.
    pub(in crate::detect) fn restart(&mut self) {
        (self.start, self.count) = (0, 0);
        self.carry = Carry::default();
        (self.words[0], self.digits[0], self.quotes[0]) = (0, 0, 0);
    }

    /// Where it begins.
    pub(in crate::detect) fn start(&self) -> usize {
        self.start
    }

    /// Goes on to the next chunk: returns where it begins.
    pub(super) fn advance(&mut self) -> usize {
        self.start += self.count * BLOCK;
        let last = self.count;
        self.words[0] = self.words[last];
        self.digits[0] = self.digits[last];
        self.quotes[0] = self.quotes[last];
        for list in [
            &mut self.word_starts,
            &mut self.colons,
            &mut self.starts,
            &mut self.digit_words,
            &mut self.rare,
        ] {
            list.count = 0;
        }
        self.start
    }

    /// Makes the masks of words and the lists out of the first `seen` of its masks. `append` is
    /// [`append`], or does the same.
    #[inline(always)]
    pub(super) fn survey(&mut self, seen: usize, is_json: bool, append: impl Fn(&mut Places, u64, u16)) {
        let seen = seen.min(BLOCKS);
        self.count = seen.min(OWN);
        let mut carry = self.carry;
        for n in 0..seen {
            let masks = self.masks[n];
            // The letter of an escape such as `\n` belongs to no word.
            let words = (masks.digits | masks.letters) & !(masks.escapes << 1 | carry.escape);
            let digits = masks.digits & words;
            (self.words[n + 1], self.digits[n + 1], self.quotes[n + 1]) = (words, digits, masks.quotes);
            if n == OWN {
                break;
            }
            let starts = words & !(words << 1 | carry.word);
            // Adding 1 where letters begin a word carries to the first byte behind them.
            let letters = words & !digits;
            let (sum, over) = letters.overflowing_add(letters & starts);
            let (sum, over_too) = sum.overflowing_add(carry.letters);
            let digit_words = ((sum & !letters) | starts) & digits;
            let behind_quotes = masks.quotes << 1 | carry.quote;
            let colons = masks.starts & if is_json { behind_quotes } else { 0 };
            carry = Carry {
                escape: masks.escapes >> 63,
                word: words >> 63,
                quote: masks.quotes >> 63,
                letters: u64::from(over | over_too),
            };
            let base = (n * BLOCK) as u16;
            append(&mut self.word_starts, starts & masks.heads, base);
            append(&mut self.colons, colons, base);
            append(&mut self.digit_words, digit_words, base);
            if masks.starts != colons {
                append(&mut self.starts, masks.starts & !colons, base);
            }
            if masks.rare != 0 {
                append(&mut self.rare, masks.rare, base);
            }
        }
        self.carry = carry;
        // What is not known of the block behind is nothing.
        for n in seen..BLOCKS {
            (self.words[n + 1], self.digits[n + 1], self.quotes[n + 1]) = (0, 0, 0);
        }
    }

    /// Bit of a place; `None` outside of the chunk and the block before it.
    #[inline]
    fn bit(&self, at: usize) -> Option<usize> {
        (at + BLOCK)
            .checked_sub(self.start)
            .filter(|bit| *bit < (OWN + 1) * BLOCK)
    }

    /// The bits of 64 bytes from a bit on.
    #[inline]
    fn from(masks: &[u64; BLOCKS + 1], bit: usize) -> u64 {
        let (block, shift) = (bit / BLOCK, bit % BLOCK);
        masks[block] >> shift | masks[block + 1] << 1 << (63 - shift)
    }

    /// The bits of the 64 bytes before a bit, the nearest highest; of fewer in the first block.
    #[inline]
    fn before(masks: &[u64; BLOCKS + 1], bit: usize) -> u64 {
        let (block, shift) = (bit / BLOCK, bit % BLOCK);
        let here = masks[block] << 1 << (63 - shift);
        let earlier = block.checked_sub(1).map_or(0, |block| masks[block] >> shift);
        here | earlier
    }

    /// Letters and digits of the word before `at`, at most 64; `None` when they can not be told.
    #[inline]
    pub(in crate::detect) fn word_before(&self, at: usize) -> Option<usize> {
        let bit = self.bit(at)?;
        let letters = Self::before(&self.words, bit).leading_ones() as usize;
        (letters < BLOCK && letters < bit).then_some(letters)
    }

    /// Letters right before `at`, at most 63, none when they can not be told.
    #[inline]
    pub(in crate::detect) fn letters_before(&self, at: usize) -> usize {
        let Some(bit) = self.bit(at) else { return 0 };
        let letters = Self::before(&self.words, bit) & !Self::before(&self.digits, bit);
        letters.leading_ones() as usize % BLOCK
    }

    /// Letters and digits from `at` on, fewer than 64; `None` when there are more.
    #[inline]
    pub(in crate::detect) fn word_ahead(&self, at: usize) -> Option<usize> {
        let letters = Self::from(&self.words, self.bit(at)?).trailing_ones() as usize;
        (letters < BLOCK).then_some(letters)
    }

    /// Which of the 64 bytes from `at` on are of words and which are digits.
    #[inline]
    pub(in crate::detect) fn ahead(&self, at: usize) -> Option<(u64, u64)> {
        let bit = self.bit(at)?;
        Some((Self::from(&self.words, bit), Self::from(&self.digits, bit)))
    }

    /// Digits from `at` on, fewer than 64; `None` when there are more or they can not be told.
    #[inline]
    pub(in crate::detect) fn digits_ahead(&self, at: usize) -> Option<usize> {
        let digits = Self::from(&self.digits, self.bit(at)?).trailing_ones() as usize;
        (digits < BLOCK).then_some(digits)
    }

    /// Bytes from `at` to the next double quote, if there are fewer than 64.
    #[inline]
    pub(in crate::detect) fn quote_ahead(&self, at: usize) -> Option<usize> {
        let others = Self::from(&self.quotes, self.bit(at)?).trailing_zeros() as usize;
        (others < BLOCK).then_some(others)
    }

    /// The last double quote before `at`, if it is one of the 64 bytes before it.
    #[inline]
    pub(in crate::detect) fn quote_before(&self, at: usize) -> Option<usize> {
        let others = Self::before(&self.quotes, self.bit(at)?).leading_zeros() as usize;
        (others < BLOCK).then(|| at - 1 - others)
    }

    /// What stands between the quotes that end before a colon.
    #[inline]
    pub(in crate::detect) fn name_before(&self, colon: usize) -> Option<Range<usize>> {
        let end = colon.checked_sub(1)?;
        Some(self.quote_before(end)? + 1..end)
    }
}
