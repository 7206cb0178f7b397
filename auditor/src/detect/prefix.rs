//! Literal beginnings of secrets: a test of three bytes where a word starts.
//!
//! Goes in: the prefixes of all rows, once; positions where words start. Comes out: the prefixes
//! that stand there. Most positions are turned away by one bit, most others by one for as many bytes
//! as all prefixes have that begin alike; a new prefix costs next to nothing, because it only sets one
//! more of each.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Bits of a filter: 4 KiB, an eighth of a first-level cache.
const BITS: u32 = 15;
const FILTER: usize = 1 << (BITS - 6);
/// Most bytes of a prefix that are looked at before all are.
const LOOKED_AT: usize = 8;
/// Places for lengths.
const LENGTHS: usize = 1 << 11;

/// A prefix and what it belongs to.
type Prefix<T> = (&'static [u8], T);

/// Prefixes and what they belong to.
pub(super) struct Prefixes<T> {
    /// By the first three bytes.
    filter: Box<[u64; FILTER]>,
    /// By a hash of the first three: how many more to look at, bytes of the shortest prefix and at most
    /// [`LOOKED_AT`].
    lengths: Box<[u8; LENGTHS]>,
    /// By as many.
    longer: Box<[u64; FILTER]>,
    /// By the first three bytes; longer prefixes first.
    by_head: HashMap<[u8; 3], Vec<Prefix<T>>, RandomState>,
}

impl<T> Prefixes<T> {
    /// Prefixes shorter than three bytes are left out.
    pub(super) fn new(prefixes: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let mut made = Self {
            filter: Box::new([0; FILTER]),
            lengths: Box::new([LOOKED_AT as u8; LENGTHS]),
            longer: Box::new([0; FILTER]),
            by_head: HashMap::default(),
        };
        for (prefix, of) in prefixes {
            let Some(head) = prefix.as_bytes().first_chunk::<3>() else {
                continue;
            };
            let bit = bit_of(u32::from_le_bytes([head[0], head[1], head[2], 0]));
            made.filter[bit / 64] |= 1 << (bit % 64);
            let length = &mut made.lengths[length_of(*head)];
            *length = (prefix.len().min(LOOKED_AT) as u8).min(*length);
            made.by_head
                .entry(*head)
                .or_default()
                .push((prefix.as_bytes(), of));
        }
        for (head, prefixes) in &made.by_head {
            let length = usize::from(made.lengths[length_of(*head)]);
            for (prefix, _) in prefixes {
                let mut first = [0; LOOKED_AT];
                first[..length].copy_from_slice(&prefix[..length]);
                let bit = long_bit_of(u64::from_le_bytes(first));
                made.longer[bit / 64] |= 1 << (bit % 64);
            }
        }
        made.by_head
            .values_mut()
            .for_each(|prefixes| prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len())));
        made
    }

    /// The first three bytes of all of them.
    pub(super) fn heads(&self) -> impl Iterator<Item = [u8; 3]> {
        self.by_head.keys().copied()
    }

    /// Whether a prefix may stand at `at`.
    #[inline]
    pub(super) fn may_be_at(&self, bytes: &[u8], at: usize) -> bool {
        let head = match bytes.get(at..at + 4).and_then(<[u8]>::first_chunk) {
            Some(head) => u32::from_le_bytes(*head) & 0xFF_FFFF,
            None => match bytes.get(at..) {
                Some([a, b, c]) => u32::from_le_bytes([*a, *b, *c, 0]),
                _ => return false,
            },
        };
        let bit = bit_of(head);
        self.filter[bit / 64 % FILTER] >> (bit % 64) & 1 != 0
    }

    /// Whether a prefix may stand where [`Self::may_be_at`] says so.
    #[inline]
    pub(super) fn goes_on_at(&self, bytes: &[u8], at: usize) -> bool {
        let Some(first) = bytes.get(at..at + LOOKED_AT).and_then(<[u8]>::first_chunk) else {
            return true;
        };
        let length = self.lengths[length_of([first[0], first[1], first[2]])];
        // Of the others none counts.
        let some = u64::from_le_bytes(*first) & (!0 >> (64 - 8 * u32::from(length).clamp(1, 8)));
        let bit = long_bit_of(some);
        self.longer[bit / 64 % FILTER] >> (bit % 64) & 1 != 0
    }

    /// All prefixes that stand at `at`, longest first.
    pub(super) fn at<'a>(&'a self, bytes: &'a [u8], at: usize) -> impl Iterator<Item = &'a T> {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.first_chunk::<3>()
            .and_then(|head| self.by_head.get(head))
            .into_iter()
            .flatten()
            .filter_map(move |(prefix, of)| rest.starts_with(prefix).then_some(of))
    }
}

/// Bit of three bytes, below 2^[`BITS`].
#[inline]
fn bit_of(head: u32) -> usize {
    (head.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

/// Place of three bytes among the lengths, below [`LENGTHS`].
#[inline]
fn length_of([a, b, c]: [u8; 3]) -> usize {
    let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9E37_79B1);
    (hash >> (32 - LENGTHS.ilog2())) as usize
}

/// Bit of some bytes, below 2^[`BITS`].
#[inline]
fn long_bit_of(bytes: u64) -> usize {
    (bytes.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_is_found_wherever_it_stands(
            text in "[a-d_]{0,40}", prefixes in prop::sample::subsequence(vec!["abc", "abcd", "a_b", "dd_", "bcd", "dddaaaa", "ddd_abcdab"], 1..7),
        ) {
            let table = Prefixes::new(prefixes.iter().map(|prefix| (*prefix, *prefix)));
            for at in 0..text.len() {
                let expected: Vec<&str> = prefixes.iter().copied().filter(|p| text[at..].starts_with(p)).collect();
                let mut found: Vec<&str> = table.at(text.as_bytes(), at).copied().collect();
                prop_assert!(found.is_sorted_by_key(|prefix| std::cmp::Reverse(prefix.len())));
                let is_told = table.may_be_at(text.as_bytes(), at) && table.goes_on_at(text.as_bytes(), at);
                prop_assert!(expected.is_empty() || is_told);
                found.sort_by_key(|prefix| prefixes.iter().position(|known| known == prefix));
                prop_assert_eq!(found, expected);
            }
        }
    }
}
