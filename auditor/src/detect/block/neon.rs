//! NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::*;

use super::{BLOCK, Classify, Heads, Masks, Signs};

/// The NEON means; `None` on a processor without it.
pub(super) fn best() -> Option<Classify> {
    std::arch::is_aarch64_feature_detected!("neon").then_some(neon as Classify)
}

fn neon(text: &[u8], signs: &Signs, _: &Heads, into: &mut [Masks]) {
    // SAFETY: `best` hands this function out only where the processor has NEON.
    unsafe { with_neon(text.as_chunks().0, signs, into) }
}

#[target_feature(enable = "neon")]
fn with_neon(blocks: &[[u8; BLOCK]], signs: &Signs, into: &mut [Masks]) {
    for (block, masks) in blocks.iter().zip(into) {
        let (quarters, _) = block.as_chunks::<16>();
        // SAFETY: a quarter has the 16 bytes that a load reads.
        let quarters = [0, 1, 2, 3].map(|n| unsafe { vld1q_u8(quarters[n].as_ptr()) });
        let within = |part: uint8x16_t, first: u8, last: u8| {
            vcleq_u8(vsubq_u8(part, vdupq_n_u8(first)), vdupq_n_u8(last - first))
        };
        let same = |part: uint8x16_t, byte: u8| vceqq_u8(part, vdupq_n_u8(byte));
        let any = |part: uint8x16_t, bytes: &[u8]| {
            bytes
                .iter()
                .fold(vdupq_n_u8(0), |found, byte| vorrq_u8(found, same(part, *byte)))
        };
        let lower = |part: uint8x16_t| vorrq_u8(part, vdupq_n_u8(0x20));
        *masks = Masks {
            digits: gather(quarters.map(|part| within(part, b'0', b'9'))),
            letters: gather(quarters.map(|part| within(lower(part), b'a', b'z'))),
            starts: gather(quarters.map(|part| any(part, &signs.starts))),
            rare: gather(quarters.map(|part| any(part, &signs.rare))),
            escapes: gather(quarters.map(|part| same(part, signs.escape))),
            quotes: gather(quarters.map(|part| same(part, b'"'))),
            heads: u64::MAX,
        };
    }
}

/// One bit for each byte that is all ones.
#[target_feature(enable = "neon")]
fn gather(parts: [uint8x16_t; 4]) -> u64 {
    let places: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the array has the 16 bytes that a load reads.
    let places = unsafe { vld1q_u8(places.as_ptr()) };
    let [a, b, c, d] = parts.map(|part| vandq_u8(part, places));
    let pairs = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)))
}
