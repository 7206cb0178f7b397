//! A scanner with own detectors beside the catalogue's: what do 100 of them cost?
//!
//! The place to change when the scanner takes own detectors: read the file as the daemon does, or
//! without a file make [`COUNT`] of them up, and return the scanner.

use std::path::Path;

use anyhow::bail;
use auditor::detect::Scanner;

/// Own detectors that are added when no file says which.
pub const COUNT: usize = 100;
/// Row of the scanner with own detectors.
pub const SCANNER: &str = "auditor scanner, own detectors";
/// Row of reader and scanner with own detectors.
pub const WHOLE: &str = "auditor reader + scanner, own detectors";

/// A scanner with the detectors of `file`, or with [`COUNT`] made-up ones.
///
/// # Errors
/// Always, as long as the scanner takes no own detectors.
pub fn scanner(file: Option<&Path>) -> anyhow::Result<Scanner> {
    match file {
        Some(file) => bail!(
            "this build takes no own detectors, so {} is not read",
            file.display()
        ),
        None => bail!("this build takes no own detectors, so {COUNT} of them can not be added"),
    }
}
