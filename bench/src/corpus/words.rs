//! Words that records are made of.

use crate::random::Random;

const WORDS: &[&str] = &[
    "light",
    "trail",
    "shoe",
    "water",
    "bottle",
    "steel",
    "cotton",
    "jacket",
    "winter",
    "garden",
    "chair",
    "lamp",
    "wooden",
    "table",
    "quick",
    "shipping",
    "from",
    "stock",
    "with",
    "and",
    "for",
    "the",
    "outdoor",
    "mountain",
    "bike",
    "helmet",
    "classic",
    "running",
    "paper",
    "notebook",
    "green",
    "black",
    "returns",
    "within",
    "days",
    "coffee",
    "grinder",
    "ceramic",
    "set",
    "of",
    "four",
    "large",
    "small",
    "waterproof",
    "lining",
    "soft",
];

/// `count` words with a space between.
pub fn sentence(random: &mut Random, count: u64) -> String {
    let mut text = String::new();
    for n in 0..count {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(random.one(WORDS));
    }
    text
}

/// Two words with a dash between.
pub fn slug(random: &mut Random) -> String {
    format!("{}-{}", random.one(WORDS), random.one(WORDS))
}

/// A time of 2026 (RFC 3339), with milliseconds.
pub fn time(random: &mut Random) -> String {
    format!(
        "2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        1 + random.below(12),
        1 + random.below(28),
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1000)
    )
}
