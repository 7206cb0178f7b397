//! AVX2 and AVX-512, and the instructions that count and find bits.
//!
//! With its ARM sibling the only unsafe code of the detect stage: calls of functions compiled for
//! instructions that were asked for first, and loads of whole blocks.

use std::arch::x86_64::*;

use super::chunk::{self, Chunk, Places};
use super::{BLOCK, Classify, Heads, Masks, Signs, Survey};

/// The widest means this processor has.
pub(super) fn best() -> Option<Classify> {
    all().last().map(|(_, classify)| *classify)
}

/// Every means this processor has, the widest last.
pub(super) fn all() -> Vec<(&'static str, Classify)> {
    let mut means: Vec<(&str, Classify)> = Vec::new();
    if is_x86_feature_detected!("avx2") {
        means.push(("avx2", avx2));
    }
    if is_x86_feature_detected!("avx512bw") {
        means.push(("avx512", avx512));
    }
    means
}

/// The best survey this processor has instructions for.
pub(super) fn best_survey() -> Option<Survey> {
    all_surveys().last().map(|(_, survey)| *survey)
}

/// Every survey this processor has instructions for, the best last.
pub(super) fn all_surveys() -> Vec<(&'static str, Survey)> {
    let mut means: Vec<(&str, Survey)> = Vec::new();
    let has_bits = BitInstructions::of_this_processor().is_some();
    if has_bits {
        means.push(("bmi", bmi));
    }
    if has_bits && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi2") {
        means.push(("avx512vbmi2", vbmi2));
    }
    means
}

/// Shows that this processor has the instructions that count, find and move bits.
#[derive(Clone, Copy)]
pub(super) struct BitInstructions(());

impl BitInstructions {
    pub(super) fn of_this_processor() -> Option<Self> {
        let has_all = is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Self(()))
    }

    /// Does what it is told; what is inlined is compiled for these instructions.
    #[inline]
    pub(super) fn with<R>(self, work: impl FnOnce() -> R) -> R {
        // SAFETY: there is a value of this type only where the processor has these.
        unsafe { with_bits(work) }
    }
}

#[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
fn with_bits<R>(work: impl FnOnce() -> R) -> R {
    work()
}

fn bmi(chunk: &mut Chunk, seen: usize, is_json: bool) {
    // SAFETY: `all_surveys` hands this function out only where the processor has these.
    unsafe { with_bmi(chunk, seen, is_json) }
}

fn vbmi2(chunk: &mut Chunk, seen: usize, is_json: bool) {
    // SAFETY: `all_surveys` hands this function out only where the processor has these.
    unsafe { with_vbmi2(chunk, seen, is_json) }
}

#[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
fn with_bmi(chunk: &mut Chunk, seen: usize, is_json: bool) {
    chunk.survey(seen, is_json, chunk::append);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn with_vbmi2(chunk: &mut Chunk, seen: usize, is_json: bool) {
    let places: [u8; BLOCK] = std::array::from_fn(|n| n as u8);
    // SAFETY: the array has the 64 bytes that an unaligned load reads.
    let places = unsafe { _mm512_loadu_si512(places.as_ptr().cast()) };
    chunk.survey(seen, is_json, |list: &mut Places, mask, base| {
        let Some(room) = list.room() else { return };
        // The places of the bits of the mask, one a byte, then two bytes each.
        let bits = _mm512_maskz_compress_epi8(mask, places);
        let base = _mm512_set1_epi16(base.cast_signed());
        let first = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(bits)), base);
        let count = mask.count_ones() as usize;
        let (low, high) = room.split_at_mut(BLOCK / 2);
        // SAFETY: either half of the room has the 64 bytes that an unaligned store writes.
        unsafe { _mm512_storeu_si512(low.as_mut_ptr().cast(), first) };
        if count > low.len() {
            let rest = _mm512_extracti64x4_epi64::<1>(bits);
            let second = _mm512_add_epi16(_mm512_cvtepu8_epi16(rest), base);
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(high.as_mut_ptr().cast(), second) };
        }
        list.add(count);
    });
}

fn avx2(text: &[u8], signs: &Signs, heads: &Heads, into: &mut [Masks]) {
    // SAFETY: `all` hands this function out only where the processor has AVX2.
    unsafe { with_avx2(text, signs, heads, into) }
}

fn avx512(text: &[u8], signs: &Signs, heads: &Heads, into: &mut [Masks]) {
    // SAFETY: `all` hands this function out only where the processor has AVX-512BW.
    unsafe { with_avx512(text, signs, heads, into) }
}

#[target_feature(enable = "avx2")]
fn with_avx2(text: &[u8], signs: &Signs, heads: &Heads, into: &mut [Masks]) {
    // SAFETY: a table has the 16 bytes that an unaligned load reads.
    let table =
        |half: &[u8; 16]| unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(half.as_ptr().cast())) };
    let (low, high) = (heads.low.each_ref().map(table), heads.high.each_ref().map(table));
    let half_byte = _mm256_set1_epi8(15);
    // Groups that the 32 bytes from `at` on may begin a literal of.
    let begins = |block: &[u8], at: usize| {
        let mut groups = _mm256_set1_epi8(-1);
        for place in 0..=Heads::MORE {
            let part = &block[at + place..at + place + 32];
            // SAFETY: the part has the 32 bytes that an unaligned load reads.
            let bytes = unsafe { _mm256_loadu_si256(part.as_ptr().cast()) };
            let lows = _mm256_shuffle_epi8(low[place], _mm256_and_si256(bytes, half_byte));
            let highs = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half_byte);
            let highs = _mm256_shuffle_epi8(high[place], highs);
            groups = _mm256_and_si256(groups, _mm256_and_si256(lows, highs));
        }
        !_mm256_movemask_epi8(_mm256_cmpeq_epi8(groups, _mm256_setzero_si256())).cast_unsigned()
    };
    for (block, masks) in text.windows(BLOCK + Heads::MORE).step_by(BLOCK).zip(into) {
        let (halves, _) = block.as_chunks::<32>();
        let heads = u64::from(begins(block, 0)) | u64::from(begins(block, 32)) << 32;
        // SAFETY: a half has the 32 bytes that an unaligned load reads.
        let [first, second] = [0, 1].map(|n| unsafe { _mm256_loadu_si256(halves[n].as_ptr().cast()) });
        let join = |first: __m256i, second: __m256i| {
            u64::from(_mm256_movemask_epi8(first).cast_unsigned())
                | u64::from(_mm256_movemask_epi8(second).cast_unsigned()) << 32
        };
        let within = |half: __m256i, first: u8, last: u8| {
            let from = _mm256_sub_epi8(half, _mm256_set1_epi8(first.cast_signed()));
            let most = _mm256_set1_epi8((last - first).cast_signed());
            _mm256_cmpeq_epi8(_mm256_min_epu8(from, most), from)
        };
        let same = |half: __m256i, byte: u8| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()));
        let lower = |half: __m256i| _mm256_or_si256(half, _mm256_set1_epi8(0x20));
        let starts = |half: __m256i| {
            let [a, b, c, d, e, f] = signs.starts.map(|byte| same(half, byte));
            let [ab, cd, ef] = [(a, b), (c, d), (e, f)].map(|(one, other)| _mm256_or_si256(one, other));
            _mm256_or_si256(_mm256_or_si256(ab, cd), ef)
        };
        let rare = |half: __m256i| {
            let [a, b, c] = signs.rare.map(|byte| same(half, byte));
            _mm256_or_si256(_mm256_or_si256(a, b), c)
        };
        *masks = Masks {
            digits: join(within(first, b'0', b'9'), within(second, b'0', b'9')),
            letters: join(
                within(lower(first), b'a', b'z'),
                within(lower(second), b'a', b'z'),
            ),
            starts: join(starts(first), starts(second)),
            rare: join(rare(first), rare(second)),
            escapes: join(same(first, signs.escape), same(second, signs.escape)),
            quotes: join(same(first, b'"'), same(second, b'"')),
            heads,
        };
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn with_avx512(text: &[u8], signs: &Signs, heads: &Heads, into: &mut [Masks]) {
    // SAFETY: a table has the 16 bytes that an unaligned load reads.
    let table = |half: &[u8; 16]| unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(half.as_ptr().cast())) };
    let (low, high) = (heads.low.each_ref().map(table), heads.high.each_ref().map(table));
    let half_byte = _mm512_set1_epi8(15);
    for (block, masks) in text.windows(BLOCK + Heads::MORE).step_by(BLOCK).zip(into) {
        // Groups that the literals may be of that begin at each byte.
        let mut groups = _mm512_set1_epi8(-1);
        let mut parts = [_mm512_setzero_si512(); Heads::MORE + 1];
        for (place, part) in parts.iter_mut().enumerate() {
            let bytes = &block[place..place + BLOCK];
            // SAFETY: there are the 64 bytes that an unaligned load reads.
            *part = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
            let lows = _mm512_shuffle_epi8(low[place], _mm512_and_si512(*part, half_byte));
            let highs = _mm512_and_si512(_mm512_srli_epi16::<4>(*part), half_byte);
            let highs = _mm512_shuffle_epi8(high[place], highs);
            groups = _mm512_and_si512(groups, _mm512_and_si512(lows, highs));
        }
        let heads = _mm512_test_epi8_mask(groups, groups);
        let [block, ..] = parts;
        let within = |block: __m512i, first: u8, last: u8| {
            let from = _mm512_sub_epi8(block, _mm512_set1_epi8(first.cast_signed()));
            _mm512_cmple_epu8_mask(from, _mm512_set1_epi8((last - first).cast_signed()))
        };
        let same = |byte: u8| _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte.cast_signed()));
        let any = |bytes: &[u8]| bytes.iter().fold(0, |found, byte| found | same(*byte));
        *masks = Masks {
            digits: within(block, b'0', b'9'),
            letters: within(_mm512_or_si512(block, _mm512_set1_epi8(0x20)), b'a', b'z'),
            starts: any(&signs.starts),
            rare: any(&signs.rare),
            escapes: same(signs.escape),
            quotes: same(b'"'),
            heads,
        };
    }
}
