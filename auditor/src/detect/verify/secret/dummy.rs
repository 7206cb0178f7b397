//! Whether characters look drawn at random, or typed to fill a place.
//!
//! Goes in: the body of a token or a whole value. Comes out: its entropy, or that it stands for a
//! value somebody is to fill in. Never allocates.

use crate::detect::state;

/// Shannon entropy of the bytes, bits per byte; 0 for none.
pub(super) fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|b| counts[usize::from(*b)] += 1);
    let total = bytes.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| *count as f32 / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Different bytes among `bytes`.
pub(super) fn variety(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    bytes.iter().for_each(|b| seen[usize::from(*b)] = true);
    seen.iter().filter(|seen| **seen).count()
}

/// Upper case, lower case and digits are all there.
pub(super) fn is_mixed(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && bytes.iter().any(u8::is_ascii_digit)
}

/// Words that no generator of tokens writes and every manual does.
const FILLERS: [&[u8]; 17] = [
    b"your-",
    b"your_",
    b"your ",
    b"yourpass",
    b"yourtoken",
    b"yourapi",
    b"yourkey",
    b"example",
    b"placeholder",
    b"replace",
    b"insert",
    b"redacted",
    b"dummy",
    b"-here",
    b"_here",
    b"xxxxx",
    b"sample",
];

/// True when `body` is a filler: too few different characters for its length (a repeat such as
/// `00000000`), or a manual's words. A random body of 20 base 62 characters has fewer than five
/// different ones less than once in 10^18; a word of [`FILLERS`] once in 10^5.
pub(super) fn is_filler(body: &[u8]) -> bool {
    let few = match body.len() {
        0..=3 => 0,
        4..=11 => 1,
        _ => 4,
    };
    variety(body) <= few || says_filler(body)
}

/// True when the words of `text` say that it is to be replaced.
pub(super) fn says_filler(text: &[u8]) -> bool {
    let text = &text[..text.len().min(state::LONGEST)];
    text.iter().enumerate().any(|(at, byte)| {
        // Few bytes begin a word: the rest costs one comparison.
        matches!(
            byte.to_ascii_lowercase(),
            b'y' | b'e' | b'p' | b'r' | b'i' | b'd' | b'-' | b'_' | b'x' | b's'
        ) && FILLERS.iter().any(|word| {
            text.get(at..at + word.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_to_fill_a_place_is_told_from_what_is_drawn() {
        for (body, expected) in [
            ("xxxxxxxxxxxxxxxx", true),
            ("0000000000000000", true),
            ("your-api-key-here", true),
            ("abababababababab", true),
            ("INSERT_TOKEN", true),
            ("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", false),
            ("d41d8cd98f00b204e9800998ecf8427e", false),
            ("hunter2", false),
            ("abc", false),
        ] {
            assert_eq!(is_filler(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn entropy_is_counted_in_bits_per_byte() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-6);
    }
}
