//! What sketches need of a scanner.
//!
//! Goes in: a document, and the fields of interest. Comes out: detections as ever, and numbers of
//! these fields that failed a check. Without suspects it is the plain scan.

use super::misses::{self, Miss, digits_of};
use super::place::{FieldRef, Spot};
use super::{Suspects, number_of};
use crate::content::Document;
use crate::detect::{Detection, Fingerprinter, Scan, Scanner};

/// A scanner that also reports failures, and makes the keyed hashes of sketches.
pub trait ScanSuspects: Scan {
    /// The key of hashes.
    fn fingerprinter(&self) -> &Fingerprinter;

    /// [`Scan::scan`]; and adds to `misses` each number that is all a field holds, may be such a
    /// field by its name, has a length that some detector asks for, and fails that one's check. Of
    /// a window only what it [reports](Document::reports).
    fn scan_with(
        &self,
        document: &Document<'_>,
        suspects: &Suspects,
        found: &mut Vec<Detection>,
        misses: &mut Vec<Miss>,
    ) {
        self.scan(document, found);
        self.misses(document, suspects, misses);
    }

    /// The misses of [`Self::scan_with`] alone.
    fn misses(&self, document: &Document<'_>, suspects: &Suspects, misses: &mut Vec<Miss>) {
        if !suspects.is_empty() {
            misses::find(document, suspects, self.fingerprinter(), misses);
        }
    }

    /// The hash by which values that count up are recognised: of all digits but the last four.
    /// `None` when the value is not all that its field holds, or not written in plain digits.
    fn lead(&self, document: &Document<'_>, detection: &Detection) -> Option<u64> {
        (detection.field.value == detection.range)
            .then(|| digits_of(document.bytes, &detection.range))
            .flatten()
            .map(|digits| lead_of(self.fingerprinter(), digits))
    }

    /// The field at `spot` between `ends`: any texts that name them, in order.
    fn field_between(&self, ends: &[&str], spot: Spot) -> FieldRef {
        FieldRef::of(self.fingerprinter(), ends, spot)
    }

    /// Recognises the key: sketches of another key are of no use.
    fn key_check(&self) -> u128 {
        number_of(&self.fingerprinter().fingerprint(b"the key of these sketches"))
    }
}

impl ScanSuspects for Scanner {
    fn fingerprinter(&self) -> &Fingerprinter {
        &self.fingerprinter
    }
}

/// Keyed hash of all digits but the last four.
pub(super) fn lead_of(keyed: &Fingerprinter, digits: &[u8]) -> u64 {
    let lead = &digits[..digits.len().saturating_sub(4)];
    number_of(&keyed.fingerprint(lead)) as u64
}
