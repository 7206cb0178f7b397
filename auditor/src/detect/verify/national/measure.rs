//! What the checks claim, measured: bits against random values of the form, and any bytes.

use proptest::prelude::*;

use crate::detect::candidate::Proof;
use crate::detect::catalogue::{self, DetectorInfo, Trigger};

/// Values drawn of each form.
const DRAWS: u32 = 40_000;

type Check = fn(&[u8]) -> Option<Proof>;

fn forms() -> impl Iterator<Item = (&'static DetectorInfo, &'static str, Check)> {
    let rows = catalogue::all().iter().copied();
    rows.filter(|row| matches!(row.category, "identity" | "health"))
        .flat_map(|row| row.triggers.iter().map(move |trigger| (row, trigger)))
        .filter_map(|(row, trigger)| match trigger {
            Trigger::Form { forms, check } => Some((row, *forms, *check)),
            _ => None,
        })
        .flat_map(|(row, forms, check)| forms.iter().map(move |form| (row, *form, check)))
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit) as usize
    }

    fn of_form(&mut self, form: &str, value: &mut Vec<u8>) {
        const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        value.clear();
        for kind in form.bytes() {
            value.push(match kind {
                b'9' => ALPHABET[self.below(10)],
                b'A' => ALPHABET[10 + self.below(26)],
                b'N' => ALPHABET[self.below(36)],
                _ => continue,
            });
        }
    }
}

#[test]
fn no_check_claims_more_bits_than_random_values_of_its_form_bear_out() {
    let mut random = Random(2026);
    let mut value = Vec::new();
    for (row, form, check) in forms() {
        let mut bits: Vec<f32> = (0..DRAWS)
            .filter_map(|_| {
                random.of_form(form, &mut value);
                check(&value).map(|proof| proof.bits)
            })
            .collect();
        bits.sort_by(|a, b| b.total_cmp(a));
        for (at, claimed) in bits.iter().enumerate() {
            // What so many draws are expected to give, and what chance may add to it.
            let passed = at as f32 + 1.0;
            let expected = DRAWS as f32 * 2f32.powf(-claimed);
            assert!(
                passed <= expected * 1.03 + 5.0 * expected.sqrt() + 3.0,
                "{} {form}: {passed} of {DRAWS} random values claim {claimed} bits",
                row.id
            );
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_checked_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..24),
        text in "[0-9A-Z]{0,24}",
    ) {
        for (_, form, check) in forms() {
            check(&bytes);
            check(text.as_bytes());
            // Of the right length too, which random bytes seldom have.
            let mut fitted = bytes.clone();
            fitted.resize(form.bytes().filter(u8::is_ascii_alphanumeric).count(), b'1');
            check(&fitted);
        }
    }

    #[test]
    fn one_strange_byte_is_checked_without_a_panic(seed: u64, at in 0usize..20, byte: u8) {
        let (mut random, mut value) = (Random(seed), Vec::new());
        for (_, form, check) in forms() {
            random.of_form(form, &mut value);
            let at = at % value.len();
            value[at] = byte;
            check(&value);
        }
    }
}
