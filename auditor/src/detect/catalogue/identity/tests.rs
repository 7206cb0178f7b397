//! What holds for all rows of European numbers: honest bits, forms that their checks accept, and
//! no panic whatever the bytes.

use proptest::prelude::*;

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger};
use super::{baltic, british_isles, central, german_speaking, nordic, south_eastern, southern, western};
use crate::detect::candidate::Proof;

/// Numbers that are tried of each form.
const TRIES: u32 = 30_000;

struct Form {
    id: &'static str,
    /// Letters and digits alone.
    compact: Vec<u8>,
    check: fn(&[u8]) -> Option<Proof>,
}

fn rows() -> impl Iterator<Item = &'static DetectorInfo> {
    [
        british_isles::ROWS,
        western::ROWS,
        german_speaking::ROWS,
        nordic::ROWS,
        baltic::ROWS,
        central::ROWS,
        southern::ROWS,
        south_eastern::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The forms of all rows, those that differ only in separators once.
fn forms() -> Vec<Form> {
    let mut all: Vec<Form> = Vec::new();
    for row in rows() {
        for trigger in row.triggers {
            let Trigger::Form { forms, check } = trigger else {
                panic!("{} has another trigger", row.id);
            };
            for form in *forms {
                let compact: Vec<u8> = form.bytes().filter(u8::is_ascii_alphanumeric).collect();
                let is_new = |known: &Form| {
                    known.id != row.id
                        || known.compact != compact
                        || !std::ptr::fn_addr_eq(known.check, *check)
                };
                if all.iter().all(is_new) {
                    all.push(Form {
                        id: row.id,
                        compact,
                        check: *check,
                    });
                }
            }
        }
    }
    all
}

impl Form {
    /// A number of this form, as `random` says.
    fn number(&self, random: &mut u64) -> Vec<u8> {
        let mut below = |most: u64| {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            (((*random >> 32) * most) >> 32) as u8
        };
        let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        self.compact
            .iter()
            .map(|kind| match kind {
                b'9' => b'0' + below(10),
                b'A' => b'A' + below(26),
                _ => alphabet[usize::from(below(36))],
            })
            .collect()
    }
}

#[test]
fn no_check_claims_more_bits_than_random_numbers_leave_it() {
    for form in forms() {
        let mut random = 0x9E37_79B9_7F4A_7C15;
        let mut bits: Vec<f32> = (0..TRIES)
            .filter_map(|_| (form.check)(&form.number(&mut random)))
            .map(|proof| proof.bits)
            .collect();
        bits.sort_by(|a, b| b.total_cmp(a));
        for (before, claimed) in bits.iter().enumerate() {
            let passed = before as f32 + 1.0;
            let expected = TRIES as f32 * 2f32.powf(-claimed);
            assert!(
                passed <= expected * 1.03 + 5.0 * expected.sqrt() + 3.0,
                "{}: {passed} of {TRIES} random numbers claim {claimed} bits",
                form.id
            );
        }
    }
}

#[test]
fn a_row_says_what_its_class_needs() {
    for row in rows() {
        assert_eq!(row.regulations, [GDPR], "{}", row.id);
        let needs = if row.class == Class::C {
            Needs::Name
        } else {
            Needs::Nothing
        };
        assert_eq!(row.needs, needs, "{}", row.id);
        assert!(!row.keys.is_empty() && !row.families.is_empty(), "{}", row.id);
        for keys in [row.keys, row.words, row.siblings] {
            let mut sorted = keys.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), keys.len(), "{} repeats a name", row.id);
        }
    }
}

proptest! {
    #[test]
    fn no_check_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for form in forms() {
            (form.check)(&bytes);
            // Of the right length too, which random bytes seldom have.
            let mut fitted = bytes.clone();
            fitted.resize(form.compact.len(), b'1');
            (form.check)(&fitted);
        }
    }

    #[test]
    fn no_check_panics_on_one_strange_byte(seed: u64, at in 0usize..20, byte: u8) {
        for form in forms() {
            let mut number = form.number(&mut (seed | 1));
            let at = at % number.len();
            number[at] = byte;
            (form.check)(&number);
        }
    }
}
