//! Which rows can be judged by how many of a field's numbers pass, and what each number says.
//!
//! Goes in: the catalogue. Comes out: for each row of plain digits with a check worth something,
//! the bits of a number that passes and of one that fails. Looks at no traffic.
//!
//! The share of random numbers that pass is measured once, over [`SAMPLES`] random digit strings
//! of each length, so a new row needs nothing here. It is taken to be one in ten at least: what a
//! check asks of the leading digits (an issuer, a date) is the same for all ids of one field, so
//! it says nothing again with the second number, and what remains is a check digit.

use std::sync::LazyLock;

use crate::detect::candidate::Proof;
use crate::detect::catalogue::{self, DetectorInfo, Trigger};
use crate::detect::checksum::luhn;
use crate::detect::verify::card;

/// Shortest number that is counted, digits: in shorter ones the leading digits tell no two apart.
pub(super) const SHORTEST: usize = 9;
/// Longest number that is counted, digits.
pub(super) const LONGEST: usize = 24;

/// A check digit's share of random numbers.
const ONE_CHECK_DIGIT: f64 = 0.1;
/// Above this share a check says too little to learn from.
const TOO_MANY: f64 = 0.5;
/// Numbers of a field of such values that fail all the same: typing errors, fillers, new issuers.
const FLAWED: f64 = 0.02;
/// Random numbers tried.
const SAMPLES: u32 = 2048;

/// What a row asks of digits.
type Check = fn(&[u8]) -> Option<Proof>;

/// What a row's check says of numbers of one field.
pub(super) struct Odds {
    pub(super) id: &'static str,
    /// Each length in digits with what passes.
    checks: Vec<(usize, Check)>,
    /// Of a number that passes; positive.
    pub(super) pass_bits: f64,
    /// Of a number that fails; negative.
    pub(super) miss_bits: f64,
}

impl Odds {
    fn of(row: &'static DetectorInfo) -> Option<Self> {
        let mut odds = Self {
            id: row.id,
            checks: Vec::new(),
            pass_bits: 0.0,
            miss_bits: 0.0,
        };
        for trigger in row.triggers {
            match trigger {
                Trigger::Digits { lengths, .. } if row.id == "payment_card" => {
                    let lengths = lengths.iter().map(|length| usize::from(*length));
                    odds.checks
                        .extend(lengths.map(|length| (length, card_check as Check)));
                }
                Trigger::Form { forms, check } => {
                    let plain = forms.iter().filter(|form| form.bytes().all(|b| b == b'9'));
                    odds.checks.extend(plain.map(|form| (form.len(), *check)));
                }
                _ => {}
            }
        }
        odds.checks
            .retain(|(length, _)| (SHORTEST..=LONGEST).contains(length));
        let share = odds.share()?;
        if share > TOO_MANY {
            return None;
        }
        odds.pass_bits = ((1.0 - FLAWED) / share).log2();
        odds.miss_bits = (FLAWED / (1.0 - share)).log2();
        Some(odds)
    }

    /// The largest share of random numbers of one length that pass; `None` without any length.
    fn share(&self) -> Option<f64> {
        let lengths = self.checks.iter().map(|(length, _)| *length);
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut digit = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'0' + (state >> 33) as u8 % 10
        };
        lengths
            .map(|length| {
                let mut digits = [0; LONGEST];
                let passed = (0..SAMPLES).filter(|_| {
                    digits[..length].fill_with(&mut digit);
                    self.passes(&digits[..length])
                });
                (passed.count() as f64 / f64::from(SAMPLES)).max(ONE_CHECK_DIGIT)
            })
            .max_by(f64::total_cmp)
    }

    /// Whether numbers of this many digits may be such values.
    pub(super) fn fits(&self, length: usize) -> bool {
        self.checks.iter().any(|(known, _)| *known == length)
    }

    /// Whether these digits pass the row's check.
    pub(super) fn passes(&self, digits: &[u8]) -> bool {
        let of_length = |(length, _): &&(usize, Check)| *length == digits.len();
        let mut checks = self.checks.iter().filter(of_length);
        checks.any(|(_, check)| check(digits).is_some())
    }
}

fn card_check(digits: &[u8]) -> Option<Proof> {
    let passes = luhn(digits) && card::scheme(digits).is_some();
    passes.then(|| Proof::new(5.4, "passes Luhn and begins like a card"))
}

static ROWS: LazyLock<Vec<Odds>> =
    LazyLock::new(|| catalogue::all().iter().filter_map(|row| Odds::of(row)).collect());

/// Every row that can be judged by counting.
pub(super) fn all() -> &'static [Odds] {
    &ROWS
}

/// The odds of this detector, if it can be judged by counting.
pub(super) fn find(id: &str) -> Option<&'static Odds> {
    all().iter().find(|odds| odds.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_passes_is_worth_its_check_digit_and_one_that_fails_more() {
        let card = find("payment_card").unwrap();
        assert!((card.pass_bits - 3.29).abs() < 0.01, "{}", card.pass_bits);
        assert!((card.miss_bits + 5.49).abs() < 0.01, "{}", card.miss_bits);
        assert!(card.fits(16) && !card.fits(11));
        assert!(card.passes(b"5447911234560247") == luhn(b"5447911234560247"));
    }

    #[test]
    fn no_number_is_worth_more_than_one_check_digit() {
        for odds in all() {
            assert!(odds.pass_bits > 0.9 && odds.pass_bits < 3.3, "{}", odds.id);
            assert!(odds.miss_bits < -4.6 && odds.miss_bits > -5.5, "{}", odds.id);
        }
        for id in ["us_ssn", "phone_number", "email_address"] {
            assert!(find(id).is_none(), "{id} has no check digit");
        }
    }
}
