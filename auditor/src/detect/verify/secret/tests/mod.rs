//! Tables of credentials: each kind clear, masked, published as an example, and what only looks
//! like one.

mod bounds;
mod clear;
mod named;
mod protected;
mod scanned;

use super::*;
use crate::content::Format;
use crate::detect::State;
use crate::detect::candidate::{Match, Place, neighbour_before};
use crate::detect::catalogue::{self, DetectorInfo, Trigger};
use crate::detect::checksum::{base62_6, crc32};

type Verifier = fn(&Place<'_>) -> Option<Match>;

fn rows() -> impl Iterator<Item = &'static DetectorInfo> {
    catalogue::all()
        .iter()
        .copied()
        .filter(|row| row.category == "secret")
}

/// What the triggers of this category find in a text, asked as a scanner asks: prefixes at word
/// starts, at signs everywhere.
fn found(text: &[u8], format: Format) -> Vec<(&'static DetectorInfo, Match)> {
    let mut all = Vec::new();
    for row in rows() {
        for trigger in row.triggers {
            for at in 0..text.len() {
                let place = Place {
                    bytes: text,
                    at,
                    format,
                };
                let starts_word = !neighbour_before(text, at).is_some_and(|b| b.is_ascii_alphanumeric());
                match trigger {
                    Trigger::Prefix { prefixes, verify }
                        if starts_word && prefixes.iter().any(|p| text[at..].starts_with(p.as_bytes())) =>
                    {
                        all.extend(verify(&place).map(|found| (row, found)));
                    }
                    Trigger::At { verify } if text[at] == b'@' => {
                        all.extend(verify(&place).map(|found| (row, found)));
                    }
                    _ => {}
                }
            }
        }
    }
    all
}

/// The best of what is found: its detector, state and whether the mask hides too little.
fn told(text: &str) -> Option<(&'static str, State, bool)> {
    found(text.as_bytes(), Format::Text)
        .into_iter()
        .filter(|(_, found)| found.bits() >= 6.0)
        .max_by(|(_, one), (_, other)| one.bits().total_cmp(&other.bits()))
        .map(|(row, found)| (row.id, found.state, found.under_masked))
}

/// The texts of which something else is told than expected; all of a table at once.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, text: &str, expected: Option<(&'static str, State, bool)>) {
        let got = told(text);
        if got != expected {
            self.0.push(format!("{text}: {got:?}, not {expected:?}"));
        }
    }

    fn assert_none(&self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

/// `length` characters without order, from `alphabet`.
fn drawn(alphabet: &[u8], length: usize) -> String {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    (0..length)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            char::from(alphabet[(seed >> 33) as usize % alphabet.len()])
        })
        .collect()
}

fn base62(length: usize) -> String {
    drawn(
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        length,
    )
}

fn hex(length: usize) -> String {
    drawn(b"0123456789abcdef", length)
}

fn upper(length: usize) -> String {
    drawn(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)
}

fn with_sum(prefix: &str) -> String {
    let body = base62(30);
    let sum = base62_6(crc32(body.as_bytes()));
    format!("{prefix}{body}{}", std::str::from_utf8(&sum).unwrap())
}
