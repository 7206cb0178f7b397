//! AVX2 and AVX-512.
//!
//! With its ARM sibling the only unsafe code of the detect stage: calls of functions compiled for
//! instructions that were asked for first, and loads of whole blocks.

use std::arch::x86_64::*;

use super::{BLOCK, BLOCKS, Classify, Masks, Signs};

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

fn avx2(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks; BLOCKS]) {
    // SAFETY: `all` hands this function out only where the processor has AVX2.
    unsafe { with_avx2(blocks, signs, into) }
}

fn avx512(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks; BLOCKS]) {
    // SAFETY: `all` hands this function out only where the processor has AVX-512BW.
    unsafe { with_avx512(blocks, signs, into) }
}

#[target_feature(enable = "avx2")]
fn with_avx2(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks; BLOCKS]) {
    for (block, masks) in blocks.iter().zip(into) {
        let (halves, _) = block.as_chunks::<32>();
        // SAFETY: a half has the 32 bytes that an unaligned load reads.
        let [low, high] = [0, 1].map(|n| unsafe { _mm256_loadu_si256(halves[n].as_ptr().cast()) });
        let join = |low: __m256i, high: __m256i| {
            u64::from(_mm256_movemask_epi8(low).cast_unsigned())
                | u64::from(_mm256_movemask_epi8(high).cast_unsigned()) << 32
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
            digits: join(within(low, b'0', b'9'), within(high, b'0', b'9')),
            letters: join(within(lower(low), b'a', b'z'), within(lower(high), b'a', b'z')),
            starts: join(starts(low), starts(high)),
            rare: join(rare(low), rare(high)),
            escapes: join(same(low, signs.escape), same(high, signs.escape)),
            quotes: join(same(low, b'"'), same(high, b'"')),
        };
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn with_avx512(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks; BLOCKS]) {
    for (block, masks) in blocks.iter().zip(into) {
        // SAFETY: a block has the 64 bytes that an unaligned load reads.
        let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
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
        };
    }
}
