//! Numbers that could have been values of a kind and failed its check.
//!
//! Goes in: a document, and the fields of interest. Comes out: [`Miss`]es, which hold a keyed hash
//! and no digit. One byte in nine is looked at where there are no long numbers; a field is asked
//! for only around a number of a length that some row checks, when its name may be of interest.

use std::ops::Range;

use super::odds::{self, LONGEST, SHORTEST};
use super::scan::lead_of;
use super::suspects::Suspects;
use crate::content::{Document, Field};
use crate::detect::Fingerprinter;

/// A number that failed checks.
#[derive(Clone, Debug)]
pub struct Miss {
    /// Whose; one at least.
    pub detectors: Box<[&'static str]>,
    /// Where in the document.
    pub range: Range<usize>,
    pub field: Field,
    /// Keyed hash of its digits but the last four.
    pub lead: u64,
}

/// Adds the numbers of `document` that failed.
pub(super) fn find(
    document: &Document<'_>,
    suspects: &Suspects,
    keyed: &Fingerprinter,
    misses: &mut Vec<Miss>,
) {
    let mut at = 0;
    while let Some(range) = next_number(document.bytes, &mut at) {
        let fits = odds::all().iter().any(|odds| odds.fits(range.len()));
        if !fits || !document.reports(&range) {
            continue;
        }
        let digits = &document.bytes[range.clone()];
        let failed = || {
            let of_length = odds::all().iter().filter(|odds| odds.fits(digits.len()));
            of_length.filter(|odds| !odds.passes(digits)).map(|odds| odds.id)
        };
        if failed().next().is_none() {
            continue;
        }
        let mut field = document.field_at(range.clone());
        // Which field it is, they do not say.
        field.siblings = Vec::new();
        let name = field.key.as_deref().unwrap_or_default();
        if field.value != range || !suspects.may_be_named(name.as_bytes()) {
            continue;
        }
        misses.push(Miss {
            detectors: failed().collect(),
            lead: lead_of(keyed, digits),
            range,
            field,
        });
    }
}

/// The digits at `range`, when there is nothing else.
pub(super) fn digits_of<'a>(bytes: &'a [u8], range: &Range<usize>) -> Option<&'a [u8]> {
    bytes
        .get(range.clone())
        .filter(|value| value.iter().all(u8::is_ascii_digit))
}

/// The next run of [`SHORTEST`] to [`LONGEST`] digits that ends behind `at`, which moves on.
fn next_number(bytes: &[u8], at: &mut usize) -> Option<Range<usize>> {
    let is_digit = |b: &u8| b.is_ascii_digit();
    loop {
        // A run that begins at or behind `at` has a digit here, or is too short.
        let probe = *at + SHORTEST - 1;
        if !is_digit(bytes.get(probe)?) {
            *at = probe + 1;
            continue;
        }
        let back = bytes[*at..probe].iter().rev().take_while(|b| is_digit(b)).count();
        let on = bytes[probe..].iter().take_while(|b| is_digit(b)).count();
        let (start, end) = (probe - back, probe + on);
        *at = end + 1;
        if (SHORTEST..=LONGEST).contains(&(end - start)) {
            return Some(start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_numbers(bytes: &[u8]) -> Vec<Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(|| next_number(bytes, &mut at)).collect()
    }

    proptest! {
        #[test]
        fn every_run_of_digits_is_found_once(bytes in "([0-9]{1,30}|[ a]){0,20}") {
            let bytes = bytes.as_bytes();
            let mut expected = Vec::new();
            let mut start = 0;
            for end in 0..=bytes.len() {
                if bytes.get(end).is_none_or(|b| !b.is_ascii_digit()) {
                    if (SHORTEST..=LONGEST).contains(&(end - start)) {
                        expected.push(start..end);
                    }
                    start = end + 1;
                }
            }
            prop_assert_eq!(all_numbers(bytes), expected);
        }
    }
}
