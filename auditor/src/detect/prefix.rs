//! Literal beginnings of secrets: a test of three bytes where a word starts.
//!
//! Goes in: the prefixes of all rows, once; positions where words start. Comes out: the prefixes
//! that stand there. Most positions are turned away by one bit, most others by the bit of a fourth
//! byte; a new prefix costs next to nothing, because it only sets one more of each.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Bits of a filter: 4 KiB, an eighth of a first-level cache.
const BITS: u32 = 15;
const FILTER: usize = 1 << (BITS - 6);

/// A prefix and what it belongs to.
type Prefix<T> = (&'static [u8], T);

/// Prefixes and what they belong to.
pub(super) struct Prefixes<T> {
    /// By the first three bytes.
    filter: Box<[u64; FILTER]>,
    /// By the first four.
    longer: Box<[u64; FILTER]>,
    /// By the first three bytes; longer prefixes first.
    by_head: HashMap<[u8; 3], Vec<Prefix<T>>, RandomState>,
}

impl<T> Prefixes<T> {
    /// Prefixes shorter than three bytes are left out.
    pub(super) fn new(prefixes: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let mut made = Self {
            filter: Box::new([0; FILTER]),
            longer: Box::new([0; FILTER]),
            by_head: HashMap::default(),
        };
        for (prefix, of) in prefixes {
            let Some(head) = prefix.as_bytes().first_chunk::<3>() else {
                continue;
            };
            let bit = bit_of(u32::from_le_bytes([head[0], head[1], head[2], 0]));
            made.filter[bit / 64] |= 1 << (bit % 64);
            let fourth = match prefix.as_bytes().get(3) {
                Some(fourth) => *fourth..=*fourth,
                None => 0..=u8::MAX,
            };
            for fourth in fourth {
                let bit = bit_of(u32::from_le_bytes([head[0], head[1], head[2], fourth]));
                made.longer[bit / 64] |= 1 << (bit % 64);
            }
            made.by_head
                .entry(*head)
                .or_default()
                .push((prefix.as_bytes(), of));
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
        let Some(head) = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk) else {
            return true;
        };
        let bit = bit_of(u32::from_le_bytes(*head));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_is_found_wherever_it_stands(
            text in "[a-d_]{0,40}", prefixes in prop::sample::subsequence(vec!["abc", "abcd", "a_b", "dd_", "bcd"], 1..5),
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
