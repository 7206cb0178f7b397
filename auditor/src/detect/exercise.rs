//! Every check of the catalogue on any bytes, without the scanner in front: for fuzzing.
//!
//! Goes in: bytes, and the format they are taken for. Comes out: nothing. It panics when a check
//! breaks its promise: what it finds must lie in the text and be worth a finite number of bits.

use super::candidate::{Match, Place, Proof, Value};
use super::catalogue::{self, Trigger};
use super::form::LONGEST;
use crate::content::Format;

/// Longest value of a named field, as [`Value::text`] promises.
const LONGEST_VALUE: usize = 512;
/// Positions at which a verifier is asked.
const PLACES: usize = 64;

/// Asks the checks of every row.
pub fn exercise(bytes: &[u8], format: Format) {
    for row in catalogue::all() {
        for trigger in row.triggers {
            ask(trigger, bytes, format, row.id);
        }
    }
}

fn ask(trigger: &Trigger, bytes: &[u8], format: Format, id: &str) {
    match *trigger {
        Trigger::Form { forms, check } => {
            for form in forms {
                is_fair(check(&fitted(form, bytes)), id);
            }
        }
        Trigger::Named { check } => {
            let text = bytes[..bytes.len().min(LONGEST_VALUE)].trim_ascii();
            for quoted in [true, false] {
                let value = Value { text, quoted, format };
                is_fair((!text.is_empty()).then(|| check(&value)).flatten(), id);
            }
        }
        Trigger::Prefix { prefixes, verify } => {
            let at = bytes.len() / 2;
            for prefix in prefixes {
                let text = [&bytes[..at], prefix.as_bytes(), &bytes[at..]].concat();
                lies_in(
                    &text,
                    verify(&Place {
                        bytes: &text,
                        at,
                        format,
                    }),
                    id,
                );
            }
        }
        Trigger::At { verify } => {
            for at in memchr::memchr_iter(b'@', bytes).take(PLACES) {
                lies_in(bytes, verify(&Place { bytes, at, format }), id);
            }
        }
        Trigger::Country { verify } => {
            let begins = |at: &usize| matches!(bytes[*at..], [a, b, c, d, ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit());
            for at in words(bytes).filter(begins).take(PLACES) {
                lies_in(bytes, verify(&Place { bytes, at, format }), id);
            }
        }
        Trigger::Word { first, verify, .. } => {
            let begins = |at: &usize| first.contains(&bytes[*at]);
            for at in words(bytes).filter(begins).take(PLACES) {
                lies_in(bytes, verify(&Place { bytes, at, format }), id);
            }
        }
        // They need what the scanner knows of the groups; the target of the scanner has them.
        Trigger::Digits { .. } => {}
    }
}

/// Characters of a form, drawn from `bytes`.
fn fitted(form: &str, bytes: &[u8]) -> Vec<u8> {
    let mut source = bytes.iter().cycle();
    let mut draw = || source.next().copied().unwrap_or(0);
    form.bytes()
        .filter_map(|kind| match kind {
            b'9' => Some(b'0' + draw() % 10),
            b'A' => Some(b'A' + draw() % 26),
            b'N' => Some(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[usize::from(draw()) % 36]),
            _ => None,
        })
        .take(LONGEST)
        .collect()
}

/// Where words begin.
fn words(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len()).filter(|&at| {
        bytes[at].is_ascii_alphanumeric() && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
    })
}

fn is_fair(proof: Option<Proof>, id: &str) {
    if let Some(proof) = proof {
        assert!(proof.bits.is_finite() && proof.bits >= 0.0, "{id}");
    }
}

fn lies_in(text: &[u8], found: Option<Match>, id: &str) {
    if let Some(found) = found {
        let range = found.range;
        assert!(range.start < range.end && range.end <= text.len(), "{id}");
        assert!(found.evidence.iter().all(|line| line.bits.is_finite()), "{id}");
    }
}
