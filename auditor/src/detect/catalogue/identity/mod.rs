//! Category `identity`: numbers that a state gives a person, one file per region.

mod us;

use super::DetectorInfo;

/// The rows of this category, by region.
pub(super) const ROWS: &[&[&DetectorInfo]] = &[us::ROWS];
