//! The detect stage as `scan` needs it.
//!
//! Goes in: the key file, if any. Comes out: the scanner of the catalogue's rows, and what a finding
//! says of each of them.

use std::path::Path;

use crate::detect::fingerprint::FingerprintError;
use crate::detect::{Fingerprinter, Scan, Scanner, Severity, catalogue};

/// What a finding says of its detector.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    pub category: &'static str,
    pub regulations: &'static [&'static str],
    pub severity: Severity,
}

/// The detect stage as this command needs it.
pub struct Engine<'a> {
    /// One for all threads.
    pub scanner: &'a (dyn Scan + Sync),
    /// Looks a detector up in the catalogue.
    pub describe: &'a (dyn Fn(&str) -> Option<Description> + Sync),
}

/// A scanner for the whole catalogue; without a key file its fingerprints compare within this run
/// only.
///
/// # Errors
/// When the key file cannot be read or made, or there are no random bytes.
pub(super) fn scanner(key_file: Option<&Path>) -> Result<Scanner, FingerprintError> {
    let fingerprinter = match key_file {
        Some(path) => Fingerprinter::from_file(path, false)?,
        None => Fingerprinter::random()?,
    };
    Ok(Scanner::new(fingerprinter))
}

/// What the catalogue says of a detector.
pub(super) fn describe(id: &str) -> Option<Description> {
    catalogue::find(id).map(|row| Description {
        category: row.category,
        regulations: row.regulations,
        severity: row.severity,
    })
}
